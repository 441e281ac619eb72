/**
 * A guest in TypeScript: a vhost-user front-end with a virtio-net driver, for tests and for the
 * demo on machines without QEMU. It sets its device up the way QEMU does.
 *
 * @module
 */
import {
  closeFd,
  connectUnix,
  createEventFd,
  createMemoryFile,
  drainEventFd,
  EAGAIN,
  Mapping,
  receive,
  send,
  signalEventFd,
  viewMemory,
} from "../../ffi/mod.ts";
import * as id from "../vhost/message.ts";
import { GuestRam, type RingDriver, type Segment } from "./driver.ts";
import { PackedDriver } from "./driver_packed.ts";
import { SplitDriver } from "./driver_split.ts";

/** How a guest is made. */
export interface NetGuestOptions {
  readonly socket: string;
  readonly mac: string;
  readonly packed?: boolean;
  readonly mergeable?: boolean;
  readonly eventIdx?: boolean;
  readonly indirect?: boolean;
  /** VIRTIO_F_VERSION_1; without it and without mergeable buffers the header has 10 bytes. */
  readonly version1?: boolean;
  readonly ringSize?: number;
  readonly memoryBytes?: number;
  /** Guest-physical address of the memory; the driver works at its end if `high` is set. */
  readonly guestBase?: number;
  /** Where the driver's own data starts, bytes from the memory's start. */
  readonly dataStart?: number;
  /** Bytes of each receive buffer. */
  readonly bufferBytes?: number;
  /** Receive buffers, default as many as fit the ring. */
  readonly buffers?: number;
}

const RX = 0;
const TX = 1;
const ANSWER_MS_MAX = 30_000;
const F = (bit: number): bigint => 1n << BigInt(bit);

/** One guest. Close it, or leave its `using` scope. */
export class NetGuest implements Disposable {
  readonly options: NetGuestOptions;
  readonly ram: GuestRam;
  readonly headerBytes: number;
  readonly features: bigint;
  rx: RingDriver;
  tx: RingDriver;
  readonly #socket: number;
  readonly #memoryFd: number;
  readonly #mapping: Mapping;
  readonly #kick = [createEventFd(), createEventFd()];
  readonly #call = [createEventFd(), createEventFd()];
  readonly #err = [createEventFd(), createEventFd()];
  readonly #bufferAt = new Map<number, Segment>();
  readonly #txFree: number[] = [];
  readonly #txAt = new Map<number, number>();
  #merged: { parts: Uint8Array[]; left: number } | null = null;
  #closed = false;

