/**
 * A guest in TypeScript: a vhost-user front-end with a virtio-net driver, for tests and for the
 * demo on machines without QEMU. It sets its device up the way QEMU does.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { closeFd, createMemoryFile, dupFd, Mapping, viewMemory } from "../../ffi/mod.ts";
import * as id from "../vhost/wire/message.ts";
import { netHeaderBytes, writeBareHeader } from "../virtio/net_header.ts";
import { GuestRam, type RingDriver, roomOf, type Segment } from "./driver.ts";
import { PackedDriver } from "./driver_packed.ts";
import { SplitDriver } from "./driver_split.ts";
import { ANSWER_MS_MAX, FrontEnd, PLAIN } from "./front_end.ts";
import { FrameMerger } from "./frame_merger.ts";
import type { NetGuestOptions } from "./net_guest_options.ts";
import { Notifications } from "./notifications.ts";
import { UserMemory } from "./user_memory.ts";

export type { NetGuestOptions } from "./net_guest_options.ts";

/** Index of the receive queue. */
export const RX = 0;
/** Index of the transmit queue. */
export const TX = 1;
const PIECES = [2048];
/** What receive buffers hold before the device writes them, and behind what it wrote. */
const CANARY = 0xa5;
const F_GPA_ADDRESSES = 21;
/** Device status (virtio-v1.3 §2.1): ACKNOWLEDGE, DRIVER, FEATURES_OK, and DRIVER_OK on top. */
const FEATURES_OK = 0xbn;
const DRIVER_OK = 0xfn;
const F = (bit: number): bigint => 1n << BigInt(bit);

/** One guest. Close it, or leave its `using` scope. */
export class NetGuest implements Disposable {
  /** As given; defaults are not filled in. */
  readonly options: NetGuestOptions;
  /** Its memory, rings and buffers included. */
  readonly ram: GuestRam;
  /** Of the virtio-net header in front of each frame: 10 or 12. */
  readonly headerBytes: number;
  /** Virtio features it takes, a bit each. */
  readonly features: bigint;
  /** Its connection to the port. */
  readonly frontEnd: FrontEnd;
  /** Its memory file, owned here. */
  readonly memoryFd: number;
  /** Receive queue; another one after {@linkcode NetGuest.resetRing}. */
  rx: RingDriver;
  /** Transmit queue, likewise. */
  tx: RingDriver;
  readonly #mapping: Mapping;
  /** Kicks, calls, errors and the back-end channel. */
  readonly notifications: Notifications;
  readonly #user: UserMemory;
  readonly #bufferAt = new Map<number, readonly Segment[]>();
  readonly #txFree: Segment[] = [];
  readonly #txAt = new Map<number, readonly Segment[]>();
  readonly #merger: FrameMerger;
  #closed = false;

  private constructor(options: NetGuestOptions) {
    this.options = options;
    const regions = options.regions ?? [{ base: 0, bytes: options.memoryBytes ?? 16 << 20 }];
    const bytes = regions.reduce((sum, region) => sum + region.bytes, 0);
    this.memoryFd = options.memoryFd === undefined
      ? createMemoryFile("guest", bytes)
      : dupFd(options.memoryFd);
    this.#mapping = Mapping.map(this.memoryFd, 0, bytes);
    const start = options.dataStart ?? 0;
    const view = viewMemory(this.#mapping.address + start, bytes - start);
    this.ram = new GuestRam(view, regions, start);
    this.#user = new UserMemory(this.ram, options.guestAddresses ?? false);
    const version1 = options.version1 ?? true;
    const mergeable = options.mergeable ?? true;
    this.headerBytes = netHeaderBytes(version1, mergeable);
    this.#merger = new FrameMerger(this.headerBytes);
    this.features = F(30) | (version1 ? F(32) : 0n) | (mergeable ? F(15) : 0n) |
      (options.packed ? F(34) : 0n) | (options.eventIdx ?? true ? F(29) : 0n) |
      (options.indirect ?? true ? F(28) : 0n) | (options.inOrder ? F(35) : 0n) |
      (options.features ?? []).reduce((word, bit) => word | F(bit), 0n);
    [this.rx, this.tx] = this.#makeRings();
    this.frontEnd = new FrontEnd(options.socket);
    this.notifications = new Notifications(this.frontEnd, 2, options.inBand ?? false);
  }

  #makeRings(): [RingDriver, RingDriver] {
    const size = this.options.ringSize ?? 256;
    const features = {
      eventIdx: this.options.eventIdx ?? true,
      indirect: this.options.indirect ?? true,
      inOrder: this.options.inOrder ?? false,
    };
    const make = (): RingDriver =>
      this.options.packed
        ? new PackedDriver(this.ram, size, features)
        : new SplitDriver(this.ram, size, features);
    return [make(), make()];
  }

