/**
 * A guest that outlives its switch: memory, rings and inflight area stay while the connection comes
 * and goes. It says that its rings are new each time, as QEMU does whose back-end was lost.
 *
 * @module
 */
import {
  closeFd,
  createEventFd,
  createMemoryFile,
  Mapping,
  signalEventFd,
  viewMemory,
} from "../../ffi/mod.ts";
import { GuestRam, type RingDriver, type Segment } from "../../lib/guest/driver.ts";
import { PackedDriver } from "../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../lib/guest/driver_split.ts";
import { FrontEnd, PLAIN } from "../../lib/guest/front_end.ts";
import * as id from "../../lib/vhost/wire/message.ts";

const RAM_BYTES = 8 << 20;
const USER_BASE = 2 ** 44;
const BUFFER_BYTES = 2048;
const HEADER_BYTES = 12;
const F = (bit: number): bigint => 1n << BigInt(bit);

/** How a guest is made. */
export interface LastingOptions {
  readonly mac: string;
  readonly socket: string;
  readonly packed: boolean;
  /** It keeps an inflight area. */
  readonly tracked: boolean;
  readonly ringSize: number;
}

/** One guest. Close it, or leave its `using` scope. */
export class LastingGuest implements Disposable {
  readonly options: LastingOptions;
  readonly ram: GuestRam;
  readonly rx: RingDriver;
  readonly tx: RingDriver;
  readonly #memoryFd = createMemoryFile("lasting", RAM_BYTES);
  readonly #mapping = Mapping.map(this.#memoryFd, 0, RAM_BYTES);
  readonly #kicks = [createEventFd(), createEventFd()];
  readonly #calls = [createEventFd(), createEventFd()];
  readonly #buffers = new Map<number, Segment>();
  readonly #freeBuffers: Segment[] = [];
  readonly #txAt = new Map<number, Segment>();
  readonly #txFree: Segment[] = [];
  #area: { readonly fd: number; readonly payload: Uint8Array } | null = null;
  #frontEnd: FrontEnd | null = null;

  constructor(options: LastingOptions) {
    this.options = options;
    this.ram = new GuestRam(viewMemory(this.#mapping.address, RAM_BYTES), 0);
    const features = { eventIdx: true, indirect: true };
    const make = (): RingDriver =>
      options.packed
        ? new PackedDriver(this.ram, options.ringSize, features)
        : new SplitDriver(this.ram, options.ringSize, features);
    this.rx = make();
    this.tx = make();
  }

  /** Connects and starts the rings where they are. */
  async attach(): Promise<void> {
    const frontEnd = new FrontEnd(this.options.socket);
    frontEnd.keepsFds = true;
    this.#frontEnd = frontEnd;
    const features = F(30) | F(32) | F(15) | F(29) | F(28) | (this.options.packed ? F(34) : 0n);
    await frontEnd.ask(id.VHOST_USER_GET_FEATURES, undefined, [], PLAIN);
    const protocol = await frontEnd.ask(id.VHOST_USER_GET_PROTOCOL_FEATURES, undefined, [], PLAIN);
    const without = this.options.tracked ? 0n : F(12);
    frontEnd.message(id.VHOST_USER_SET_PROTOCOL_FEATURES, id.encodeU64(protocol & ~without));
    frontEnd.message(id.VHOST_USER_SET_OWNER);
    await this.#acknowledged(id.VHOST_USER_SET_FEATURES, id.encodeU64(features));
    if (this.options.tracked) await this.#track(frontEnd);
    await this.#acknowledged(id.VHOST_USER_SET_MEM_TABLE, memoryTable(), [this.#memoryFd]);
    for (const [index, ring] of [this.rx, this.tx].entries()) this.#startRing(index, ring);
    for (const index of [0, 1]) {
      await this.#acknowledged(id.VHOST_USER_SET_VRING_ENABLE, id.encodeVringState(index, 1));
    }
  }

  async #acknowledged(
    request: number,
    payload: Uint8Array,
    fds: readonly number[] = [],
  ): Promise<void> {
    const answer = await this.#frontEnd?.ask(request, payload, fds);
    if (answer !== 0n) throw new Error(`The switch refused request ${request}`);
  }

  /** Gets an area once, and gives it to every switch from then on. */
  async #track(frontEnd: FrontEnd): Promise<void> {
    if (this.#area === null) {
      const wish = new Uint8Array(24);
      const view = new DataView(wish.buffer);
      view.setUint16(16, 2, true);
      view.setUint16(18, this.options.ringSize, true);
      frontEnd.message(id.VHOST_USER_GET_INFLIGHT_FD, wish);
      const { payload } = await frontEnd.reply();
      const [fd] = frontEnd.takeFds();
      if (fd === undefined) throw new Error("The switch sent no inflight area");
      const bytes = payload.buffer.slice(payload.byteOffset, payload.byteOffset + 24);
      this.#area = { fd, payload: new Uint8Array(bytes as ArrayBuffer) };
    }
    const { fd, payload } = this.#area;
    await this.#acknowledged(id.VHOST_USER_SET_INFLIGHT_FD, payload, [fd]);
  }

