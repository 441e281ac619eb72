/**
 * MAC addresses as two int32 words, the way they are read from a frame: `low` holds address bytes
 * 0-3 little-endian, `high` bytes 4-5 in bits 0-15. Bits 16-27 of `high` may carry a VLAN id.
 *
 * @module
 */

/** A MAC address in two words. */
export interface Mac {
  /** Address bytes 0-3, little-endian. */
  readonly low: number;
  /** Address bytes 4-5. */
  readonly high: number;
}

/** `52:54:00:00:00:01` from two words; a VLAN id in `high` is not shown. */
export function formatMac(low: number, high: number): string {
  const bytes = [low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8];
  return bytes.map((byte) => (byte & 0xff).toString(16).padStart(2, "0")).join(":");
}

/** A MAC address as one whole number below 2^48; a VLAN id in `high` is left out. */
export function macNumber(low: number, high: number): number {
  return (high & 0xffff) * 2 ** 32 + (low >>> 0);
}

/** The address of {@linkcode macNumber}. @param vlan a VLAN id to be carried with it */
export function macOfNumber(number: number, vlan = 0): Mac {
  return { low: number | 0, high: Math.floor(number / 2 ** 32) | (vlan << 16) };
}

/** The two words of a MAC address written with colons or dashes, or null if it is none. */
export function parseMac(text: string): Mac | null {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return null;
  const bytes = text.split(/[:-]/).map((part) => parseInt(part, 16));
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = bytes;
  return { low: a | (b << 8) | (c << 16) | (d << 24), high: e | (f << 8) };
}
