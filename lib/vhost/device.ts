/**
 * One front-end's device: its features, memory, rings and configuration, whatever message they came
 * in. {@linkcode Session} is the other half: it reads messages, checks them against the table of
 * requests, and answers. A handler (`requests/`) stands between the two: it gets what a message says
 * as named numbers, decides whether that may be, and does it here.
 *
 * So nothing here knows a payload, a reply or an acknowledgement; and nothing but this file and its
 * parts in `device/` changes a ring. What it cannot do alone it asks of a {@linkcode SessionHost}.
 *
 * Ring states (vhost-user.rst «Ring states»): started by SET_VRING_KICK, stopped by GET_VRING_BASE;
 * enabled and disabled independently of that, also while stopped. A ring is handed to the data
 * plane once it is started and its size, addresses and memory are known: `resume()`. Whatever
 * changes one of these takes it back before, `suspend()`, and tries again after. `stop()` is the
 * front-end's own word: the ring waits for its next kick message. `reset()` makes the device new.
 *
 * The device owns every descriptor it was given, until it hands it to the host or closes it.
 *
 * @module
 */
import { present } from "../base/assert.ts";
import { BIT, hasFeature, queueFeatures } from "./features/bits.ts";
import { netHeaderBytes } from "../virtio/net_header.ts";
import { tellFrontEnd } from "./device/back_end_channel.ts";
import { ConfigSpace, MTU_DEFAULT } from "./device/config_space.ts";
import { callOf, callOnce, errInBand, kickOf } from "./device/in_band.ts";
import type { InflightArea } from "./device/inflight_area.ts";
import { MemoryTable } from "./device/memory_table.ts";
import { Migration } from "./device/migration.ts";
import { RingIotlb } from "./device/ring_iotlb.ts";
import { placeRing, ringLog, staysIn } from "./device/ring_places.ts";
import { placeVring } from "./device/ring_position.ts";
import { encodePosition, VringState } from "./device/vring.ts";
import type { MemoryRegion, SessionHost } from "./host.ts";
import type { Offer } from "./offer.ts";
import { isRefusal, type Refusal } from "./reasons.ts";
import { configChangeMessage } from "./wire/back_end_message.ts";
import type { VringAddresses } from "./wire/payloads.ts";

/** One front-end's device. Control thread only. */
export class Device {
  /** Descriptors, mappings and the data plane: what this class cannot do alone. */
  readonly host: SessionHost;
  /** What the port offers; never changes. */
  readonly offer: Offer;
  /** By virtqueue number: even ones are receive queues of the driver, odd ones transmit queues. */
  readonly vrings: readonly VringState[];
  /** Negotiated virtio features, a bit each; all of 64. */
  features = 0n;
  /** Whether SET_FEATURES came since the last reset. */
  featuresSet = false;
  /** Negotiated protocol features; kept over a reset of the device. */
  protocolFeatures = 0n;
  /** Virtio device status as the front-end last set it, 8 bits (virtio-v1.3 §2.1). */
  status = 0;
  /** The memory table in force; at first without a region. */
  memory: MemoryTable = new MemoryTable([], []);
  /** Dirty log and announcements. */
  readonly migration: Migration;
  /** Configuration space; what changes in it is told by `settle()`. */
  readonly config: ConfigSpace;
  /** Translations of ring addresses, which are I/O virtual then: VIRTIO_F_ACCESS_PLATFORM. */
  iotlb: RingIotlb | null = null;
  /** Where rings are tracked, or null. */
  inflight: InflightArea | null = null;
  #linkUp = false;

  /** A new device: every ring stopped and disabled. */
  constructor(host: SessionHost, offer: Offer) {
    this.host = host;
    this.offer = offer;
    this.migration = new Migration(host);
    this.config = new ConfigSpace(offer);
    this.vrings = Array.from({ length: 2 * offer.queuePairs }, () => new VringState());
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
    return hasFeature(this.features, BIT.VIRTIO_F_RING_PACKED);
  }

  /** Whether the driver may be using a ring: it runs, is enabled, and the device was not reset. */
  inUse(vring: VringState): boolean {
    const reset = this.status === 0 &&
      hasFeature(this.protocolFeatures, BIT.VHOST_USER_PROTOCOL_F_STATUS);
    return vring.running && vring.enabled && !reset;
  }

