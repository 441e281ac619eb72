/**
 * Requests about inflight tracking (vhost-user.rst «Inflight I/O tracking»): the back-end makes the
 * area, the front-end keeps it, and gives it to the next back-end before the rings start.
 *
 * ```
 * payload   mmap_size u64@0  mmap_offset u64@8  num_queues u16@16  queue_size u16@18  padding
 * ```
 *
 * @module
 */
import { INFLIGHT_ALIGN, inflightBytes } from "../../virtio/inflight.ts";
import { VIRTQUEUE_SIZE_MAX } from "../../virtio/ring.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { exactU64, type Message } from "../wire/message.ts";
import type { Failure, Result } from "./table.ts";
import type { Session } from "../session.ts";

/** Bytes of the payload, padding included. */
export const INFLIGHT_PAYLOAD_BYTES = 24;

/** An area as the front-end describes it. */
export interface InflightArea {
  /** Virtqueues 0 to before this one have a region. */
  readonly queues: number;
  /** Entries of each region. */
  readonly entries: number;
  readonly sizeBytes: number;
}

function bad(detail: string): Failure {
  return { code: "bad-inflight", detail };
}

/** The numbers of queues and entries, checked. */
function decode(
  session: Session,
  payload: DataView,
): { queues: number; entries: number } | Failure {
  const queues = payload.getUint16(16, true);
  const entries = payload.getUint16(18, true);
  if (queues === 0 || queues > session.vrings.length) {
    return bad(`${queues} queues of ${session.vrings.length}`);
  }
  if (entries === 0 || entries > VIRTQUEUE_SIZE_MAX) return bad(`${entries} entries`);
  return { queues, entries };
}

/** GET_INFLIGHT_FD: a new area, all zeros. It is the front-end's: nothing of it is kept here. */
export function getInflightFd(session: Session, message: Message): Result {
  const shape = decode(session, message.payload);
  if (isRefusal(shape)) return shape;
  const { queues, entries } = shape;
  // Before SET_FEATURES the kind of ring is not known: the larger regions do for both.
  const sizeBytes = queues * inflightBytes(session.packed || !session.featuresSet, entries);
  const fd = session.host.createInflight(sizeBytes);
  if (typeof fd !== "number") return fd;
  const bytes = new Uint8Array(new ArrayBuffer(INFLIGHT_PAYLOAD_BYTES));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(sizeBytes), true);
  view.setUint16(16, queues, true);
  view.setUint16(18, entries, true);
  return { payload: bytes, fds: [fd] };
}

/** SET_INFLIGHT_FD: tracking from now on, in this area; what it says is honoured at ring start. */
export function setInflightFd(session: Session, message: Message): Result {
  const [fd] = message.fds;
  if (fd === undefined) return { code: "fd-count", detail: "no descriptor of an inflight area" };
  const area = decodeArea(session, message.payload);
  if (isRefusal(area)) {
    session.closeFds(message.fds);
    return area;
  }
  const refusal = session.host.prepareInflight(fd, area.offset, area.sizeBytes);
  if (refusal) return refusal;
  session.vrings.forEach((_, index) => session.suspend(index));
  session.host.commitInflight();
  session.inflight = area;
  return session.resumeAll();
}

function decodeArea(
  session: Session,
  payload: DataView,
): (InflightArea & { readonly offset: number }) | Failure {
  const shape = decode(session, payload);
  if (isRefusal(shape)) return shape;
  const sizeBytes = exactU64(payload, 0);
  const offset = exactU64(payload, 8);
  if (sizeBytes === null || offset === null || offset % INFLIGHT_ALIGN !== 0) {
    return bad("size or offset is none that an area can have");
  }
  // Split regions are the smaller ones; packed rings are checked again when they start.
  const least = shape.queues * inflightBytes(session.packed, shape.entries);
  if (sizeBytes < least) return bad(`${sizeBytes} bytes, ${least} needed`);
  return { ...shape, sizeBytes, offset };
}

/** Where a ring's region starts in the area, null if it has none, or why the area is no good. */
export function regionOf(
  area: InflightArea | null,
  index: number,
  size: number,
  packed: boolean,
): { readonly offset: number; readonly entries: number } | null | Refusal {
  if (area === null || index >= area.queues) return null;
  const bytes = inflightBytes(packed, area.entries);
  if (size > area.entries || (index + 1) * bytes > area.sizeBytes) {
    return bad(`vring ${index}: a ring of ${size}, regions of ${area.entries} entries`);
  }
  return { offset: index * bytes, entries: area.entries };
}
