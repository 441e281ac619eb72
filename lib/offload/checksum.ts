// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of words of 16
 * bits. Sums here are such sums, 0 to 65535, of words in network order, not complemented.
 *
 * Memory is summed in little-endian words, which gives the same sum with its bytes swapped (RFC 1071
 * §2, B), and a piece that begins at an odd place likewise.
 *
 * @module
 */
import { segmentBytes, segmentOffset, segmentWindow } from "../virtio/memory/guest_memory.ts";
import { windowView } from "../virtio/memory/window.ts";

/** Words of 32 bits after which halves are folded: their sums stay below 2^31. */
const WORDS_MAX = 32_000;

/** Folds a sum, below 2^32, to 16 bits. */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** Swaps the two bytes of a sum. */
function swap(sum: number): number {
  return ((sum & 0xff) << 8) | (sum >>> 8);
}

/** The sum of `bytes` bytes, the first one the upper half of a word; an odd last one is padded. */
export function sumView(view: DataView, offset: number, bytes: number): number {
  let at = offset;
  const end = offset + bytes;
  let sum = 0;
  while (at + 4 <= end) {
    const stop = end - at > 4 * WORDS_MAX ? at + 4 * WORDS_MAX : end - 3;
    let low = 0;
    let high = 0;
    for (; at < stop; at += 4) {
      const word = view.getInt32(at, true);
      low += word & 0xffff;
      high += word >>> 16;
    }
    sum = fold(sum + fold(low) + fold(high));
  }
  if (at + 2 <= end) {
    sum += view.getUint16(at, true);
    at += 2;
  }
  if (at < end) sum += view.getUint8(at);
  return swap(fold(sum));
}

/**
 * The sum of `bytes` bytes that lie in segments.
 * @param segment where they begin @param skip bytes of it in front of them, fewer than it has
 */
export function sumSegments(segment: number, skip: number, bytes: number): number {
  let left = bytes;
  let from = skip;
  let odd = false;
  let sum = 0;
  for (let index = segment; left > 0; index++) {
    const room = segmentBytes[index]! - from;
    const part = room < left ? room : left;
    const view = windowView[segmentWindow[index]!]!;
    const piece = sumView(view, segmentOffset[index]! + from, part);
    sum += odd ? swap(piece) : piece;
    if (sum > 0xffff) sum = fold(sum);
    if ((part & 1) !== 0) odd = !odd;
    left -= part;
    from = 0;
  }
  return fold(sum);
}
