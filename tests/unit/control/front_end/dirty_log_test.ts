/** A port's dirty log: mapped once for all ports of a VM, replaced, and given back in order. */
import { strict as assert } from "node:assert";
import { closeFd, createEventFd, dupFd, truncateFd, viewMemory } from "../../../../ffi/mod.ts";
import { MappingPool } from "../../../../lib/control/front_end/guest_memory.ts";
import { PortDirtyLog } from "../../../../lib/control/front_end/dirty_log.ts";
import type { LogHost } from "../../../../lib/vhost/host.ts";
import { TestArena } from "../../../harness/arena.ts";
import { FakePlane } from "../fake_plane.ts";
import { held, memoryFile } from "../support.ts";

const PAGE = 4096;
/** Three pages in the middle of a byte of the log, and 19 over four bytes. */
const REGIONS = [[2, 3], [14, 19]].map(([first = 0, pages = 0]) => ({
  guestAddr: first * PAGE,
  sizeBytes: pages * PAGE,
  userAddr: 0,
  mmapOffset: 0,
}));

function bitsOf(plane: FakePlane): Uint8Array {
  const log = plane.logs.get(0);
  assert(log);
  return new Uint8Array(viewMemory(log.address, log.sizeBytes));
}

/** Runs a test with two ports and checks that everything is given back, descriptors included. */
function check(run: (plane: FakePlane, pool: MappingPool, hosts: LogHost[]) => void): void {
  const before = held();
  const plane = new FakePlane();
  const pool = new MappingPool(plane.commands, new TestArena());
  const hosts = [0, 1].map(() => {
    return new PortDirtyLog(plane.commands, pool, { regions: REGIONS }, plane.addPort())
      .sessionHost(
        closeFd,
      );
  });
  run(plane, pool, hosts);
  for (const host of hosts) host.dropLog();
  assert.equal(pool.mappedBytes, 0);
  assert.equal(plane.mappings.size, 0);
  assert.equal(plane.logs.size, 0);
  assert.equal(held().maps, before.maps);
  assert.equal(held().fds, before.fds);
}

Deno.test("PortDirtyLog places a log where its file has it", () => {
  check((plane, _pool, [host]) => {
    const fd = memoryFile(0x4000);
    assert.equal(host?.setLog({ sizeBytes: 0x1800, mmapOffset: 0x1400 }, fd, false), null);
    const log = plane.logs.get(0);
    assert(log);
    assert.equal(log.sizeBytes, 0x1800);
    assert.equal(log.address % 4096, 0x400);
    new Uint8Array(viewMemory(log.address, log.sizeBytes)).fill(1);
  });
});

Deno.test("PortDirtyLog keeps its log when the data plane cannot take another", () => {
  for (const command of ["addMapping", "setLog"] as const) {
    check((plane, pool, [host]) => {
      assert.equal(
        host?.setLog({ sizeBytes: 0x1000, mmapOffset: 0 }, memoryFile(0x1000), false),
        null,
      );
      const log = plane.logs.get(0);
      plane.failOnce(command);
      const area = { sizeBytes: 0x2000, mmapOffset: 0 };
      assert.throws(() => host?.setLog(area, memoryFile(0x2000), false), /cannot carry out/);
      assert.deepEqual(plane.logs.get(0), log);
      assert.equal(pool.mappedBytes, 0x1000);
    });
  }
});

Deno.test("PortDirtyLog maps a log that two ports of one VM send once", () => {
  check((plane, pool, hosts) => {
    const area = { sizeBytes: 0x1800, mmapOffset: 0 };
    const fd = memoryFile(0x2000);
    const same = dupFd(fd);
    assert.equal(hosts[0]?.setLog(area, fd, false), null);
    assert.equal(hosts[1]?.setLog(area, same, false), null);
    assert.equal(pool.mappedBytes, 0x2000);
    assert.equal(plane.logs.size, 2);
  });
});

Deno.test("PortDirtyLog unmaps a log after the data plane has another one", () => {
  check((plane, pool, [host]) => {
    assert(host);
    assert.equal(
      host.setLog({ sizeBytes: 0x1000, mmapOffset: 0 }, memoryFile(0x1000), false),
      null,
    );
    const first = plane.logs.get(0)?.mapping;
    host.setLogAll(true);
    // The fake refuses to forget a mapping that a log is in.
    assert.equal(
      host.setLog({ sizeBytes: 0x2000, mmapOffset: 0 }, memoryFile(0x2000), false),
      null,
    );
    assert(plane.logs.get(0)?.mapping !== first);
    assert.equal(pool.mappedBytes, 0x2000);
    host.setLogAll(false);
    host.dropLog();
    assert.equal(plane.logs.size, 0);
  });
});

