/**
 * Requests about inflight tracking (vhost-user.rst «Inflight I/O tracking»): the back-end makes the
 * area, the front-end keeps it, and gives it to the next back-end before the rings start.
 *
 * @module
 */
import { assert } from "../../base/assert.ts";
import { VRINGS_PER_PORT } from "../../base/limits.ts";
import { LIMITS } from "../../base/port_limits.ts";
import { INFLIGHT_ALIGN, inflightBytes } from "../../virtio/inflight/region.ts";
import { VIRTQUEUE_SIZE_MAX } from "../../virtio/ring.ts";
import type { Device } from "../device.ts";
import type { InflightArea } from "../device/inflight_area.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { INFLIGHT_PAYLOAD_BYTES, type InflightShape } from "../wire/payloads.ts";
import { type Call, ends, endsIf, reply, type Result } from "./result.ts";

/**
 * Longest area that is mapped, bytes: that of all rings a device can have, and of a front-end that
 * rounds up to huge pages. Address space is everybody's.
 */
const AREA_BYTES_MAX = LIMITS.inflight.most;
assert(
  VRINGS_PER_PORT * inflightBytes(true, VIRTQUEUE_SIZE_MAX) <= AREA_BYTES_MAX,
  "an area of our own is accepted",
);

function bad(detail: string): Refusal {
  return { code: "bad-inflight", detail };
}

/** What is wrong with the numbers of queues and entries, or null. */
function refuseShape(device: Device, { queues, entries }: InflightShape): Refusal | null {
  if (queues === 0 || queues > device.vrings.length) {
    return bad(`${queues} queues of ${device.vrings.length}`);
  }
  return entries === 0 || entries > VIRTQUEUE_SIZE_MAX ? bad(`${entries} entries`) : null;
}

/** GET_INFLIGHT_FD: a new area, all zeros. It is the front-end's: nothing of it is kept here. */
export function getInflightFd(device: Device, shape: InflightShape): Result {
  const refusal = refuseShape(device, shape);
  if (refusal) return endsIf(refusal);
  const { queues, entries } = shape;
  // Before SET_FEATURES the kind of ring is not known: the larger regions do for both.
  const sizeBytes = queues * inflightBytes(device.packed || !device.featuresSet, entries);
  const fd = device.host.createInflight(sizeBytes);
  if (typeof fd !== "number") return endsIf(fd);
  const payload = new Uint8Array(new ArrayBuffer(INFLIGHT_PAYLOAD_BYTES));
  const view = new DataView(payload.buffer);
  view.setBigUint64(0, BigInt(sizeBytes), true);
  view.setUint16(16, queues, true);
  view.setUint16(18, entries, true);
  return reply(payload, [fd]);
}

/** SET_INFLIGHT_FD: tracking from now on, in this area; what it says is honoured at ring start. */
export function setInflightFd(device: Device, shape: InflightShape, { fds }: Call): Result {
  const [fd] = fds;
  if (fd === undefined) return ends("fd-count", "no descriptor of an inflight area");
  const area = checkArea(device, shape);
  if (isRefusal(area)) {
    device.closeFds(fds);
    return endsIf(area);
  }
  const refusal = device.host.prepareInflight(fd, area.offset, area.sizeBytes);
  if (refusal) return endsIf(refusal);
  device.vrings.forEach((_, index) => device.suspend(index));
  device.host.commitInflight();
  device.inflight = area;
  return endsIf(device.resumeAll());
}

function checkArea(
  device: Device,
  shape: InflightShape,
): InflightArea | Refusal {
  const refusal = refuseShape(device, shape);
  if (refusal) return refusal;
  const { queues, entries, sizeBytes, mmapOffset: offset } = shape;
  if (sizeBytes === null || offset === null || offset % INFLIGHT_ALIGN !== 0) {
    return bad("size or offset is none that an area can have");
  }
  // Split regions are the smaller ones; packed rings are checked again when they start.
  const least = queues * inflightBytes(device.packed, entries);
  if (sizeBytes > AREA_BYTES_MAX) return bad(`${sizeBytes} bytes of at most ${AREA_BYTES_MAX}`);
  if (sizeBytes < least) return bad(`${sizeBytes} bytes, ${least} needed`);
  return { queues, entries, sizeBytes, offset };
}
