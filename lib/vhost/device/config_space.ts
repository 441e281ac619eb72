/**
 * The device's configuration space, `struct virtio_net_config` (virtio-v1.3 §5.1.4), and who may
 * write what of it.
 *
 * ```
 * mac@0 (6 bytes)  status u16@6  max_virtqueue_pairs u16@8  mtu u16@10  speed u32@12  duplex u8@16
 * ```
 *
 * Fields behind these belong to features that are not offered and read as 0.
 *
 * @module
 */
import type { Mac } from "../../base/mac.ts";
import type { Refusal } from "../reasons.ts";
import type { Offer } from "../offer.ts";
import { VHOST_USER_MAX_CONFIG_SIZE } from "../wire/payloads.ts";

/** Smallest MTU, bytes (virtio-v1.3 §5.1.4.1). */
export const MTU_MIN = 68;
/** Largest MTU, bytes. */
export const MTU_MAX = 65535;
/** What a driver takes for granted where nobody named an MTU. */
export const MTU_DEFAULT = 1500;
/** Bit of `status`: the link is up (virtio-v1.3 §5.1.4). */
export const VIRTIO_NET_S_LINK_UP = 1;

const MAC = 0;
const STATUS = 6;
const MAX_VIRTQUEUE_PAIRS = 8;
const MTU = 10;
const SPEED = 12;
const DUPLEX = 16;
/** The known fields end here; later ones come with features that are not offered. */
const KNOWN_END = 24;
const SPEED_UNKNOWN = 0xffff_ffff;
const DUPLEX_UNKNOWN = 0xff;
/** Bit 0 of an address's first byte: a group of stations. */
const GROUP_BIT = 1;

/** What a front-end's device has in its configuration space. */
export class ConfigSpace {
  /** The device's own address; null reads as zeros. */
  mac: Mac | null;
  /** Bit VIRTIO_NET_S_LINK_UP of `status`. */
  linkUp = true;
  /** Bytes, or null: nobody named one. */
  mtu: number | null;
  /** The operator's, bytes, or null. */
  readonly #mtuMax: number | null;
  readonly #queuePairs: number;
  /** The front-end named a larger MTU than the operator's, and the log says so. */
  excessSaid = false;
  /** Something changed that the front-end was not told yet. */
  changePending = false;

  /** Starts with the address and MTU of the port's offer. */
  constructor(offer: Offer) {
    this.mac = offer.mac;
    this.mtu = this.#mtuMax = offer.mtu;
    this.#queuePairs = offer.queuePairs;
  }

  /** The MTU that comes into force when a front-end names `mtu`: at most the operator's. Bytes. */
  limitMtu(mtu: number): number {
    return Math.min(mtu, this.#mtuMax ?? mtu);
  }

  /** All of it, as the driver reads it. */
  encode(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(new ArrayBuffer(VHOST_USER_MAX_CONFIG_SIZE));
    const view = new DataView(bytes.buffer);
    writeMac(view, this.mac);
    view.setUint16(STATUS, this.linkUp ? VIRTIO_NET_S_LINK_UP : 0, true);
    view.setUint16(MAX_VIRTQUEUE_PAIRS, this.#queuePairs, true);
    view.setUint16(MTU, this.mtu ?? MTU_DEFAULT, true);
    view.setUint32(SPEED, SPEED_UNKNOWN, true);
    view.setUint8(DUPLEX, DUPLEX_UNKNOWN);
    return bytes;
  }

  /**
   * A driver of a device without VIRTIO_F_VERSION_1 writes; the MAC address is all it may
   * (virtio-v1.3 §5.1.4.3). @returns why not, or null: it is written
   */
  writeByDriver(offset: number, data: Uint8Array): Refusal | null {
    if (offset + data.length > STATUS) return readOnly("a field the driver only reads");
    return this.#takeMac(this.#overlaid(offset, data));
  }

  /**
   * The front-end writes what the device had where it came from: its driver goes on with that.
   * The link's state is this port's own, and what cannot be kept here is refused as a whole.
   * @returns why not, or null: it is written
   */
  writeByMigration(offset: number, data: Uint8Array): Refusal | null {
    const view = this.#overlaid(offset, data);
    const pairs = view.getUint16(MAX_VIRTQUEUE_PAIRS, true);
    if (pairs > this.#queuePairs) {
      return readOnly(`${pairs} queue pairs, this port has ${this.#queuePairs}`);
    }
    const mtu = view.getUint16(MTU, true);
    const mtuMax = this.#mtuMax ?? MTU_MAX;
    if (mtu < MTU_MIN || mtu > mtuMax) return readOnly(`an MTU of ${mtu} on a port of ${mtuMax}`);
    for (let at = KNOWN_END; at < view.byteLength; at++) {
      if (view.getUint8(at) !== 0) return readOnly(`byte ${at} belongs to no feature offered`);
    }
    const refusal = this.#takeMac(view);
    if (refusal) return refusal;
    if (offset < MTU + 2 && offset + data.length > MTU) this.mtu = mtu;
    return null;
  }

  #overlaid(offset: number, data: Uint8Array): DataView {
    const bytes = this.encode();
    bytes.set(data, offset);
    return new DataView(bytes.buffer);
  }

  #takeMac(view: DataView): Refusal | null {
    if ((view.getUint8(MAC) & GROUP_BIT) !== 0) return readOnly("a group address as its own");
    const mac = { low: view.getInt32(MAC, true), high: view.getUint16(MAC + 4, true) };
    this.mac = mac.low === 0 && mac.high === 0 ? null : mac;
    return null;
  }
}

function writeMac(view: DataView, mac: Mac | null): void {
  view.setInt32(MAC, mac?.low ?? 0, true);
  view.setUint16(MAC + 4, mac?.high ?? 0, true);
}

function readOnly(detail: string): Refusal {
  return { code: "bad-config", detail };
}
