/**
 * A device told once more: the messages that a front-end would send to bring a new session to where
 * an earlier one stands, for a process that takes over from another one. So what is handed over is
 * the protocol itself, understood by any version that understands front-ends, and it is checked as
 * every front-end's words are. What no message says stands beside them ({@linkcode Unsaid}).
 *
 * Call {@linkcode retell} with every virtqueue suspended: positions are what they stood at then.
 *
 * @module
 */
import { BIT, featureWord } from "./features/bits.ts";
import type { VringPosition } from "../worker/wire.ts";
import type { Device } from "./device.ts";
import { callInBand } from "./device/in_band.ts";
import type { VringState } from "./device/vring.ts";
import type { MemoryRegion } from "./host.ts";
import type { Refusal } from "./reasons.ts";
import type { Session } from "./session.ts";
import { encodeIotlb, VHOST_IOTLB_UPDATE } from "./wire/back_end_message.ts";
import * as id from "./wire/message.ts";
import { INFLIGHT_PAYLOAD_BYTES } from "./wire/payloads.ts";

/** Descriptors that the session does not hold itself, -1 where there is none. They stay their owners'. */
export interface RetoldFiles {
  /** Of each region's file, in the order of the table. */
  readonly memory: readonly number[];
  /** Of the dirty log's. */
  readonly log: number;
  /** Of the inflight area's. */
  readonly inflight: number;
  /** The back-end channel. */
  readonly backEnd: number;
}

/** A message to be said once more. */
export interface RetoldMessage {
  /** As in the header. */
  readonly request: number;
  /** As it follows the header. */
  readonly payload: Uint8Array<ArrayBuffer>;
  /** They come along, and stay the first session's. */
  readonly fds: readonly number[];
}

/** Of one virtqueue, what no message says. */
export interface UnsaidVring {
  /** Where it goes on; null: the messages tell. */
  readonly position: VringPosition | null;
  /** The front-end has asked where it stands. */
  readonly told: boolean;
}

/** What no message says of a device. */
export interface Unsaid {
  /** Its address as it reads it, or null. */
  readonly mac: { readonly low: number; readonly high: number } | null;
  /** Bytes, or null. */
  readonly mtu: number | null;
  /** Whether the link is shown as up. */
  readonly linkUp: boolean;
  /** The front-end was told that its MTU is too large. */
  readonly excessSaid: boolean;
  /** By number; those behind the last are as new. */
  readonly vrings: readonly UnsaidVring[];
}

/** A device, told once more. */
export interface Retold {
  /** To be said in this order. */
  readonly messages: readonly RetoldMessage[];
  /** See the type. */
  readonly unsaid: Unsaid;
}

const LOG_ALL = featureWord([BIT.VHOST_F_LOG_ALL]);
const REGION_BYTES = 32;
const HEAD_BYTES = 8;
const F_LOG = 1;

/** Tells a device once more. @returns null: a file that a message would bring is missing */
export function retell(device: Device, files: RetoldFiles): Retold | null {
  const { migration, config } = device;
  const messages: RetoldMessage[] = [];
  let whole = true;
  const say = (request: number, payload = new Uint8Array(0), fds: readonly number[] = []): void => {
    whole &&= fds.every((fd) => fd >= 0);
    messages.push({ request, payload, fds });
  };
  if (device.protocolFeatures !== 0n) {
    say(id.VHOST_USER_SET_PROTOCOL_FEATURES, id.encodeU64(device.protocolFeatures));
  }
  if (device.featuresSet) {
    // The log comes behind memory, and is asked for behind itself.
    say(id.VHOST_USER_SET_FEATURES, id.encodeU64(device.features & ~LOG_ALL));
  }
  if (device.status !== 0) say(id.VHOST_USER_SET_STATUS, id.encodeU64(BigInt(device.status)));
  if (files.backEnd >= 0) say(id.VHOST_USER_SET_BACKEND_REQ_FD, undefined, [files.backEnd]);
  sayMemory(device.memory.regions, files.memory, say);
  if (migration.log !== null) {
    const { sizeBytes, mmapOffset } = migration.log;
    say(id.VHOST_USER_SET_LOG_BASE, words(sizeBytes, mmapOffset), [files.log]);
  }
  if (migration.hasLogFd) say(id.VHOST_USER_SET_LOG_FD, undefined, [migration.logFd]);
  if ((device.features & LOG_ALL) !== 0n) {
    say(id.VHOST_USER_SET_FEATURES, id.encodeU64(device.features));
  }
  if (device.inflight !== null) {
    const { sizeBytes, offset, queues, entries } = device.inflight;
    const payload = words(sizeBytes, offset, 0);
    const view = new DataView(payload.buffer);
    view.setUint16(16, queues, true);
    view.setUint16(18, entries, true);
    say(id.VHOST_USER_SET_INFLIGHT_FD, payload.subarray(0, INFLIGHT_PAYLOAD_BYTES), [
      files.inflight,
    ]);
  }
  if (migration.unannounced !== null) {
    const payload = new Uint8Array(8);
    const view = new DataView(payload.buffer);
    view.setInt32(0, migration.unannounced.low, true);
    view.setUint16(4, migration.unannounced.high, true);
    say(id.VHOST_USER_SEND_RARP, payload);
  }
  const vrings = device.vrings.slice(0, usedVrings(device));
  vrings.forEach((vring, index) => sayVring(vring, index, say));
  sayTranslations(device, say);
  vrings.forEach((vring, index) => sayStart(vring, index, say));
  if (!whole) return null;
  const unsaid: Unsaid = {
    ...{ mac: config.mac, mtu: config.mtu, linkUp: config.linkUp, excessSaid: config.excessSaid },
    vrings: vrings.map(({ resumeAt, told }) => ({ position: resumeAt, told })),
  };
  return { messages, unsaid };
}

