/**
 * Reads what a switch writes when it captures (lib/control/capture/pcapng.ts), piece by piece.
 *
 * @module
 */
import {
  BLOCK_INTERFACE,
  BLOCK_PACKET,
  BLOCK_SECTION,
  BLOCK_STATISTICS,
  OPTION,
} from "../control/capture/pcapng.ts";

/** A frame as a capture has it. */
export interface CapturedFrame {
  /** Name of its port. */
  readonly port: string;
  /** Microseconds of the epoch. */
  readonly atUs: number;
  /** From whoever is behind the port into the switch, or the other way. */
  readonly direction: "in" | "out";
  /** As much of it as was captured. */
  readonly data: Uint8Array;
  /** Bytes that it has. */
  readonly bytes: number;
  /** Why it was dropped, what it asks for. */
  readonly comments: readonly string[];
}

/** Longer than any block of ours. */
const BLOCK_BYTES_MAX = 2 ** 20;

/** Puts blocks together, and takes them apart. */
export class PcapngReader {
  #rest = new Uint8Array(0);
  readonly #names: string[] = [];
  /** Frames so far. */
  frames = 0;
  /** Frames that found no room, as the statistics at the end say; null: they did not come. */
  lost: number | null = null;

  /** Takes one more piece. @returns the frames that are whole by now @throws {Error} no pcapng of ours */
  push(part: Uint8Array): CapturedFrame[] {
    const bytes = new Uint8Array(this.#rest.length + part.length);
    bytes.set(this.#rest);
    bytes.set(part, this.#rest.length);
    const view = new DataView(bytes.buffer);
    const frames: CapturedFrame[] = [];
    let at = 0;
    while (at + 12 <= bytes.length) {
      const size = view.getUint32(at + 4, true);
      if (size < 12 || size % 4 !== 0 || size > BLOCK_BYTES_MAX) {
        throw new Error(`a block of ${size} bytes`);
      }
      if (at + size > bytes.length) break;
      this.#block(new DataView(bytes.buffer, at, size), frames);
      at += size;
    }
    this.#rest = bytes.slice(at);
    this.frames += frames.length;
    return frames;
  }

  #block(view: DataView, frames: CapturedFrame[]): void {
    const type = view.getUint32(0, true);
    if (type === BLOCK_SECTION) return;
    if (type === BLOCK_INTERFACE) {
      const name = options(view, 16).find(([code]) => code === OPTION.interfaceName)?.[1];
      this.#names.push(new TextDecoder().decode(name));
    } else if (type === BLOCK_STATISTICS) {
      const rows = options(view, 20);
      const lost = rows.find(([code]) => code === OPTION.statisticsDropped)?.[1];
      if (lost) this.lost = (this.lost ?? 0) + Number(dataOf(lost).getBigUint64(0, true));
    } else if (type === BLOCK_PACKET) frames.push(this.#frame(view));
  }

  #frame(view: DataView): CapturedFrame {
    const captured = view.getUint32(20, true);
    const rows = options(view, 28 + ((captured + 3) & ~3));
    const flags = rows.find(([code]) => code === OPTION.packetFlags)?.[1];
    const direction = flags ? dataOf(flags).getUint32(0, true) & 3 : 0;
    return {
      port: this.#names[view.getUint32(8, true)] ?? "?",
      atUs: view.getUint32(12, true) * 2 ** 32 + view.getUint32(16, true),
      direction: direction === 1 ? "in" : "out",
      data: new Uint8Array(view.buffer, view.byteOffset + 28, captured),
      bytes: view.getUint32(24, true),
      comments: rows.filter(([code]) => code === OPTION.comment)
        .map(([, value]) => new TextDecoder().decode(value)),
    };
  }
}

function dataOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Options from a place in a block on. */
function options(view: DataView, from: number): (readonly [number, Uint8Array])[] {
  const rows: (readonly [number, Uint8Array])[] = [];
  for (let at = from; at + 4 <= view.byteLength - 4;) {
    const code = view.getUint16(at, true);
    const length = view.getUint16(at + 2, true);
    if (code === OPTION.end || at + 4 + length > view.byteLength - 4) break;
    rows.push([code, new Uint8Array(view.buffer, view.byteOffset + at + 4, length)]);
    at += 4 + ((length + 3) & ~3);
  }
  return rows;
}
