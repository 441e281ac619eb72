/** What is kept of rings: inflight areas that are safe to write, and the journal's file. */
import { strict as assert } from "node:assert";
import { closeFd, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, fdSeals } from "../../../../ffi/mod.ts";
import { createEventFd, statFd, viewMemory } from "../../../../ffi/mod.ts";
import { MappingPool } from "../../../../lib/control/front_end/guest_memory.ts";
import {
  recordsFiles,
  type RecordsHost,
  RingRecords,
} from "../../../../lib/control/front_end/ring_records.ts";
import type { PlacedVring, VringPlan } from "../../../../lib/vhost/host.ts";
import { isRefusal, type Refusal } from "../../../../lib/vhost/reasons.ts";
import { TestArena } from "../../../harness/arena.ts";
import { FakePlane } from "../fake_plane.ts";
import { held, memoryFile } from "../support.ts";

const SIZE = 8;
const NEW = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
const AT_5 = { availIndex: 5, availWrap: 1, usedIndex: 5, usedWrap: 1 };
const USED = 0x8080;

/** Guest memory with a packed ring at its start, and the records of its port. */
class Bench implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "vuswitch-records-" });
  readonly path = `${this.folder}/ctl.vm.rings`;
  readonly plane = new FakePlane();
  readonly pool = new MappingPool(this.plane.commands, new TestArena());
  readonly lines: string[] = [];
  readonly #before = held();
  readonly #guestFd = memoryFile(65536);
  readonly #guest = this.pool.acquire(
    { guestAddr: 0, sizeBytes: 65536, userAddr: 0, mmapOffset: 0 },
    this.#guestFd,
  );
  inode = 7n;

  /** Records as a new process or a new connection has them. */
  records(files: Pick<RecordsHost, "path" | "siblings"> = this.port("vm")): RingRecords {
    const host: RecordsHost = {
      pool: this.pool,
      ...files,
      identify: () => ({ device: 1n, inode: this.inode, fileOffset: 0n, regionBytes: 65536n }),
      log: (level, event, message) => void this.lines.push(`${level} ${event} ${message}`),
    };
    return new RingRecords(host);
  }

  /** The files of a port. */
  port(name: string): Pick<RecordsHost, "path" | "siblings"> {
    return recordsFiles(`${this.folder}/ctl`, name);
  }

  get address(): number {
    assert(!isRefusal(this.#guest));
    return this.#guest.placed.address;
  }

  get ring(): DataView {
    return new DataView(viewMemory(this.address, 16 * SIZE));
  }

  /** Makes the first slots look used in the first round. */
  use(slots: number): void {
    for (let slot = 0; slot < SIZE; slot++) {
      this.ring.setUint16(16 * slot + 14, slot < slots ? USED : 0, true);
    }
  }

  plan(more: Partial<VringPlan> = {}): VringPlan {
    return {
      ...{ size: SIZE, packed: true, position: NEW, exact: false, claimedNew: true, region: null },
      ...{ descAddress: this.address, driverAddress: this.address + 4096 },
      ...{ deviceAddress: this.address + 8192, ...more },
    };
  }

  files(): string[] {
    return Array.from(Deno.readDirSync(this.folder), (entry) => entry.name);
  }

  [Symbol.dispose](): void {
    assert(!isRefusal(this.#guest));
    this.pool.release(this.#guest);
    closeFd(this.#guestFd);
    assert.equal(this.plane.mappings.size, 0, "everything was unmapped");
    assert.deepEqual(held(), this.#before);
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function placed(result: PlacedVring | Refusal): PlacedVring {
  assert(!isRefusal(result), JSON.stringify(result));
  return result;
}

/** What the data plane would leave: a position in the record. */
function leave(result: PlacedVring, slot: number, wrap: number): void {
  assert(result.record);
  const words = new Uint32Array(viewMemory(result.record.address, 64));
  words[10] = words[11] = slot | (wrap << 15);
}

Deno.test("inflight areas are made sealed, and only sealed ones are taken", () => {
  using bench = new Bench();
  const records = bench.records();
  const made = records.createInflight(8192);
  assert(typeof made === "number");
  assert.equal(fdSeals(made), F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_SHRINK);
  assert.equal(statFd(made).sizeBytes, 8192);
  const open = memoryFile(8192, 0);
  const eventFd = createEventFd();
  const refusal = (fd: number, offset: number, bytes: number): string | undefined =>
    records.prepareInflight(fd, offset, bytes)?.code;
  assert.equal(refusal(open, 0, 8192), "bad-inflight");
  assert.equal(refusal(eventFd, 0, 8192), "bad-inflight");
  assert.equal(refusal(made, 0, 8256), "region-past-eof");
  assert.equal(refusal(made, 4096, 8192), "region-past-eof");
  assert.equal(refusal(made, 0, 2 ** 50), "region-past-eof");
  assert.equal(refusal(made, 0, 8192), undefined);
  records.commitInflight();
  // Another one takes its place.
  assert.equal(refusal(made, 64, 4096), undefined);
  records.commitInflight();
  records.close();
  for (const fd of [made, open, eventFd]) closeFd(fd);
});

Deno.test("an area that stays empty gets its regions when rings start", () => {
  using bench = new Bench();
  const records = bench.records();
  const fd = records.createInflight(4096);
  assert(typeof fd === "number");
  assert.equal(records.prepareInflight(fd, 0, 4096), null);
  records.commitInflight();
  const region = { offset: 320, entries: SIZE };
  const first = placed(records.placeVring(1, bench.plan({ region })));
  assert.deepEqual(first.position, NEW);
  assert.equal(first.record?.kind, "inflight");
  const view = new DataView(viewMemory(first.record.address, 320));
  assert.equal(view.getUint16(8, true), 1);
  assert.equal(view.getUint16(10, true), SIZE);
  view.setUint16(10, 9, true);
  const second = records.placeVring(1, bench.plan({ region }));
  assert.equal(isRefusal(second) && second.code, "bad-inflight");
  assert.deepEqual(bench.files(), [], "no journal where there is an area");
  records.close();
  closeFd(fd);
});

Deno.test("a packed ring goes on where it was, whatever its front-end says", () => {
  using bench = new Bench();
  const first = bench.records();
  const start = placed(first.placeVring(3, bench.plan()));
  assert.deepEqual(start.position, NEW);
  assert.equal(start.record?.kind, "journal");
  bench.use(5);
  leave(start, 5, 1);
  first.close();
  assert.deepEqual(bench.files(), ["ctl.vm.rings"], "the file stays");
  assert.equal((Deno.statSync(bench.path).mode ?? 0) & 0o777, 0o600);

  const next = bench.records();
  assert.deepEqual(placed(next.placeVring(3, bench.plan())).position, AT_5);
  assert.match(bench.lines.at(-1) ?? "", /^info recovered vring 3 goes on at slot 5/);
  // The front-end asks and knows from then on.
  next.forget(3);
  next.close();
  assert.deepEqual(bench.files(), [], "a file of no use goes");
});

Deno.test("a record is of one ring in one file, and the ring must agree", () => {
  using bench = new Bench();
  const first = bench.records();
  // Chains of two slots: the ring alone does not tell.
  const mixed = (): void => {
    for (const slot of [1, 3]) bench.ring.setUint16(16 * slot + 14, 0x80, true);
  };
  const start = placed(first.placeVring(0, bench.plan()));
  bench.use(4);
  mixed();
  leave(start, 4, 1);
  new Uint32Array(viewMemory(start.record?.address ?? 0, 64))[12] = 0;
  first.close();
  const left = Deno.readFileSync(bench.path);
  const next = (more: Partial<VringPlan> = {}): number => {
    Deno.writeFileSync(bench.path, left);
    const records = bench.records();
    const { position } = placed(records.placeVring(0, bench.plan(more)));
    records.close();
    return position.usedIndex;
  };
  assert.equal(next(), 4);
  bench.inode = 8n;
  assert.equal(next(), 0, "another file");
  bench.inode = 7n;
  assert.equal(next({ size: SIZE - 1 }), 0, "another size");
  bench.use(0);
  assert.equal(next(), 0, "a ring that is new");
  bench.use(6);
  assert.equal(next(), 6, "a ring that has gone on without us tells by itself");
  bench.use(6);
  mixed();
  assert.equal(next(), 0, "a ring that does not tell: the front-end's word");
  assert.equal(next({ claimedNew: false, position: AT_5 }), 5);
});

Deno.test("a guest that comes back by another port goes on where it was", () => {
  using bench = new Bench();
  const first = bench.records();
  const start = placed(first.placeVring(1, bench.plan()));
  bench.use(4);
  // Chains of two slots: the ring alone does not tell.
  for (const slot of [1, 3]) bench.ring.setUint16(16 * slot + 14, 0x80, true);
  leave(start, 4, 1);
  new Uint32Array(viewMemory(start.record?.address ?? 0, 64))[12] = 0;
  first.close();
  const other = bench.records(bench.port("vm-2"));
  const again = placed(other.placeVring(1, bench.plan()));
  assert.equal(again.position.usedIndex, 4);
  leave(again, 4, 1);
  other.close();
  assert.deepEqual(bench.files().sort(), ["ctl.vm-2.rings", "ctl.vm.rings"]);
  // Its own record from now on.
  Deno.removeSync(bench.path);
  const last = bench.records(bench.port("vm-2"));
  assert.equal(placed(last.placeVring(1, bench.plan())).position.usedIndex, 4);
  last.forget(1);
  last.close();
});

Deno.test("a file that is not ours is left alone, and said once", () => {
  using bench = new Bench();
  Deno.writeTextFileSync(bench.path, "theirs", { mode: 0o644 });
  const records = bench.records();
  bench.use(3);
  for (const vring of [0, 1]) {
    const { position, record } = placed(records.placeVring(vring, bench.plan()));
    assert.equal(record, null);
    assert.equal(position.usedIndex, 3, "the ring tells by itself");
  }
  assert.equal(bench.lines.filter((line) => line.startsWith("warn no-journal")).length, 1);
  records.close();
  assert.equal(Deno.readTextFileSync(bench.path), "theirs");
  const link = `${bench.folder}/link`;
  Deno.symlinkSync("/etc/passwd", link);
  const others = bench.records({ path: link, siblings: () => [] });
  assert.equal(placed(others.placeVring(0, bench.plan())).record, null);
  others.close();
});

Deno.test("without a control socket there is no file", () => {
  using bench = new Bench();
  const records = bench.records(recordsFiles(null, "vm"));
  assert.equal(placed(records.placeVring(0, bench.plan())).record, null);
  records.close();
  assert.deepEqual(bench.files(), []);
  assert.deepEqual(bench.lines, []);
});

Deno.test("a folder of records that is gone has no records, and stops nothing", () => {
  assert.deepEqual(recordsFiles("/nowhere/at/all/ctl", "vm1").siblings(), []);
});
