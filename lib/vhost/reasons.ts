/**
 * Why the switch refuses a front-end, ends its connection, or answers a request with a failure:
 * every reason code with its meaning. Codes are counted, logged and documented; they never change.
 *
 * @module
 */

/** Code and meaning. */
export type ReasonRow = readonly [code: string, meaning: string];

/** All reasons of connections and requests; those of rings are in lib/virtio/ring.ts. */
export const REASON_ROWS = [
  ["busy", "a front-end is connected already; the next is held a second, refused"],
  ["admin-down", "the port is down (`port down`)"],
  ["full", "`multi=N` front-ends are connected"],
  ["peer-uid", "a process of a user whom `peer-uid=` does not name"],
  ["closing", "descriptors that a front-end sent do not close, and more would come"],
  ["switch-full", "the switch has as many ports as it can"],
  ["too-often", "it was thrown out again and again: each further try is held a second"],
  ["timeout", "a message was begun and not finished in time"],
  ["peer-closed", "it hung up in the middle of a message"],
  ["peer-gone", "the process that connected has ended, and another front-end wants the place"],
  ["socket-error", "the connection failed"],
  ["slow-peer", "it does not read its replies, or does not answer"],
  ["too-long", "a message longer than any can be"],
  ["no-fds", "the switch may hold no more descriptors: raise `ulimit -n`"],
  ["fds-truncated", "descriptors were lost on the way, as a rule at a limit of this process"],
  ["fd-count", "a message with too few or too many descriptors"],
  ["bad-version", "flags of a message with another version"],
  ["bad-size", "a message of a wrong length"],
  ["unknown-request", "a message that no specification has"],
  ["not-negotiated", "a message or feature that was not offered or not taken"],
  ["unexpected-reply", "a reply where none is due"],
  ["bad-value", "a value out of range"],
  ["bad-index", "a ring that there is not"],
  ["bad-features", "features that were not offered"],
  ["bad-protocol-features", "protocol features that were not offered, or do not go together"],
  ["features-while-running", "other features while rings run"],
  ["bad-ring-size", "a ring size that is no power of two, 0, or above 32768"],
  ["bad-ring-base", "a start position beyond the ring"],
  ["bad-ring-address", "ring areas that overlap, are unaligned, or lie in no shared memory"],
  ["ring-running", "a change of a ring that runs"],
  ["bad-region", "a memory region that is empty, overlaps another, or wraps"],
  ["region-past-eof", "a memory region beyond the end of its file"],
  ["bad-memory-kind", "memory that is neither memfd, shared memory nor hugetlbfs"],
  ["bad-page", "a page of its memory, dirty log or inflight area is gone, or was never to be had"],
  ["unsealed-memory", "memory that can lose pages, where that is refused (`--unsealed-memory`)"],
  ["memory-budget", "more guest memory, or logs, than the port's share of the address space"],
  ["too-many-regions", "more memory regions than slots"],
  [
    "slow-file",
    "a file of its memory was kept busy: sealing it took more than 2 s, or mapping it 0.1 s",
  ],
  ["map-failed", "the kernel does not map the memory"],
  ["data-plane", "the data plane has no room for what it asks: the log line says what failed"],
  [
    "not-eventfd",
    "a kick or call descriptor that is no eventfd; a call may go to a unix socket as well",
  ],
  ["not-socket", "a back-end channel that is no unix socket, or our own connection"],
  ["not-pipe", "a state transfer over neither pipe nor socket"],
  [
    "call-blocked",
    "the guest's call eventfd stood still for 0.2 s, where calls can (`blocking-calls`)",
  ],
  [
    "too-slow",
    "its calls, or pages of its memory, held the data plane up for more than 0.5 s and a tenth of the time",
  ],
  ["bad-back-end-reply", "a reply on the back-end channel that answers nothing"],
  ["bad-config", "a write to, or a read beyond, the configuration space"],
  ["bad-mtu", "an MTU out of range or above the port's"],
  ["bad-mac", "an address that is a group's or zero"],
  ["bad-inflight", "an inflight area that does not fit the rings or contradicts itself"],
  ["bad-log", "a dirty log of an impossible size"],
  ["bad-log-address", "a log address beyond 2^53"],
  ["log-too-short", "a dirty log shorter than the memory"],
  ["bad-iotlb", "an IOMMU translation that leads nowhere"],
  ["bad-state", "a state that contradicts itself or asks for more than the port may have"],
  ["no-state", "no state transfer was begun"],
  ["not-suspended", "a state was asked for while a ring runs"],
  ["state-corrupted", "a state with a wrong checksum"],
  ["state-truncated", "a state that was cut"],
  ["state-trailing", "bytes behind a state"],
  ["state-version", "a state of another version"],
  ["state-too-long", "a state of more than 1 MiB"],
  ["state-timeout", "the other end of a state transfer stood still"],
  ["state-unread", "the other end of a state transfer hung up"],
  ["state-given-up", "a state transfer was given up by the front-end"],
  ["state-io", "the pipe of a state transfer failed"],
] as const satisfies readonly ReasonRow[];

/** A code of {@linkcode REASON_ROWS}. */
export type ReasonCode = (typeof REASON_ROWS)[number][0];

/** Why a request or connection was refused. */
export interface Refusal {
  /** Stable: counted, logged, documented. */
  readonly code: ReasonCode;
  /** What was wrong in this case, with its numbers, for people. */
  readonly detail: string;
}

/** Tells a refusal from what was asked for. */
export function isRefusal<T extends object>(value: T | Refusal): value is Refusal {
  return "code" in value;
}
