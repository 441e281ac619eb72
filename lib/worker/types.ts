/**
 * What the control thread and the data plane say to each other, in plain numbers: no pointers, no
 * sockets, no protocol. Addresses are host virtual addresses of mapped memory, below 2^47, so a
 * Number holds them exactly.
 *
 * @module
 */
import { PORTS_MAX } from "../switch/limits.ts";
import type { VringPosition } from "../virtio/ring.ts";

export { PORTS_MAX };
export type { VringPosition };

/** Queue pairs of one port at most. */
export const QUEUE_PAIRS_MAX = 32;
/** Virtqueues of one port at most: even index = to the guest, odd = from the guest. */
export const VRINGS_PER_PORT: number = 2 * QUEUE_PAIRS_MAX;

/**
 * Instead of a kick or call descriptor: notifications are messages. Kicks come as
 * {@linkcode DataPlane.kickVring}, calls leave as events.
 */
export const IN_BAND = -2;

/** A piece of guest-physical memory and where it is mapped. */
export interface PlacedRegion {
  /** First guest-physical address, below 2^53. */
  readonly guestAddr: number;
  readonly sizeBytes: number;
  /** Host address of the region's first byte, inside the mapping `mapping`. */
  readonly address: number;
  /** Which mapping, as {@linkcode DataPlane.addMapping} numbered it. */
  readonly mapping: number;
}

/** Where a virtqueue's position is kept for the next process. */
export interface VringRecord {
  /** Shared with the front-end, or a file of ours (packed rings). */
  readonly kind: "inflight" | "journal";
  /** Host address, inside a mapping the data plane knows. */
  readonly address: number;
  /** Entries of an inflight region, or of the ring. */
  readonly entries: number;
  /** Inflight: number of the next chain taken, below 2^53. */
  readonly counter: number;
  /** Inflight, split: chains held before are served first, from the region. */
  readonly listed: boolean;
}

/** A MAC address known on a port. */
export interface LearnedMac {
  /** As lib/base/mac.ts has them; a VLAN in bits 16-27 of `macHi`. */
  readonly macLo: number;
  readonly macHi: number;
  readonly ageSeconds: number;
}

/** An FDB entry as readers see it. */
export interface FdbEntry {
  readonly mac: string;
  readonly vlan: number;
  readonly port: number;
  readonly ageSeconds: number;
}

/** Everything the data plane needs to serve one virtqueue. */
export interface VringStart {
  /** Entries, 1-32768; a power of two for split rings. */
  readonly size: number;
  readonly packed: boolean;
  /** VIRTIO_F_RING_EVENT_IDX was negotiated. */
  readonly eventIdx: boolean;
  /** VIRTIO_RING_F_INDIRECT_DESC was negotiated. */
  readonly indirect: boolean;
  /** VIRTIO_NET_F_MRG_RXBUF was negotiated. */
  readonly mergeable: boolean;
  /** Bytes of the virtio-net header: 10 or 12. */
  readonly headerBytes: number;
  /** Host address of the descriptor table (split) or ring (packed). */
  readonly descAddress: number;
  /** Host address of the available ring (split) or driver event suppression (packed). */
  readonly driverAddress: number;
  /** Host address of the used ring (split) or device event suppression (packed). */
  readonly deviceAddress: number;
  readonly position: VringPosition;
  /** Kick eventfd, -1: the front-end asks for polling, or IN_BAND. Stays the control thread's. */
  readonly kickFd: number;
  /** Call eventfd (or socket), -1: the driver polls, or IN_BAND. Stays the control thread's. */
  readonly callFd: number;
  readonly enabled: boolean;
  /** Guest address at which the device area is logged, below 2^53, LOG_BY_PLACE or LOG_OFF. */
  readonly logGuestAddr: number;
  readonly record: VringRecord | null;
}

/** A dirty log and where it is mapped. */
export interface PlacedLog {
  readonly sizeBytes: number;
  /** Host address of its first byte, inside the mapping `mapping`. */
  readonly address: number;
  readonly mapping: number;
}

