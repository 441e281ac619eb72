/** Ageing: its time stands in the table's shared head, for the writer and for every reader. */
import { strict as assert } from "node:assert";
import { Fdb, type FdbRow } from "../../../lib/switch/fdb.ts";
import { FdbReader } from "../../../lib/worker/fdb_reader.ts";

const OPTIONS = { entriesMax: 8, portEntriesMax: 8, ageSeconds: 10, seed: 7 };

function tables(): { written: Fdb; read: Fdb; reader: FdbReader } {
  const memory = new SharedArrayBuffer(Fdb.bytesFor(OPTIONS.entriesMax));
  const written = new Fdb(memory, OPTIONS);
  written.learn(2, 2, 1, 100);
  return { written, read: new Fdb(memory, OPTIONS), reader: new FdbReader(memory, OPTIONS) };
}

function listed(fdb: Fdb, now: number): FdbRow[] {
  return [...fdb.entries(now)];
}

Deno.test("another age is in force for readers at once, for the writer with its next sweep", () => {
  const { written, read, reader } = tables();
  assert.equal(written.lookup(2, 2, 110), 1);
  assert.equal(written.lookup(2, 2, 111), -1);
  reader.setAge(20);
  assert.equal(listed(read, 111).length, 1);
  written.sweep(111, 1000);
  assert.equal(written.lookup(2, 2, 120), 1);
  assert.equal(written.lookup(2, 2, 121), -1);
  written.setAge(5);
  assert.equal(listed(read, 106).length, 0);
  assert.equal(written.counters().aged, 0);
  written.sweep(106, 1000);
  assert.equal(written.counters().aged, 1);
  assert.equal(written.counters().entries, 0);
});

Deno.test("with an age of 0 nothing is forgotten, and with another one it is again", () => {
  const { written, read, reader } = tables();
  reader.setAge(0);
  written.sweep(1e6, 1000);
  assert.equal(written.lookup(2, 2, 1e6), 1);
  assert.equal(listed(read, 1e6).length, 1);
  reader.setAge(1);
  written.sweep(1e6, 1000);
  assert.equal(written.lookup(2, 2, 1e6), -1);
});
