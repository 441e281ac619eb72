/**
 * A TypeScript guest whose memory is copied the way a live migration copies it: once as a whole,
 * then the pages that the switch has logged, again and again. If one page is missing in the log,
 * the copy is not the guest.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, createMemoryFile, Mapping, viewMemory } from "../../ffi/mod.ts";
import { type NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";

const PAGE_BYTES = 4096;
const LOG_ALL = 1n << 26n;

/** A dirty log shared with the switch. */
class SharedLog implements Disposable {
  readonly fd: number;
  readonly bytes: Uint8Array;
  readonly #mapping: Mapping;

  constructor(sizeBytes: number) {
    this.fd = createMemoryFile("log", Math.ceil(sizeBytes / PAGE_BYTES) * PAGE_BYTES);
    this.#mapping = Mapping.map(this.fd, 0, Math.ceil(sizeBytes / PAGE_BYTES) * PAGE_BYTES);
    this.bytes = new Uint8Array(viewMemory(this.#mapping.address, sizeBytes));
  }

  [Symbol.dispose](): void {
    (this.bytes.buffer as ArrayBuffer).transfer(0);
    this.#mapping.unmap();
    closeFd(this.fd);
  }
}

/** A guest and its copy. The guest stays the caller's. */
export class MigratingGuest implements Disposable {
  readonly guest: NetGuest;
  /** What the other machine has of the guest's memory, in the order of the memory file. */
  readonly #copy: Uint8Array;
  readonly #logBytes: number;
  #log: SharedLog;
  /** Logs that were in force before; the switch may set no bit in them any more. */
  readonly #old: SharedLog[] = [];
  /** Pages taken from the log so far, each time counted. */
  pages = 0;

  constructor(guest: NetGuest) {
    this.guest = guest;
    this.#copy = new Uint8Array(guest.ram.bytes.length);
    const end = Math.max(...guest.ram.regions.map(({ base, bytes }) => base + bytes));
    this.#logBytes = Math.ceil(end / PAGE_BYTES / 8);
    this.#log = new SharedLog(this.#logBytes);
  }

  /** Sends SET_LOG_BASE, and checks that the reply is a u64 of 0. */
  async #setLogBase(): Promise<void> {
    const { frontEnd } = this.guest;
    const payload = new BigUint64Array([BigInt(this.#logBytes), 0n]);
    frontEnd.message(id.VHOST_USER_SET_LOG_BASE, new Uint8Array(payload.buffer), [this.#log.fd]);
    const { request, payload: answer } = await frontEnd.reply();
    assert.equal(request, id.VHOST_USER_SET_LOG_BASE);
    assert.deepEqual([answer.byteLength, answer.getBigUint64(0, true)], [8, 0n]);
  }

  /** Switches logging of buffers and of both rings, while they run. */
  async #switch(all: boolean, rings: boolean): Promise<void> {
    const { frontEnd, features, rx, tx } = this.guest;
    const wanted = features | (all ? LOG_ALL : 0n);
    assert.equal(await frontEnd.ask(id.VHOST_USER_SET_FEATURES, id.encodeU64(wanted)), 0n);
    for (const [index, ring] of [rx, tx].entries()) {
      this.guest.setRingAddress(index, ring.areas, rings);
    }
    await frontEnd.ask(id.VHOST_USER_SET_VRING_ENABLE, id.encodeVringState(RX, 1));
  }

  /** Begins to migrate: the log, then what is to be logged, then the whole memory. */
  async begin(): Promise<void> {
    await this.#setLogBase();
    await this.#switch(true, true);
    this.copyAll();
  }

  /** Ends the migration where it is; the log stays mapped. */
  async cancel(): Promise<void> {
    await this.#switch(false, false);
  }

  /** Copies the whole memory. The driver writes nothing from here on. */
  copyAll(): void {
    this.harvest();
    this.#copy.set(this.guest.ram.bytes);
  }

  /** Puts another log in force, then reads the old one for the last time. */
  async replaceLog(): Promise<void> {
    const old = this.#log;
    this.#log = new SharedLog(this.#logBytes);
    await this.#setLogBase();
    this.#take(old);
    this.#old.push(old);
  }

  /** Copies the pages that are logged, and takes their bits away first. */
  harvest(): number {
    for (const log of this.#old) assert(log.bytes.every((byte) => byte === 0), "old logs rest");
    return this.#take(this.#log);
  }

  #take({ bytes }: SharedLog): number {
    const { ram } = this.guest;
    let pages = 0;
    for (let byte = 0; byte < bytes.length; byte++) {
      if (bytes[byte] === 0) continue;
      const bits = Atomics.exchange(bytes, byte, 0);
      for (let bit = 0; bit < 8; bit++) {
        if ((bits & (1 << bit)) === 0) continue;
        // Throws for a page that is not the guest's.
        const at = ram.at((8 * byte + bit) * PAGE_BYTES);
        this.#copy.set(ram.bytes.subarray(at, at + PAGE_BYTES), at);
        pages++;
      }
    }
    this.pages += pages;
    return pages;
  }

  /** Stops both rings, as a front-end does before it hands the guest over. */
  async stop(): Promise<void> {
    for (const index of [RX, TX]) await this.guest.getBase(index);
  }

  /** Goes on with both rings, or one, where they stopped. */
  start(...rings: number[]): void {
    for (const index of rings) this.guest.setKick(index);
  }

  /** Pages in which memory and copy differ now. */
  missing(): number[] {
    const { bytes } = this.guest.ram;
    const pages: number[] = [];
    for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
      for (let i = at; i < at + PAGE_BYTES; i++) {
        if (bytes[i] === this.#copy[i]) continue;
        pages.push(at / PAGE_BYTES);
        break;
      }
    }
    return pages;
  }

  [Symbol.dispose](): void {
    for (const log of [...this.#old, this.#log]) log[Symbol.dispose]();
  }
}