  /** Puts negotiated features in force; what may change while rings run is the handler's to judge. */
  setFeatures(features: bigint): void {
    this.features = features;
    this.migration.setFeatures(features);
    this.featuresSet = true;
    this.#holdToDefaultMtu();
    if (!this.vrings.some((vring) => vring.running)) {
      this.#useIotlb(hasFeature(features, BIT.VIRTIO_F_ACCESS_PLATFORM));
    }
    if (hasFeature(features, BIT.VHOST_USER_F_PROTOCOL_FEATURES)) return;
    // Without protocol features there is no SET_VRING_ENABLE: everything is enabled.
    for (let index = 0; index < this.vrings.length; index++) this.setEnabled(index, true);
  }

  /** Puts an MTU in force, bytes: in the configuration space and for frames to the guest. */
  setMtu(mtu: number): void {
    this.config.mtu = mtu;
    this.host.setMtu(mtu);
  }

  /** A driver that read an MTU nobody named must not get longer frames (virtio-v1.3 §5.1.4.1). */
  #holdToDefaultMtu(): void {
    if (this.config.mtu !== null || !hasFeature(this.features, BIT.VIRTIO_NET_F_MTU)) return;
    if (!hasFeature(this.protocolFeatures, BIT.VHOST_USER_PROTOCOL_F_CONFIG)) return;
    this.setMtu(MTU_DEFAULT);
  }

  /**
   * Turns the IOTLB on, empty, or off; every virtqueue is stopped. Turning it on again forgets all
   * translations: QEMU does not tell a device that stands still what its guest unmaps.
   */
  #useIotlb(on: boolean): void {
    if (!on && this.iotlb === null) return;
    this.iotlb = on ? new RingIotlb() : null;
    this.host.setIotlb(on);
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
    const placed = placeVring(this, index, vring, areas);
    if (isRefusal(placed)) return placed;
    const version1 = hasFeature(this.features, BIT.VIRTIO_F_VERSION_1);
    const negotiated = queueFeatures(this.features);
    const known = vring.resumeAt !== null;
    this.host.startVring(index, {
      size,
      packed,
      ...negotiated,
      headerBytes: netHeaderBytes(version1, negotiated.mergeable),
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
    if (this.iotlb && !this.vrings.some((other) => other.started)) this.#useIotlb(true);
    return vring.base;
  }

  /** Keeps off a running ring's areas, which are not translated at the moment, or uses them again. */
  hold(index: number, on: boolean): void {
    this.vring(index).held = on;
    this.host.holdVring(index, on);
  }

  /** Asks for what a started ring's areas lack (IOTLB). @returns whether that is anything */
  askForRing(index: number): boolean {
    const vring = this.vring(index);
    if (!vring.started || vring.addresses === null || vring.size === 0) return false;
    if (vring.running && !vring.held) return false;
    return placeRing(this, vring, vring.addresses) === null;
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
    vring.errors.set(reason, (vring.errors.get(reason) ?? 0) + 1);
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
    this.config.linkUp = up;
    if (!hasFeature(this.features, BIT.VIRTIO_NET_F_STATUS)) return false;
    return this.#announceConfig();
  }

  /**
   * Something in the configuration space changed. @returns as {@linkcode Device.setLinkStatus}; a
   * front-end that cannot be told learns it only by asking
   */
  #announceConfig(): boolean {
    const { protocolFeatures, config } = this;
    config.changePending = false;
    if (!hasFeature(protocolFeatures, BIT.VHOST_USER_PROTOCOL_F_CONFIG)) return false;
    if (!hasFeature(protocolFeatures, BIT.VHOST_USER_PROTOCOL_F_BACKEND_REQ)) return false;
    // While every ring is stopped nothing may be sent (vhost-user.rst «Suspended device state»).
    config.changePending = this.suspended;
    return config.changePending || tellFrontEnd(this, configChangeMessage());
  }

  /** Call after each request: tells whether the link changed, and the configuration space. */
  settle(): void {
    this.#reportLink();
    if (this.config.changePending) this.#announceConfig();
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
    this.#useIotlb(false);
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
    this.#useIotlb(false);
    this.#reportLink();
  }
}
