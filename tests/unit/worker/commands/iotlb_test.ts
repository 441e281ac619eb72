/** Commands of guests behind an IOMMU, over mapped memory. */
import { strict as assert } from "node:assert";
import { RING_OK, RING_UNTRANSLATED } from "../../../../lib/virtio/ring.ts";
import { BYTES, MappedPort, PORT } from "./mapped_port.ts";

const RING = { port: PORT, vring: 0 };

function translate(bench: MappedPort, iova: number, sizeBytes: number, hostAddress: number): void {
  bench.run("updateIotlb", { port: PORT, iova, sizeBytes, hostAddress, permission: 3 });
}

Deno.test("translations come, go, and never outlive the table they lead into", () => {
  using bench = new MappedPort(true);
  const known = (): number[] => [0x10000, 0x11000].map((at) => bench.iotlb?.entries.find(at) ?? -9);
  translate(bench, 0x10000, 8192, bench.address + 4096);
  assert.deepEqual(known(), [0, 0]);
  bench.run("invalidateIotlb", { port: PORT, iova: 0x10000, sizeBytes: 4096 });
  assert.deepEqual(known(), [-1, 0]);
  bench.table();
  assert.deepEqual(known(), [-1, -1], "another table, other regions");
  translate(bench, 0x10000, 8192, bench.address);
  bench.run("setIotlb", { port: PORT, on: true });
  assert.deepEqual(known(), [-1, -1], "everything is forgotten");
  bench.run("setIotlb", { port: PORT, on: false });
  assert.equal(bench.iotlb, null);
  bench.table();
  assert.equal(bench.iotlb, null);
});

Deno.test("a ring is held and released, and counts as waiting meanwhile", () => {
  using bench = new MappedPort(true);
  bench.start();
  assert.equal(bench.broken, RING_OK);
  bench.run("holdVring", RING);
  assert.equal(bench.broken, RING_UNTRANSLATED);
  assert.equal(bench.run("askAgain", { port: PORT }), 1);
  bench.run("releaseVring", RING);
  assert.equal(bench.broken, RING_OK);
  assert.equal(bench.run("askAgain", { port: PORT }), 0);
  bench.run("holdVring", RING);
  bench.run("stopVring", RING);
  assert.equal(
    bench.run("askAgain", { port: PORT }),
    0,
    "a ring that is stopped waits for nothing",
  );
});

Deno.test("what cannot be done says why, and what cannot be is a bug of ours", () => {
  using bench = new MappedPort(true);
  // What a front-end says may be what is wrong here: not a broken invariant.
  for (const [bytes, at] of [[4096, bench.address + BYTES], [BYTES + 1, bench.address]] as const) {
    assert.throws(
      () => translate(bench, 0x1000, bytes, at),
      (error: Error) => error.name === "Error" && /leads to no memory/.test(error.message),
    );
  }
  assert.throws(() => bench.run("holdVring", RING), /^AssertionError: Missing started vring 0/);
  assert.throws(() => bench.run("askAgain", { port: 7 }), /^AssertionError: Missing port 7/);
});
