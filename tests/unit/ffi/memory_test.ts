/** Memory files, mappings, views of them, and copies between host addresses. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  copyMemory,
  createMemoryFile,
  EBADF,
  EPERM,
  F_SEAL_SHRINK,
  fdSeals,
  Mapping,
  truncateFd,
  viewMemory,
} from "../../../ffi/mod.ts";
import { failedWith } from "../../harness/fds.ts";

const PAGE = 4096;

/** A mapping of `pages` of a file of its own, filled with `byte`; gone at the end of its scope. */
class Mapped implements Disposable {
  readonly mapping: Mapping;
  readonly view: Uint8Array;

  constructor(pages: number, byte: number) {
    const fd = createMemoryFile("test", pages * PAGE);
    this.mapping = Mapping.map(fd, 0, pages * PAGE);
    closeFd(fd);
    this.view = new Uint8Array(viewMemory(this.mapping.address, pages * PAGE)).fill(byte);
  }

  get address(): bigint {
    return BigInt(this.mapping.address);
  }

  [Symbol.dispose](): void {
    (this.view.buffer as ArrayBuffer).transfer(0);
    this.mapping.unmap();
  }
}

Deno.test("copyMemory() copies exactly as many bytes as it is told, in its slow and its fast call", () => {
  using from = new Mapped(2, 0xaa);
  using to = new Mapped(2, 0);
  // Often enough that the call is compiled; its size comes from arithmetic that leaves the upper
  // half of a register as it was.
  const copy = (target: bigint, source: bigint, bytes: number): void =>
    copyMemory(target, source, (bytes ^ 0x8000_0000) >>> 0 & 0x7fff_ffff);
  let seed = 1;
  for (let i = 0; i < 30_000; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const bytes = seed >>> 20;
    const at = (seed >>> 8) % PAGE;
    copy(to.address + BigInt(at), from.address, bytes);
    const wrong = to.view[at + bytes] !== 0 || (bytes > 0 && to.view[at + bytes - 1] !== 0xaa);
    if (wrong || i % 1000 === 0) {
      assert.deepEqual(to.view.indexOf(0xaa), bytes === 0 ? -1 : at, `copy ${i} of ${bytes} bytes`);
      assert.deepEqual(to.view.lastIndexOf(0xaa), bytes === 0 ? -1 : at + bytes - 1);
    }
    to.view.fill(0, at, at + bytes);
  }
});

Deno.test("a mapping shows its file from an offset on, to all who map it, and is unmapped once", () => {
  const fd = createMemoryFile("test", 3 * PAGE);
  const whole = Mapping.map(fd, 0, 3 * PAGE);
  const last = Mapping.map(fd, 2 * PAGE, PAGE);
  const bytes = new Uint8Array(viewMemory(whole.address, whole.sizeBytes));
  const tail = new Uint8Array(viewMemory(last.address, last.sizeBytes));
  bytes[2 * PAGE + 5] = 7;
  assert.deepEqual([tail[5], tail.length, last.sizeBytes], [7, PAGE, PAGE]);
  bytes.buffer.transfer(0);
  tail.buffer.transfer(0);
  last.unmap();
  assert.throws(() => last.unmap(), /unmapped before/);
  whole.unmap();
  closeFd(fd);
  assert.throws(() => Mapping.map(fd, 0, PAGE), failedWith(EBADF));
  assert.throws(() => viewMemory(0, 1), /address is 0/);
});

Deno.test("mapped memory is in no core file and in no child process", () => {
  using mapped = new Mapped(1, 1);
  const smaps = Deno.readTextFileSync("/proc/self/smaps");
  const start = mapped.mapping.address.toString(16);
  const flags = new RegExp(`^${start}-[^]*?^VmFlags: (.*)$`, "m").exec(smaps)?.[1] ?? "";
  for (const flag of ["sh", "dd", "dc"]) assert(flags.split(" ").includes(flag), flags);
});

Deno.test("a memory file does not shrink under who maps it, unless it may", () => {
  const fd = createMemoryFile("test", PAGE);
  assert.equal(fdSeals(fd), F_SEAL_SHRINK);
  assert.throws(() => truncateFd(fd, 0), failedWith(EPERM));
  truncateFd(fd, 2 * PAGE);
  closeFd(fd);
  const free = createMemoryFile("test", PAGE, 0);
  assert.equal(fdSeals(free), 0);
  truncateFd(free, 0);
  closeFd(free);
});