  /** Connects, negotiates and starts a guest; its link is up when this resolves. */
  static async start(options: NetGuestOptions): Promise<NetGuest> {
    const guest = new NetGuest(options);
    try {
      await guest.#negotiate();
      await guest.startRings();
      return guest;
    } catch (error) {
      guest.close();
      throw error;
    }
  }

  async #negotiate(): Promise<void> {
    const { frontEnd } = this;
    const offered = await frontEnd.ask(id.VHOST_USER_GET_FEATURES, undefined, [], PLAIN);
    if ((this.features & ~offered) !== 0n) throw new Error("The switch lacks a feature");
    const protocol = await frontEnd.ask(id.VHOST_USER_GET_PROTOCOL_FEATURES, undefined, [], PLAIN);
    const without = this.options.guestAddresses ? 0n : F(F_GPA_ADDRESSES);
    frontEnd.message(id.VHOST_USER_SET_PROTOCOL_FEATURES, id.encodeU64(protocol & ~without));
    frontEnd.message(id.VHOST_USER_SET_OWNER);
    this.notifications.openChannel();
    await frontEnd.ask(id.VHOST_USER_SET_FEATURES, id.encodeU64(this.features));
    frontEnd.message(id.VHOST_USER_SET_STATUS, id.encodeU64(FEATURES_OK));
    await this.setMemory();
  }

  /** The memory table's payload. */
  memoryTable(): Uint8Array<ArrayBuffer> {
    return this.#user.table();
  }

  /** Sends the memory table; may be repeated while rings run. @returns the acknowledgement */
  setMemory(): Promise<bigint> {
    const fds = this.ram.regions.map(() => this.memoryFd);
    return this.frontEnd.ask(id.VHOST_USER_SET_MEM_TABLE, this.memoryTable(), fds);
  }

  /** User virtual address, as ring addresses are given, of a guest-physical one. */
  userAddress(guestAddress: number): bigint {
    return this.#user.address(guestAddress);
  }

  /** Sets both rings up and enables them, fills the receive ring. @param bases as on the wire */
  async startRings(bases?: readonly [number, number]): Promise<void> {
    this.fillReceive();
    this.#setUp(RX, bases?.[RX]);
    this.#setUp(TX, bases?.[TX]);
    await this.enable(RX, true);
    await this.enable(TX, true);
    this.frontEnd.message(id.VHOST_USER_SET_STATUS, id.encodeU64(DRIVER_OK));
  }

  #setUp(index: number, base = this.options.packed ? 0x80008000 : 0): void {
    const { frontEnd } = this;
    const ring = index === RX ? this.rx : this.tx;
    frontEnd.message(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(index, ring.size));
    frontEnd.message(id.VHOST_USER_SET_VRING_BASE, id.encodeVringState(index, base));
    this.setRingAddress(index, ring.areas);
    this.notifications.setUp(index);
    this.setKick(index);
  }

  /**
   * Resets one ring and starts it anew elsewhere, the other running on (VIRTIO_F_RING_RESET). What
   * was in it is lost. @returns where it stood, as on the wire
   */
  async resetRing(index: number): Promise<number> {
    const base = await this.getBase(index);
    const [rx, tx] = this.#makeRings();
    if (index === RX) {
      this.rx = rx;
      this.#bufferAt.clear();
      this.#merger.reset();
      this.fillReceive();
    } else {
      this.tx = tx;
      this.#txAt.clear();
    }
    this.#setUp(index);
    await this.enable(index, true);
    return base;
  }

  /** Sends SET_VRING_KICK, or a kick in-band: it starts a ring. */
  setKick(index: number): void {
    this.notifications.start(index);
  }

  /**
   * Sends SET_VRING_ADDR.
   * @param areas guest-physical: descriptors, driver, device @param logged log writes to the ring
   */
  setRingAddress(index: number, areas: readonly [number, number, number], logged = false): void {
    const payload = new DataView(new ArrayBuffer(40));
    const [desc, driver, device] = areas;
    payload.setUint32(0, index, true);
    payload.setBigUint64(8, this.userAddress(desc), true);
    payload.setBigUint64(16, this.userAddress(device), true);
    payload.setBigUint64(24, this.userAddress(driver), true);
    if (logged) payload.setUint32(4, 1, true);
    if (logged) payload.setBigUint64(32, BigInt(device), true);
    this.frontEnd.message(id.VHOST_USER_SET_VRING_ADDR, new Uint8Array(payload.buffer));
  }

  /** Enables or disables a ring. */
  async enable(index: number, on: boolean): Promise<void> {
    const payload = id.encodeVringState(index, on ? 1 : 0);
    const answer = await this.frontEnd.ask(id.VHOST_USER_SET_VRING_ENABLE, payload);
    if (answer !== 0n) throw new Error("The switch refused to enable a ring");
  }

  /** Stops a ring. @returns its position as on the wire */
  async getBase(index: number): Promise<number> {
    this.frontEnd.message(id.VHOST_USER_GET_VRING_BASE, id.encodeVringState(index, 0));
    return (await this.frontEnd.reply()).payload.getUint32(4, true);
  }

  /** Gives the device receive buffers until the ring, or the wanted number, is full. */
  fillReceive(): void {
    const most = this.options.buffers ?? this.rx.size;
    const pieces = this.options.bufferPieces ?? PIECES;
    const slots = this.options.indirectBuffers ? 1 : pieces.length;
    while (this.#bufferAt.size < most && this.rx.free >= slots) {
      this.#offer(pieces.map((bytes) => ({ address: this.ram.take(bytes, 1), bytes })));
    }
    this.kickReceive();
  }

  /** Adds one chain for the device to write; publish with {@linkcode kickReceive}. */
  #offer(segments: readonly Segment[]): void {
    for (const { address, bytes } of segments) {
      const at = this.ram.at(address);
      this.ram.bytes.fill(CANARY, at, at + bytes);
    }
    this.#bufferAt.set(this.rx.add(segments, true, this.options.indirectBuffers), segments);
  }

  /** Offers receive buffers of the caller's choice. */
  offerBuffers(...chains: readonly (readonly Segment[])[]): void {
    for (const chain of chains) this.#offer(chain);
    this.kickReceive();
  }

  /** Publishes receive buffers and kicks if that is wanted. */
  kickReceive(): void {
    if (this.rx.publish()) this.kick(RX);
  }

  /** Publishes what was added to the transmit ring and kicks if that is wanted. */
  kickTransmit(): void {
    if (this.tx.publish()) this.kick(TX);
  }

  /** Kicks a ring. */
  kick(index: number): void {
    this.notifications.kick(index);
  }

  /** Sends a frame from one buffer; false if the ring is full. */
  send(frame: Uint8Array): boolean {
    this.reapTransmit();
    if (this.tx.free === 0) return false;
    const bytes = this.headerBytes + frame.length;
    const known = this.#txFree.findIndex((buffer) => buffer.bytes >= bytes);
    const room = Math.max(bytes, 2048);
    const buffer = known >= 0
      ? this.#txFree.splice(known, 1)[0] as Segment
      : { address: this.ram.take(room, 8), bytes: room };
    const at = this.ram.at(buffer.address);
    writeBareHeader(this.ram.view, at, this.headerBytes, 0);
    this.ram.bytes.set(frame, at + this.headerBytes);
    const token = this.tx.add([{ address: buffer.address, bytes }], false);
    this.#txAt.set(token, [buffer]);
    this.kickTransmit();
    return true;
  }

  /**
   * Sends header and frame cut into descriptors; false if the ring is full.
   * @param pieces bytes of each descriptor; what is left goes into one more
   */
  sendPieces(frame: Uint8Array, pieces: readonly number[], indirect = false): boolean {
    this.reapTransmit();
    const bytes = new Uint8Array(this.headerBytes + frame.length);
    bytes.set(frame, this.headerBytes);
    const segments: Segment[] = [];
    let at = 0;
    for (const piece of [...pieces, bytes.length]) {
      const part = bytes.subarray(at, at + piece);
      if (at === bytes.length) break;
      const address = this.ram.take(part.length, 1);
      if (part.length > 0) this.ram.write(address, part);
      segments.push({ address, bytes: part.length });
      at += part.length;
    }
    return this.sendChain(segments, indirect);
  }

  /** Sends a chain that stands in memory already; false if the ring is full. */
  sendChain(segments: readonly Segment[], indirect = false): boolean {
    if (this.tx.add(segments, false, indirect) < 0) return false;
    this.kickTransmit();
    return true;
  }

  /** Takes back what the device has sent. @returns how many chains */
  reapTransmit(): number {
    const chains = this.tx.takeUsed();
    for (const { id: token } of chains) {
      this.#txFree.push(...this.#txAt.get(token) ?? []);
      this.#txAt.delete(token);
    }
    return chains.length;
  }

  /** Frames that have arrived; their buffers go back to the device. */
  receive(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const chains: (readonly Segment[])[] = [];
    for (const { id: token, bytes } of this.rx.takeUsed()) {
      const segments = this.#bufferAt.get(token) as readonly Segment[];
      this.#bufferAt.delete(token);
      const data = this.#read(segments, bytes);
      const frame = this.#merger.add(data, roomOf(segments, true));
      if (frame) frames.push(frame);
      chains.push(segments);
    }
    // Not before: a new chain may get the id of one that is still to be looked at.
    for (const segments of chains) this.#offer(segments);
    this.kickReceive();
    return frames;
  }

  /** What the device wrote. @throws if it touched anything behind that */
  #read(segments: readonly Segment[], bytes: number): Uint8Array {
    const all = new Uint8Array(segments.reduce((sum, segment) => sum + segment.bytes, 0));
    let at = 0;
    for (const segment of segments) {
      const from = this.ram.at(segment.address);
      all.set(this.ram.bytes.subarray(from, from + segment.bytes), at);
      at += segment.bytes;
    }
    const touched = all.subarray(bytes).findIndex((byte) => byte !== CANARY);
    if (touched >= 0) throw new Error(`The device wrote behind the ${bytes} bytes it returned`);
    return all.subarray(0, bytes);
  }

  /** Calls that came for a ring since the last look. */
  takeCalls(index: number): number {
    return this.notifications.takeCalls(index);
  }

  /** Whether the switch has signalled an error of a ring since the last look. */
  takeError(index: number): boolean {
    return this.notifications.takeError(index);
  }

  /** Waits for the next frame that `wanted` accepts. @returns it, or null after `timeoutMs` */
  async waitFor(
    wanted: (frame: Uint8Array) => boolean,
    timeoutMs = ANSWER_MS_MAX,
  ): Promise<Uint8Array | null> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const frame = this.receive().find(wanted);
      if (frame) return frame;
      if (Date.now() > end) return null;
      await delay(0);
    }
  }

  /** Disconnects and gives everything back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.frontEnd.close();
    this.notifications.close();
    closeFd(this.memoryFd);
    (this.ram.view.buffer as ArrayBuffer).transfer(0);
    this.#mapping.unmap();
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }
}
