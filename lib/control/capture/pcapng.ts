/**
 * Capture files as pcapng has them (draft-ietf-opsawg-pcapng): blocks of little-endian words, each with
 * its length at both ends. Written here because what is wanted, comments and counts of lost frames in
 * a stream, is a page of code.
 *
 * @module
 */

/** Section Header Block. */
export const BLOCK_SECTION = 0x0a0d0d0a;
/** Interface Description Block. */
export const BLOCK_INTERFACE = 1;
/** Interface Statistics Block. */
export const BLOCK_STATISTICS = 5;
/** Enhanced Packet Block. */
export const BLOCK_PACKET = 6;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINKTYPE_ETHERNET = 1;
const TO_THE_END = -1n;

/** Options of any block, and of those above. */
export const OPTION = {
  end: 0,
  comment: 1,
  hardware: 2,
  os: 3,
  application: 4,
  interfaceName: 2,
  interfaceDescription: 3,
  interfaceFilter: 11,
  packetFlags: 2,
  packetDropCount: 4,
  statisticsStart: 2,
  statisticsEnd: 3,
  statisticsReceived: 4,
  statisticsDropped: 5,
  statisticsAccepted: 6,
  statisticsDelivered: 8,
} as const;

type OptionRow = readonly [code: number, value: string | number | bigint];

/** Adds up a block. */
class Block {
  #bytes = new Uint8Array(new ArrayBuffer(256));
  #end = 8;

  constructor(type: number) {
    new DataView(this.#bytes.buffer).setUint32(0, type, true);
  }

  #grow(bytes: number): DataView {
    if (this.#end + bytes > this.#bytes.length) {
      const larger = new Uint8Array(new ArrayBuffer(2 * (this.#end + bytes)));
      larger.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = larger;
    }
    return new DataView(this.#bytes.buffer);
  }

  u16(value: number): this {
    this.#grow(2).setUint16(this.#end, value, true);
    this.#end += 2;
    return this;
  }

  u32(value: number): this {
    this.#grow(4).setUint32(this.#end, value, true);
    this.#end += 4;
    return this;
  }

  u64(value: bigint): this {
    this.#grow(8).setBigInt64(this.#end, value, true);
    this.#end += 8;
    return this;
  }

  /** Bytes, and zeros up to a whole word. */
  data(bytes: Uint8Array): this {
    const padded = (bytes.length + 3) & ~3;
    this.#grow(padded);
    this.#bytes.set(bytes, this.#end);
    this.#bytes.fill(0, this.#end + bytes.length, this.#end + padded);
    this.#end += padded;
    return this;
  }

  options(rows: readonly OptionRow[]): this {
    if (rows.length === 0) return this;
    for (const [code, value] of rows) {
      if (typeof value === "number") this.u16(code).u16(4).u32(value);
      else if (typeof value === "bigint") this.u16(code).u16(8).u64(value);
      else {
        const bytes = new TextEncoder().encode(value).subarray(0, 0xffff);
        this.u16(code).u16(bytes.length).data(bytes);
      }
    }
    return this.u16(OPTION.end).u16(0);
  }

  done(): Uint8Array {
    const bytes = this.#end + 4;
    this.u32(bytes);
    new DataView(this.#bytes.buffer).setUint32(4, bytes, true);
    return this.#bytes.subarray(0, bytes);
  }
}

/** Begins a section. @param application what wrote it */
export function sectionBlock(application: string, comment: string): Uint8Array {
  return new Block(BLOCK_SECTION)
    .u32(BYTE_ORDER_MAGIC).u16(1).u16(0).u64(TO_THE_END)
    .options([[OPTION.comment, comment], [OPTION.application, application]])
    .done();
}

/** Describes the next interface of the section. @param snap bytes of each frame; 0: all */
export function interfaceBlock(name: string, snap: number, filter: string): Uint8Array {
  const filters: OptionRow[] = filter === "" ? [] : [[OPTION.interfaceFilter, `\0${filter}`]];
  return new Block(BLOCK_INTERFACE)
    .u16(LINKTYPE_ETHERNET).u16(0).u32(snap)
    .options([
      [OPTION.interfaceName, name],
      [OPTION.interfaceDescription, `port ${name} of a vuswitch`],
      ...filters,
    ])
    .done();
}

/** Time as it stands in blocks: microseconds of the epoch, upper word first. */
function stamp(ms: number): readonly [number, number] {
  const us = Math.round(ms * 1000);
  return [Math.floor(us / 2 ** 32), us % 2 ** 32];
}

/** One frame. */
export interface Packet {
  /** Of the section, from 0 on. */
  readonly interface: number;
  /** ms of the epoch. */
  readonly whenMs: number;
  /** 1: from outside into the switch, 2: the other way. */
  readonly direction: number;
  /** As much of it as was captured. */
  readonly data: Uint8Array;
  /** Bytes that it has. */
  readonly original: number;
  /** Frames lost since the last one of this interface. */
  readonly lost: number;
  /** For people. */
  readonly comments: readonly string[];
}

/** A frame's block. */
export function packetBlock(packet: Packet): Uint8Array {
  const [high, low] = stamp(packet.whenMs);
  const drops: OptionRow[] = packet.lost > 0 ? [[OPTION.packetDropCount, BigInt(packet.lost)]] : [];
  return new Block(BLOCK_PACKET)
    .u32(packet.interface).u32(high).u32(low).u32(packet.data.length).u32(packet.original)
    .data(packet.data)
    .options([
      [OPTION.packetFlags, packet.direction],
      ...drops,
      ...packet.comments.map((comment): OptionRow => [OPTION.comment, comment]),
    ])
    .done();
}

/** What became of the frames of one interface. */
export interface InterfaceCounts {
  /** From and to the port while it was captured. */
  readonly seen: number;
  /** Of them, those that the filter let pass. */
  readonly matched: number;
  /** Of those, those that found no room. */
  readonly lost: number;
}

/** Says how much an interface lost, at the end. */
export function statisticsBlock(
  interfaceNumber: number,
  startMs: number,
  endMs: number,
  { seen, matched, lost }: InterfaceCounts,
): Uint8Array {
  const [high, low] = stamp(endMs);
  const time = (ms: number): bigint => {
    const [upper, lower] = stamp(ms);
    return BigInt(upper) | (BigInt(lower) << 32n);
  };
  return new Block(BLOCK_STATISTICS)
    .u32(interfaceNumber).u32(high).u32(low)
    .options([
      [OPTION.statisticsStart, time(startMs)],
      [OPTION.statisticsEnd, time(endMs)],
      [OPTION.statisticsReceived, BigInt(seen)],
      [OPTION.statisticsDropped, BigInt(lost)],
      [OPTION.statisticsAccepted, BigInt(matched)],
      [OPTION.statisticsDelivered, BigInt(matched - lost)],
    ])
    .done();
}
