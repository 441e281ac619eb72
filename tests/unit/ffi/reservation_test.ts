/** Reserved address space: files come and go in it, and nobody else ever gets a piece of it. */
import { strict as assert } from "node:assert";
import {
  addFdSeals,
  closeFd,
  createMemoryFile,
  Mapping,
  Reservation,
  SystemError,
  truncateFd,
  viewBytesMax,
  viewMemory,
} from "../../../ffi/mod.ts";
import { isNobodys, mapOver } from "../../../ffi/reservation.ts";
import { libc } from "../../../ffi/symbols.ts";
import { HugePages } from "../../harness/hugepages.ts";
import { PEERS_REQUIRED } from "../../harness/peers.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** A file with it can be mapped to read only. */
const F_SEAL_WRITE = 0x8;
/** memfd_create(2): a file of huge pages. */
const MFD_HUGETLB = 0x4;

/** What the kernel has at a range: permissions and file of each mapping that touches it. */
function mappedAt(address: number, sizeBytes: number): string[] {
  return Deno.readTextFileSync("/proc/self/maps").trim().split("\n").flatMap((line) => {
    const [range = "", permissions = "", , , , file = ""] = line.split(/\s+/);
    const [from = 0, to = 0] = range.split("-").map((hex) => parseInt(hex, 16));
    return from < address + sizeBytes && to > address ? [`${permissions} ${file}`] : [];
  });
}

function sealed(): number {
  const fd = createMemoryFile("sealed", MIB);
  addFdSeals(fd, F_SEAL_WRITE);
  return fd;
}

Deno.test("a view of a reservation shows what is mapped into it, and nothing is left behind", () => {
  const reserved = Reservation.make(2 * GIB, GIB);
  assert.equal(reserved.address % GIB, 0);
  assert.deepEqual(mappedAt(reserved.address, reserved.sizeBytes), ["---p "]);
  const bytes = new Uint8Array(viewMemory(reserved.address, reserved.sizeBytes));
  const at = GIB + 3 * MIB;
  for (const [round, name] of ["first", "second"].entries()) {
    const fd = createMemoryFile(name, 2 * MIB);
    assert(reserved.map(reserved.address + at, fd, MIB, MIB));
    bytes[at + 5] = 40 + round;
    const file = Mapping.map(fd, 0, 2 * MIB);
    assert.equal(new Uint8Array(viewMemory(file.address, 2 * MIB))[MIB + 5], 40 + round);
    file.unmap();
    assert.deepEqual(mappedAt(reserved.address + at, MIB), [`rw-s /memfd:${name}`]);
    reserved.unmap(reserved.address + at, MIB);
    closeFd(fd);
    assert.deepEqual(mappedAt(reserved.address, reserved.sizeBytes), ["---p "], "in one piece");
  }
  reserved.release();
  assert.deepEqual(mappedAt(reserved.address, reserved.sizeBytes), []);
});

Deno.test("a file that cannot be mapped leaves a reservation whole", () => {
  const reserved = Reservation.make(GIB, GIB);
  const fd = sealed();
  assert.throws(() => reserved.map(reserved.address, fd, 0, MIB), SystemError);
  assert.throws(() => reserved.map(reserved.address, -1, 0, MIB), SystemError);
  assert.deepEqual(mappedAt(reserved.address, GIB), ["---p "]);
  // Linux 6.13 and later leaves the range as it was, which cannot be told from a range that is lost.
  let mapped = false;
  try {
    mapped = mapOver(BigInt(reserved.address), fd, 0, BigInt(MIB));
  } catch (error) {
    assert(error instanceof SystemError);
  }
  assert.equal(mapped, false);
  assert.deepEqual(mappedAt(reserved.address, GIB), ["---p "]);
  closeFd(fd);
  reserved.release();
});

Deno.test("a file can be mapped over a reservation where it cannot be moved", () => {
  const reserved = Reservation.make(GIB, GIB);
  const fd = createMemoryFile("over", MIB);
  assert(mapOver(BigInt(reserved.address + MIB), fd, 0, BigInt(MIB)));
  assert.deepEqual(mappedAt(reserved.address + MIB, MIB), ["rw-s /memfd:over"]);
  reserved.unmap(reserved.address + MIB, MIB);
  assert.deepEqual(mappedAt(reserved.address, GIB), ["---p "]);
  closeFd(fd);
  reserved.release();
});

