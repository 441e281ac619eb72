/**
 * A port of the data plane over mapped memory, for tests of commands.
 *
 * @module
 */
import { equal } from "node:assert/strict";
import { closeFd, createMemoryFile, Mapping, viewMemory } from "../../../ffi/mod.ts";
import { portBase } from "../../../lib/switch/counters.ts";
import { Datapath } from "../../../lib/switch/datapath.ts";
import { Fdb } from "../../../lib/switch/fdb.ts";
import type { Iotlb } from "../../../lib/virtio/iotlb.ts";
import { LOG_OFF } from "../../../lib/virtio/ring.ts";
import { Commands } from "../../../lib/worker/commands.ts";
import { COMMAND } from "../../../lib/worker/mailbox.ts";
import { VRINGS_PER_PORT } from "../../../lib/worker/types.ts";

/** Bytes of its memory. */
export const BYTES = 1 << 20;
/** Its number. */
export const PORT = 0;

/** A port with 1 MiB of memory and a receive ring of 16 entries at its start. */
export class MappedPort implements Disposable {
  readonly path: Datapath;
  readonly address: number;
  readonly #commands: Commands;
  readonly #results = new Float64Array(8);
  readonly #mapping: Mapping;
  readonly #fd: number;
  readonly #number: number;

  /** @param behindIommu addresses of buffers are I/O virtual */
  constructor(behindIommu: boolean) {
    const options = { entriesMax: 16, portEntriesMax: 16, ageSeconds: 0, seed: 1 };
    const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(16)), options);
    this.path = new Datapath(1, fdb, new Float64Array(portBase(1, VRINGS_PER_PORT)), {
      call: () => {},
      ringBroken: () => {},
      badChain: () => true,
      untranslated: () => true,
      accessFailed: () => {},
    });
    const host = { watchKick: () => {}, forgetKick: () => {}, stop: () => {} };
    this.#commands = new Commands(this.path, host);
    this.#fd = createMemoryFile("port", BYTES);
    this.#mapping = Mapping.map(this.#fd, 0, BYTES);
    this.address = this.#mapping.address;
    equal(this.run(COMMAND.addPort), PORT);
    this.#number = this.run(COMMAND.addMapping, this.address, BYTES);
    this.table();
    if (behindIommu) this.run(COMMAND.setIotlb, PORT, 1);
  }

  /** The memory table, again. */
  table(): void {
    this.run(COMMAND.setMemory, PORT, 1, 0, BYTES, this.address, this.#number);
  }

  /** Starts the receive ring: areas on pages 0, 1 and 2. */
  start(packed = false, logGuestAddr: number = LOG_OFF): void {
    const areas = [this.address, this.address + 4096, this.address + 8192];
    const kind = packed ? 1 : 0;
    const position = [0, 1, 0, 1];
    const rest = [-1, -1, 1, logGuestAddr];
    this.run(COMMAND.startVring, PORT, 0, 16, kind, 1, 1, 1, 12, ...areas, ...position, ...rest);
  }

  /** Logs what is written, buffers left out, into the last page. @returns the log's bytes */
  log(): Uint8Array {
    const at = this.address + BYTES - 4096;
    this.run(COMMAND.setLog, PORT, 4096, at, this.#number, 0);
    return new Uint8Array(viewMemory(at, 4096));
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
