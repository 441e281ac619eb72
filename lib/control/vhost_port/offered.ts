/**
 * What an operator lets front-ends of a port have, for whoever attaches one: `emit`.
 *
 * @module
 */
import type { PortConfig, PortStatus } from "../types.ts";

/** As it was written. */
export function offeredBy(
  { queuePairs, mtu, mac, static: addresses, offer }: PortConfig,
): NonNullable<PortStatus["offered"]> {
  return {
    queuePairs: queuePairs ?? null,
    mtu: mtu ?? null,
    mac: mac ?? addresses?.[0] ?? null,
    words: offer ?? [],
  };
}
