/**
 * A vhost-user session: one connected front-end, from the first message to the last. Pure state
 * machine over {@linkcode SessionHost}; never throws on what a front-end sends.
 *
 * Ring states (vhost-user.rst «Ring states»): started by SET_VRING_KICK, stopped by GET_VRING_BASE;
 * enabled and disabled independently of that, also while stopped. A ring is handed to the data
 * plane once it is started and its size, addresses and memory are known.
 *
 * The session owns every descriptor it was given, until it hands it to the host or closes it.
 *
 * @module
 */
import { assert, present } from "../base/assert.ts";
import {
  hasFeature,
  VHOST_USER_F_PROTOCOL_FEATURES,
  VHOST_USER_PROTOCOL_F_REPLY_ACK,
  VHOST_USER_PROTOCOL_F_STATUS,
  VIRTIO_F_ACCESS_PLATFORM,
  VIRTIO_F_RING_PACKED,
  VIRTIO_F_VERSION_1,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_RING_F_EVENT_IDX,
  VIRTIO_RING_F_INDIRECT_DESC,
} from "../virtio/features.ts";
import { netHeaderBytes } from "../virtio/net_header.ts";
import type { MemoryRegion, SessionHost } from "./host.ts";
import { isRefusal, type Refusal } from "./reasons.ts";
import type { InflightArea } from "./requests/inflight.ts";
import { MemoryTable } from "./device/memory_table.ts";
import { ConfigSpace } from "./device/config_space.ts";
import { announceConfig, changeLink, holdToDefaultMtu } from "./requests/config.ts";
import { callOf, callOnce, errInBand, kickOf } from "./device/in_band.ts";
import { DEFAULT_OFFER, type Offer } from "./offer.ts";
import {
  encodeMessage,
  encodeU64,
  type Message,
  VHOST_USER_NEED_REPLY_MASK,
  VHOST_USER_REPLY_MASK,
  VHOST_USER_VERSION,
} from "./wire/message.ts";
import { Migration } from "./device/migration.ts";
import { checkMessage } from "./requests/check.ts";
import { placeVring } from "./device/ring_position.ts";
import { type Request, REQUESTS } from "./requests/table.ts";
import type { RingIotlb } from "./device/ring_iotlb.ts";
import { placeRing, ringLog, staysIn, useIotlb } from "./device/ring_places.ts";
import { encodePosition, type VringAddresses, VringState } from "./device/vring.ts";

/** What a handled message leads to. */
export interface Outcome {
  /** A whole message to send back. */
  readonly reply?: Uint8Array<ArrayBuffer>;
  /** Descriptors to send along, closed after that. */
  readonly fds?: readonly number[];
  /** Close the connection, for this reason. */
  readonly close?: Refusal;
  /** It takes its time. No other message may be handled before. */
  readonly later?: Promise<Outcome>;
}

const REPLY_FLAGS = VHOST_USER_VERSION | VHOST_USER_REPLY_MASK;
const ACK = 0n;
const NACK = 1n;

/** One front-end's session. Control thread only. */
export class Session {
  readonly host: SessionHost;
  readonly offer: Offer;
  readonly vrings: readonly VringState[];
  /** Negotiated virtio features. */
  features = 0n;
  /** SET_FEATURES came. */
  featuresSet = false;
  protocolFeatures = 0n;
  /** Virtio device status as the front-end last set it. */
  status = 0;
  memory: MemoryTable = new MemoryTable([], []);
  readonly migration: Migration;
  readonly config: ConfigSpace;
  /** Addresses are I/O virtual: VIRTIO_F_ACCESS_PLATFORM was negotiated. */
  iotlb: RingIotlb | null = null;
  /** Where rings are tracked, or null. */
  inflight: InflightArea | null = null;
  #linkUp = false;

  constructor(host: SessionHost, offer: Offer = DEFAULT_OFFER) {
    this.host = host;
    this.migration = new Migration(host);
    this.offer = offer;
    this.config = new ConfigSpace(offer);
    this.vrings = Array.from({ length: 2 * offer.queuePairs }, () => new VringState());
  }

