/**
 * Requests that move a port's own state to another back-end (vhost-user.rst «Migrating back-end
 * state»): allowed only while every virtqueue is stopped.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { Refusal } from "../reasons.ts";
import { encodeU64, VHOST_USER_VRING_NOFD_MASK } from "../wire/message.ts";
import type { StateTransfer } from "../wire/payloads.ts";
import { type Call, later, reply, type Result } from "./result.ts";

const VHOST_TRANSFER_STATE_DIRECTION_SAVE = 0;
const VHOST_TRANSFER_STATE_DIRECTION_LOAD = 1;
const VHOST_TRANSFER_STATE_PHASE_STOPPED = 0;
/** In the reply: something was wrong. */
const FAILED = 1n;

/**
 * SET_DEVICE_STATE_FD: the front-end's own channel is used, which the reply says. A refusal is said
 * there too, and the session goes on.
 */
export function setDeviceStateFd(device: Device, transfer: StateTransfer, { fds }: Call): Result {
  return reply(judge(device, start(device, transfer, fds), VHOST_USER_VRING_NOFD_MASK));
}

function start(
  device: Device,
  { direction, phase }: StateTransfer,
  fds: readonly number[],
): Refusal | null {
  const [fd] = fds;
  if (fd === undefined) return { code: "fd-count", detail: "there is no descriptor" };
  const saving = direction === VHOST_TRANSFER_STATE_DIRECTION_SAVE;
  let refusal: Refusal | null = null;
  if (!saving && direction !== VHOST_TRANSFER_STATE_DIRECTION_LOAD) {
    refusal = { code: "bad-value", detail: `direction ${direction}` };
  } else if (phase !== VHOST_TRANSFER_STATE_PHASE_STOPPED) {
    refusal = { code: "bad-value", detail: `phase ${phase}` };
  } else if (!device.suspended) {
    refusal = { code: "not-suspended", detail: "a ring is started" };
  }
  if (!refusal) return device.host.startStateTransfer(saving ? "save" : "load", fd);
  device.closeFds(fds);
  return refusal;
}

/** CHECK_DEVICE_STATE: whether all was transferred and good; what was loaded is in force then. */
export function checkDeviceState(device: Device): Result {
  if (!device.suspended) {
    return reply(judge(device, { code: "not-suspended", detail: "a ring is started" }));
  }
  const refusal = device.host.finishStateTransfer();
  return refusal instanceof Promise
    ? later(refusal.then((found) => judge(device, found)))
    : reply(judge(device, refusal));
}

/** The reply: these bits, and whether something was wrong, which is logged. */
function judge(device: Device, refusal: Refusal | null, bits = 0n): Uint8Array {
  if (refusal) {
    const detail = `device state refused: ${refusal.detail}`;
    device.host.refused(refusal.code, { ...refusal, detail });
  }
  return encodeU64(bits | (refusal ? FAILED : 0n));
}
