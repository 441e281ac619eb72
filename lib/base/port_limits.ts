/**
 * What a port may have, hold and take its time with: one row for each limit. The code takes its
 * numbers from here, docs/reference.md its table, and `port show NAME --limits` what it shows. An
 * honest front-end meets none of them; some can be set for a port with `budget=`.
 *
 * @module
 */
import { MEM_SLOTS_MAX, VRINGS_PER_PORT } from "./limits.ts";

/** What a limit is counted in. */
export type LimitUnit =
  | "bytes"
  | "GiB"
  | "regions"
  | "descriptors"
  | "vrings"
  | "entries"
  | "translations"
  | "front-ends"
  | "messages"
  | "addresses"
  | "ms";

/** One limit. */
export interface LimitRow {
  /** What it is counted in. */
  readonly unit: LimitUnit;
  /** At most so many, of a port that says nothing else; of what depends on the port, the most. */
  readonly most: number;
  /** With `budget=large`; the same if not given. */
  readonly large?: number;
  /** `budget=NAME:N` takes numbers from the first to the second; not at all if not given. */
  readonly range?: readonly [least: number, most: number];
  /** Who shares it: one port, all front-ends of a listening socket, or all ports. */
  readonly scope: "port" | "socket" | "switch";
  /** What becomes of more, Markdown. */
  readonly beyond: string;
  /** Reason code of that, or null: nothing ends or is refused. */
  readonly reason: string | null;
  /** What is counted, Markdown. */
  readonly meaning: string;
}

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const TIB = 2 ** 40;

