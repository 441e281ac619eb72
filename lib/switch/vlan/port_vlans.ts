/**
 * Which VLANs a port is in (802.1Q). A switch none of whose ports says anything of VLANs knows nothing
 * of them: tags are bytes like others. As soon as one does, every frame is in one VLAN, and all others:
 *
 * ```
 *   port of          gets in                             gets out
 *   access=10        untagged: 10; tagged 10             10, untagged
 *   trunk=10,20      tagged 10, 20                       10, 20, tagged
 *   … native=30      tagged 10, 20, 30; untagged: 30     10, 20 tagged, 30 untagged
 *   nothing          tagged 1-4094; untagged: 1          2-4094 tagged, 1 untagged
 * ```
 *
 * So a port that says nothing is what a new port of a Linux bridge is, but in all VLANs. A tag of VLAN
 * 0, a priority tag, is none. Tags are those of TPID 0x8100 alone: 802.1ad's (0x88a8) are bytes of
 * whatever VLAN their frame is in, and so is a second tag.
 *
 * @module
 */
import { assert } from "../../base/assert.ts";

/** Bits of the identifier of a VLAN. */
export const VID_MASK = 0xfff;
/** Largest identifier that a VLAN has: 4095 is none, and 0 says that there is no VLAN. */
export const VID_MAX = 4094;
/** Words of 32 bits that have a bit for each identifier. */
export const VLAN_WORDS = 128;
/** {@linkcode PortVlans.native} of a port whose untagged frames are in no VLAN. */
export const NO_NATIVE = 0;
/** The VLAN of untagged frames where nobody says anything, as of a Linux bridge. */
export const DEFAULT_VID = 1;

/** Tagged VLANs in which a guest that moved here is announced; of a port with more, in none of them. */
const ANNOUNCED_MAX = 64;

/** The VLANs of one port; never changes. */
export class PortVlans {
  readonly #members: Int32Array;
  /** The VLAN of untagged frames, either way; {@linkcode NO_NATIVE}: they are in none. */
  readonly native: number;
  /** Whoever is behind it has one VLAN and knows of none: what is in its frames is its own matter. */
  readonly isAccess: boolean;
  /** Those that its guest tags, the least first; none where there are too many to say one by one. */
  readonly fewTagged: readonly number[];

  /**
   * A port in these VLANs. @param members a bit for each VLAN, those of 32 in each word, the least first
   * @param native one of them, or {@linkcode NO_NATIVE}
   */
  constructor(members: ArrayLike<number>, native: number, isAccess: boolean) {
    this.#members = Int32Array.from({ length: VLAN_WORDS }, (_, i) => members[i] ?? 0);
    assert(!this.has(0) && !this.has(VID_MAX + 1), "0 and 4095 are no VLANs");
    assert(native === NO_NATIVE || this.has(native), "a port is in its native VLAN");
    this.native = native;
    this.isAccess = isAccess;
    const tagged = Array.from({ length: VID_MAX }, (_, i) => i + 1)
      .filter((vid) => vid !== native && this.has(vid));
    this.fewTagged = tagged.length > ANNOUNCED_MAX ? [] : tagged;
  }

  /** Whether the port is in a VLAN. @param vid 0-4095 */
  has(vid: number): boolean {
    return ((this.#members[vid >>> 5] ?? 0) >>> (vid & 31) & 1) !== 0;
  }
}

/** The words of VLANs. @param ranges first and last identifier of each, 1-4094 */
export function vlanWords(ranges: Iterable<readonly [number, number]>): Int32Array<ArrayBuffer> {
  const words = new Int32Array(VLAN_WORDS);
  for (const [first, last] of ranges) {
    for (let vid = first; vid <= last; vid++) {
      words[vid >>> 5] = (words[vid >>> 5] ?? 0) | (1 << (vid & 31));
    }
  }
  return words;
}

/** Of a port that says nothing. */
export const ALL_VLANS: PortVlans = new PortVlans(vlanWords([[1, VID_MAX]]), DEFAULT_VID, false);
