/** Memory tables as they come, and what is refused. */
import { strict as assert } from "node:assert";
import type { MemoryRegion } from "../../../../lib/vhost/host.ts";
import { decodeMemoryTable } from "../../../../lib/vhost/wire/memory_regions.ts";
import { isRefusal } from "../../../../lib/vhost/reasons.ts";
import { table, words } from "../fake_host.ts";

const MIB = 2 ** 20;

function decode(regions: readonly Partial<MemoryRegion>[], slots?: number, fds?: number): unknown {
  const bytes = table(regions, slots);
  const result = decodeMemoryTable(new DataView(bytes.buffer), fds ?? regions.length);
  return isRefusal(result) ? result.code : result;
}

const ONE = { guestAddr: 0, sizeBytes: MIB, userAddr: 0x7f00_0000_0000, mmapOffset: 0 };

/** `count` regions side by side. */
function many(count: number): MemoryRegion[] {
  return Array.from({ length: count }, (_, i) => ({
    guestAddr: i * MIB,
    sizeBytes: MIB,
    userAddr: ONE.userAddr + i * MIB,
    mmapOffset: i * MIB,
  }));
}

Deno.test("decodeMemoryTable() reads 1 to 8 regions", () => {
  for (const count of [1, 2, 8]) assert.deepEqual(decode(many(count)), many(count));
});

Deno.test("decodeMemoryTable() takes more room than regions, whole slots only", () => {
  assert.deepEqual(decode([ONE], 2), [ONE]);
  assert.deepEqual(decode([ONE], 8), [ONE]);
  for (const bytes of [8, 39, 41, 71]) {
    const payload = new Uint8Array(bytes);
    payload.set(table([ONE]).subarray(0, bytes));
    const result = decodeMemoryTable(new DataView(payload.buffer), 1);
    assert.equal(isRefusal(result) && result.code, "bad-size", `${bytes} bytes`);
  }
});

Deno.test("decodeMemoryTable() refuses wrong counts", () => {
  assert.equal(decode([], 1), "bad-region");
  for (const count of [9, 10_000, 2 ** 32 - 1]) {
    const bytes = table(many(8));
    new DataView(bytes.buffer).setUint32(0, count, true);
    const result = decodeMemoryTable(new DataView(bytes.buffer), 8);
    assert.equal(isRefusal(result) && result.code, "bad-region");
  }
  for (const fds of [0, 1, 3, 8]) assert.equal(decode(many(2), 2, fds), "fd-count");
  assert.equal(decode(many(3), 2, 3), "bad-size");
});

Deno.test("decodeMemoryTable() refuses ranges that are empty, too far, or wrap", () => {
  const bad: Record<string, readonly (number | bigint)[]> = {
    empty: [0, 0, 4096, 0],
    "guest beyond 2^52": [2n ** 52n - 4096n, 8192, 4096, 0],
    "guest of 2^53": [2n ** 53n, 4096, 4096, 0],
    "guest wraps": [2n ** 64n - 4096n, 8192, 4096, 0],
    "user beyond 2^48": [0, 8192, 2n ** 48n - 4096n, 0],
    "user wraps": [0, 8192, 2n ** 64n - 4096n, 0],
    "size wraps": [4096, 2n ** 64n - 4096n, 4096, 0],
    "size of 2^53": [0, 2n ** 53n, 4096, 0],
    "offset of 2^53": [0, 4096, 4096, 2n ** 53n],
    "offset beyond 2^52": [0, 8192, 4096, 2n ** 52n - 4096n],
    "offset wraps": [0, 8192, 4096, 2n ** 64n - 4096n],
    "offset inside a page": [0, 4096, 4096, 512],
  };
  for (const [what, fields] of Object.entries(bad)) {
    const bytes = new Uint8Array(40);
    bytes[0] = 1;
    bytes.set(words(...fields), 8);
    const result = decodeMemoryTable(new DataView(bytes.buffer), 1);
    assert.equal(isRefusal(result) && result.code, "bad-region", what);
  }
  const last = { guestAddr: 2 ** 52 - MIB, sizeBytes: MIB, userAddr: 2 ** 48 - MIB, mmapOffset: 0 };
  assert.deepEqual(decode([last]), [last]);
});

Deno.test("decodeMemoryTable() refuses overlaps in guest or user space, touching is fine", () => {
  const [first, second] = many(2) as [MemoryRegion, MemoryRegion];
  assert.deepEqual(decode([second, first]), [second, first]);
  for (const shift of [-MIB, -4096, -1]) {
    assert.equal(decode([first, { ...second, guestAddr: second.guestAddr + shift }]), "bad-region");
    assert.equal(decode([first, { ...second, userAddr: second.userAddr + shift }]), "bad-region");
    assert.equal(decode([{ ...second, guestAddr: second.guestAddr + shift }, first]), "bad-region");
  }
  const inside = { ...second, guestAddr: 4096, sizeBytes: 4096 };
  assert.equal(decode([first, inside]), "bad-region");
});