/** All limits by name. */
export const LIMITS = {
  "memory": {
    ...{ unit: "bytes", most: TIB, large: 8 * TIB, range: [MIB, 8 * TIB], scope: "port" },
    beyond: "the memory table, or the region, is refused",
    reason: "memory-budget",
    meaning: "guest memory: the sum of all regions",
  },
  "regions": {
    ...{ unit: "regions", most: MEM_SLOTS_MAX, range: [1, MEM_SLOTS_MAX], scope: "port" },
    beyond: "the region is refused; the front-end is told the limit when it asks",
    reason: "too-many-regions",
    meaning: "regions of guest memory: slots for memory devices",
  },
  "address-space": {
    ...{ unit: "GiB", most: 1600, large: 8768, scope: "socket" },
    beyond: "the memory, log or area is refused",
    reason: "memory-budget",
    meaning: "address space that everything mapped takes, in whole GiB: as many as `memory` has, " +
      "one more for each of `regions`, 67 for logs, areas and journals; 64 more for each further " +
      "front-end of a socket with `multi=`. The [arena](architecture.md) may leave less",
  },
  "dirty-log": {
    ...{ unit: "bytes", most: GIB, scope: "port" },
    beyond: "the log is refused",
    reason: "bad-log",
    meaning:
      "the dirty log of a migration: twice what memory up to its highest address needs, a bit " +
      "for each 4 KiB, and 2 MiB",
  },
  "inflight": {
    ...{ unit: "bytes", most: GIB, scope: "port" },
    beyond: "the area is refused",
    reason: "bad-inflight",
    meaning: "the inflight area of all rings, rounded up to huge pages",
  },
  "vrings": {
    ...{ unit: "vrings", most: VRINGS_PER_PORT, scope: "port" },
    beyond: "what names another one is refused",
    reason: "bad-index",
    meaning: "virtqueues that are set up, of two for each of `queues=`",
  },
  "ring-size": {
    ...{ unit: "entries", most: 32_768, scope: "port" },
    beyond: "the size is refused",
    reason: "bad-ring-size",
    meaning: "entries of the largest virtqueue",
  },
  "translations": {
    ...{ unit: "translations", most: 4096, scope: "port" },
    beyond: "the oldest is forgotten, and asked for again when it is needed",
    reason: null,
    meaning: "IOMMU translations that are known",
  },
  "addresses": {
    ...{ unit: "addresses", most: 1024, large: 8192, range: [1, 2 ** 20], scope: "port" },
    beyond: "an address is not learned (`rejectedPortFull`), frames to it are flooded",
    reason: null,
    meaning: "MAC addresses that are learned at the port; `--fdb-port-entries` sets the default",
  },
  "reserved-addresses": {
    ...{ unit: "addresses", most: 16, scope: "switch" },
    beyond: "the port takes from what all share; where that is gone, an address is not learned",
    reason: null,
    meaning: "places for addresses that no other port can take: a quarter of `--fdb-entries` is " +
      "shared out evenly",
  },
  "descriptors": {
    ...{ unit: "descriptors", most: 3 * VRINGS_PER_PORT + 6, scope: "port" },
    beyond: "there is no place for another one: a new one replaces the old, which is closed",
    reason: null,
    meaning:
      "descriptors that are kept: three for each virtqueue, and its sockets, log and transfer",
  },
  "message-descriptors": {
    ...{ unit: "descriptors", most: 8, scope: "port" },
    beyond: "the connection ends",
    reason: "fd-count",
    meaning: "descriptors of a message that is not whole yet",
  },
  "closing": {
    ...{ unit: "descriptors", most: 256, scope: "port" },
    beyond: "the front-end is not listened to, and no other one is taken, until some are closed",
    reason: "closing",
    meaning: "descriptors given back that wait to be closed, as closing one may take for ever",
  },
  "front-ends": {
    ...{ unit: "front-ends", most: 1, scope: "socket" },
    beyond: "the next is held for a second and refused",
    reason: "busy",
    meaning:
      "front-ends that are connected; with `multi=N`, N, and the next is refused with `full`",
  },
  "held": {
    ...{ unit: "front-ends", most: 8, scope: "socket" },
    beyond: "the next waits in the queue of the kernel",
    reason: null,
    meaning: "front-ends that are held for a second before they are refused",
  },
  "messages": {
    ...{ unit: "messages", most: 2000, scope: "port" },
    beyond: "the front-end is not listened to for a while",
    reason: null,
    meaning: "messages in a row, 1000 come back in a second; those that take longer than 0.25 ms " +
      "count for more",
  },
  "message-time": {
    ...{ unit: "ms", most: 2000, scope: "port" },
    beyond: "the connection ends",
    reason: "timeout",
    meaning: "a message that was begun, until it is whole",
  },
  "file-time": {
    ...{ unit: "ms", most: 2000, scope: "port" },
    beyond: "the connection ends",
    reason: "slow-file",
    meaning: "sealing the memory files of a message, and waiting for those of huge pages, while " +
      "which nothing else is read",
  },
  "unread-replies": {
    ...{ unit: "bytes", most: 65_536, scope: "port" },
    beyond: "the connection ends",
    reason: "slow-peer",
    meaning: "replies that the front-end does not read",
  },
  "state": {
    ...{ unit: "bytes", most: MIB, scope: "port" },
    beyond: "the transfer fails",
    reason: "state-too-long",
    meaning: "the state of a port that moves to another switch",
  },
  "state-time": {
    ...{ unit: "ms", most: 5000, scope: "port" },
    beyond: "the transfer fails",
    reason: "state-timeout",
    meaning: "a transfer of that state that stands still",
  },
} as const satisfies Readonly<Record<string, LimitRow>>;

/** Name of a limit. */
export type LimitName = keyof typeof LIMITS;

/** Names of all limits, in the order in which they are shown. */
export const LIMIT_NAMES: readonly LimitName[] = Object.keys(LIMITS) as LimitName[];

/** A row as what all rows have in common. */
export function limitRow(name: LimitName): LimitRow {
  return LIMITS[name];
}

/** Name of a limit that `budget=` sets. */
export type BudgetName = "memory" | "regions" | "addresses";

/** Names of the limits that `budget=` sets. */
export const BUDGET_NAMES: readonly BudgetName[] = LIMIT_NAMES.filter((name): name is BudgetName =>
  limitRow(name).range !== undefined
);

/** Address space beside memory and its regions, GiB: logs, areas and journals. */
const MAPPED_BESIDE_GIB = 67;

/** Address space for so much memory in so many regions, GiB. */
export function addressSpaceGib(memoryBytes: number, regions: number): number {
  return Math.ceil(memoryBytes / GIB) + regions + MAPPED_BESIDE_GIB;
}