Deno.test("a range is nobody's while nothing has been mapped there since", () => {
  const reserved = Reservation.make(GIB, GIB);
  const [at, bytes] = [BigInt(reserved.address + 4 * MIB), BigInt(MIB)];
  assert(isNobodys(at, bytes));
  const fd = createMemoryFile("guest", MIB);
  assert(reserved.map(Number(at), fd, 0, MIB));
  assert(!isNobodys(at, bytes) && !isNobodys(at - 4096n, bytes));
  reserved.unmap(Number(at), MIB);
  assert(isNobodys(at, bytes));
  libc.munmap(at, bytes);
  assert(!isNobodys(at, bytes));
  // What somebody else has put there has not got the page behind it.
  const PROT_NONE = 0;
  const MAP_PRIVATE_ANONYMOUS_FIXED = 0x32;
  assert.equal(libc.mmap(at, bytes, PROT_NONE, MAP_PRIVATE_ANONYMOUS_FIXED, -1, 0n), at);
  assert(!isNobodys(at, bytes));
  closeFd(fd);
  reserved.release();
});

Deno.test("huge pages are moved or mapped into a reservation, and leave it", () => {
  using pages = HugePages.reserve(8);
  if (pages === null && !PEERS_REQUIRED) {
    return console.warn("SKIPPED: this system can spare no huge pages");
  }
  const reserved = Reservation.make(GIB, GIB);
  const fd = libc.memfd_create(new TextEncoder().encode("huge\0"), MFD_HUGETLB);
  truncateFd(fd, 4 * MIB);
  const [moved, over] = [reserved.address + 2 * MIB, reserved.address + 8 * MIB];
  assert(reserved.map(moved, fd, 2 * MIB, 2 * MIB));
  assert(mapOver(BigInt(over), fd, 0, BigInt(4 * MIB)));
  new Uint8Array(viewMemory(moved, 2 * MIB))[5] = 7;
  assert.equal(new Uint8Array(viewMemory(over, 4 * MIB))[2 * MIB + 5], 7);
  reserved.unmap(moved, 2 * MIB);
  reserved.unmap(over, 4 * MIB);
  assert.deepEqual(mappedAt(reserved.address, GIB), ["---p "]);
  closeFd(fd);
  reserved.release();
});

Deno.test("nothing is mapped or unmapped outside a reservation", () => {
  const reserved = Reservation.make(GIB, GIB);
  const fd = createMemoryFile("outside", MIB);
  for (const at of [reserved.address - 4096, reserved.address + GIB - 4096]) {
    assert.throws(() => reserved.map(at, fd, 0, MIB), /not in the reservation/);
    assert.throws(() => reserved.unmap(at, MIB), /not in the reservation/);
  }
  closeFd(fd);
  reserved.release();
});

Deno.test("more address space than there is cannot be reserved", () => {
  assert.throws(() => Reservation.make(2 ** 48, GIB), SystemError);
});

Deno.test("a view as long as the runtime makes them can be made", () => {
  const sizeBytes = Math.min(viewBytesMax(), 64 * GIB);
  const reserved = Reservation.make(64 * GIB, GIB);
  assert.equal(viewMemory(reserved.address, sizeBytes).byteLength, sizeBytes);
  reserved.release();
});

Deno.test("address space is unlimited here, or what is left is below the limit", async () => {
  const script = `import { addressSpaceLeft } from ${
    JSON.stringify(import.meta.resolve("../../../ffi/mod.ts"))
  }; console.log(addressSpaceLeft())`;
  const limited = async (kib: string): Promise<number> => {
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", 'ulimit -v "$1" && exec "$2" eval "$3"', "sh", kib, Deno.execPath(), script],
    }).output();
    return Number(new TextDecoder().decode(stdout));
  };
  assert.equal(await limited("unlimited"), Infinity);
  const left = await limited(`${100 * 2 ** 20}`);
  assert(left > 0 && left < 100 * GIB, `${left} bytes`);
});
