/**
 * Capture files in the classic pcap format, and frames of random size and content that can be told
 * apart and compared byte for byte after a journey.
 *
 * @module
 */

const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const HEADER_BYTES = 24;
const RECORD_BYTES = 16;
const LINKTYPE_ETHERNET = 1;
const SNAPLEN = 65535;
/** Ethernet header, then the number of the frame. */
const NUMBER_AT = 14;

/** A capture file with these frames, timestamps all zero. */
export function encodePcap(frames: readonly Uint8Array[]): Uint8Array {
  const size = frames.reduce((sum, frame) => sum + RECORD_BYTES + frame.length, HEADER_BYTES);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC_MICROSECONDS, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, SNAPLEN, true);
  view.setUint32(20, LINKTYPE_ETHERNET, true);
  let at = HEADER_BYTES;
  for (const frame of frames) {
    view.setUint32(at + 8, frame.length, true);
    view.setUint32(at + 12, frame.length, true);
    bytes.set(frame, at + RECORD_BYTES);
    at += RECORD_BYTES + frame.length;
  }
  return bytes;
}

/** The frames of a capture file, little-endian as this machine writes it. @throws if damaged */
export function decodePcap(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length < HEADER_BYTES ? 0 : view.getUint32(0, true);
  // 0xa1b23c4d counts nanoseconds; the frames look the same.
  if (magic !== MAGIC_MICROSECONDS && magic !== 0xa1b23c4d) {
    throw new Error(`Not a pcap file: ${bytes.length} bytes, magic ${magic.toString(16)}`);
  }
  const frames: Uint8Array[] = [];
  let at = HEADER_BYTES;
  while (at < bytes.length) {
    const captured = view.getUint32(at + 8, true);
    const length = view.getUint32(at + 12, true);
    if (captured !== length || at + RECORD_BYTES + captured > bytes.length) {
      throw new Error(`Damaged pcap record at byte ${at}: ${captured} of ${length} bytes`);
    }
    frames.push(bytes.subarray(at + RECORD_BYTES, at + RECORD_BYTES + captured));
    at += RECORD_BYTES + captured;
  }
  return frames;
}

/** Random numbers from a seed, so that a failing test can be run again. */
export function createRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

/** What {@linkcode randomFrames} makes. */
export interface FrameRange {
  readonly count: number;
  /** Frame sizes without FCS, bytes, 60 or more. */
  readonly sizeMin: number;
  readonly sizeMax: number;
  readonly seed: number;
  /** Which side sends, 0 or 1: sources are its eight addresses. */
  readonly side: 0 | 1;
}

/**
 * Frames of random size and content, numbered. They go to stations nobody knows, to those of the
 * other side, to everybody and to groups; never to a station of their own side.
 */
export function randomFrames(range: FrameRange): Uint8Array[] {
  const random = createRandom(range.seed);
  return Array.from({ length: range.count }, (_, number) => {
    const size = range.sizeMin + random(range.sizeMax - range.sizeMin + 1);
    const frame = new Uint8Array(size);
    for (let i = 0; i < size; i++) frame[i] = random(256);
    const station = (side: number): number[] => [0x06, 0, 0, 0, side, random(8)];
    const kind = random(16);
    if (kind < 8) frame.set(station(1 - range.side));
    else if (kind === 8) frame.fill(0xff, 0, 6);
    else frame[0] = kind === 9 ? 0x03 : 0x02;
    frame.set(station(range.side), 6);
    const view = new DataView(frame.buffer);
    // The ethertype of local experiments: nothing on the way has a reason to look inside.
    view.setUint16(12, 0x88b5);
    view.setUint32(NUMBER_AT, number);
    return frame;
  });
}

/** How a received capture differs from what was sent. */
export interface Comparison {
  readonly sent: number;
  readonly received: number;
  /** Sent and never received. */
  readonly lost: number;
  /** Received with any byte or the length changed, or never sent. */
  readonly corrupted: number;
  /** Received more than once. */
  readonly repeated: number;
  /** Received after a frame that was sent later. */
  readonly reordered: number;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Compares every received frame, byte for byte, with the one sent under its number. */
export function compareFrames(
  sent: readonly Uint8Array[],
  received: readonly Uint8Array[],
): Comparison {
  const seen = new Uint8Array(sent.length);
  let corrupted = 0;
  let repeated = 0;
  let reordered = 0;
  let last = -1;
  for (const frame of received) {
    const number = frame.length < NUMBER_AT + 4
      ? -1
      : new DataView(frame.buffer, frame.byteOffset).getUint32(NUMBER_AT);
    const original = sent[number];
    if (original === undefined || !equalBytes(original, frame)) {
      corrupted++;
      continue;
    }
    if (seen[number]) repeated++;
    else if (number < last) reordered++;
    seen[number] = 1;
    last = Math.max(last, number);
  }
  const lost = seen.reduce((count, mark) => count + (mark ? 0 : 1), 0);
  return { sent: sent.length, received: received.length, lost, corrupted, repeated, reordered };
}
