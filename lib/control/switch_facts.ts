/**
 * What a switch says of itself as a whole.
 *
 * @module
 */
import { VERSION } from "../version.ts";
import type { Planes } from "./planes.ts";
import type { SwitchConfig, SwitchStatus } from "./types.ts";
import { now } from "./vhost_port/history.ts";

/** What is not of its ports and links. @param start when it began, by both clocks */
export function facts(
  { idle, unknown, cpus, fdbEntriesMax, fdbPortEntriesMax }: SwitchConfig,
  planes: Planes,
  start: { readonly ms: number; readonly at: string },
): Omit<SwitchStatus, "socketDir" | "addresses" | "ports" | "listeners" | "links"> {
  return {
    version: VERSION,
    pid: Deno.pid,
    at: now(),
    startedAt: start.at,
    uptimeSeconds: Math.floor((performance.now() - start.ms) / 1000),
    ...{ idle, cpus, fdbEntriesMax, fdbPortEntriesMax, unknown: unknown ?? "flood" },
    fdb: planes.fdbCounters(),
    worker: planes.workerCounters(),
  };
}
