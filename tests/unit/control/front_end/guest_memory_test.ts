/** Tenants' memory files: the gate, sharing, budgets, and the order in which memory goes. */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import {
  closeFd,
  createEventFd,
  dupFd,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  fdSeals,
  socketPair,
  truncateFd,
  viewMemory,
} from "../../../../ffi/mod.ts";
import {
  mappingKey,
  MappingPool,
  PortMemory,
} from "../../../../lib/control/front_end/guest_memory.ts";
import type { MemoryRegion } from "../../../../lib/vhost/host.ts";
import { LIMITS } from "../../../../lib/base/port_limits.ts";
import { PORTS_MAX, VRINGS_PER_PORT } from "../../../../lib/base/limits.ts";
import { WINDOW_STRIDE } from "../../../../lib/virtio/memory/arena.ts";
import { GUEST_WINDOWS_MAX, WINDOWS_MAX } from "../../../../lib/virtio/memory/window.ts";
import { TestArena } from "../../../harness/arena.ts";
import { FakePlane } from "../fake_plane.ts";
import { held, memoryFile } from "../support.ts";

const MIB = 2 ** 20;

function region(mmapOffset: number, sizeBytes: number, guestAddr = mmapOffset): MemoryRegion {
  return { guestAddr, sizeBytes, userAddr: 2 ** 40 + guestAddr, mmapOffset };
}

interface Subject {
  readonly plane: FakePlane;
  readonly pool: MappingPool;
  port(): PortMemory;
}

/** Runs a test, closes its descriptors, and checks that all memory is given back. */
function check(fds: readonly number[], run: (subject: Subject) => void): void {
  const plane = new FakePlane();
  using arena = new TestArena(GUEST_WINDOWS_MAX);
  const pool = new MappingPool(plane.commands, arena);
  const ports: PortMemory[] = [];
  const port = (): PortMemory => {
    const number = plane.addPort();
    const memory = new PortMemory(
      pool,
      (regions) => plane.commands.setMemory({ port: number, regions }),
    );
    ports.push(memory);
    return memory;
  };
  const { maps } = held();
  try {
    run({ plane, pool, port });
  } finally {
    for (const memory of ports) memory.replace([], []);
    for (const fd of fds) closeFd(fd);
  }
  assert.equal(pool.mappedBytes, 0);
  assert.equal(plane.mappings.size, 0);
  assert.equal(held().maps, maps);
}

function mapped(result: number[] | { code: string }): number[] {
  assert(Array.isArray(result), JSON.stringify(result));
  return result;
}

function code(result: number[] | { code: string }): string {
  assert(!Array.isArray(result), "it was mapped");
  return result.code;
}

Deno.test("PortMemory keeps its table when the data plane cannot take another", () => {
  const fd = memoryFile(8 * MIB);
  for (const command of ["addMapping", "setMemory"] as const) {
    // Of two regions the first is mapped already when the second fails.
    for (const calls of command === "addMapping" ? [1, 2] : [1]) {
      check([], ({ plane, pool, port }) => {
        const memory = port();
        mapped(memory.replace([region(0, MIB)], [fd]));
        const { regions } = memory;
        plane.failOnce(command, calls);
        const next = [region(2 * MIB, MIB), region(4 * MIB, MIB)];
        assert.throws(() => memory.replace(next, [fd, fd]), /cannot carry out/);
        assert.deepEqual(memory.regions, regions);
        assert.equal(pool.mappedBytes, MIB);
      });
    }
  }
  closeFd(fd);
});

Deno.test("PortMemory.replace() maps regions where the file has them", () => {
  const fd = memoryFile(8 * MIB);
  check([fd], ({ port }) => {
    const memory = port();
    const regions = [region(0, 4096), region(3 * MIB + 4096, MIB)];
    const addresses = mapped(memory.replace(regions, [fd, fd]));
    const bytes = new Uint8Array(16).fill(7);
    // What is written to the file shows where the regions were mapped.
    const whole = mapped(port().replace([region(0, 8 * MIB)], [fd]));
    for (const [i, r] of regions.entries()) {
      new Uint8Array(viewMemory((whole[0] as number) + r.mmapOffset, 16)).set(bytes);
      assert.deepEqual(new Uint8Array(viewMemory(addresses[i] as number, 16)), bytes);
    }
    assert.equal(memory.sizeBytes, MIB + 4096);
  });
});

Deno.test("PortMemory.replace() maps the same file of two ports once", () => {
  const fd = memoryFile(4 * MIB);
  const copy = dupFd(fd);
  check([fd, copy], ({ plane, pool, port }) => {
    const [one, two] = [port(), port()];
    const first = mapped(one.replace([region(0, 4 * MIB)], [fd]));
    const second = mapped(two.replace([region(0, 4 * MIB, 2 ** 32)], [copy]));
    assert.deepEqual(first, second);
    assert.equal(plane.mappings.size, 1);
    assert.equal(pool.mappedBytes, 4 * MIB);
    one.replace([], []);
    assert.equal(plane.mappings.size, 1, "the other port still uses it");
    // Another part of the file is another mapping.
    mapped(one.replace([region(0, 2 * MIB)], [fd]));
    assert.equal(plane.mappings.size, 2);
  });
});

Deno.test("PortMemory.replace() knows a file again whose pages were touched meanwhile", async () => {
  const fd = memoryFile(MIB);
  // Longer than a tick of the clock that files have.
  await delay(20);
  check([fd], ({ plane, port }) => {
    const [address = 0] = mapped(port().replace([region(0, MIB)], [fd]));
    new Uint8Array(viewMemory(address, MIB)).fill(1);
    mapped(port().replace([region(0, MIB)], [fd]));
    assert.equal(plane.mappings.size, 1);
  });
});

