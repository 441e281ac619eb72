// HOT
/**
 * Where a frame goes by its addresses.
 *
 * @module
 */
import { type Fdb, FDB_FULL, FDB_IN_USE } from "./fdb.ts";
import { DROP, FOREIGN, REFUSED, RESERVED } from "./spread.ts";
import { vlanKey } from "./vlan/key.ts";

/** First word and the rest of 01-80-C2-00-00-0x; see reserved.ts. */
const RESERVED_WORD = 0x00c28001;
const RESERVED_REST_MASK = 0xf0ff;

const FLOOD = -1;

/**
 * Learns the source and finds the port of the destination; otherwise what spread() wants.
 * @param vlanBits the VLAN as keys of the FDB have it; 0: there are none
 */
export function decide(
  fdb: Fdb,
  ingress: number,
  word0: number,
  word1: number,
  word2: number,
  vlanBits: number,
  now: number,
): number {
  const sourceLow = (word1 >>> 16) | (word2 << 16);
  const sourceHigh = word2 >>> 16;
  // A group or zero source address is nobody's.
  if ((sourceLow & 1) !== 0 || (sourceLow | sourceHigh) === 0) return DROP;
  const rest = word1 & 0xffff;
  if (word0 === RESERVED_WORD && (rest & RESERVED_REST_MASK) === 0) return RESERVED;
  const source = vlanKey(fdb, sourceLow, sourceHigh, vlanBits, now);
  const learned = fdb.learn(sourceLow, source, ingress, now);
  if (learned >= FDB_FULL) return learned >= FDB_IN_USE ? FOREIGN : REFUSED;
  if ((word0 & 1) !== 0) return FLOOD;
  return fdb.lookup(word0, vlanKey(fdb, word0, rest, vlanBits, now), now);
}
