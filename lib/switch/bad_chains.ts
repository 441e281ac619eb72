// deno-lint-ignore-file no-non-null-assertion
/**
 * Telling of chains that go back unused (virtio/bad_chain.ts): each is counted, and the control
 * thread hears of each reason once for every set-up of a ring, so that no driver fills the log.
 *
 * @module
 */
import { CHAIN_REASON_ROWS } from "../virtio/bad_chain.ts";
import { VRING } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import type { Vring } from "./ports/vring.ts";

/** Counts and tells of the bad chains that a visit to a virtqueue met. */
export function tellBadChains(path: Datapath, vring: Vring): void {
  const { queue } = vring;
  path.counters[vring.counterBase + VRING.badChains]! += queue.badChains;
  queue.badChains = 0;
  const untold = queue.badReasons & ~queue.toldReasons;
  queue.badReasons = 0;
  for (let reason = 0; reason < CHAIN_REASON_ROWS.length; reason++) {
    const bit = 1 << reason;
    // If there is no room among the events, the reason is told at the next such chain.
    if ((untold & bit) !== 0 && path.host.badChain(vring, reason)) queue.toldReasons |= bit;
  }
}