Deno.test("mappingKey() tells huge pages of one inode number apart by their time of change", () => {
  const huge = { identity: "1:2", changed: "3.4", sizeBytes: 2 ** 30, blockBytes: 2 ** 21 };
  const later = { ...huge, changed: "3.5" };
  assert.notEqual(mappingKey(huge, 0, MIB), mappingKey(later, 0, MIB));
  assert.equal(mappingKey(huge, 0, MIB), mappingKey({ ...huge, sizeBytes: 2 ** 31 }, 0, MIB));
  const small = { ...huge, blockBytes: 4096 };
  assert.equal(mappingKey(small, 0, MIB), mappingKey({ ...later, blockBytes: 4096 }, 0, MIB));
});

Deno.test("PortMemory.replace() keeps mapped what both tables have", () => {
  const [a, b] = [memoryFile(MIB), memoryFile(MIB)] as [number, number];
  check([a, b], ({ port }) => {
    const memory = port();
    const [first] = mapped(memory.replace([region(0, MIB)], [a]));
    const [again, other] = mapped(memory.replace([region(0, MIB), region(0, MIB, MIB)], [a, b]));
    assert.equal(again, first);
    assert.notEqual(other, first);
    const [last] = mapped(memory.replace([region(0, MIB, MIB)], [b]));
    assert.equal(last, other);
  });
});

Deno.test("PortMemory.replace() detaches a mapping's views before it is unmapped", () => {
  const fd = memoryFile(MIB);
  check([fd], ({ plane, port }) => {
    const memory = port();
    mapped(memory.replace([region(0, MIB)], [fd]));
    let seen = 0;
    plane.onRemoveMapping = (address) => {
      const maps = Deno.readTextFileSync("/proc/self/maps");
      assert(maps.includes(`${address.toString(16)}-`), "it is still mapped");
      seen++;
    };
    memory.replace([], []);
    assert.equal(seen, 1);
  });
});

Deno.test("PortMemory.replace() forbids shrinking where the file allows that", () => {
  const open = memoryFile(MIB, 0);
  const closed = memoryFile(MIB, F_SEAL_SEAL);
  check([open, closed], ({ port }) => {
    mapped(port().replace([region(0, MIB)], [open]));
    assert.equal(fdSeals(open), F_SEAL_SHRINK);
    let failed = false;
    try {
      truncateFd(open, 0);
    } catch {
      failed = true;
    }
    assert(failed, "the owner cannot shrink it any more");
    mapped(port().replace([region(0, MIB)], [closed]));
    assert.equal(fdSeals(closed), F_SEAL_SEAL);
  });
});

Deno.test("PortMemory.replace() refuses regions past the end of their file", () => {
  const fd = memoryFile(MIB);
  check([fd], ({ plane, port }) => {
    const memory = port();
    mapped(memory.replace([region(0, MIB)], [fd]));
    const past = [region(0, MIB + 1), region(MIB, 4096), region(2 ** 51, 4096), region(4096, MIB)];
    for (const bad of past) assert.equal(code(memory.replace([bad], [fd])), "region-past-eof");
    assert.deepEqual(memory.regions, [], "the old table is gone too");
    assert.equal(plane.mappings.size, 0);
    mapped(memory.replace([region(MIB - 4096, 4096)], [fd]));
  });
});

Deno.test("PortMemory.replace() refuses everything that is no memory", () => {
  const [near, far] = socketPair();
  const path = Deno.makeTempFileSync();
  using file = Deno.openSync(path, { read: true, write: true });
  file.truncateSync(MIB);
  const fileFd = Array.from(Deno.readDirSync("/proc/self/fd"), (entry) => entry.name)
    .find((name) => link(name) === path);
  const good = memoryFile(MIB);
  const eventFd = createEventFd();
  check([near, far, eventFd, good], ({ plane, port }) => {
    const memory = port();
    for (const fd of [near, eventFd, Number(fileFd)]) {
      const regions = [region(0, MIB), region(0, MIB, MIB)];
      assert.equal(code(memory.replace(regions, [good, fd])), "bad-memory-kind");
      assert.equal(plane.mappings.size, 0, "the good one was unmapped");
    }
  });
  Deno.removeSync(path);
});

function link(fd: string): string | null {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

Deno.test("PortMemory.replace() bounds a port's memory and that of all ports", () => {
  const fd = memoryFile(2 * LIMITS.memory.most);
  // A page behind each stays free.
  const each = LIMITS.memory.most / WINDOW_STRIDE + 1;
  const guests = Math.floor(GUEST_WINDOWS_MAX / each);
  const others = Array.from({ length: guests }, () => memoryFile(LIMITS.memory.most));
  check([fd, ...others], ({ plane, port }) => {
    const memory = port();
    const half = LIMITS.memory.most / 2;
    const two = [region(0, half), region(half, half + 4096)];
    assert.equal(code(memory.replace(two, [fd, fd])), "memory-budget");
    // Address space alone: nothing of it is touched.
    mapped(memory.replace([region(0, half), region(half, half)], [fd, fd]));
    plane.portsMax = 1 + others.length;
    const codes = others.map((other) => {
      const result = port().replace([region(0, LIMITS.memory.most)], [other]);
      return Array.isArray(result) ? "mapped" : result.code;
    });
    // The first port has its share.
    assert.equal(codes.pop(), "memory-budget");
    assert.deepEqual(new Set(codes), new Set(["mapped"]));
  });
});

Deno.test("guests leave windows for the frames that wait for an IOMMU, one a receive queue", () => {
  assert(WINDOWS_MAX > GUEST_WINDOWS_MAX + PORTS_MAX * VRINGS_PER_PORT / 2);
});
