/** Pages that cannot be had, as the control thread finds out whose they were. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  F_SEAL_SHRINK,
  fdSeals,
  memoryGuard,
  truncateFd,
  viewMemory,
} from "../../../../ffi/mod.ts";
import { PortDirtyLog } from "../../../../lib/control/front_end/dirty_log.ts";
import {
  MappingPool,
  PortMemory,
  type UnsealedMemory,
} from "../../../../lib/control/front_end/guest_memory.ts";
import { RingRecords } from "../../../../lib/control/front_end/ring_records.ts";
import { PortPool } from "../../../../lib/control/front_end/port_pool.ts";
import type { MemoryRegion } from "../../../../lib/vhost/host.ts";
import { TestArena } from "../../../harness/arena.ts";
import { hugeWithoutPages, truncated } from "../../../harness/bad_pages.ts";
import { freeHugePagesMib } from "../../../harness/hugepages.ts";
import { FakePlane } from "../fake_plane.ts";
import { held, memoryFile } from "../support.ts";

const MIB = 2 ** 20;
const PAGE = 4096;
const guard = memoryGuard();

const REGION: MemoryRegion = { guestAddr: 3 * MIB, sizeBytes: MIB, userAddr: 0, mmapOffset: 0 };

class Bed implements Disposable {
  readonly plane = new FakePlane();
  readonly arena = new TestArena(64, guard);
  readonly pool: MappingPool;

  constructor(unsealed: UnsealedMemory = "take") {
    this.pool = new MappingPool(this.plane.commands, this.arena, unsealed);
  }

  port(): { memory: PortMemory; log: PortDirtyLog; pool: PortPool } {
    const port = this.plane.addPort();
    const pool = new PortPool(this.pool);
    const place = (regions: Parameters<typeof this.plane.commands.setMemory>[0]["regions"]): void =>
      this.plane.commands.setMemory({ port, regions });
    const memory = new PortMemory(pool, place);
    return { memory, pool, log: new PortDirtyLog(this.plane.commands, pool, memory, port) };
  }

  [Symbol.dispose](): void {
    assert.equal(this.pool.mappedBytes, 0, "all is given back");
    this.arena[Symbol.dispose]();
    guard.seenTo();
  }
}

/** Reads a byte, in a way that no compiler leaves out. */
function touch(address: number): number {
  return Atomics.load(new Uint8Array(viewMemory(address, 1)), 0);
}

function mappings(): string[] {
  return Deno.readTextFileSync("/proc/self/maps").trim().split("\n");
}

Deno.test("every port that has the file is told of a page that is gone, and no other one", () => {
  using bed = new Bed();
  const ports = [bed.port(), bed.port(), bed.port()];
  const file = truncated(MIB);
  const other = memoryFile(MIB);
  for (const [i, { memory }] of ports.entries()) {
    assert(Array.isArray(memory.replace([REGION], [i < 2 ? file.fd : other])));
  }
  assert(!bed.pool.takeNews());
  file.spoil();
  const address = (bed.plane.memory.get(1)?.[0]?.address ?? 0) + 5 * PAGE + 3;
  assert.equal(touch(address), 0);
  assert(bed.pool.takeNews());
  assert(!bed.pool.takeNews(), "it is news once");
  const text = "guest memory at 0x305003: a page of /memfd:guest-bad is gone: " +
    "it was truncated, or its file system is full";
  assert.deepEqual(ports.map(({ memory }) => memory.lost), [text, text, null]);
  // Nobody else gets the file as long as it is mapped.
  truncateFd(file.fd, MIB);
  const refused = ports[2]?.memory.prepare([REGION], [file.fd]);
  assert(refused !== undefined && "code" in refused && refused.code === "bad-page");
  for (const { memory, pool } of ports.slice(0, 2)) {
    memory.replace([], []);
    assert.equal(memory.lost, null);
    assert.match(pool.lost ?? "", /^memory that it took back, at byte 20483: a page of/);
    pool.forget();
    assert.equal(pool.lost, null);
  }
  assert.equal(ports[2]?.pool.lost, null);
  // And then as if nothing had been.
  assert(Array.isArray(ports[0]?.memory.replace([REGION], [file.fd])));
  assert.equal(ports[0]?.memory.lost, null);
  for (const { memory } of ports) memory.replace([], []);
  for (const fd of [file.fd, other]) closeFd(fd);
});

