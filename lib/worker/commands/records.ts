/**
 * What a virtqueue that starts has to do with the process before and the next one.
 *
 * @module
 */
import type { Queue } from "../../switch/port.ts";
import { logPackedUsed, logSplitUsed } from "../../virtio/dirty_log.ts";
import { inflightBytes, PackedInflight, SplitInflight } from "../../virtio/inflight.ts";
import { heldHeads } from "../../virtio/inflight_recovery.ts";
import { journalBytes, PackedJournal } from "../../virtio/packed_journal.ts";
import { PackedQueue } from "../../virtio/packed_queue.ts";
import type { RingArea } from "../../virtio/ring.ts";
import { splitServeAgain } from "../../virtio/split_queue.ts";
import type { VringRecord } from "../wire.ts";

/**
 * Attaches a record to a queue that is not in service yet.
 * @param area finds a piece of a mapping by host address
 */
export function attachRecord(
  queue: Queue,
  { kind, address, entries, counter, listed }: VringRecord,
  area: (address: number, sizeBytes: number) => RingArea,
): void {
  if (kind === "journal") {
    const { buffer, offset } = area(address, journalBytes(entries));
    if (queue instanceof PackedQueue) queue.ledger = new PackedJournal(buffer, offset, entries);
    return;
  }
  const bytes = inflightBytes(queue.packed, entries);
  const { buffer, offset } = area(address, bytes);
  if (queue instanceof PackedQueue) {
    queue.ledger = new PackedInflight(buffer, offset, entries, counter);
    return;
  }
  queue.inflight = new SplitInflight(buffer, offset, entries, counter);
  if (listed) splitServeAgain(queue, heldHeads(new DataView(buffer, offset, bytes), queue.size));
}

/** Logs all of a ring that a process before us may have written, and not come to log. */
export function logWhole(queue: Queue): void {
  if (queue.log === null) return;
  if (queue instanceof PackedQueue) logPackedUsed(queue.log, queue.size, 0, 0);
  else logSplitUsed(queue.log, queue.size, 0, queue.size);
}
