/**
 * Requests about the device's configuration: its space (vhost-user.rst «VHOST_USER_GET_CONFIG») and
 * the MTU.
 *
 * @module
 */
import { BIT, hasFeature } from "../features/bits.ts";
import type { Device } from "../device.ts";
import { MTU_MAX, MTU_MIN } from "../device/config_space.ts";
import type { ReasonCode, Refusal } from "../reasons.ts";
import {
  CONFIG_HEAD_BYTES,
  type ConfigPart,
  VHOST_USER_MAX_CONFIG_SIZE,
  type Word,
} from "../wire/payloads.ts";
import { type Call, DONE, ends, failed, reply, type Result } from "./result.ts";

/** Flags of SET_CONFIG. */
const VHOST_SET_CONFIG_TYPE_FRONTEND = 0;
const VHOST_SET_CONFIG_TYPE_MIGRATION = 1;

/**
 * GET_CONFIG: a reply of the size that was asked for, or an empty one for a place that is not in the
 * space. Some front-ends leave out the room for the data in their request.
 */
export function getConfig(device: Device, { offset, size, flags, data }: ConfigPart): Result {
  const room = data.length;
  if ((room !== 0 && room !== size) || offset + size > VHOST_USER_MAX_CONFIG_SIZE) {
    return reply(new Uint8Array());
  }
  const payload = new Uint8Array(CONFIG_HEAD_BYTES + size);
  const head = new DataView(payload.buffer);
  head.setUint32(0, offset, true);
  head.setUint32(4, size, true);
  head.setUint32(8, flags, true);
  payload.set(device.config.encode().subarray(offset, offset + size), CONFIG_HEAD_BYTES);
  return reply(payload);
}

/** SET_CONFIG: the driver writes, or the front-end after a migration. */
export function setConfig(device: Device, { offset, size, flags, data }: ConfigPart): Result {
  if (size !== data.length) {
    return ends("bad-size", `SET_CONFIG of ${size} bytes with ${CONFIG_HEAD_BYTES + data.length}`);
  }
  if (offset + size > VHOST_USER_MAX_CONFIG_SIZE) {
    return refuse("bad-config", `bytes ${offset} to ${offset + size}`);
  }
  const { config } = device;
  if (flags === VHOST_SET_CONFIG_TYPE_MIGRATION) {
    const before = config.mtu;
    const refusal = config.writeByMigration(offset, data);
    if (refusal) return failed(refusal);
    if (config.mtu !== null && config.mtu !== before) device.setMtu(config.mtu);
    return DONE;
  }
  const legacy = device.featuresSet && !hasFeature(device.features, BIT.VIRTIO_F_VERSION_1);
  if (flags !== VHOST_SET_CONFIG_TYPE_FRONTEND || !legacy) {
    return refuse("bad-config", "the driver only reads it");
  }
  const refusal: Refusal | null = config.writeByDriver(offset, data);
  return refusal ? failed(refusal) : DONE;
}

function refuse(code: ReasonCode, detail: string): Result {
  return failed({ code, detail });
}

/**
 * NET_SET_MTU: the front-end's guest was given this MTU. One above the operator's is refused if the
 * front-end is told so (REPLY_ACK). Otherwise it is logged, once a connection, and the operator's
 * comes into force: the guest's longer frames are dropped.
 */
export function setMtu(device: Device, { value: mtu }: Word, { heard }: Call): Result {
  const { config, host } = device;
  if (mtu < BigInt(MTU_MIN) || mtu > BigInt(MTU_MAX)) {
    return refuse("bad-mtu", `MTU ${mtu}, not ${MTU_MIN} to ${MTU_MAX}`);
  }
  const limited = config.limitMtu(Number(mtu));
  if (BigInt(limited) !== mtu) {
    const detail = `an MTU of ${mtu} on a port of ${limited}`;
    if (heard) return refuse("bad-mtu", detail);
    if (!config.excessSaid) {
      host.log("warn", "mtu-exceeded", `the guest has ${detail}: its longer frames are dropped`);
    }
    config.excessSaid = true;
  }
  if (limited !== config.mtu) device.setMtu(limited);
  return DONE;
}
