/** Translation of addresses against a naive model. */
import { strict as assert } from "node:assert";
import { MemoryTable } from "../../../../lib/vhost/device/memory_table.ts";

Deno.test("MemoryTable.translate() agrees with looking at every byte", () => {
  const regions = [
    { guestAddr: 0, sizeBytes: 64, userAddr: 1000, mmapOffset: 0 },
    { guestAddr: 64, sizeBytes: 32, userAddr: 1064, mmapOffset: 0 },
    { guestAddr: 256, sizeBytes: 16, userAddr: 1200, mmapOffset: 0 },
  ];
  const bases = [0x10000, 0x20008, 0x30000];
  const memory = new MemoryTable(regions, bases);
  let found = 0;
  for (let user = 980; user < 1240; user++) {
    for (const size of [1, 4, 16, 32, 33, 64]) {
      for (const align of [1, 2, 4, 16]) {
        const owner = regions.findIndex((r) =>
          Array.from({ length: size }, (_, i) => user + i)
            .every((byte) => byte >= r.userAddr && byte < r.userAddr + r.sizeBytes)
        );
        const region = regions[owner];
        const host = region ? (bases[owner] as number) + user - region.userAddr : null;
        const expected = host !== null && host % align === 0 ? host : null;
        assert.equal(memory.translate(user, size, align), expected, `${size} bytes at ${user}`);
        if (expected !== null) found++;
      }
    }
  }
  assert(found > 100);
  assert.equal(memory.translate(1000, 2 ** 53, 1), null);
  assert.equal(new MemoryTable([], []).translate(0, 1, 1), null);
});
