/** The archive that a guest boots from, read by the rules of its format. */
import { strict as assert } from "node:assert";
import { type CpioEntry, writeCpio } from "../../../lib/demo/cpio.ts";

/** Reads an archive as Linux does: a header of 110 bytes, then name and data, each up to 4 bytes. */
function* readCpio(archive: Uint8Array): Generator<CpioEntry & { readonly inode: number }> {
  const text = (from: number, to: number): string =>
    new TextDecoder("utf-8", { fatal: true }).decode(archive.subarray(from, to));
  const whole = (at: number): number => (at + 3) & ~3;
  let at = 0;
  for (;;) {
    assert.equal(at % 4, 0);
    const header = text(at, at + 110);
    assert.match(header, /^070701[0-9a-f]{104}$/i);
    const field = (number: number): number =>
      parseInt(header.slice(6 + 8 * number, 14 + 8 * number), 16);
    const [inode, mode, links, bytes, nameBytes] = [0, 1, 4, 6, 11].map(field) as [
      ...[number, number, number, number, number],
    ];
    assert.deepEqual([2, 3, 5, 7, 8, 9, 10, 12].map(field), [0, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(links, 1);
    const nameAt = at + 110;
    const dataAt = whole(nameAt + nameBytes);
    const end = whole(dataAt + bytes);
    assert.equal(archive[nameAt + nameBytes - 1], 0, "a name ends with a NUL");
    assert(archive.subarray(nameAt + nameBytes, dataAt).every((byte) => byte === 0));
    assert(archive.subarray(dataAt + bytes, end).every((byte) => byte === 0));
    const name = text(nameAt, nameAt + nameBytes - 1);
    if (name === "TRAILER!!!") {
      assert.equal(bytes, 0);
      assert.equal(end, archive.length, "nothing is behind the trailer");
      return;
    }
    yield { inode, name, mode, data: archive.slice(dataAt, dataAt + bytes) };
    at = end;
  }
}

Deno.test("an archive has its entries in order, whatever the lengths of names and data", () => {
  const entries: CpioEntry[] = [{ name: "bin", mode: 0o040755, data: new Uint8Array() }];
  for (let bytes = 0; bytes < 9; bytes++) {
    const data = Uint8Array.from({ length: bytes }, (_, i) => 255 - i);
    entries.push({ name: `bin/${"n".repeat(bytes)}ü`, mode: 0o100755, data });
  }
  entries.push({ name: "init", mode: 0o120777, data: new TextEncoder().encode("bin/sh") });
  const read = [...readCpio(writeCpio(entries))];
  assert.deepEqual(read.map(({ name, mode, data }) => ({ name, mode, data })), entries);
  // Linux takes files of one inode for one file.
  assert.equal(new Set(read.map(({ inode }) => inode)).size, entries.length);
});

Deno.test("an archive of nothing is a trailer", () => {
  assert.deepEqual([...readCpio(writeCpio([]))], []);
});