  private constructor(options: NetGuestOptions) {
    this.options = options;
    const bytes = options.memoryBytes ?? 16 << 20;
    this.#memoryFd = createMemoryFile("guest", bytes);
    this.#mapping = Mapping.map(this.#memoryFd, 0, bytes);
    const start = options.dataStart ?? 0;
    const view = viewMemory(this.#mapping.address + start, bytes - start);
    this.ram = new GuestRam(view, (options.guestBase ?? 0) + start);
    const version1 = options.version1 ?? true;
    const mergeable = options.mergeable ?? true;
    this.headerBytes = version1 || mergeable ? 12 : 10;
    this.features = F(30) | (version1 ? F(32) : 0n) | (mergeable ? F(15) : 0n) |
      (options.packed ? F(34) : 0n) | (options.eventIdx ?? true ? F(29) : 0n) |
      (options.indirect ?? true ? F(28) : 0n);
    [this.rx, this.tx] = this.#makeRings();
    this.#socket = connectUnix(options.socket);
  }

  #makeRings(): [RingDriver, RingDriver] {
    const size = this.options.ringSize ?? 256;
    const features = {
      eventIdx: this.options.eventIdx ?? true,
      indirect: this.options.indirect ?? true,
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
    await guest.#negotiate();
    await guest.startRings();
    return guest;
  }

  /** Sends a raw message. @returns bytes taken by the socket, or -errno */
  message(
    request: number,
    payload: Uint8Array = new Uint8Array(),
    fds: readonly number[] = [],
    flags = 1,
  ): number {
    return send(this.#socket, id.encodeMessage(request, flags, payload), fds);
  }

  /** Waits for a reply's payload. @throws if the switch closes the connection or does not answer */
  async reply(): Promise<DataView> {
    const bytes = new Uint8Array(new ArrayBuffer(4096));
    const end = Date.now() + ANSWER_MS_MAX;
    for (;;) {
      const got = receive(this.#socket, bytes);
      if (got.bytes > 0) return new DataView(bytes.buffer, id.HEADER_BYTES);
      if (got.bytes !== -EAGAIN) throw new Error("The switch closed the connection");
      if (Date.now() > end) throw new Error("The switch does not answer");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Sends a request that has a reply, or asks for an acknowledgement. @returns the u64 in it */
  async ask(
    request: number,
    payload: Uint8Array = new Uint8Array(),
    fds: readonly number[] = [],
    flags = 1 | id.VHOST_USER_NEED_REPLY_MASK,
  ): Promise<bigint> {
    this.message(request, payload, fds, flags);
    return (await this.reply()).getBigUint64(0, true);
  }

  async #negotiate(): Promise<void> {
    const offered = await this.ask(id.VHOST_USER_GET_FEATURES, undefined, [], 1);
    if ((this.features & ~offered) !== 0n) throw new Error("The switch lacks a feature");
    const protocol = await this.ask(id.VHOST_USER_GET_PROTOCOL_FEATURES, undefined, [], 1);
    this.message(id.VHOST_USER_SET_PROTOCOL_FEATURES, id.encodeU64(protocol));
    this.message(id.VHOST_USER_SET_OWNER);
    await this.ask(id.VHOST_USER_SET_FEATURES, id.encodeU64(this.features));
    await this.setMemory();
  }

  /** Sends the memory table; may be repeated while rings run. @returns the acknowledgement */
  setMemory(): Promise<bigint> {
    const { address, sizeBytes } = this.#mapping;
    const table = new DataView(new ArrayBuffer(40));
    table.setUint32(0, 1, true);
    table.setBigUint64(8, BigInt(this.options.guestBase ?? 0), true);
    table.setBigUint64(16, BigInt(sizeBytes), true);
    table.setBigUint64(24, BigInt(address), true);
    return this.ask(
      id.VHOST_USER_SET_MEM_TABLE,
      new Uint8Array(table.buffer),
      [this.#memoryFd],
    );
  }

  /** User virtual address, as ring addresses are given, of a guest-physical one. */
  userAddress(guestAddress: number): bigint {
    return BigInt(this.#mapping.address + guestAddress - (this.options.guestBase ?? 0));
  }

  /** Sets both rings up and enables them, fills the receive ring. */
  async startRings(base = this.options.packed ? 0x80008000 : 0): Promise<void> {
    this.fillReceive();
    for (const [index, ring] of [this.rx, this.tx].entries()) {
      this.message(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(index, ring.size));
      this.message(id.VHOST_USER_SET_VRING_BASE, id.encodeVringState(index, base));
      this.setRingAddress(index, ring);
      const which = id.encodeU64(BigInt(index));
      this.message(id.VHOST_USER_SET_VRING_ERR, which, [this.#err[index] as number]);
      this.message(id.VHOST_USER_SET_VRING_CALL, which, [this.#call[index] as number]);
      this.message(id.VHOST_USER_SET_VRING_KICK, which, [this.#kick[index] as number]);
    }
    await this.enable(RX, true);
    await this.enable(TX, true);
  }

  /** Sends SET_VRING_ADDR. */
  setRingAddress(index: number, ring: RingDriver): void {
    const payload = new DataView(new ArrayBuffer(40));
    const [desc, driver, device] = ring.areas;
    payload.setUint32(0, index, true);
    payload.setBigUint64(8, this.userAddress(desc), true);
    payload.setBigUint64(16, this.userAddress(device), true);
    payload.setBigUint64(24, this.userAddress(driver), true);
    this.message(id.VHOST_USER_SET_VRING_ADDR, new Uint8Array(payload.buffer));
  }

  /** Enables or disables a ring. */
  async enable(index: number, on: boolean): Promise<void> {
    const payload = id.encodeVringState(index, on ? 1 : 0);
    const answer = await this.ask(id.VHOST_USER_SET_VRING_ENABLE, payload);
    if (answer !== 0n) throw new Error("The switch refused to enable a ring");
  }

  /** Stops a ring. @returns its position as on the wire */
  async getBase(index: number): Promise<number> {
    this.message(id.VHOST_USER_GET_VRING_BASE, id.encodeVringState(index, 0));
    return (await this.reply()).getUint32(4, true);
  }

  /** Gives the device receive buffers until the ring, or the wanted number, is full. */
  fillReceive(): void {
    const bytes = this.options.bufferBytes ?? 2048;
    const most = this.options.buffers ?? this.rx.size;
    while (this.#bufferAt.size < most && this.rx.free > 0) {
      const segment = { address: this.ram.take(bytes, 8), bytes };
      this.#bufferAt.set(this.rx.add([segment], true), segment);
    }
    if (this.rx.publish()) signalEventFd(this.#kick[RX] as number);
  }

  /** The header in front of each frame sent: zeros, no offload. */
  header(): Uint8Array {
    return new Uint8Array(this.headerBytes);
  }

  /** Sends a frame from one buffer; false if the ring is full. */
  send(frame: Uint8Array): boolean {
    this.reapTransmit();
    const bytes = this.headerBytes + frame.length;
    let buffer = this.#txFree.pop();
    if (buffer === undefined) buffer = this.ram.take(this.options.bufferBytes ?? 2048, 8);
    this.ram.write(buffer, this.header());
    this.ram.write(buffer + this.headerBytes, frame);
    const token = this.tx.add([{ address: buffer, bytes }], false);
    if (token < 0) {
      this.#txFree.push(buffer);
      return false;
    }
    this.#txAt.set(token, buffer);
    this.kickTransmit();
    return true;
  }

  /** Publishes what was added to the transmit ring and kicks if that is wanted. */
  kickTransmit(): void {
    if (this.tx.publish()) signalEventFd(this.#kick[TX] as number);
  }

  /** Takes back what the device has sent. @returns how many chains */
  reapTransmit(): number {
    const chains = this.tx.takeUsed();
    for (const { id: token } of chains) {
      const buffer = this.#txAt.get(token);
      this.#txAt.delete(token);
      if (buffer !== undefined) this.#txFree.push(buffer);
    }
    return chains.length;
  }

  /** Frames that have arrived; their buffers go back to the device. */
  receive(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (const { id: token, bytes } of this.rx.takeUsed()) {
      const segment = this.#bufferAt.get(token) as Segment;
      this.#bufferAt.delete(token);
      const data = this.ram.read(segment.address, bytes);
      this.#collect(data, frames);
      this.#bufferAt.set(this.rx.add([segment], true), segment);
    }
    if (this.rx.publish()) signalEventFd(this.#kick[RX] as number);
    return frames;
  }

  #collect(data: Uint8Array, frames: Uint8Array[]): void {
    if (this.#merged === null) {
      const view = new DataView(data.buffer, data.byteOffset);
      const buffers = this.headerBytes === 12 ? view.getUint16(10, true) : 1;
      this.#merged = { parts: [data.subarray(this.headerBytes)], left: buffers };
    } else this.#merged.parts.push(data);
    if (--this.#merged.left > 0) return;
    const { parts } = this.#merged;
    this.#merged = null;
    const frame = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      frame.set(part, at);
      at += part.length;
    }
    frames.push(frame);
  }

  /** Calls that came for a ring since the last look. */
  takeCalls(index: number): number {
    return drainEventFd(this.#call[index] as number);
  }

  /** Whether the switch has signalled an error of a ring since the last look. */
  takeError(index: number): boolean {
    return drainEventFd(this.#err[index] as number) > 0;
  }

  /** Waits for the next frame that `wanted` accepts. @returns it, or null after `timeoutMs` */
  async waitFor(
    wanted: (frame: Uint8Array) => boolean,
    timeoutMs = 10_000,
  ): Promise<Uint8Array | null> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      const frame = this.receive().find(wanted);
      if (frame) return frame;
      if (Date.now() > end) return null;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Disconnects and gives everything back. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const fd of [this.#socket, this.#memoryFd]) closeFd(fd);
    for (const fd of [...this.#kick, ...this.#call, ...this.#err]) closeFd(fd);
    (this.ram.view.buffer as ArrayBuffer).transfer(0);
    this.#mapping.unmap();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