type Say = (request: number, payload?: Uint8Array<ArrayBuffer>, fds?: readonly number[]) => void;

function words(...values: number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array(values.map(BigInt)).buffer);
}

/** How many virtqueues, from the first on, the front-end has said something of. */
function usedVrings({ vrings }: Device): number {
  return 1 +
    vrings.findLastIndex((vring) =>
      vring.size > 0 || vring.addresses !== null || vring.kickGiven || vring.callGiven ||
      vring.errFd >= 0 || vring.enabled || vring.started || vring.told
    );
}

function sayMemory(regions: readonly MemoryRegion[], fds: readonly number[], say: Say): void {
  const encode = (some: readonly MemoryRegion[], head: Uint8Array): Uint8Array<ArrayBuffer> => {
    const payload = new Uint8Array(HEAD_BYTES + REGION_BYTES * some.length);
    payload.set(head);
    some.forEach(({ guestAddr, sizeBytes, userAddr, mmapOffset }, i) =>
      payload.set(words(guestAddr, sizeBytes, userAddr, mmapOffset), HEAD_BYTES + REGION_BYTES * i)
    );
    return payload;
  };
  const first = regions.slice(0, id.VHOST_MEMORY_BASELINE_NREGIONS);
  if (first.length === 0) return;
  const table = encode(first, Uint8Array.of(first.length));
  say(id.VHOST_USER_SET_MEM_TABLE, table, fds.slice(0, first.length));
  for (const [i, region] of regions.entries()) {
    if (i < first.length) continue;
    say(id.VHOST_USER_ADD_MEM_REG, encode([region], new Uint8Array()), fds.slice(i, i + 1));
  }
}

/** Which virtqueue, and whether a descriptor comes along. */
function vringFd(index: number, fd: number): [Uint8Array<ArrayBuffer>, number[]] {
  const none = fd < 0 ? id.VHOST_USER_VRING_NOFD_MASK : 0n;
  return [id.encodeU64(BigInt(index) | none), fd < 0 ? [] : [fd]];
}

function sayVring(vring: VringState, index: number, say: Say): void {
  const { size, addresses, base, logGuestAddr } = vring;
  if (size > 0) say(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(index, size));
  say(id.VHOST_USER_SET_VRING_BASE, id.encodeVringState(index, base));
  if (addresses !== null) {
    const { desc, used, avail } = addresses;
    const payload = words(0, desc, used, avail, logGuestAddr ?? 0);
    const view = new DataView(payload.buffer);
    view.setUint32(0, index, true);
    view.setUint32(4, logGuestAddr === null ? 0 : F_LOG, true);
    say(id.VHOST_USER_SET_VRING_ADDR, payload);
  }
  if (vring.callGiven) say(id.VHOST_USER_SET_VRING_CALL, ...vringFd(index, vring.callFd));
  if (vring.errFd >= 0) say(id.VHOST_USER_SET_VRING_ERR, ...vringFd(index, vring.errFd));
  say(id.VHOST_USER_SET_VRING_ENABLE, id.encodeVringState(index, vring.enabled ? 1 : 0));
}

