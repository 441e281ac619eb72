/** How the data plane hears of pages that could not be had. */
import { strict as assert } from "node:assert";
import { closeFd, GuardTable, Mapping, memoryGuard, viewMemory } from "../../../ffi/mod.ts";
import { LostPages } from "../../../lib/worker/lost_pages.ts";
import { truncated } from "../../harness/bad_pages.ts";

Deno.test("pages that could not be had are news once, by the range they are in", () => {
  const guard = memoryGuard();
  // As the data plane's own thread sees the table.
  const lost = new LostPages(new GuardTable(guard.address));
  assert(!lost.isNews);
  const file = truncated(8 * 4096);
  const mapping = Mapping.map(file.fd, 0, file.sizeBytes);
  const record = guard.cover(mapping.address, file.sizeBytes, 4096) as number;
  const bytes = new Uint8Array(viewMemory(mapping.address, file.sizeBytes));
  file.spoil();
  bytes[3 * 4096] = 1;
  bytes[5 * 4096] = 1;
  assert(lost.isNews);
  lost.seenTo();
  assert.equal(guard.pending, 2, "what is news is not seen to");
  assert.deepEqual(lost.take(), new Set([mapping.address]));
  assert(!lost.isNews);
  assert.equal(lost.count, 2);
  lost.seenTo();
  assert.equal(guard.pending, 0);
  guard.uncover(record);
  assert.deepEqual(lost.take(), new Set());
  mapping.unmap();
  closeFd(file.fd);
});

Deno.test("without a guard there is never news", () => {
  const lost = new LostPages(null);
  lost.seenTo();
  assert.deepEqual([lost.isNews, lost.count, lost.take()], [false, 0, new Set()]);
});