  /** Handles one message and everything it leads to. Takes its descriptors over. */
  handle(message: Message): Outcome {
    const refusal = checkMessage(message);
    if (refusal) {
      this.closeFds(message.fds);
      return { close: refusal };
    }
    const request = REQUESTS.get(message.request);
    if (!request?.handle || !this.#open(request.gate)) return this.#unserved(message, request);
    const result = request.handle(this, message);
    this.#reportLink();
    if (this.config.changePending) announceConfig(this);
    if (result instanceof Promise) {
      return { later: result.then((payload) => this.#reply(message.request, payload)) };
    }
    if (result instanceof Uint8Array) {
      assert(request.replies, `${request.name} has no reply of its own`);
      return this.#reply(message.request, result);
    }
    if (result === null) return this.#acknowledge(message, ACK);
    if ("fds" in result) {
      return { ...this.#reply(message.request, result.payload), fds: result.fds };
    }
    // Whoever waits for an answer of its own kind cannot be told otherwise.
    if (!result.keep || (request.replies && !this.hearsReply(message))) return { close: result };
    this.host.log("warn", "refused", `${request.name} refused: ${result.detail}`);
    return this.#acknowledge(message, NACK);
  }

  #open(gate: number | null): boolean {
    return gate === null || hasFeature(this.protocolFeatures, gate);
  }

  /**
   * A request that is unknown or was not negotiated: an error if it asks for one, negotiated or
   * not, because the alternative is to end the connection. A reply of its own cannot be made up.
   */
  #unserved(message: Message, request: Request | undefined): Outcome {
    this.closeFds(message.fds);
    const detail = `request ${message.request}${request ? ` (${request.name})` : ""}`;
    const code = request ? "not-negotiated" : "unknown-request";
    if (request?.replies || (message.flags & VHOST_USER_NEED_REPLY_MASK) === 0) {
      return { close: { code, detail } };
    }
    this.host.log("warn", code, `${detail} refused`);
    return this.#reply(message.request, encodeU64(NACK));
  }

  #reply(request: number, payload: Uint8Array): Outcome {
    return { reply: encodeMessage(request, REPLY_FLAGS, payload) };
  }

  /**
   * Whether the front-end is told what became of a request without a reply of its own
   * (vhost-user.rst «VHOST_USER_PROTOCOL_F_REPLY_ACK»: the flag means nothing without it).
   */
  hearsReply(message: Message): boolean {
    return (message.flags & VHOST_USER_NEED_REPLY_MASK) !== 0 &&
      hasFeature(this.protocolFeatures, VHOST_USER_PROTOCOL_F_REPLY_ACK);
  }

  #acknowledge(message: Message, value: bigint): Outcome {
    return this.hearsReply(message) ? this.#reply(message.request, encodeU64(value)) : {};
  }

  /** Closes descriptors that nobody took. */
  closeFds(fds: readonly number[]): void {
    for (const fd of fds) this.host.closeFd(fd);
  }

  /** State of a virtqueue by number. */
  vring(index: number): VringState {
    return present(this.vrings[index], `vring ${index}`);
  }

  /** Every virtqueue is stopped (vhost-user.rst «Suspended device state»). */
  get suspended(): boolean {
    return !this.vrings.some((vring) => vring.started);
  }

  /** VIRTIO_F_RING_PACKED was negotiated. */
  get packed(): boolean {
    return hasFeature(this.features, VIRTIO_F_RING_PACKED);
  }

  /** Whether the driver may be using a ring: it runs, is enabled, and the device was not reset. */
  inUse(vring: VringState): boolean {
    const reset = this.status === 0 &&
      hasFeature(this.protocolFeatures, VHOST_USER_PROTOCOL_F_STATUS);
    return vring.running && vring.enabled && !reset;
  }