/** Those of the rings: what else there was is asked for again. */
function sayTranslations({ iotlb }: Device, say: Say): void {
  if (iotlb === null) return;
  const { count, start, end, target, permission } = iotlb.entries;
  for (let i = 0; i < count; i++) {
    const [iova, behind] = [start[i] ?? 0, end[i] ?? 0];
    const payload = encodeIotlb({
      ...{ iova: BigInt(iova), sizeBytes: BigInt(behind - iova) },
      ...{ userAddr: BigInt(target[i] ?? 0), permission: permission[i] ?? 0 },
      type: VHOST_IOTLB_UPDATE,
    });
    say(id.VHOST_USER_IOTLB_MSG, payload);
  }
}

/** A kick message starts a virtqueue; one that was stopped comes with the next, which brings its own. */
function sayStart(vring: VringState, index: number, say: Say): void {
  if (!vring.started) return;
  if (vring.kickGiven) say(id.VHOST_USER_SET_VRING_KICK, ...vringFd(index, vring.kickFd));
  else say(id.VHOST_USER_VRING_KICK, id.encodeVringState(index, 0));
}

const STARTS: readonly number[] = [id.VHOST_USER_SET_VRING_KICK, id.VHOST_USER_VRING_KICK];

/**
 * Has a new session hear it all, but for the start of transmit queues: their frames are to find all
 * receive queues of all ports. Takes all descriptors over that it hears of.
 * @returns why the session cannot go on from there: its connection is to end
 */
export function hearRetold(session: Session, { messages, unsaid }: Retold): Refusal | null {
  const { device } = session;
  const first = messages.filter((message) => !startsTransmit(message));
  const start = first.findIndex(({ request }) => STARTS.includes(request));
  const begin = start < 0 ? first.length : start;
  const refusal = hear(session, first.slice(0, begin));
  if (refusal !== null) {
    for (const { fds } of first.slice(begin)) device.closeFds(fds);
    return refusal;
  }
  putUnsaid(device, unsaid);
  return hear(session, first.slice(begin));
}

/**
 * The rest of it: transmit queues start. @param unheard of what was heard before: descriptors are
 * only closed
 */
export function hearTransmit(
  session: Session,
  { messages, unsaid }: Retold,
  unheard = false,
): Refusal | null {
  const { device } = session;
  const last = messages.filter(startsTransmit);
  if (unheard) {
    for (const { fds } of last) device.closeFds(fds);
    return null;
  }
  const refusal = hear(session, last);
  if (refusal !== null) return refusal;
  for (const index of device.vrings.keys()) callInBand(device, index);
  return refuseHalf(device, unsaid);
}

/** The number of its virtqueue is the first byte of what starts one; odd ones are transmit queues. */
function startsTransmit({ request, payload }: RetoldMessage): boolean {
  return STARTS.includes(request) && (payload[0] ?? 0) % 2 === 1;
}

function hear(session: Session, messages: readonly RetoldMessage[]): Refusal | null {
  let refusal: Refusal | null = null;
  for (const { request, payload, fds } of messages) {
    if (refusal !== null) {
      session.device.closeFds(fds);
      continue;
    }
    const message = { request, flags: id.VHOST_USER_VERSION, payload: viewOf(payload), fds };
    refusal = session.handle(message).close ?? null;
  }
  return refusal;
}

/** Virtqueues that stood somewhere go on there, or wait for a translation. */
function refuseHalf({ vrings, iotlb }: Device, unsaid: Unsaid): Refusal | null {
  if (iotlb !== null) return null;
  const still = unsaid.vrings.findIndex(({ position }, index) =>
    position !== null && vrings[index]?.running !== true
  );
  if (still < 0) return null;
  return { code: "bad-state", detail: `vring ${still} does not go on where it stood` };
}

function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What no message says, before the first virtqueue starts. */
function putUnsaid(device: Device, unsaid: Unsaid): void {
  const { config } = device;
  config.mac = unsaid.mac;
  config.linkUp = unsaid.linkUp;
  config.excessSaid = unsaid.excessSaid;
  const mtu = unsaid.mtu === null ? null : config.limitMtu(unsaid.mtu);
  if (mtu !== null && mtu !== config.mtu) device.setMtu(mtu);
  for (const [index, { position, told }] of unsaid.vrings.entries()) {
    const vring = device.vrings[index];
    if (vring === undefined) break;
    vring.resumeAt = position;
    vring.told = told;
  }
}
