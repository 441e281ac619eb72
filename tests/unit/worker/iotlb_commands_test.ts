/** Commands of guests behind an IOMMU, over mapped memory. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { closeFd, createMemoryFile, Mapping } from "../../../ffi/mod.ts";
import { portBase } from "../../../lib/switch/counters.ts";
import { Datapath } from "../../../lib/switch/datapath.ts";
import { Fdb } from "../../../lib/switch/fdb.ts";
import type { Iotlb } from "../../../lib/virtio/iotlb.ts";
import { LOG_OFF, RING_OK, RING_UNTRANSLATED } from "../../../lib/virtio/ring.ts";
import { Commands } from "../../../lib/worker/commands.ts";
import { COMMAND } from "../../../lib/worker/mailbox.ts";
import { VRINGS_PER_PORT } from "../../../lib/worker/types.ts";

const BYTES = 1 << 20;
const PORT = 0;

/** A port with 1 MiB of memory and a receive ring of 16 entries at its start. */
class Bench implements Disposable {
  readonly path: Datapath;
  readonly address: number;
  readonly #commands: Commands;
  readonly #results = new Float64Array(8);
  readonly #mapping: Mapping;
  readonly #fd: number;
  readonly #number: number;

  constructor() {
    const options = { entriesMax: 16, portEntriesMax: 16, ageSeconds: 0, seed: 1 };
    const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(16)), options);
    this.path = new Datapath(1, fdb, new Float64Array(portBase(1, VRINGS_PER_PORT)), {
      call: () => {},
      ringBroken: () => {},
      untranslated: () => true,
      accessFailed: () => {},
    });
    const host = { watchKick: () => {}, forgetKick: () => {}, stop: () => {} };
    this.#commands = new Commands(this.path, host);
    this.#fd = createMemoryFile("iotlb", BYTES);
    this.#mapping = Mapping.map(this.#fd, 0, BYTES);
    this.address = this.#mapping.address;
    equal(this.run(COMMAND.addPort), PORT);
    this.#number = this.run(COMMAND.addMapping, this.address, BYTES);
    this.table();
    this.run(COMMAND.setIotlb, PORT, 1);
  }

  /** The memory table, again. */
  table(): void {
    this.run(COMMAND.setMemory, PORT, 1, 0, BYTES, this.address, this.#number);
  }

  start(): void {
    const areas = [this.address, this.address + 4096, this.address + 8192];
    const position = [0, 1, 0, 1];
    const rest = [-1, -1, 1, LOG_OFF];
    this.run(COMMAND.startVring, PORT, 0, 16, 0, 1, 1, 1, 12, ...areas, ...position, ...rest);
  }

  run(command: number, ...numbers: number[]): number {
    // As in the mailbox, there is more room than a command needs.
    const all = new Float64Array(64);
    all.set(numbers);
    this.#commands.run(command, all, this.#results);
    return this.#results[0] as number;
  }

  get iotlb(): Iotlb | null | undefined {
    return this.path.ports[PORT]?.memory.iotlb;
  }

  get broken(): number | undefined {
    return this.path.ports[PORT]?.vrings[0]?.queue.broken;
  }

  [Symbol.dispose](): void {
    this.run(COMMAND.removePort, PORT);
    this.run(COMMAND.removeMapping, this.#number);
    this.#mapping.unmap();
    closeFd(this.#fd);
  }
}

Deno.test("translations come, go, and never outlive the table they lead into", () => {
  using bench = new Bench();
  const known = (): number[] => [0x10000, 0x11000].map((at) => bench.iotlb?.entries.find(at) ?? -9);
  bench.run(COMMAND.updateIotlb, PORT, 0x10000, 8192, bench.address + 4096, 3);
  deepEqual(known(), [0, 0]);
  bench.run(COMMAND.invalidateIotlb, PORT, 0x10000, 4096);
  deepEqual(known(), [-1, 0]);
  bench.table();
  deepEqual(known(), [-1, -1], "another table, other regions");
  bench.run(COMMAND.updateIotlb, PORT, 0x10000, 8192, bench.address, 3);
  bench.run(COMMAND.setIotlb, PORT, 1);
  deepEqual(known(), [-1, -1], "everything is forgotten");
  bench.run(COMMAND.setIotlb, PORT, 0);
  equal(bench.iotlb, null);
  bench.table();
  equal(bench.iotlb, null);
});

Deno.test("a ring is held and released, and counts as waiting meanwhile", () => {
  using bench = new Bench();
  bench.start();
  equal(bench.broken, RING_OK);
  bench.run(COMMAND.holdVring, PORT, 0);
  equal(bench.broken, RING_UNTRANSLATED);
  equal(bench.run(COMMAND.askAgain, PORT), 1);
  bench.run(COMMAND.releaseVring, PORT, 0);
  equal(bench.broken, RING_OK);
  equal(bench.run(COMMAND.askAgain, PORT), 0);
  bench.run(COMMAND.holdVring, PORT, 0);
  bench.run(COMMAND.stopVring, PORT, 0);
  equal(bench.run(COMMAND.askAgain, PORT), 0, "a ring that is stopped waits for nothing");
});

Deno.test("what cannot be is a bug of ours, and says so", () => {
  using bench = new Bench();
  const update = (iova: number, bytes: number, at: number): void => {
    bench.run(COMMAND.updateIotlb, PORT, iova, bytes, at, 3);
  };
  throws(() => update(0x1000, 4096, bench.address + BYTES), /leads to no memory/);
  throws(() => update(0x1000, BYTES + 1, bench.address), /leads to no memory/);
  throws(() => bench.run(COMMAND.holdVring, PORT, 0), /not started/);
  throws(() => bench.run(COMMAND.askAgain, 7), /does not exist/);
  throws(() => bench.run(99, PORT), /unknown/);
});
