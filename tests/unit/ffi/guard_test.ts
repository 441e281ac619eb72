/** The guard: pages that cannot be had are zeros, are counted, and end nobody. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  copyMemory,
  createMemoryFile,
  Mapping,
  MemoryGuard,
  memoryGuard,
  signalInfo,
  testGuard,
  truncateFd,
  viewMemory,
} from "../../../ffi/mod.ts";
import { SIGBUS } from "../../../ffi/abi.ts";
import { libc } from "../../../ffi/symbols.ts";
import { freeHugePagesMib } from "../../harness/hugepages.ts";

const PAGE = 4096;
const MIB = 2 ** 20;
/** What the code has: pages one by one, then twice as many at each fault. */
const SINGLES = 16;
const FAULTS_MAX = 128;
/** memfd_create(2): a file of huge pages. */
const MFD_HUGETLB = 0x4;

const guard = memoryGuard();

/** A mapped file of our own that is covered. */
class Covered implements Disposable {
  readonly fd: number;
  readonly mapping: Mapping;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly record: number;
  #open = true;

  constructor(pages: number) {
    this.fd = createMemoryFile("guarded", pages * PAGE, 0);
    this.mapping = Mapping.map(this.fd, 0, pages * PAGE);
    this.bytes = new Uint8Array(viewMemory(this.mapping.address, pages * PAGE));
    this.record = guard.cover(this.mapping.address, pages * PAGE, PAGE) as number;
  }

  get faults(): number {
    return guard.faultsOf(this.record).count;
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    guard.uncover(this.record);
    this.mapping.unmap();
    closeFd(this.fd);
    guard.seenTo();
  }
}

function mappings(): number {
  return Deno.readTextFileSync("/proc/self/maps").trim().split("\n").length;
}

Deno.test("what is read and written beyond the end of a truncated file is zeros of our own", () => {
  using file = new Covered(8);
  file.bytes.fill(7);
  const before = guard.helped;
  truncateFd(file.fd, 2 * PAGE);
  assert.equal(file.bytes[2 * PAGE - 1], 7, "what is still there is the file's");
  assert.equal(file.bytes[3 * PAGE + 5], 0);
  assert.deepEqual(
    guard.faultsOf(file.record),
    { address: file.mapping.address, count: 1, last: file.mapping.address + 3 * PAGE + 5 },
  );
  file.bytes[5 * PAGE] = 9;
  assert.equal(file.bytes[5 * PAGE], 9);
  assert.equal(file.faults, 2, "a page that was replaced faults no more");
  assert.equal(guard.helped, before + 2);
  assert(guard.faulty().some(({ address }) => address === file.mapping.address));
  // The file grows again: what was replaced stays ours.
  truncateFd(file.fd, 8 * PAGE);
  assert.equal(file.bytes[5 * PAGE], 9);
});

Deno.test("libc's copies fault as JavaScript does", () => {
  using source = new Covered(64);
  using target = new Covered(64);
  source.bytes.fill(1);
  truncateFd(source.fd, 0);
  truncateFd(target.fd, 0);
  const [to, from] = [BigInt(target.mapping.address), BigInt(source.mapping.address)];
  copyMemory(to, from, 64 * PAGE);
  assert(target.bytes.every((byte) => byte === 0));
  assert(source.faults > 0 && target.faults > 0);
});

Deno.test("a tenant with many missing pages costs a few faults, and few mappings", () => {
  const pages = 2 ** 16;
  using file = new Covered(pages);
  truncateFd(file.fd, 0);
  const before = mappings();
  guard.seenTo();
  let sum = 0;
  for (let page = 0; page < pages; page += 2) sum += file.bytes[page * PAGE] as number;
  assert.equal(sum, 0);
  // Twice as many pages each time; the range need not begin at a multiple of them.
  assert(file.faults > SINGLES && file.faults <= SINGLES + 22, `${file.faults} faults`);
  assert(mappings() - before <= 2 * SINGLES + 44, `${mappings() - before} mappings more`);
  // As long as nobody saw to these, another one's pages are not taken one by one either.
  using other = new Covered(1024);
  truncateFd(other.fd, 0);
  for (let page = 0; page < 1024; page++) assert.equal(other.bytes[page * PAGE], 0);
  assert(other.faults <= 2, `${other.faults} faults`);
});

Deno.test("faults at whatever page is asked for stay in their range", () => {
  using before = new Covered(1);
  using file = new Covered(77);
  using after = new Covered(1);
  before.bytes.fill(3);
  after.bytes.fill(4);
  truncateFd(file.fd, 0);
  for (let i = 0; i < 77; i++) assert.equal(file.bytes[(i * 31 % 77) * PAGE + 4095], 0);
  assert(before.bytes.every((byte) => byte === 3) && after.bytes.every((byte) => byte === 4));
  assert.equal(before.faults + after.faults, 0);
});

