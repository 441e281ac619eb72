/**
 * What the two kinds of driver-side virtqueues share: guest memory to build rings in, and strict
 * accounting of what the device gives back.
 *
 * @module
 */

/** A buffer of a chain. */
export interface Segment {
  /** Guest-physical address. */
  readonly address: number;
  /** Length of the buffer; 0 is allowed, though no driver does it. */
  readonly bytes: number;
}

/** A descriptor of a driver that knows no rules. */
export interface OddDescriptor extends Segment {
  /** WRITE (2), INDIRECT (4), both or none; NEXT comes with the descriptors that follow. */
  readonly flags: number;
}

/** A chain the device has finished with. */
export interface UsedChain {
  /** As `add` returned it. */
  readonly id: number;
  /** Bytes the device says it wrote. */
  readonly bytes: number;
}

/** Negotiated features that matter to a ring. */
export interface RingFeatures {
  /** VIRTIO_RING_F_EVENT_IDX: both sides say at which index they want to be told. */
  readonly eventIdx: boolean;
  /** VIRTIO_RING_F_INDIRECT_DESC. */
  readonly indirect: boolean;
  /** Chains must come back in the order of offering. */
  readonly inOrder?: boolean;
}

/** The driver's side of a virtqueue. */
export interface RingDriver {
  /** Descriptors of the ring. */
  readonly size: number;
  /** Guest-physical addresses of descriptor, driver and device area. */
  readonly areas: readonly [number, number, number];
  /** Descriptors (slots) not in use. */
  readonly free: number;
  /** Adds one chain, of device-writable or device-readable buffers; -1 if there is no room. */
  add(segments: readonly Segment[], deviceWrites: boolean, indirect?: boolean): number;
  /** Adds one chain for which nothing is written, whatever its flags say; -1 if there is no room. */
  addOdd(descriptors: readonly OddDescriptor[]): number;
  /** Makes what was added available. @returns whether the device wants a kick */
  publish(): boolean;
  /** Chains the device has finished with. @throws if it broke a rule */
  takeUsed(): UsedChain[];
  /**
   * Asks the device for calls, or no more.
   * @param after with event indices: only once so many descriptors more than the next were used,
   * below the ring's size
   */
  wantCalls(wanted: boolean, after?: number): void;
}

/** A region of guest memory; regions lie one behind the other in the memory file. */
export interface RamRegion {
  /** Guest-physical address of its first byte. */
  readonly base: number;
  /** Above 0. */
  readonly bytes: number;
}

/** A guest's memory as its driver sees it: bytes, and a simple allocator. */
export class GuestRam {
  /** All of it, little-endian accesses; offsets as {@linkcode GuestRam.at} gives them. */
  readonly view: DataView;
  /** The same bytes. */
  readonly bytes: Uint8Array;
  /** In the order of the memory file. */
  readonly regions: readonly RamRegion[];
  /** Byte of the memory file that is byte 0 of `view`. */
  readonly #start: number;
  #next = 0;

  /**
   * Memory that is not used yet.
   * @param buffer the memory file from byte `start` on
   * @param regions where the whole file lies, or the guest-physical address of its first byte
   */
  constructor(buffer: ArrayBuffer, regions: number | readonly RamRegion[], start = 0) {
    this.view = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
    this.regions = typeof regions === "number"
      ? [{ base: regions, bytes: start + buffer.byteLength }]
      : regions;
    this.#start = start;
  }

  /**
   * Takes memory, never given back, its guest-physical addresses without a gap.
   * @returns its guest-physical address
   */
  take(bytes: number, align = 16): number {
    let at = Math.ceil(this.#next / align) * align;
    if (this.#gapIn(at, bytes)) at = Math.ceil(this.#regionEnd(at) / align) * align;
    if (at + bytes > this.bytes.length) throw new Error("Cannot take memory: the guest is full");
    this.#next = at + bytes;
    this.bytes.fill(0, at, at + bytes);
    return this.#address(at);
  }

  /** Lets the allocator go on at a guest-physical address. */
  moveTo(address: number): void {
    this.#next = this.at(address);
  }

  #gapIn(at: number, bytes: number): boolean {
    return bytes > 0 && this.#address(at) + bytes - 1 !== this.#address(at + bytes - 1);
  }

  #regionEnd(at: number): number {
    let end = -this.#start;
    for (const region of this.regions) {
      end += region.bytes;
      if (at < end) break;
    }
    return end;
  }

