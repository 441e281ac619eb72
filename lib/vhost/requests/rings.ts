/**
 * Requests about one virtqueue: its size, place and position, its descriptors, and whether it runs
 * (vhost-user.rst «Ring states»).
 *
 * @module
 */
import { VIRTQUEUE_SIZE_MAX } from "../../virtio/ring.ts";
import type { Device } from "../device.ts";
import type { VringState } from "../device/vring.ts";
import { isRefusal, type Refusal } from "../reasons.ts";
import { encodeVringState } from "../wire/message.ts";
import type { VringFd, VringNumber, VringPlaces } from "../wire/payloads.ts";
import { type Call, DONE, ends, endsIf, type Handler, reply, type Result } from "./result.ts";

const OWN_END = "the descriptor is the front-end's end of a connection with this switch";
const OR_SOCKET = ", nor a unix socket";

function badIndex(device: Device, index: number | bigint): Refusal {
  return { code: "bad-index", detail: `vring ${index} of ${device.vrings.length}` };
}

/** A handler for a request whose virtqueue exists; of others the connection ends. */
function ofVring<T extends { readonly index: number }>(
  handle: (device: Device, vring: VringState, args: T) => Result,
): Handler<T> {
  return (device, args) => {
    const vring = device.vrings[args.index];
    return vring ? handle(device, vring, args) : endsIf(badIndex(device, args.index));
  };
}

/** SET_VRING_NUM. */
export const setVringNum: Handler<VringNumber> = ofVring((device, vring, { index, num: size }) => {
  if (size === 0 || size > VIRTQUEUE_SIZE_MAX) return ends("bad-ring-size", `${size} entries`);
  if (size !== vring.size) {
    if (device.inUse(vring)) {
      return ends("ring-running", `SET_VRING_NUM of running vring ${index}`);
    }
    if (vring.running) device.stop(index);
  }
  vring.size = size;
  return endsIf(device.resume(index));
});

/** SET_VRING_ADDR. */
export const setVringAddr: Handler<VringPlaces> = ofVring((device, _, places) => {
  const { index, addresses, logged, logGuestAddr } = places;
  if (addresses === null) return ends("bad-ring-address", "an address of 2^53 or more");
  if (logged && logGuestAddr === null) {
    return ends("bad-log-address", "a log address of 2^53 or more");
  }
  return endsIf(device.setAddresses(index, addresses, logged ? logGuestAddr : null));
});

/** SET_VRING_BASE. */
export const setVringBase: Handler<VringNumber> = ofVring((device, vring, { index, num }) => {
  // A running ring is being set up anew by a front-end that never asked where it stands: it starts
  // from here with the next kick message, when its addresses are known too.
  if (vring.running) device.stop(index);
  vring.base = num;
  return DONE;
});

/** GET_VRING_BASE, and the same without a drain. */
export const getVringBase: Handler<VringNumber> = ofVring((device, vring, { index }) => {
  const base = device.stop(index);
  vring.told = true;
  device.host.forgetVring(index);
  return reply(encodeVringState(index, base));
});

/** SET_VRING_ENABLE. */
export const setVringEnable: Handler<VringNumber> = ofVring((device, _, { index, num }) => {
  if (num > 1) return ends("bad-value", `SET_VRING_ENABLE ${num}`);
  device.setEnabled(index, num === 1);
  return DONE;
});

/** VRING_KICK: starts a virtqueue, or says that there is something in it. */
export const vringKick: Handler<VringNumber> = ofVring((device, vring, { index, num }) => {
  if (num !== 0) return ends("bad-value", `VRING_KICK with ${num}`);
  vring.started = true;
  if (!vring.running) return endsIf(device.resume(index));
  device.host.kickVring(index);
  return DONE;
});

/** The vring and descriptor of a kick, call or err message. */
interface Given {
  readonly vring: VringState;
  /** -1: none comes along. */
  readonly fd: number;
}

/** Checks a kick, call or err message; the descriptor of one that is no good is closed. */
function take(
  device: Device,
  args: VringFd,
  { fds }: Call,
  socketToo: boolean,
): Given | Refusal {
  const vring = device.vrings[args.index];
  if (!vring || args.stray) {
    device.closeFds(fds);
    return badIndex(device, args.value);
  }
  const refusal = refuseFd(device, args.fdsDue, fds, socketToo);
  if (refusal === null) return { vring, fd: fds[0] ?? -1 };
  device.closeFds(fds);
  return refusal;
}

function refuseFd(
  device: Device,
  due: number,
  fds: readonly number[],
  socketToo: boolean,
): Refusal | null {
  if (fds.length !== due) {
    return { code: "fd-count", detail: `${fds.length} descriptors, ${due} due` };
  }
  const fd = fds[0];
  if (fd === undefined) return null;
  const kind = device.host.fdKind(fd);
  if (kind === "eventfd" || (socketToo && kind === "socket")) return null;
  if (kind === "own-end") return { code: "not-eventfd", detail: OWN_END };
  return {
    code: "not-eventfd",
    detail: `the descriptor is no eventfd${socketToo ? OR_SOCKET : ""}`,
  };
}

/** SET_VRING_KICK: starts the ring. */
export function setVringKick(device: Device, args: VringFd, call: Call): Result {
  const given = take(device, args, call, false);
  if (isRefusal(given)) return endsIf(given);
  const { vring, fd } = given;
  device.suspend(args.index);
  if (vring.kickFd >= 0) device.host.closeFd(vring.kickFd);
  vring.kickFd = fd;
  vring.kickGiven = true;
  vring.started = true;
  return endsIf(device.resume(args.index));
}

/** SET_VRING_CALL. */
export function setVringCall(device: Device, args: VringFd, call: Call): Result {
  // User-Mode Linux gives a socket here.
  const given = take(device, args, call, true);
  if (isRefusal(given)) return endsIf(given);
  const { vring, fd } = given;
  const old = vring.callFd;
  vring.callFd = fd;
  vring.callGiven = true;
  if (vring.running) {
    device.host.setVringCall(args.index, fd);
    // What was published with the old descriptor may not have been seen: one call too many is
    // harmless, one too few hangs the guest after a reconnect.
    if (fd >= 0 && device.host.fdKind(fd) === "eventfd") device.host.signal(fd);
  }
  if (old >= 0) device.host.closeFd(old);
  return DONE;
}

/** SET_VRING_ERR. */
export function setVringErr(device: Device, args: VringFd, call: Call): Result {
  const given = take(device, args, call, false);
  if (isRefusal(given)) return endsIf(given);
  const { vring, fd } = given;
  if (vring.errFd >= 0) device.host.closeFd(vring.errFd);
  vring.errFd = fd;
  return DONE;
}
