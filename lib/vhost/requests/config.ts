/**
 * Requests about the device's configuration: its space, the MTU, and telling the front-end that
 * something in it changed (vhost-user.rst «VHOST_USER_GET_CONFIG»).
 *
 * ```
 * config payload   offset u32@0  size u32@4  flags u32@8  data@12
 * ```
 *
 * @module
 */
import {
  hasFeature,
  VHOST_USER_PROTOCOL_F_BACKEND_REQ,
  VHOST_USER_PROTOCOL_F_CONFIG,
  VIRTIO_F_VERSION_1,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
} from "../../virtio/features.ts";
import { configChangeMessage } from "../wire/back_end_message.ts";
import { tellFrontEnd } from "./back_end_channel.ts";
import {
  MTU_DEFAULT,
  MTU_MAX,
  MTU_MIN,
  VHOST_USER_MAX_CONFIG_SIZE,
} from "../device/config_space.ts";
import type { Message } from "../wire/message.ts";
import type { Result } from "./table.ts";
import type { Session } from "../session.ts";

/** Bytes of the payload in front of the data. */
export const CONFIG_HEAD_BYTES = 12;
/** Largest payload. */
export const CONFIG_BYTES_MAX: number = CONFIG_HEAD_BYTES + VHOST_USER_MAX_CONFIG_SIZE;
/** Flags of SET_CONFIG. */
const VHOST_SET_CONFIG_TYPE_FRONTEND = 0;
const VHOST_SET_CONFIG_TYPE_MIGRATION = 1;

/**
 * GET_CONFIG: a reply of the size that was asked for, or an empty one for a place that is not in the
 * space. Some front-ends leave out the room for the data in their request.
 */
export function getConfig(session: Session, message: Message): Result {
  const { payload } = message;
  const offset = payload.getUint32(0, true);
  const size = payload.getUint32(4, true);
  const room = payload.byteLength - CONFIG_HEAD_BYTES;
  if ((room !== 0 && room !== size) || offset + size > VHOST_USER_MAX_CONFIG_SIZE) {
    return new Uint8Array();
  }
  const reply = new Uint8Array(CONFIG_HEAD_BYTES + size);
  const head = new DataView(reply.buffer);
  head.setUint32(0, offset, true);
  head.setUint32(4, size, true);
  head.setUint32(8, payload.getUint32(8, true), true);
  reply.set(session.config.encode().subarray(offset, offset + size), CONFIG_HEAD_BYTES);
  return reply;
}

/** SET_CONFIG: the driver writes, or the front-end after a migration. */
export function setConfig(session: Session, message: Message): Result {
  const { payload } = message;
  const offset = payload.getUint32(0, true);
  const size = payload.getUint32(4, true);
  const flags = payload.getUint32(8, true);
  if (size !== payload.byteLength - CONFIG_HEAD_BYTES) {
    return { code: "bad-size", detail: `SET_CONFIG of ${size} bytes with ${payload.byteLength}` };
  }
  if (offset + size > VHOST_USER_MAX_CONFIG_SIZE) {
    return { code: "bad-config", detail: `bytes ${offset} to ${offset + size}`, keep: true };
  }
  const data = new Uint8Array(payload.buffer, payload.byteOffset + CONFIG_HEAD_BYTES, size);
  const { config } = session;
  if (flags === VHOST_SET_CONFIG_TYPE_MIGRATION) {
    const before = config.mtu;
    const refusal = config.writeByMigration(offset, data);
    if (refusal) return { ...refusal, keep: true };
    if (config.mtu !== null && config.mtu !== before) session.host.setMtu(config.mtu);
    return null;
  }
  const legacy = session.featuresSet && !hasFeature(session.features, VIRTIO_F_VERSION_1);
  if (flags !== VHOST_SET_CONFIG_TYPE_FRONTEND || !legacy) {
    return { code: "bad-config", detail: "the driver only reads it", keep: true };
  }
  const refusal = config.writeByDriver(offset, data);
  return refusal ? { ...refusal, keep: true } : null;
}

/**
 * NET_SET_MTU: the front-end's guest was given this MTU. One above the operator's is refused where
 * the front-end hears it; where it does not, the operator does, once, and the operator's is in
 * force: the guest's longer frames are dropped.
 */
export function setMtu(session: Session, message: Message): Result {
  const mtu = message.payload.getBigUint64(0, true);
  const { config, host } = session;
  if (mtu < BigInt(MTU_MIN) || mtu > BigInt(MTU_MAX)) {
    return { code: "bad-mtu", detail: `MTU ${mtu}, not ${MTU_MIN} to ${MTU_MAX}`, keep: true };
  }
  const limited = config.limitMtu(Number(mtu));
  if (BigInt(limited) !== mtu) {
    const detail = `an MTU of ${mtu} on a port of ${limited}`;
    if (session.hearsReply(message)) return { code: "bad-mtu", detail, keep: true };
    if (!config.excessSaid) {
      host.log("warn", "mtu-exceeded", `the guest has ${detail}: its longer frames are dropped`);
    }
    config.excessSaid = true;
  }
  if (limited === config.mtu) return null;
  config.mtu = limited;
  host.setMtu(limited);
  return null;
}

/**
 * Features are negotiated: a driver that read an MTU nobody named must not get longer frames
 * (virtio-v1.3 §5.1.4.1).
 */
export function holdToDefaultMtu(session: Session): void {
  if (session.config.mtu !== null || !hasFeature(session.features, VIRTIO_NET_F_MTU)) return;
  if (!hasFeature(session.protocolFeatures, VHOST_USER_PROTOCOL_F_CONFIG)) return;
  session.config.mtu = MTU_DEFAULT;
  session.host.setMtu(MTU_DEFAULT);
}

/**
 * The operator took the link down or up. @returns whether the front-end was told, or will be as soon
 * as its rings start; a front-end that cannot be told learns it only by asking
 */
export function changeLink(session: Session, up: boolean): boolean {
  session.config.linkUp = up;
  if (!hasFeature(session.features, VIRTIO_NET_F_STATUS)) return false;
  return announceConfig(session);
}

/** Something in the configuration space changed. @returns as {@linkcode changeLink} */
export function announceConfig(session: Session): boolean {
  const { protocolFeatures, config } = session;
  config.changePending = false;
  if (!hasFeature(protocolFeatures, VHOST_USER_PROTOCOL_F_CONFIG)) return false;
  if (!hasFeature(protocolFeatures, VHOST_USER_PROTOCOL_F_BACKEND_REQ)) return false;
  // While every ring is stopped nothing may be sent (vhost-user.rst «Suspended device state»).
  config.changePending = session.suspended;
  return config.changePending || tellFrontEnd(session, configChangeMessage());
}