/**
 * The data plane as the control thread sees it. Every call is synchronous: when it returns, the
 * data plane has done it and holds nothing older (a quiescent point was passed).
 */
export interface DataPlane {
  /** Reserves a port number, 0 to PORTS_MAX - 1, with cleared counters; -1 when all are taken. */
  addPort(): number;
  /** Stops what runs on the port, forgets its MAC addresses and frees the number. */
  removePort(port: number): void;
  /** Tells of mapped memory. @returns its number, to name it in regions. */
  addMapping(address: number, sizeBytes: number): number;
  /** Detaches every view of the mapping; no region of any port may name it any more. */
  removeMapping(mapping: number): void;
  /**
   * Replaces the port's memory table between two rounds. Virtqueues may run if their areas stay
   * where they are.
   */
  setMemory(port: number, regions: readonly PlacedRegion[]): void;
  startVring(port: number, vring: number, start: VringStart): void;
  /** Stops a virtqueue, everything taken from it completed. @returns where it stands. */
  stopVring(port: number, vring: number): VringPosition;
  setVringEnabled(port: number, vring: number, enabled: boolean): void;
  setVringCall(port: number, vring: number, callFd: number): void;
  /** Logs the ring's writes from now on (see {@linkcode VringStart.logGuestAddr}), or no more. */
  setVringLog(port: number, vring: number, guestAddr: number): void;
  /** Puts another dirty log in force, or none. @param logAll also log what buffers receive */
  setLog(port: number, log: PlacedLog | null, logAll: boolean): void;
  /**
   * Learns a MAC address on a port. @param flood also send every other port a RARP request from
   * there, counted as if the guest had sent it
   */
  announce(port: number, macLow: number, macHigh: number, flood: boolean): void;
  /** The driver of a running virtqueue kicks it by a message: the thread wakes and looks. */
  kickVring(port: number, vring: number): void;
  /** Longest frame (bytes, without FCS, with VLAN tags) the port takes or gives. */
  setFrameMax(port: number, frameBytesMax: number): void;
  /**
   * Descriptor addresses of the port are I/O virtual from now on, or no more. Nothing is translated
   * at first. Virtqueues must be stopped.
   */
  setIotlb(port: number, on: boolean): void;
  /**
   * Translates a range that lies in one region; virtqueues that wait for it go on.
   * @param permission 1 the device may read, 2 write, 3 both
   */
  updateIotlb(
    port: number,
    iova: number,
    sizeBytes: number,
    hostAddress: number,
    permission: number,
  ): void;
  /** Forgets a range, which may reach beyond 2^53. Nothing uses it when this returns. */
  invalidateIotlb(port: number, iova: number, sizeBytes: number): void;
  /** Keeps off a virtqueue's areas; frames for it are parked. */
  holdVring(port: number, vring: number): void;
  /** Its areas may be used again, where they were. */
  releaseVring(port: number, vring: number): void;
  /**
   * Has the events of what the port's virtqueues wait for written once more, and frames dropped
   * that have waited for too long. @returns how many virtqueues wait
   */
  askAgain(port: number): number;
  /** Forgets the dynamic MAC addresses of one port. */
  flushPort(port: number): void;
  /** In service or not: not, its frames are taken and discarded, and it gets none. */
  setPortUp(port: number, up: boolean): void;
  /**
   * Every frame of the port goes to port `to` and nowhere else, and no other port's frame to it;
   * NOT_LINKED ends that, LINK_WAITING discards. Forgets the port's dynamic MAC addresses.
   */
  setLink(port: number, to: number): void;
  /**
   * Reserved addresses of which frames pass between ports that both have them; for no port at
   * first. @param mask bit n: 01-80-C2-00-00-0n
   */
  setReserved(port: number, mask: number): void;
  /**
   * Learns addresses on a port as if frames had come from them that long ago.
   * @returns how many; the others found no room
   */
  learnMacs(port: number, macs: readonly LearnedMac[]): number;
  /** Adds to the counters of a port, in the order of PORT_COUNTERS. */
  addPortCounters(port: number, counts: readonly number[]): void;
}
