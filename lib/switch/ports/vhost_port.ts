/**
 * A port behind which a vhost-user front-end is: guest memory, its virtqueues, what they wait for.
 *
 * @module
 */
import type { DirtyLog } from "../../virtio/memory/dirty_log.ts";
import { QueueLog } from "../../virtio/memory/dirty_log.ts";
import { GuestMemory } from "../../virtio/memory/guest_memory.ts";
import { anyLost, type WindowSet } from "../../virtio/memory/window.ts";
import { LOG_OFF, RING_OK, RING_UNTRANSLATED } from "../../virtio/ring.ts";
import { VRING } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import { Port, type Source, STEPS_A_TURN } from "./port.ts";
import { askAgain, type Waiting } from "../stalled/untranslated.ts";
import type { Vring } from "./vring.ts";

/** Turns that a millisecond is worth, as descriptors. */
const STEPS_A_MS = STEPS_A_TURN / 0.03;

/** One port with a guest. Data-plane thread only. */
export class VhostPort extends Port {
  /** The memory table in force. */
  memory: GuestMemory = new GuestMemory([]);
  /** Virtqueues in service, by number. */
  readonly vrings: (Vring | null)[];
  /** The dirty log, or null; buffers are logged if `logAll`, rings if they say so. */
  log: DirtyLog | null = null;
  /** Where that is mapped. */
  logWindows: WindowSet | null = null;
  /** Whether what buffers receive is logged as well. */
  logAll = false;
  /** Virtqueues that wait, or waited, for a translation, by number. */
  readonly waiting: Map<number, Waiting> = new Map();

  /** Without memory and virtqueues. @param vringsMax virtqueues are numbered below this */
  constructor(index: number, counterBase: number, vringsMax: number) {
    super(index, counterBase);
    this.vrings = new Array<Vring | null>(vringsMax).fill(null);
  }

  /** Turns of its own are left out for it. */
  override owe(ms: number): void {
    this.debt = Math.max(0, this.debt) + Math.ceil(ms * STEPS_A_MS);
  }

  /** Pages of what its front-end brought could not be had: no queue is served any more. */
  get isLost(): boolean {
    if (!anyLost()) return false;
    return this.memory.regions.some(({ windows }) => windows.isLost) ||
      this.logWindows?.isLost === true ||
      this.vrings.some((vring) => vring?.recordWindows?.isLost === true);
  }

  /** Receive queues that take frames now, lowest number first. */
  override refresh(): void {
    this.receivers.length = 0;
    if (!this.adminUp || this.isLost) return;
    for (let number = 0; number < this.vrings.length; number += 2) {
      const vring = this.vrings[number];
      if (!vring || !vring.queue.enabled) continue;
      // Frames for a queue that waits for a translation are kept for it.
      const { broken } = vring.queue;
      if (broken === RING_OK || broken === RING_UNTRANSLATED) this.receivers.push(vring);
    }
  }

  /** Transmit queues in service, broken ones left out. */
  override appendSources(list: Source[]): void {
    this.first = null;
    if (this.isLost) return;
    for (let number = 1; number < this.vrings.length; number += 2) {
      const vring = this.vrings[number];
      if (!vring || vring.queue.broken !== RING_OK) continue;
      this.first ??= vring;
      list.push(vring);
    }
  }

  /** Asks again for translations that virtqueues wait for. */
  override tick(path: Datapath): void {
    if (this.waiting.size > 0) askAgain(path, this);
  }

  /** Counts what stands ready in each virtqueue in service. */
  override countReady(path: Datapath): void {
    if (this.isLost) return;
    // A page of a ring may be slow to come, as in a visit.
    if (path.isWatched) path.watch.begin();
    for (const vring of this.vrings) {
      if (vring === null) continue;
      const { broken } = vring.queue;
      path.counters[vring.counterBase + VRING.ready] = broken === RING_OK ? vring.queue.ready() : 0;
    }
    if (path.isWatched) path.watch.endPart(this.index);
  }

  /** Finds out anew what each virtqueue logs. Call after any change to memory, log or virtqueues. */
  refreshLogs(): void {
    for (const vring of this.vrings) {
      if (!vring) continue;
      const { queue } = vring;
      const { descArea, deviceArea, logGuestAddr } = queue;
      // Only receive buffers are written; whatever the guest sends stays as it is.
      const payload = this.logAll && vring.number % 2 === 0 ? this.log : null;
      const ring = logGuestAddr !== LOG_OFF ? this.log : null;
      const { memory } = this;
      queue.log = payload === null && ring === null
        ? null
        : new QueueLog(memory, descArea, deviceArea, payload, ring, logGuestAddr);
    }
  }
}
