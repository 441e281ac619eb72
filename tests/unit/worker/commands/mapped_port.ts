/**
 * A port of the data plane over mapped memory, for tests of commands.
 *
 * @module
 */
import { TestArena } from "../../../harness/arena.ts";
import { makeDatapath } from "../../../harness/datapath.ts";
import { strict as assert } from "node:assert";
import { closeFd, createMemoryFile, viewMemory } from "../../../../ffi/mod.ts";
import { present } from "../../../../lib/base/assert.ts";
import type { ArenaMapping } from "../../../../lib/control/front_end/guest_arena.ts";
import type { Datapath } from "../../../../lib/switch/datapath.ts";
import { VhostPort } from "../../../../lib/switch/ports/vhost_port.ts";
import type { Iotlb } from "../../../../lib/virtio/memory/iotlb.ts";
import { LOG_OFF, NO_FEATURES } from "../../../../lib/virtio/ring.ts";
import { Commands } from "../../../../lib/worker/commands/mod.ts";
import type { Command, Given, Result, VringRecord } from "../../../../lib/worker/wire.ts";
import { VRINGS_PER_PORT } from "../../../../lib/base/limits.ts";

/** Bytes of its memory. */
export const BYTES = 1 << 20;
/** Its number. */
export const PORT = 0;

const ARENA = new TestArena().show();
/** Commands on a datapath whose thread watches no kicks. */
export function makeCommands(path: Datapath): Commands {
  return new Commands(path, {
    ...{
      watchKick: () => {},
      watchRoom: () => {},
      forgetKick: () => {},
      portAdded: () => {},
      stop: () => {},
    },
  });
}

/** A port with 1 MiB of memory and a receive ring of 16 entries at its start. */
export class MappedPort implements Disposable {
  readonly path: Datapath;
  readonly address: number;
  readonly #commands: Commands;
  readonly #mapping: ArenaMapping;
  readonly #fd: number;
  readonly #number: number;

  /** @param behindIommu addresses of buffers are I/O virtual */
  constructor(behindIommu: boolean) {
    this.path = makeDatapath([], { portsMax: 1, vringsPerPort: VRINGS_PER_PORT });
    this.#commands = makeCommands(this.path);
    this.#fd = createMemoryFile("port", BYTES);
    this.#mapping = present(ARENA.map(this.#fd, 0, BYTES), "room");
    this.address = this.#mapping.address;
    assert.equal(this.run("addPort", { kind: "vhost" }), PORT);
    this.#number = this.run("addMapping", { address: this.address, sizeBytes: BYTES });
    this.table();
    if (behindIommu) this.run("setIotlb", { port: PORT, on: true });
  }

  /** The memory table, again. */
  table(): void {
    const where = { address: this.address, mapping: this.#number };
    this.run("setMemory", { port: PORT, regions: [{ guestAddr: 0, sizeBytes: BYTES, ...where }] });
  }

  /** Starts the receive ring: areas on pages 0, 1 and 2, or the descriptors elsewhere. */
  start(
    packed = false,
    logGuestAddr: number = LOG_OFF,
    descAddress = this.address,
    record: VringRecord | null = null,
  ): void {
    const start = {
      ...NO_FEATURES,
      ...{ size: 16, packed, eventIdx: true, indirect: true, mergeable: true, headerBytes: 12 },
      descAddress,
      driverAddress: this.address + 4096,
      deviceAddress: this.address + 8192,
      position: { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 },
      ...{ kickFd: -1, callFd: -1, enabled: true, logGuestAddr, record },
    };
    this.run("startVring", { port: PORT, vring: 0, start });
  }

  /** Logs what is written, buffers left out, into the last page. @returns the log's bytes */
  log(): Uint8Array {
    const at = this.address + BYTES - 4096;
    const log = { sizeBytes: 4096, address: at, mapping: this.#number };
    this.run("setLog", { port: PORT, log, logAll: false });
    return new Uint8Array(viewMemory(at, 4096));
  }

  run<C extends Command>(name: C, given: Given<C>): Result<C> {
    return this.#commands.run(name, given);
  }

  /** Pages of its memory could not be had. */
  lose(): void {
    this.#commands.losePages(new Set([this.address]));
    this.path.refresh();
  }

  get port(): VhostPort | null {
    const port = this.path.ports[PORT];
    return port instanceof VhostPort ? port : null;
  }

  get iotlb(): Iotlb | null | undefined {
    return this.port?.memory.iotlb;
  }

  get broken(): number | undefined {
    return this.port?.vrings[0]?.queue.broken;
  }

  [Symbol.dispose](): void {
    this.run("removePort", { port: PORT });
    this.run("removeMapping", { mapping: this.#number });
    ARENA.unmap(this.#mapping);
    closeFd(this.#fd);
  }
}