  #address(at: number): number {
    let left = at + this.#start;
    for (const region of this.regions) {
      if (left < region.bytes) return region.base + left;
      left -= region.bytes;
    }
    return -1;
  }

  /** Offset in `view` of a guest-physical address. */
  at(address: number): number {
    let start = -this.#start;
    for (const region of this.regions) {
      const inRegion = address - region.base;
      if (inRegion >= 0 && inRegion < region.bytes) return start + inRegion;
      start += region.bytes;
    }
    throw new Error(`No memory at 0x${address.toString(16)}`);
  }

  /** Writes bytes at a guest-physical address. */
  write(address: number, data: Uint8Array): void {
    this.bytes.set(data, this.at(address));
  }

  /** Copies bytes out of guest memory. */
  read(address: number, bytes: number): Uint8Array {
    return this.bytes.slice(this.at(address), this.at(address) + bytes);
  }
}

/** Indirect tables, used again once the device has given their chains back. */
export class TablePool {
  readonly #ram: GuestRam;
  readonly #free = new Map<number, number[]>();
  /** Table of each chain by id: address and entries. */
  readonly #inUse = new Map<number, { address: number; entries: number }>();

  /** No tables yet; they are taken from `ram`. */
  constructor(ram: GuestRam) {
    this.#ram = ram;
  }

  /** A table for chain `id`. @returns its guest-physical address */
  take(id: number, entries: number): number {
    const address = this.#free.get(entries)?.pop() ?? this.#ram.take(DESC * entries, 16);
    this.#inUse.set(id, { address, entries });
    return address;
  }

  /** The device has given chain `id` back. */
  give(id: number): void {
    const table = this.#inUse.get(id);
    if (table === undefined) return;
    this.#inUse.delete(id);
    const list = this.#free.get(table.entries) ?? [];
    list.push(table.address);
    this.#free.set(table.entries, list);
  }
}

/** Chains the device holds: each must come back once, and what comes back must say what was done. */
export class Outstanding {
  /** Room for the device by chain, in the order of offering. */
  readonly #room = new Map<number, number>();
  readonly #inOrder: boolean;

  /**
   * The device holds nothing. @param inOrder VIRTIO_F_IN_ORDER: chains come back in the order of
   * offering
   */
  constructor(inOrder = false) {
    this.#inOrder = inOrder;
  }

  /** The device gets a chain with room for `bytes`; 0: the device only reads it. */
  offer(id: number, bytes: number): void {
    if (this.#room.has(id)) throw new Error(`Chain ${id} is with the device already`);
    this.#room.set(id, bytes);
  }

  /**
   * The device gives a chain back.
   * @param written the used descriptor of a packed ring has WRITE; null where there is no such flag
   * @throws if it never had the chain, wrote too much, or says something else than it did
   */
  settle(id: number, bytes: number, written: boolean | null = null): void {
    const room = this.#room.get(id);
    if (room === undefined) throw new Error(`The device returned chain ${id}, which it had not`);
    if (bytes > room) throw new Error(`The device wrote ${bytes} bytes into room for ${room}`);
    // virtio-v1.3 §2.8.4: only with WRITE a driver may rely on the length.
    if (written !== null && written !== bytes > 0) {
      const flag = written ? "with" : "without";
      throw new Error(`The device returned chain ${id} of ${bytes} bytes ${flag} WRITE`);
    }
    const [oldest] = this.#room.keys();
    if (this.#inOrder && oldest !== id) {
      throw new Error(`The device returned chain ${id} before ${oldest}, which was first`);
    }
    this.#room.delete(id);
  }

  /** How many chains the device holds. */
  get count(): number {
    return this.#room.size;
  }
}

/** Bytes of a descriptor. */
export const DESC = 16;

/**
 * Writes one descriptor: address u64, bytes u32, then id and flags (packed) or flags and next
 * (split).
 */
export function writeDesc(
  ram: GuestRam,
  address: number,
  segment: Segment,
  word12: number,
  word14: number,
): void {
  const at = ram.at(address);
  ram.view.setBigUint64(at, BigInt(segment.address), true);
  ram.view.setUint32(at + 8, segment.bytes, true);
  ram.view.setUint16(at + 12, word12, true);
  ram.view.setUint16(at + 14, word14, true);
}

/** Room for the device in a chain. */
export function roomOf(segments: readonly Segment[], deviceWrites: boolean): number {
  return deviceWrites ? segments.reduce((sum, segment) => sum + segment.bytes, 0) : 0;
}
