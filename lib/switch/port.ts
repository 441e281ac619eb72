/**
 * A port as the data plane sees it: guest memory, its virtqueues, limits.
 *
 * @module
 */
import { FRAME_BYTES_MAX } from "../virtio/burst.ts";
import { type DirtyLog, QueueLog } from "../virtio/dirty_log.ts";
import { GuestMemory } from "../virtio/memory.ts";
import { LOG_OFF, RING_OK, RING_UNTRANSLATED } from "../virtio/ring.ts";
import type { PackedQueue } from "../virtio/packed_queue.ts";
import type { SplitQueue } from "../virtio/split_queue.ts";
import type { Waiting } from "./untranslated.ts";

/** A virtqueue of either kind; `packed` tells which. Branch once per burst, never per frame. */
export type Queue = SplitQueue | PackedQueue;

/** A virtqueue in service with what is needed to notify its driver. */
export interface Vring {
  readonly port: Port;
  /** Its number on the port: even, the guest receives; odd, the guest transmits. */
  readonly number: number;
  readonly queue: Queue;
  /** Eventfd or socket of the driver's call, -1, or below that: a message calls it. */
  callFd: number;
  /** The call descriptor is a socket, as User-Mode Linux sends. */
  callIsSocket: boolean;
  /** Eventfd of the driver's kick, -1: the ring must be polled, or below that: a message kicks it. */
  readonly kickFd: number;
  /** Where its counters stand. */
  readonly counterBase: number;
}

/**
 * Bytes of a frame beyond the MTU: the Ethernet header and two VLAN tags (802.1ad around 802.1Q).
 * The room is there whether a frame has tags or not, as in network cards and switches, whose
 * limit is one on length: a frame without tags may be longer than the MTU by 8 bytes, which its
 * receiver's own MTU judges.
 */
const FRAME_OVERHEAD_BYTES = 14 + 2 * 4;

/** Longest frame that a port of this MTU takes or gives, bytes. @param mtu null: no limit */
export function frameLimit(mtu: number | null): number {
  return mtu === null ? FRAME_BYTES_MAX : Math.min(FRAME_BYTES_MAX, mtu + FRAME_OVERHEAD_BYTES);
}

/** {@linkcode Port.linkedTo} of a port that switches. */
export const NOT_LINKED = -1;
/** {@linkcode Port.linkedTo} of a port whose other end is missing: its frames go nowhere. */
export const LINK_WAITING = -2;

/**
 * Descriptors of chains that a visit may read, 30 us; for more, later visits are left out. A whole
 * visit may read 16 times as many, half a millisecond in each round and for each queue. Frames of
 * one descriptor are not counted.
 */
const STEPS_A_TURN = 4096;

/** One port. Data-plane thread only. */
export class Port {
  readonly index: number;
  /** Where its counters stand. */
  readonly counterBase: number;
  memory: GuestMemory = new GuestMemory([]);
  /** Virtqueues in service, by number. */
  readonly vrings: (Vring | null)[];
  /** Receive queues that take frames now, lowest number first; see {@linkcode refresh}. */
  readonly receivers: Vring[] = [];
  /** Longest frame it takes or gives, bytes. */
  frameBytesMax: number = FRAME_BYTES_MAX;
  /** Descriptors read for it beyond its turns; its transmit queues are left out until it is even. */
  debt = 0;
  /** The dirty log, or null; buffers are logged if `logAll`, rings if they say so. */
  log: DirtyLog | null = null;
  logAll = false;
  /** An operator wants it in service. */
  adminUp = true;
  /** The one port its frames go to, or one of the two above. */
  linkedTo: number = NOT_LINKED;
  /** Reserved addresses that pass between ports which both have them; see reserved.ts. */
  reservedMask = 0;
  /** Virtqueues that wait, or waited, for a translation, by number. */
  readonly waiting: Map<number, Waiting> = new Map();

  constructor(index: number, counterBase: number, vringsMax: number) {
    this.index = index;
    this.counterBase = counterBase;
    this.vrings = new Array<Vring | null>(vringsMax).fill(null);
  }

  /** A visit to a transmit queue has read this many descriptors of chains. */
  charge(steps: number): void {
    if (steps > STEPS_A_TURN) this.debt = steps - STEPS_A_TURN;
  }

  /** A visit is left out. @returns frames taken */
  payBack(): number {
    this.debt -= STEPS_A_TURN;
    return 0;
  }

  /** Finds out anew which receive queues take frames. Call after any change to a virtqueue. */
  refresh(): void {
    this.receivers.length = 0;
    if (!this.adminUp) return;
    for (let number = 0; number < this.vrings.length; number += 2) {
      const vring = this.vrings[number];
      if (!vring || !vring.queue.enabled) continue;
      // Frames for a queue that waits for a translation are kept for it.
      const { broken } = vring.queue;
      if (broken === RING_OK || broken === RING_UNTRANSLATED) this.receivers.push(vring);
    }
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

  /** Transmit queues in service, broken ones left out: appended to `list`. */
  appendTransmitters(list: Vring[]): void {
    for (let number = 1; number < this.vrings.length; number += 2) {
      const vring = this.vrings[number];
      if (vring && vring.queue.broken === RING_OK) list.push(vring);
    }
  }
}
