/**
 * One ring with its driver in plain memory.
 *
 * @module
 */
import { GuestRam, type RingDriver, type Segment } from "../../../lib/guest/driver.ts";
import { PackedDriver } from "../../../lib/guest/driver_packed.ts";
import { SplitDriver } from "../../../lib/guest/driver_split.ts";
import { GuestMemory } from "../../../lib/virtio/memory/guest_memory.ts";
import type { VringShape } from "../../../lib/virtio/ring.ts";
import { makeVirtqueue, type Virtqueue } from "../../../lib/virtio/virtqueue.ts";
import { WindowSet } from "../../../lib/virtio/memory/window.ts";

const RAM_BYTES = 1 << 22;
const BASE = 5 * 2 ** 30;

/** What a ring may differ in. */
export interface Setting {
  readonly packed: boolean;
  readonly size: number;
  readonly mergeable: boolean;
  readonly eventIdx: boolean;
}

/** One driver with its device side, over memory of its own. */
export class Bench {
  readonly ram: GuestRam;
  readonly driver: RingDriver;
  readonly queue: Virtqueue;
  readonly memory: GuestMemory;
  readonly #windows: WindowSet;

  /** @param start where a split ring's indices stand */
  constructor(setting: Setting, start = 0) {
    const { packed, size, mergeable, eventIdx } = setting;
    const buffer = new ArrayBuffer(RAM_BYTES);
    this.ram = new GuestRam(buffer, BASE);
    const features = { eventIdx, indirect: true };
    this.driver = packed
      ? new PackedDriver(this.ram, size, features)
      : new SplitDriver(this.ram, size, features, start);
    this.#windows = WindowSet.over(buffer);
    this.memory = new GuestMemory([
      { guestAddr: BASE, sizeBytes: RAM_BYTES, windows: this.#windows, mappingOffset: 0 },
    ]);
    const [desc, driver, device] = this.driver.areas.map((area) => ({
      buffer,
      offset: this.ram.at(area),
    })) as [VringShape["desc"], VringShape["desc"], VringShape["desc"]];
    const shape: VringShape = {
      size,
      eventIdx,
      indirect: true,
      mergeable,
      headerBytes: 12,
      desc,
      driver,
      device,
    };
    const at = packed ? 0 : start;
    const position = { availIndex: at, availWrap: 1, usedIndex: at, usedWrap: 1 };
    this.queue = makeVirtqueue(packed, shape, position);
  }

  /** A chain of pieces in fresh memory. */
  chain(pieces: readonly number[]): Segment[] {
    return pieces.map((bytes) => ({ address: this.ram.take(bytes, 1), bytes }));
  }

  take(most: number): number {
    return this.queue.take(this.memory, most);
  }

  finish(count: number): void {
    this.queue.finish(count);
  }

  deliver(list: Uint16Array, count: number, outcomes: Int32Array): void {
    this.queue.deliver(this.memory, list, 0, count, outcomes);
  }

  wantsCall(): boolean {
    return this.queue.wantsCall();
  }

  setKicks(wanted: boolean): void {
    this.queue.setKicks(wanted);
  }

  release(): void {
    this.#windows.release();
  }
}
