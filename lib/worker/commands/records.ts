/**
 * Attaches to a virtqueue that starts the record, an inflight region or a journal, by which the next
 * process finds out where this one left it.
 *
 * @module
 */
import { inflightBytes } from "../../virtio/inflight/region.ts";
import { journalBytes } from "../../virtio/packed/journal.ts";
import type { RingArea } from "../../virtio/ring.ts";
import type { Virtqueue } from "../../virtio/virtqueue.ts";
import type { VringRecord } from "../wire.ts";

/**
 * Attaches a record to a queue that is not in service yet.
 * @param area finds a piece of a mapping by host address
 */
export function attachRecord(
  queue: Virtqueue,
  { kind, address, entries, counter, listed }: VringRecord,
  area: (address: number, sizeBytes: number) => RingArea,
): void {
  if (kind === "journal") queue.keepJournal(area(address, journalBytes(entries)), entries);
  else {
    const bytes = inflightBytes(queue.packed, entries);
    queue.keepInflight(area(address, bytes), entries, counter, listed);
  }
}
