/**
 * A port as the data plane sees it: guest memory, one virtqueue in each direction, limits.
 *
 * @module
 */
import { GuestMemory } from "../virtio/memory.ts";
import { RING_OK } from "../virtio/ring.ts";
import type { PackedQueue } from "../virtio/packed_queue.ts";
import type { SplitQueue } from "../virtio/split_queue.ts";

/** A virtqueue of either kind; `packed` tells which. Branch once per burst, never per frame. */
export type Queue = SplitQueue | PackedQueue;

/** A virtqueue in service with what is needed to notify its driver. */
export interface Vring {
  readonly queue: Queue;
  /** Eventfd or socket of the driver's call, or -1. */
  callFd: number;
  /** The call descriptor is a socket, as User-Mode Linux sends. */
  callIsSocket: boolean;
  /** Eventfd of the driver's kick, or -1: the ring must be polled. */
  readonly kickFd: number;
  /** Where its counters stand. */
  readonly counterBase: number;
}

/** Longest frame without a limit of the port's own: 64 KiB and an Ethernet header with a tag. */
export const FRAME_BYTES_MAX = 65550;

/** One port. Data-plane thread only. */
export class Port {
  readonly index: number;
  /** Where its counters stand. */
  readonly counterBase: number;
  memory: GuestMemory = new GuestMemory([]);
  /** Virtqueue 0: the guest receives. */
  toGuest: Vring | null = null;
  /** Virtqueue 1: the guest transmits. */
  fromGuest: Vring | null = null;
  frameBytesMax: number = FRAME_BYTES_MAX;

  constructor(index: number, counterBase: number) {
    this.index = index;
    this.counterBase = counterBase;
  }

  /** Whether frames can go to the guest. */
  get deliverable(): boolean {
    const vring = this.toGuest;
    return vring !== null && vring.queue.enabled && vring.queue.broken === RING_OK;
  }
}