  /** The front-end negotiated features; rings may be running only if nothing that matters changed. */
  setFeatures(features: bigint): void {
    this.features = features;
    this.migration.setFeatures(features);
    this.featuresSet = true;
    holdToDefaultMtu(this);
    if (!this.vrings.some((vring) => vring.running)) {
      useIotlb(this, hasFeature(features, VIRTIO_F_ACCESS_PLATFORM));
    }
    if (hasFeature(features, VHOST_USER_F_PROTOCOL_FEATURES)) return;
    // Without protocol features there is no SET_VRING_ENABLE: everything is enabled.
    for (let index = 0; index < this.vrings.length; index++) this.setEnabled(index, true);
  }

  /**
   * The front-end said where a ring is, and whether its writes are logged. A ring that stays where
   * it is runs on: migration repeats its address only to have it logged or no more.
   */
  setAddresses(
    index: number,
    addresses: VringAddresses,
    logGuestAddr: number | null,
  ): Refusal | null {
    const vring = this.vring(index);
    const { desc, used, avail } = vring.addresses ?? { desc: -1, used: -1, avail: -1 };
    const stays = desc === addresses.desc && used === addresses.used && avail === addresses.avail;
    const changed = logGuestAddr !== vring.logGuestAddr;
    vring.logGuestAddr = logGuestAddr;
    if (stays && vring.running && vring.broken === null) {
      if (changed) this.host.setVringLog(index, ringLog(this, vring));
      return null;
    }
    this.suspend(index);
    vring.addresses = addresses;
    return this.resume(index);
  }

  /**
   * Puts another memory table in force. Virtqueues whose areas stay where they are run on; the
   * others are suspended, to be resumed where their areas are now: no SET_VRING_ADDR follows.
   * @param fds a descriptor for each region, or null for one of the present table
   */
  changeMemory(
    regions: readonly MemoryRegion[],
    fds: readonly (number | null)[],
  ): Refusal | null {
    const refusal = this.migration.setMemory(regions);
    if (refusal) {
      this.closeFds(fds.filter((fd) => fd !== null));
      return refusal;
    }
    const addresses = this.host.prepareMemory(regions, fds);
    if (isRefusal(addresses)) return addresses;
    const next = new MemoryTable(regions, addresses);
    for (const [index, vring] of this.vrings.entries()) {
      if (vring.running && !staysIn(this, vring, next)) this.suspend(index);
    }
    this.host.commitMemory();
    this.memory = next;
    return null;
  }

  /**
   * Gives every started ring (back) to the data plane.
   * @param growing regions come one by one: a ring whose memory is not there yet waits for it
   */
  resumeAll(growing = false): Refusal | null {
    for (let index = 0; index < this.vrings.length; index++) {
      const refusal = this.resume(index);
      if (refusal && !(growing && refusal.code === "bad-ring-address")) return refusal;
    }
    return null;
  }

  /** Gives one ring to the data plane if it is started and everything about it is known. */
  resume(index: number): Refusal | null {
    const vring = this.vring(index);
    if (!vring.started || vring.running || vring.size === 0 || vring.addresses === null) {
      return null;
    }
    if (!this.featuresSet || this.memory.regions.length === 0) return null;
    const packed = this.packed;
    if (!packed && (vring.size & (vring.size - 1)) !== 0) {
      return { code: "bad-ring-size", detail: `vring ${index}: split ring of ${vring.size}` };
    }
    const size = vring.size;
    const areas = placeRing(this, vring, vring.addresses);
    if (areas === null) return null;
    if (isRefusal(areas)) return { ...areas, detail: `vring ${index}: ${areas.detail}` };
    const placed = placeVring(this, index, areas);
    if (isRefusal(placed)) return placed;
    const version1 = hasFeature(this.features, VIRTIO_F_VERSION_1);
    const mergeable = hasFeature(this.features, VIRTIO_NET_F_MRG_RXBUF);
    const known = vring.resumeAt !== null;
    this.host.startVring(index, {
      size,
      packed,
      eventIdx: hasFeature(this.features, VIRTIO_RING_F_EVENT_IDX),
      indirect: hasFeature(this.features, VIRTIO_RING_F_INDIRECT_DESC),
      mergeable,
      headerBytes: netHeaderBytes(version1, mergeable),
      ...areas,
      ...placed,
      kickFd: kickOf(this, vring),
      callFd: callOf(this, vring),
      enabled: vring.enabled,
      logGuestAddr: ringLog(this, vring),
    });
    vring.running = true;
    vring.areas = areas;
    vring.resumeAt = null;
    vring.broken = null;
    // Whoever served the ring before may have published without a call.
    if (!known) callOnce(this, index, placed.position);
    return null;
  }

