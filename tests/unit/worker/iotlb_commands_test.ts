/** Commands of guests behind an IOMMU, over mapped memory. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { RING_OK, RING_UNTRANSLATED } from "../../../lib/virtio/ring.ts";
import { COMMAND } from "../../../lib/worker/mailbox.ts";
import { BYTES, MappedPort, PORT } from "./mapped_port.ts";

Deno.test("translations come, go, and never outlive the table they lead into", () => {
  using bench = new MappedPort(true);
  const known = (): number[] => [0x10000, 0x11000].map((at) => bench.iotlb?.entries.find(at) ?? -9);
  bench.run(COMMAND.updateIotlb, PORT, 0x10000, 8192, bench.address + 4096, 3);
  deepEqual(known(), [0, 0]);
  bench.run(COMMAND.invalidateIotlb, PORT, 0x10000, 4096);
  deepEqual(known(), [-1, 0]);
  bench.table();
  deepEqual(known(), [-1, -1], "another table, other regions");
  bench.run(COMMAND.updateIotlb, PORT, 0x10000, 8192, bench.address, 3);
  bench.run(COMMAND.setIotlb, PORT, 1);
  deepEqual(known(), [-1, -1], "everything is forgotten");
  bench.run(COMMAND.setIotlb, PORT, 0);
  equal(bench.iotlb, null);
  bench.table();
  equal(bench.iotlb, null);
});

Deno.test("a ring is held and released, and counts as waiting meanwhile", () => {
  using bench = new MappedPort(true);
  bench.start();
  equal(bench.broken, RING_OK);
  bench.run(COMMAND.holdVring, PORT, 0);
  equal(bench.broken, RING_UNTRANSLATED);
  equal(bench.run(COMMAND.askAgain, PORT), 1);
  bench.run(COMMAND.releaseVring, PORT, 0);
  equal(bench.broken, RING_OK);
  equal(bench.run(COMMAND.askAgain, PORT), 0);
  bench.run(COMMAND.holdVring, PORT, 0);
  bench.run(COMMAND.stopVring, PORT, 0);
  equal(bench.run(COMMAND.askAgain, PORT), 0, "a ring that is stopped waits for nothing");
});

Deno.test("what cannot be is a bug of ours, and says so", () => {
  using bench = new MappedPort(true);
  const update = (iova: number, bytes: number, at: number): void => {
    bench.run(COMMAND.updateIotlb, PORT, iova, bytes, at, 3);
  };
  throws(() => update(0x1000, 4096, bench.address + BYTES), /leads to no memory/);
  throws(() => update(0x1000, BYTES + 1, bench.address), /leads to no memory/);
  throws(() => bench.run(COMMAND.holdVring, PORT, 0), /not started/);
  throws(() => bench.run(COMMAND.askAgain, 7), /does not exist/);
  throws(() => bench.run(99, PORT), /unknown/);
});
