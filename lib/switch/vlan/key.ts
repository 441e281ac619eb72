// HOT
/**
 * Addresses in VLANs, as the FDB has them.
 *
 * @module
 */
import type { Fdb } from "../fdb.ts";

/**
 * The upper half of an address in a VLAN, as the FDB has it. One that is static is so in all VLANs of
 * its port, and stands there without any: nothing else does, where there are VLANs.
 * @param vlanBits 0: there are none
 */
export function vlanKey(
  fdb: Fdb,
  low: number,
  high: number,
  vlanBits: number,
  now: number,
): number {
  return vlanBits === 0 || fdb.lookup(low, high, now) >= 0 ? high : high | vlanBits;
}
