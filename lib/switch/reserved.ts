/**
 * The sixteen addresses 01-80-C2-00-00-00 to -0F, which no bridge forwards (802.1Q §8.6.3), and
 * which of them a port lets pass all the same: an operator's word, a bit of a mask on the data
 * plane.
 *
 * What counts is a frame's address. LLDP also has the scopes of `stp` and `eapol` (802.1AB §7.1);
 * `lacp` is all of the slow protocols, link OAM among them.
 *
 * @module
 */
import { present } from "../base/assert.ts";
import { parseMac } from "../base/mac.ts";

/** Addresses with a word of their own, by their last digit. */
const WORDS: Readonly<Record<string, number>> = { stp: 0x0, lacp: 0x2, eapol: 0x3, lldp: 0xe };

/** The words of {@linkcode reservedDigit}. */
export const RESERVED_WORDS: readonly string[] = Object.keys(WORDS);

/**
 * PAUSE and other MAC control frames: between two ends of a cable, never further (802.3 Annex 31B).
 * A guest could hold another one's traffic up with them.
 */
export const MAC_CONTROL_DIGIT = 0x1;

const GROUP_LOW = 0x00c28001;

/**
 * The last digit of a reserved address, 0-15, from a word, the address' last byte in hex (`0e`), or
 * all of the address; null: it is none.
 */
export function reservedDigit(text: string): number | null {
  const known = text.toLowerCase();
  if (Object.hasOwn(WORDS, known)) return WORDS[known] ?? null;
  if (/^0?[0-9a-f]$/.test(known)) return parseInt(known, 16);
  const mac = parseMac(text);
  if (!mac || mac.low !== GROUP_LOW || (mac.high & ~0x0f00) !== 0) return null;
  return mac.high >>> 8;
}

/** The word of a reserved address, or its last byte in hex. @param digit 0-15 */
export function reservedName(digit: number): string {
  const word = RESERVED_WORDS.find((each) => WORDS[each] === digit);
  return word ?? digit.toString(16).padStart(2, "0");
}

/** A mask for the data plane: bit n is the address that ends in n. @param names as above */
export function reservedMask(names: readonly string[]): number {
  return names.reduce((mask, name) => mask | (1 << present(reservedDigit(name), name)), 0);
}
