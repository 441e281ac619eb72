/** How many addresses a port may learn: its own number, until it is another port's place. */
import { strict as assert } from "node:assert";
import { Fdb, FDB_NEW, FDB_PORT_FULL } from "../../../lib/switch/fdb.ts";

const OPTIONS = { entriesMax: 64, portEntriesMax: 2, ageSeconds: 300, seed: 7 };

/** How many of ten addresses a port learns. */
function learned(fdb: Fdb, port: number): number {
  const outcomes = Array.from({ length: 10 }, (_, i) => fdb.learn(0x5452, 16 * port + i, port, 1));
  assert(outcomes.every((each) => each === FDB_NEW || each === FDB_PORT_FULL));
  return outcomes.filter((each) => each === FDB_NEW).length;
}

Deno.test("a port with a number of its own learns so many, others as many as all, and so does the next", () => {
  const fdb = new Fdb(new SharedArrayBuffer(Fdb.bytesFor(OPTIONS.entriesMax)), OPTIONS);
  fdb.setEntriesMax(1, 5);
  fdb.setEntriesMax(2, 1);
  assert.deepEqual([1, 2, 3].map((port) => learned(fdb, port)), [5, 1, 2]);
  assert.equal(fdb.counters()["rejectedPortFull"], 5 + 9 + 8);
  fdb.removePort(1);
  assert.equal(learned(fdb, 1), 2, "another port has the number");
});

Deno.test("a port that may have fewer from now on keeps what it has", () => {
  const fdb = new Fdb(new SharedArrayBuffer(Fdb.bytesFor(OPTIONS.entriesMax)), OPTIONS);
  fdb.setEntriesMax(1, 5);
  learned(fdb, 1);
  fdb.setEntriesMax(1, 1);
  assert.equal(fdb.counters()["entries"], 5);
  assert.equal(fdb.learn(0x5452, 16 + 9, 1, 2), FDB_PORT_FULL);
});
