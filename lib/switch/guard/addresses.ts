// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * The IP addresses that a port may speak with: some addresses and prefixes, and of IPv6 the link-local
 * address that follows from the frame's own source (RFC 4291, Appendix A: modified EUI-64).
 *
 * @module
 */
import { headersView } from "../../offload/private.ts";

/** Prefixes that a port has at most. */
export const PREFIXES_MAX = 64;
/** Words of a prefix, IPv4 and IPv6. */
export const V4_WORDS = 1;
/** See {@linkcode V4_WORDS}. */
export const V6_WORDS = 4;

/** An address, words of 32 bits in the order they are written, and how many of its bits count. */
export interface Prefix {
  /** One word, or four. */
  readonly words: readonly number[];
  /** 0-32 or 0-128. */
  readonly bits: number;
}

/** The bits of word `word` that count. */
// cold
function maskOf(bits: number, word: number): number {
  const left = Math.min(32, Math.max(0, bits - 32 * word));
  return left === 0 ? 0 : -1 << (32 - left);
}

/** A set of prefixes, never changed. Data-plane thread only. */
export class AddressSet {
  /** Value and mask of each word of each prefix. */
  readonly #v4: Int32Array;
  readonly #v6: Int32Array;

  /** Those of both versions, told apart by their words. */
  constructor(prefixes: readonly Prefix[]) {
    const pack = (words: number): Int32Array =>
      Int32Array.from(
        prefixes.filter((prefix) => prefix.words.length === words).flatMap((prefix) =>
          prefix.words.flatMap((value, word) => {
            const mask = maskOf(prefix.bits, word);
            return [value & mask, mask];
          })
        ),
      );
    this.#v4 = pack(V4_WORDS);
    this.#v6 = pack(V6_WORDS);
  }

  /** Whether the IPv4 address at `at` of headersView is one of them. */
  hasV4(at: number): boolean {
    const v4 = this.#v4;
    const address = headersView.getInt32(at);
    for (let i = 0; i < v4.length; i += 2) {
      if (((address ^ v4[i]!) & v4[i + 1]!) === 0) return true;
    }
    return false;
  }

  /** Whether the IPv6 address at `at` of headersView is one of them. */
  hasV6(at: number): boolean {
    const v6 = this.#v6;
    const word0 = headersView.getInt32(at);
    const word1 = headersView.getInt32(at + 4);
    const word2 = headersView.getInt32(at + 8);
    const word3 = headersView.getInt32(at + 12);
    for (let i = 0; i < v6.length; i += 2 * V6_WORDS) {
      const differs = ((word0 ^ v6[i]!) & v6[i + 1]!) | ((word1 ^ v6[i + 2]!) & v6[i + 3]!) |
        ((word2 ^ v6[i + 4]!) & v6[i + 5]!) | ((word3 ^ v6[i + 6]!) & v6[i + 7]!);
      if (differs === 0) return true;
    }
    return false;
  }
}

/** Bit of a MAC address's first byte that EUI-64 turns round. */
const UNIVERSAL = 0x02;

/** Whether the IPv6 address at `at` of headersView is the link-local one of the MAC address at `mac`. */
export function isLinkLocalOf(at: number, mac: number): boolean {
  if (headersView.getInt32(at) !== (0xfe800000 | 0) || headersView.getInt32(at + 4) !== 0) {
    return false;
  }
  return headersView.getUint8(at + 8) === (headersView.getUint8(mac) ^ UNIVERSAL) &&
    headersView.getUint16(at + 9) === headersView.getUint16(mac + 1) &&
    headersView.getUint16(at + 11) === 0xfffe &&
    headersView.getUint8(at + 13) === headersView.getUint8(mac + 3) &&
    headersView.getUint16(at + 14) === headersView.getUint16(mac + 4);
}
