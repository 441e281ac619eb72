// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A virtqueue in service, as frames come from it and go to it: its driver is told, what it does is
 * counted, and what it cannot take is kept or dropped.
 *
 * Data-plane thread only; nothing here allocates, throws or blocks per frame.
 *
 * @module
 */
import { openOffloads } from "../../offload/open.ts";
import {
  BURST_FRAMES,
  burstHasOffloads,
  frameBytes,
  isPlainBurst,
  openFrames,
} from "../../virtio/burst.ts";
import {
  BUFFER_TOO_SMALL,
  DELIVERED,
  DELIVERED_BYTES,
  DELIVERED_PLAIN,
  NO_BUFFER,
  OUTCOMES,
  SPENT_BUFFERS,
} from "../../virtio/deliver.ts";
import { NO_OFFLOADS, offloadsOfDriver, offloadsToDriver } from "../../virtio/offloads.ts";
import {
  NO_FEATURES,
  type QueueFeatures,
  RING_BAD_PAGE,
  RING_OK,
  STEPS_MAX,
  walk,
  WALK_STEPS,
} from "../../virtio/ring.ts";
import type { Virtqueue } from "../../virtio/virtqueue.ts";
import type { WindowSet } from "../../virtio/memory/window.ts";
import { adaptingSteps, handedSteps } from "../adapt.ts";
import { tellBadChains } from "../bad_chains.ts";
import { PORT, VRING, WORKER, WORKER_BASE } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import type { Sink, Source } from "./port.ts";
import { giveUp, leaveFrames } from "../stalled/untranslated.ts";
import type { VhostPort } from "./vhost_port.ts";

/** {@linkcode Vring.callFd} without a descriptor: the driver polls. */
const NO_CALL = -1;
/** {@linkcode Vring.kickFd} without a descriptor: the driver does not kick. */
const NO_KICK = -1;

/** What became of the frames that are being delivered. */
const outcomes = new Int32Array(OUTCOMES);

/** One virtqueue of a port. Data-plane thread only. */
export class Vring implements Source, Sink {
  readonly port: VhostPort;
  /** Its number on the port: even, the guest receives; odd, the guest transmits. */
  readonly number: number;
  /** Its ring, of either kind. */
  readonly queue: Virtqueue;
  /** Where its counters stand. */
  readonly counterBase: number;
  /** Eventfd of the driver's kick, -1: the ring must be polled, or below that: a message kicks it. */
  readonly kickFd: number;
  /** Eventfd or socket of the driver's call, -1, or below that: a message calls it. */
  callFd: number = NO_CALL;
  /** The call descriptor is a socket, as User-Mode Linux sends. */
  callIsSocket = false;
  /** Where its inflight region or journal is mapped. */
  recordWindows: WindowSet | null = null;
  #features: QueueFeatures = NO_FEATURES;
  /** What its driver takes, if it is a receive queue. */
  accepts: number = NO_OFFLOADS;
  /** What its driver may ask for, if it is a transmit queue. */
  #mayAsk: number = NO_OFFLOADS;

  /** Out of service until its port has it. */
  constructor(
    port: VhostPort,
    number: number,
    queue: Virtqueue,
    counterBase: number,
    kickFd: number = NO_KICK,
  ) {
    this.port = port;
    this.number = number;
    this.queue = queue;
    this.counterBase = counterBase;
    this.kickFd = kickFd;
  }

  /** What was negotiated for it, for what is done once a burst. */
  get features(): QueueFeatures {
    return this.#features;
  }

  // cold
  set features(negotiated: QueueFeatures) {
    this.#features = negotiated;
    this.accepts = offloadsToDriver(negotiated);
    this.#mayAsk = offloadsOfDriver(negotiated);
  }

  /** Otherwise it is started but disabled (vhost-user.rst «Ring states»), or out of service. */
  get enabled(): boolean {
    return this.queue.enabled && this.port.adminUp;
  }

  get polled(): boolean {
    return this.kickFd === NO_KICK;
  }