Deno.test("a dirty log that lost a page while it was taken over is its port's", () => {
  using bed = new Bed();
  const { memory, log, pool } = bed.port();
  const guest = memoryFile(4 * MIB);
  assert(Array.isArray(memory.replace([{ ...REGION, guestAddr: 0 }], [guest])));
  const host = log.sessionHost(() => {});
  const files = [truncated(PAGE), truncated(PAGE)] as const;
  const area = { mmapOffset: 0, sizeBytes: PAGE };
  assert.equal(host.setLog(area, files[0].fd, false), null);
  files[0].spoil();
  assert.equal(host.setLog(area, files[1].fd, false), null);
  assert(bed.pool.takeNews());
  assert.equal(log.lost, null, "the new one is whole");
  assert.match(pool.lost ?? "", /^memory that it took back, at byte 0: a page of .memfd:guest-bad/);
  files[1].spoil();
  touch(bed.plane.logs.get(0)?.address ?? 0);
  assert.match(log.lost ?? "", /^the dirty log at byte 0: a page of .memfd:guest-bad is gone/);
  host.dropLog();
  memory.replace([], []);
  for (const fd of [guest, ...files.map((file) => file.fd)]) closeFd(fd);
});

Deno.test("an inflight area without pages, and a journal that is cut, are their port's", () => {
  using bed = new Bed();
  const { memory, pool } = bed.port();
  const guest = memoryFile(MIB);
  assert(Array.isArray(memory.replace([{ ...REGION, guestAddr: 0 }], [guest])));
  const at = bed.plane.memory.get(0)?.[0]?.address ?? 0;
  const areas = { descAddress: at, driverAddress: at + PAGE, deviceAddress: at + 2 * PAGE };
  const position = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
  const plan = { ...areas, position, size: 8, exact: false, claimedNew: true, region: null };
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-lost-" });
  const path = `${folder}/ctl.vm.rings`;
  const records = new RingRecords({
    ...{ pool, path, siblings: () => [], log: () => {} },
    identify: memory.identify.bind(memory),
  });
  const huge = hugeWithoutPages();
  if (huge !== null) {
    // Sealed, as an area must be, and nothing to be had of it.
    assert.equal(records.prepareInflight(huge.fd, 0, PAGE), null);
    records.commitInflight();
    assert.equal(records.lost, null);
    const region = { entries: 8, offset: 0 };
    records.placeVring(0, { ...plan, packed: false, region });
    const isLost = bed.pool.takeNews();
    assert(isLost || freeHugePagesMib() > 0, "there is a page only if a test beside has made some");
    const text = /^the inflight area at byte \d+: a page of .memfd:guest-bad is gone: no huge page/;
    if (isLost) assert.match(records.lost ?? "", text);
    records.prepareInflight(guest, 0, PAGE);
    records.commitInflight();
    if (isLost) assert.match(pool.lost ?? "", /^memory that it took back/);
    pool.forget();
    closeFd(huge.fd);
  }
  const placed = records.placeVring(1, { ...plan, packed: true });
  assert("record" in placed && placed.record !== null);
  Deno.truncateSync(path, 0);
  touch(placed.record.address);
  assert.match(records.lost ?? "", /^the journal of its rings at byte \d+: a page of .*vm.rings/);
  records.close();
  memory.replace([], []);
  closeFd(guest);
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("truncated memory again and again leaves nothing behind", () => {
  using bed = new Bed();
  const { memory } = bed.port();
  const before = { maps: mappings().length, fds: held().fds };
  for (let round = 0; round < 1000; round++) {
    const file = truncated(MIB);
    assert(Array.isArray(memory.replace([REGION], [file.fd])));
    file.spoil();
    const address = bed.plane.memory.get(0)?.[0]?.address ?? 0;
    for (let page = 0; page < 256; page += 31) touch(address + page * PAGE);
    assert.notEqual(memory.lost, null);
    memory.replace([], []);
    closeFd(file.fd);
  }
  assert(!mappings().some((line) => line.includes("/memfd:guest-bad")));
  // The runtime's own come and go.
  assert(mappings().length - before.maps < 100, `${mappings().length - before.maps} mappings more`);
  assert(held().fds <= before.fds, `${held().fds} descriptors, ${before.fds} before`);
});

Deno.test("where memory that can lose pages is refused, sealed memfds are not", () => {
  using bed = new Bed("refuse");
  const { memory } = bed.port();
  const sealed = memoryFile(MIB, 0);
  const unsealed = truncated(MIB);
  const huge = hugeWithoutPages();
  for (const fd of [unsealed.fd, huge?.fd ?? unsealed.fd]) {
    const refused = memory.replace([REGION], [fd]);
    assert("code" in refused && refused.code === "unsealed-memory", JSON.stringify(refused));
    assert.match(refused.detail, /^\/memfd:guest-bad may lose pages/);
  }
  assert(Array.isArray(memory.replace([REGION], [sealed])));
  assert.notEqual(fdSeals(sealed) & F_SEAL_SHRINK, 0, "the switch has sealed it");
  memory.replace([], []);
  for (const fd of [sealed, unsealed.fd, ...huge === null ? [] : [huge.fd]]) closeFd(fd);
});