Deno.test("truncated again and again, nothing is left behind", () => {
  const before = mappings();
  const fds = Array.from(Deno.readDirSync("/proc/self/fd")).length;
  for (let round = 0; round < 1000; round++) {
    using file = new Covered(4);
    file.bytes[0] = 1;
    truncateFd(file.fd, round % 4 * PAGE);
    for (let page = 0; page < 4; page++) file.bytes[page * PAGE] = 2;
    assert.equal(file.faults, 4 - round % 4);
  }
  // The runtime's own come and go.
  assert(mappings() - before < 100, `${mappings() - before} mappings more`);
  assert.equal(Array.from(Deno.readDirSync("/proc/self/fd")).length, fds);
});

Deno.test("a guard that is asked for twice is one, and can be tried again", () => {
  assert.equal(memoryGuard(), guard);
  testGuard(guard);
});

Deno.test("a huge page that is not there is replaced whole", () => {
  const bytes = 2 * MIB;
  const fd = libc.memfd_create(new TextEncoder().encode("guarded\0"), MFD_HUGETLB);
  if (fd < 0) return;
  truncateFd(fd, 2 * bytes);
  // Without a reservation, as tenants' files are mapped.
  const mapping = Mapping.map(fd, 0, 2 * bytes);
  const record = guard.cover(mapping.address, 2 * bytes, bytes) as number;
  const view = new Uint8Array(viewMemory(mapping.address, 2 * bytes));
  assert.equal(view[5], 0);
  // The file is long enough, and there is no page unless a test beside this one has made some.
  assert(guard.faultsOf(record).count === 1 || freeHugePagesMib() > 0);
  assert.equal(view[bytes - 1], 0);
  truncateFd(fd, 0);
  view[bytes + 1] = 2;
  assert.equal(view[2 * bytes - 1], 0);
  assert.equal(guard.faultsOf(record).last, mapping.address + bytes + 1);
  assert(guard.faultsOf(record).count <= 2);
  guard.uncover(record);
  mapping.unmap();
  closeFd(fd);
  guard.seenTo();
});

/** What becomes of a process that does this. */
async function fate(script: string): Promise<{ signal: Deno.Signal | null; said: string }> {
  const ffi = new URL("../../../ffi/mod.ts", import.meta.url);
  const code = `import * as ffi from ${JSON.stringify(ffi.href)};
    const fd = ffi.createMemoryFile("guarded", 4096, 0);
    const mapping = ffi.Mapping.map(fd, 0, 4096);
    const bytes = new Uint8Array(ffi.viewMemory(mapping.address, 4096));
    const guard = ffi.memoryGuard();
    ${script}`;
  const { signal, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `data:text/javascript,${encodeURIComponent(code)}`],
    stderr: "null",
  }).output();
  return { signal, said: new TextDecoder().decode(stdout).trim() };
}

Deno.test("whatever is not covered ends the process as before", async () => {
  const outside = await fate(`ffi.truncateFd(fd, 0); console.log("before"); bytes[0];`);
  assert.deepEqual(outside, { signal: "SIGBUS", said: "before" });
  const uncovered = await fate(`guard.uncover(guard.cover(mapping.address, 4096, 4096));
    ffi.truncateFd(fd, 0); console.log("before"); bytes[0];`);
  assert.deepEqual(uncovered, { signal: "SIGBUS", said: "before" });
});

Deno.test("a fault that mapping does not help goes to the handler before, in the end", async () => {
  const { signal, said } = await fate(`guard.cover(mapping.address, 4096, 4096);
    for (let i = 0; i < ${FAULTS_MAX}; i++) guard.call(7, ffi.signalInfo(mapping.address), 0n);
    console.log(guard.faulty()[0].count);
    ffi.truncateFd(fd, 0);
    const other = ffi.Mapping.map(fd, 0, 4096);
    guard.cover(other.address, 4096, 4096);
    console.log(new Uint8Array(ffi.viewMemory(other.address, 1))[0]);
    guard.call(7, ffi.signalInfo(mapping.address), 0n);
    console.log("the handler before was called, and has put the default in force");
    ffi.Mapping.map(fd, 0, 4096);
    new Uint8Array(ffi.viewMemory(ffi.Mapping.map(fd, 0, 4096).address, 1))[0];
    console.log("never");`);
  assert.equal(signal, "SIGBUS");
  assert.deepEqual(said.split("\n").slice(0, 2), [String(FAULTS_MAX), "0"]);
  assert(!said.includes("never"));
});

Deno.test("a signal that somebody sent, or of another kind, is not taken for a missing page", () => {
  // Deno's own handler would end the process: this guard's has none before it that does.
  const inner = MemoryGuard.install();
  using file = new Covered(1);
  const record = inner.cover(file.mapping.address, PAGE, PAGE) as number;
  file.bytes[0] = 5;
  // To the outer guard, which has the range as well and takes neither.
  for (const code of [2, 3, 4]) {
    inner.call(SIGBUS, signalInfo(file.mapping.address, code), 0n);
    assert.equal(file.bytes[0], 0, `code ${code}`);
  }
  assert.equal(inner.faultsOf(record).count, 3);
  inner.uncover(record);
  inner.call(SIGBUS, signalInfo(file.mapping.address), 0n);
  assert.equal(file.faults, 1, "what one guard does not cover, the one before it may");
});