  /** Takes one ring from the data plane; it stays started and its position is kept. */
  suspend(index: number): void {
    const vring = this.vring(index);
    if (!vring.running) return;
    vring.running = false;
    vring.held = false;
    vring.areas = null;
    vring.resumeAt = this.host.stopVring(index);
    vring.base = encodePosition(this.packed, vring.resumeAt);
  }

  /** Stops one ring until the next kick message. @returns its position as on the wire */
  stop(index: number): number {
    const vring = this.vring(index);
    this.suspend(index);
    vring.started = false;
    vring.resumeAt = null;
    vring.broken = null;
    if (this.iotlb && !this.vrings.some((other) => other.started)) useIotlb(this, true);
    return vring.base;
  }

  /** Enables or disables a ring, started or not. */
  setEnabled(index: number, enabled: boolean): void {
    const vring = this.vring(index);
    vring.enabled = enabled;
    if (vring.running) this.host.setVringEnabled(index, enabled);
  }

  /**
   * The data plane gave a ring up because of what stands in it; the front-end is told.
   * @param detail more for people to read, or nothing
   */
  ringBroken(index: number, reason: string, detail = ""): void {
    const vring = this.vring(index);
    // It was stopped, or its front-end went away, before the news got here.
    if (vring.running) this.giveUp(index, reason, detail);
  }

  /** A ring cannot work; the front-end is told. */
  giveUp(index: number, reason: string, detail = ""): void {
    const vring = this.vring(index);
    if (vring.broken === reason) return;
    vring.broken = reason;
    this.host.log("warn", "ring-broken", `vring ${index} stopped: ${reason}${detail}`);
    if (vring.errFd >= 0) this.host.signal(vring.errFd);
    else errInBand(this, index);
    this.#reportLink();
  }

  /** Both directions of a queue pair run. */
  get linkUp(): boolean {
    return this.#linkUp;
  }

  /**
   * The operator took the link down, or up again. @returns whether the front-end was told or will
   * be as soon as its rings start
   */
  setLinkStatus(up: boolean): boolean {
    return changeLink(this, up);
  }

  #reportLink(): void {
    const works = (v?: VringState): boolean => !!v && v.running && v.enabled && v.broken === null;
    const up = this.vrings.some((v, index) =>
      index % 2 === 0 && works(v) && works(this.vrings[index + 1])
    );
    if (up === this.#linkUp) return;
    this.#linkUp = up;
    this.host.linkChanged(up);
    if (up) this.migration.linkUp();
  }

  /** Back to the state of a new device, the connection and its memory kept. */
  reset(): void {
    for (const [index, vring] of this.vrings.entries()) {
      this.stop(index);
      this.host.forgetVring(index);
      vring.base = 0;
      vring.size = 0;
      vring.addresses = null;
      vring.logGuestAddr = null;
      vring.enabled = false;
    }
    this.migration.reset();
    this.features = 0n;
    useIotlb(this, false);
    this.featuresSet = false;
    this.status = 0;
    this.config.mac = this.offer.mac;
  }

  /** The connection is gone: stops everything and closes every descriptor. Call once. */
  close(): void {
    for (const [index, vring] of this.vrings.entries()) {
      this.stop(index);
      this.closeFds([vring.kickFd, vring.callFd, vring.errFd].filter((fd) => fd >= 0));
      vring.kickFd = vring.callFd = vring.errFd = -1;
    }
    this.migration.close();
    this.host.commitInflight();
    this.changeMemory([], []);
    useIotlb(this, false);
    this.#reportLink();
  }
}