  #startRing(index: number, ring: RingDriver): void {
    const say = (request: number, payload: Uint8Array, fds: readonly number[] = []): void => {
      this.#frontEnd?.message(request, payload, fds);
    };
    say(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(index, ring.size));
    const base = this.options.packed ? 0x80008000 : 0;
    say(id.VHOST_USER_SET_VRING_BASE, id.encodeVringState(index, base));
    const addresses = new DataView(new ArrayBuffer(40));
    addresses.setUint32(0, index, true);
    const [desc, driver, device] = ring.areas;
    [desc, device, driver].forEach((area, i) =>
      addresses.setBigUint64(8 + 8 * i, BigInt(USER_BASE + area), true)
    );
    say(id.VHOST_USER_SET_VRING_ADDR, new Uint8Array(addresses.buffer));
    const which = id.encodeU64(BigInt(index));
    say(id.VHOST_USER_SET_VRING_CALL, which, [this.#calls[index] as number]);
    say(id.VHOST_USER_SET_VRING_KICK, which, [this.#kicks[index] as number]);
  }

  /** The connection is gone; rings and area stay. */
  detach(): void {
    this.#frontEnd?.close();
    this.#frontEnd = null;
  }

  /** Gives the device receive buffers until the ring is full. */
  refill(): void {
    while (this.rx.free > 0) {
      const buffer = this.#freeBuffers.pop() ??
        { address: this.ram.take(BUFFER_BYTES, 16), bytes: BUFFER_BYTES };
      this.#buffers.set(this.rx.add([buffer], true), buffer);
    }
    if (this.rx.publish()) signalEventFd(this.#kicks[0] as number);
  }

  /** Frames that have arrived. @throws if a buffer came back that the device did not have */
  receive(): Uint8Array[] {
    return this.rx.takeUsed().map((chain) => {
      const buffer = this.#buffers.get(chain.id) as Segment;
      this.#buffers.delete(chain.id);
      this.#freeBuffers.push(buffer);
      return this.ram.read(buffer.address + HEADER_BYTES, chain.bytes - HEADER_BYTES);
    });
  }

  /** Takes back what was sent. @throws if a chain came back that the device did not have */
  reap(): number {
    const chains = this.tx.takeUsed();
    for (const chain of chains) {
      this.#txFree.push(this.#txAt.get(chain.id) as Segment);
      this.#txAt.delete(chain.id);
    }
    return chains.length;
  }

  /**
   * Adds a frame, not made available yet. @param pieces descriptors of its chain
   * @returns false if there is no room
   */
  add(frame: Uint8Array, pieces: number, indirect: boolean): boolean {
    if (this.tx.free < pieces) return false;
    const buffer = this.#txFree.pop() ??
      { address: this.ram.take(BUFFER_BYTES, 16), bytes: BUFFER_BYTES };
    const bytes = HEADER_BYTES + frame.length;
    this.ram.write(buffer.address, new Uint8Array(HEADER_BYTES));
    this.ram.write(buffer.address + HEADER_BYTES, frame);
    const cut = Math.floor(bytes / pieces);
    const chain = Array.from({ length: pieces }, (_, i) => ({
      address: buffer.address + i * cut,
      bytes: i + 1 < pieces ? cut : bytes - i * cut,
    }));
    this.#txAt.set(this.tx.add(chain, false, indirect && pieces > 1), buffer);
    return true;
  }

  /** Makes what was added available. */
  publish(): void {
    if (this.tx.publish()) signalEventFd(this.#kicks[1] as number);
  }

  /** Gives everything back. */
  close(): void {
    this.detach();
    const fds = [this.#memoryFd, ...this.#kicks, ...this.#calls];
    if (this.#area !== null) fds.push(this.#area.fd);
    for (const fd of fds) closeFd(fd);
    (this.ram.view.buffer as ArrayBuffer).transfer(0);
    this.#mapping.unmap();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function memoryTable(): Uint8Array {
  const table = new DataView(new ArrayBuffer(40));
  table.setUint32(0, 1, true);
  table.setBigUint64(16, BigInt(RAM_BYTES), true);
  table.setBigUint64(24, BigInt(USER_BASE), true);
  return new Uint8Array(table.buffer);
}
