/**
 * Requests that move a port's own state to another back-end (vhost-user.rst «Migrating back-end
 * state»): allowed only while every virtqueue is stopped.
 *
 * ```
 * device state payload   direction u32@0 (0 save, 1 load)  phase u32@4 (0 stopped)
 * ```
 *
 * @module
 */
import type { Refusal } from "../reasons.ts";
import { encodeU64, type Message, VHOST_USER_VRING_NOFD_MASK } from "../wire/message.ts";
import type { Result } from "./table.ts";
import type { Session } from "../session.ts";

const VHOST_TRANSFER_STATE_DIRECTION_SAVE = 0;
const VHOST_TRANSFER_STATE_DIRECTION_LOAD = 1;
const VHOST_TRANSFER_STATE_PHASE_STOPPED = 0;
/** In the reply: something was wrong. */
const FAILED = 1n;

/**
 * SET_DEVICE_STATE_FD: the front-end's own channel is used, which the reply says. A refusal is said
 * there too, and the session goes on.
 */
export function setDeviceStateFd(session: Session, message: Message): Result {
  const refusal = start(session, message);
  if (refusal) session.host.log("warn", refusal.code, `device state refused: ${refusal.detail}`);
  return encodeU64(VHOST_USER_VRING_NOFD_MASK | (refusal ? FAILED : 0n));
}

function start(session: Session, message: Message): Refusal | null {
  const [fd] = message.fds;
  if (fd === undefined) return { code: "fd-count", detail: "there is no descriptor" };
  const direction = message.payload.getUint32(0, true);
  const phase = message.payload.getUint32(4, true);
  const saving = direction === VHOST_TRANSFER_STATE_DIRECTION_SAVE;
  let refusal: Refusal | null = null;
  if (!saving && direction !== VHOST_TRANSFER_STATE_DIRECTION_LOAD) {
    refusal = { code: "bad-value", detail: `direction ${direction}` };
  } else if (phase !== VHOST_TRANSFER_STATE_PHASE_STOPPED) {
    refusal = { code: "bad-value", detail: `phase ${phase}` };
  } else if (!session.suspended) {
    refusal = { code: "not-suspended", detail: "a ring is started" };
  }
  if (!refusal) return session.host.startStateTransfer(saving ? "save" : "load", fd);
  session.closeFds(message.fds);
  return refusal;
}

/** CHECK_DEVICE_STATE: whether all was transferred and good; what was loaded is in force then. */
export function checkDeviceState(session: Session): Result {
  if (!session.suspended) {
    return judge(session, { code: "not-suspended", detail: "a ring is started" });
  }
  const refusal = session.host.finishStateTransfer();
  return refusal instanceof Promise
    ? refusal.then((late) => judge(session, late))
    : judge(session, refusal);
}

function judge(session: Session, refusal: Refusal | null): Uint8Array {
  if (refusal) session.host.log("warn", refusal.code, `device state refused: ${refusal.detail}`);
  return encodeU64(refusal ? FAILED : 0n);
}
