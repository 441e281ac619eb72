/**
 * Why a front-end's connection is ended that took the data plane's time from the others.
 *
 * @module
 */
import type { Refusal } from "../../vhost/reasons.ts";

/** Its pages or calls took too long, by the data plane's own account (lib/worker/time_watch.ts). */
export const TOO_SLOW: Refusal = {
  code: "too-slow",
  detail:
    "pages of its memory, or calls by its descriptors, took too much of the data plane's time",
};

/** A call did not return. */
export function callBlocked(vring: number): Refusal {
  const detail = `the call descriptor of vring ${vring} held the data plane up`;
  return { code: "call-blocked", detail };
}

/** Reasons of connections that others had to wait for. */
const STALLS: readonly string[] = [TOO_SLOW.code, "call-blocked", "slow-file"];

/** What is to blame on a front-end, for its socket: who stalls the others waits for longer each time. */
export function faultOf(refusal: Refusal | null): { faulty: boolean; stalled: boolean } {
  const isStall = refusal !== null && STALLS.includes(refusal.code);
  return { faulty: refusal !== null, stalled: isStall };
}