  take(path: Datapath): number {
    const { port, queue } = this;
    // One that broke in this round still counts it.
    if (port.debt > 0) return port.payBack(this);
    if (queue.broken !== RING_OK) return 0;
    const count = queue.take(port.memory, BURST_FRAMES);
    if (count > 0) {
      // A plain burst walked along no chain.
      if (!isPlainBurst()) port.charge(STEPS_MAX - walk[WALK_STEPS]!);
      if (!this.enabled) return count;
      if (this.#mayAsk === NO_OFFLOADS) openFrames(count, queue.headerBytes);
      else openOffloads(count, queue.headerBytes, this.#mayAsk);
    } else if (queue.broken !== RING_OK) giveUp(path, this);
    return count;
  }

  finish(path: Datapath, count: number): void {
    const { port, queue } = this;
    queue.finish(count);
    if (!isPlainBurst()) port.charge(handedSteps() + (burstHasOffloads() ? adaptingSteps() : 0));
    settle(path, this, count);
    if (queue.badChains > 0) tellBadChains(path, this);
    if (queue.broken !== RING_OK) giveUp(path, this);
  }

  losePage(): void {
    this.queue.broken = RING_BAD_PAGE;
  }

  setKicks(wanted: boolean): boolean {
    const { queue } = this;
    if (queue.broken !== RING_OK) return false;
    queue.setKicks(wanted);
    return wanted && queue.hasWork();
  }

  room(most: number): number {
    return this.queue.broken === RING_OK ? this.queue.room(most) : most;
  }

  /** Fills receive buffers, or keeps the frames while it waits for a translation. */
  deliver(path: Datapath, list: Uint16Array, start: number, count: number): void {
    let done = 0;
    if (this.queue.broken === RING_OK) {
      done = this.fill(path, list, start, count);
      if (done === count) return;
      giveUp(path, this, this.queue.headerBytes + frameBytes[list[start + done]!]!);
    }
    leaveFrames(path, this, list, start + done, count - done);
  }

  /**
   * Fills receive buffers; what does not fit is dropped and counted.
   * @returns frames dealt with: all, or the queue broke
   */
  fill(path: Datapath, list: Uint16Array, start: number, count: number): number {
    const { port, queue } = this;
    const { counters } = path;
    const base = port.counterBase;
    outcomes.fill(0);
    queue.deliver(port.memory, list, start, count, outcomes);
    const delivered = outcomes[DELIVERED]!;
    const plain = outcomes[DELIVERED_PLAIN]!;
    if (delivered + outcomes[SPENT_BUFFERS]! > 0) settle(path, this, delivered);
    if (queue.badChains > 0) tellBadChains(path, this);
    counters[base + PORT.txFrames]! += delivered;
    counters[base + PORT.txBytes]! += outcomes[DELIVERED_BYTES]!;
    counters[WORKER_BASE + WORKER.plainDelivered]! += plain;
    if (plain < delivered) counters[WORKER_BASE + WORKER.generalDelivered]! += delivered - plain;
    if (delivered === count) return count;
    counters[base + PORT.txDroppedNoBuffer]! += outcomes[NO_BUFFER]!;
    counters[base + PORT.txDroppedBufferTooSmall]! += outcomes[BUFFER_TOO_SMALL]!;
    if (queue.broken === RING_OK) return count;
    return delivered + outcomes[NO_BUFFER]! + outcomes[BUFFER_TOO_SMALL]!;
  }
}

/** Buffers are published: one decision to call the driver per burst, and the ring's counters. */
function settle(path: Datapath, vring: Vring, frames: number): void {
  const { queue } = vring;
  const { counters } = path;
  const base = vring.counterBase;
  const wanted = queue.wantsCall();
  counters[base + VRING.frames]! += frames;
  counters[base + VRING.bursts]!++;
  counters[base + VRING.lastAvail] = queue.availIndex;
  counters[base + VRING.lastUsed] = queue.usedIndex;
  if (wanted && vring.callFd !== NO_CALL) {
    counters[base + VRING.calls]!++;
    path.host.call(vring);
  } else counters[base + VRING.callsSuppressed]!++;
}