Deno.test("PortDirtyLog refuses what is no memory or too small, and keeps the log it has", () => {
  check((plane, _pool, [host]) => {
    assert(host);
    assert.equal(
      host.setLog({ sizeBytes: 0x1000, mmapOffset: 0 }, memoryFile(0x1000), false),
      null,
    );
    const before = plane.logs.get(0);
    const area = { sizeBytes: 0x1001, mmapOffset: 0 };
    assert.equal(host.setLog(area, memoryFile(0x1000), false)?.code, "region-past-eof");
    assert.equal(host.setLog(area, createEventFd(), false)?.code, "bad-memory-kind");
    assert.equal(plane.logs.get(0), before);
  });
});

Deno.test("PortDirtyLog gives a new log what the old one has of guest memory", () => {
  check((plane, _pool, [host]) => {
    assert.equal(
      host?.setLog({ sizeBytes: 0x1000, mmapOffset: 0 }, memoryFile(0x1000), false),
      null,
    );
    bitsOf(plane).set([0, 0xff, 0, 0x5a, 0, 0xff], 0);
    assert.equal(host?.setLog({ sizeBytes: 5, mmapOffset: 0 }, memoryFile(0x1000), false), null);
    assert.deepEqual([...bitsOf(plane)], [0, 0xff, 0, 0x5a, 0], "byte 5 stands for no region");
    bitsOf(plane)[3] = 0xa5;
    assert.equal(host?.setLog({ sizeBytes: 3, mmapOffset: 0 }, memoryFile(0x1000), false), null);
    assert.deepEqual([...bitsOf(plane)], [0, 0xff, 0]);
  });
});

Deno.test("PortDirtyLog marks all guest memory and nothing else when writes were missed", () => {
  check((plane, _pool, [host]) => {
    assert.equal(host?.setLog({ sizeBytes: 6, mmapOffset: 0 }, memoryFile(0x1000), true), null);
    assert.deepEqual([...bitsOf(plane)], [0b0001_1100, 0b1100_0000, 0xff, 0xff, 1, 0]);
  });
});

Deno.test("PortDirtyLog may be cut short by its owner only while nobody has it mapped", () => {
  check((plane, _pool, [host]) => {
    const fd = memoryFile(0x1000);
    const same = dupFd(fd);
    assert.equal(host?.setLog({ sizeBytes: 6, mmapOffset: 0 }, fd, true), null);
    assert.throws(() => truncateFd(same, 0), /EPERM/);
    closeFd(same);
    assert.equal(bitsOf(plane)[2], 0xff);
  });
});

Deno.test("PortDirtyLog inherits each bit of its regions' bytes and no other, however a log lies in its file", () => {
  const regions = [[5, 1000], [2001, 77], [2200, 1]].map(([first = 0, pages = 0]) => ({
    ...{ guestAddr: first * PAGE, sizeBytes: pages * PAGE, userAddr: 0, mmapOffset: 0 },
  }));
  const sizeBytes = 300;
  for (const mmapOffset of [0, 1, 2, 4, 4095]) {
    for (const every of [1, 7, 64]) {
      const plane = new FakePlane();
      const pool = new MappingPool(plane.commands, new TestArena());
      const host = new PortDirtyLog(plane.commands, pool, { regions }, plane.addPort())
        .sessionHost(closeFd);
      assert.equal(host.setLog({ sizeBytes, mmapOffset }, memoryFile(0x4000), false), null);
      const old = bitsOf(plane).map((_, i) => i % every === 0 ? (i * 37 % 255) + 1 : 0);
      bitsOf(plane).set(old);
      assert.equal(host.setLog({ sizeBytes, mmapOffset: 8 }, memoryFile(0x4000), false), null);
      const wanted = old.map((bits, byte) => {
        const inRegion = regions.some(({ guestAddr, sizeBytes: bytes }) =>
          8 * byte + 8 > guestAddr / PAGE && 8 * byte < (guestAddr + bytes) / PAGE
        );
        return inRegion ? bits : 0;
      });
      assert.deepEqual([...bitsOf(plane)], [...wanted], `${mmapOffset}, one of ${every}`);
      host.dropLog();
    }
  }
});
