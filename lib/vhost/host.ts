/**
 * What a vhost-user session asks of the rest of the back-end. The session is pure protocol; the
 * host owns descriptors, mappings and the data plane.
 *
 * @module
 */
import type { Mac } from "../base/mac.ts";
import type { VringPosition, VringRecord, VringStart } from "../worker/wire.ts";
import type { BackEndMessage } from "./wire/back_end_message.ts";
import type { Refusal } from "./reasons.ts";

/** One region of a memory table, already checked to be sane and free of overlaps. */
export interface MemoryRegion {
  /** First guest-physical address, below 2^53. */
  readonly guestAddr: number;
  /** Above 0. */
  readonly sizeBytes: number;
  /** First address in the front-end's own address space, below 2^53. */
  readonly userAddr: number;
  /** Where the region starts in its file, bytes. */
  readonly mmapOffset: number;
}

/** A dirty log in a file of its own. */
export interface LogArea {
  /** Above 0; one bit stands for 4096 bytes of guest memory. */
  readonly sizeBytes: number;
  /** Where it starts in its file, bytes. */
  readonly mmapOffset: number;
}

/** What is known of a ring that is about to start. */
export interface VringPlan {
  /** Entries. */
  readonly size: number;
  /** VIRTIO_F_RING_PACKED was negotiated. */
  readonly packed: boolean;
  /** Descriptor table or ring; this and the next two are host addresses, as in VringStart. */
  readonly descAddress: number;
  /** Available ring, or driver event suppression. */
  readonly driverAddress: number;
  /** Used ring, or device event suppression. */
  readonly deviceAddress: number;
  /** Where it stands as far as the session knows. */
  readonly position: VringPosition;
  /** `position` is what the ring itself had before: nothing else knows better. */
  readonly exact: boolean;
  /** The front-end says that the ring is new, as one does that has lost its back-end. */
  readonly claimedNew: boolean;
  /**
   * The ring's part of the inflight area, bytes from its start and descriptors; null: not tracked.
   */
  readonly region: { readonly offset: number; readonly entries: number } | null;
}

/** Where a ring is to start and where its position is kept. */
export interface PlacedVring {
  /** Available and used index, wrap counters included. */
  readonly position: VringPosition;
  /** Where the data plane notes what it takes and gives back; null: nowhere. */
  readonly record: VringRecord | null;
}

/**
 * What a descriptor is: a pipe is one without a name, a socket a unix socket, an own end one whose
 * other end is ours.
 */
export type FdKind = "eventfd" | "socket" | "own-end" | "pipe" | "other";

/** Guest memory, mapped: answered by the port's memory, for all that share a file. */
export interface MemoryHost {
  /**
   * Maps a memory table beside the one in force. `fds` has a descriptor for each region, or null
   * for a region of the table in force that stays. Takes the descriptors whatever the outcome.
   * @returns the host address of each region's first byte, or why not (nothing has changed then)
   */
  prepareMemory(
    regions: readonly MemoryRegion[],
    fds: readonly (number | null)[],
  ): number[] | Refusal;
  /**
   * Puts the prepared table in force. Virtqueues may run if none of their areas is in a mapping
   * that only the old table has: what only the old one has is unmapped.
   */
  commitMemory(): void;
  /** Reads 16 bits of guest memory, little-endian, at a host address inside the memory table. */
  readU16(address: number): number;
}

/** Where rings stand when nobody serves them: inflight areas and files of ours. */
export interface RecordHost {
  /** Makes a file for an inflight area, all zeros. The caller owns its descriptor. */
  createInflight(sizeBytes: number): number | Refusal;
  /** Maps an inflight area beside the one in force. Takes the descriptor whatever the outcome. */
  prepareInflight(fd: number, offset: number, sizeBytes: number): Refusal | null;
  /** Puts the prepared area in force, or none; no virtqueue may be running. */
  commitInflight(): void;
  /** Finds out where a ring stands and makes what an earlier process had begun with it whole. */
  placeVring(vring: number, plan: VringPlan): PlacedVring | Refusal;
  /**
   * Drops what is remembered of a ring's position: the front-end was told it, or it no longer
   * holds.
   */
  forgetVring(vring: number): void;
}

/** Virtqueues: answered by the data plane, between two of its rounds. */
export interface RingHost {
  /** Hands a ring to the data plane. Takes no descriptor over. */
  startVring(vring: number, start: VringStart): void;
  /** Takes a ring back; the data plane has returned all it took of it. @returns where it stands */
  stopVring(vring: number): VringPosition;
  /** Enables or disables a running ring. */
  setVringEnabled(vring: number, enabled: boolean): void;
  /** Changes where a running ring's calls go: a descriptor, -1: nowhere, or IN_BAND. */
  setVringCall(vring: number, callFd: number): void;
  /** The driver of a running virtqueue kicks it by a message. */
  kickVring(vring: number): void;
  /** A MAC address is behind this port. @param flood tell the other ports with a RARP request */
  announce(mac: Mac, flood: boolean): void;
}

/** The dirty log. */
export interface LogHost {
  /** Logs what is written into a running ring from now on, or no more; as `logGuestAddr` there. */
  setVringLog(vring: number, guestAddr: number): void;
  /**
   * Maps a dirty log and puts it in force in place of another, whose bits it gets. Takes the
   * descriptor over.
   * @param allDirty all memory counts as written
   * @returns why not, or null
   */
  setLog(area: LogArea, fd: number, allDirty: boolean): Refusal | null;
  /** Logs what is written into buffers from now on, or no more. */
  setLogAll(on: boolean): void;
  /** Logs nothing more and unmaps the log. */
  dropLog(): void;
}

/** Translations of I/O virtual addresses. */
export interface IotlbHost {
  /**
   * Descriptor addresses are I/O virtual from now on, or no more; nothing is translated at first.
   * Every virtqueue is stopped.
   */
  setIotlb(on: boolean): void;
  /** Translates a range, in one region. @param permission VHOST_ACCESS_ bits */
  updateIotlb(iova: number, sizeBytes: number, hostAddress: number, permission: number): void;
  /** Forgets a range, which may reach beyond 2^53. Nothing uses it when this returns. */
  invalidateIotlb(iova: number, sizeBytes: number): void;
  /** Keeps off a running virtqueue's areas, or uses them again where they were. */
  holdVring(vring: number, on: boolean): void;
  /** A page of a ring is to be translated, for reading and writing: asks for it, once and again. */
  askForRing(page: number): void;
}

/** What a port knows, on its way to another switch or from one. */
export interface StateHost {
  /**
   * Begins to write the port's state into a descriptor, or to read one from it; takes it over. An
   * earlier transfer ends there. @returns why not
   */
  startStateTransfer(direction: "save" | "load", fd: number): Refusal | null;
  /**
   * Ends the transfer: all written; or all read, found good, and in force. @returns why not, later
   * if the other end is not done yet
   */
  finishStateTransfer(): Refusal | null | Promise<Refusal | null>;
}

/** Descriptors that came from the front-end, which may block whoever touches them. */
export interface DescriptorHost {
  /** What a received descriptor is, found out without touching its file. */
  fdKind(fd: number): FdKind;
  /** Closes a descriptor the session owned. */
  closeFd(fd: number): void;
  /** Signals an eventfd the session owns. */
  signal(fd: number): void;
}

/** The way to the front-end besides replies. */
export interface ChannelHost {
  /** Takes over the socket of the back-end channel; an earlier one is closed. */
  setBackEndChannel(fd: number): void;
  /**
   * Sends on the back-end channel without blocking. @param answered given: asks for a reply, and is
   * told it, or null when there will be none @returns false if there is no channel
   */
  tellFrontEnd(message: BackEndMessage, answered?: (value: bigint | null) => void): boolean;
}

/** The port that the session is of, and whoever watches it. */
export interface PortHost {
  /** An MTU is in force, bytes, at most the operator's. */
  setMtu(mtu: number): void;
  /** Something an operator may want to read; `level` as in the log. */
  log(level: "debug" | "info" | "warn", event: string, message: string): void;
  /**
   * A request is answered with a failure, and the connection goes on.
   * @param event in the log @param refusal counted by its code; its detail is what is logged
   */
  refused(event: string, refusal: Refusal): void;
  /** Both directions of a queue pair run and are enabled, or no longer. */
  linkChanged(up: boolean): void;
}

/**
 * The session's way to everything that is not protocol, by who answers. All calls are synchronous.
 * A part of the device asks for the few that it needs.
 */
export interface SessionHost
  extends
    MemoryHost,
    RecordHost,
    RingHost,
    LogHost,
    IotlbHost,
    StateHost,
    DescriptorHost,
    ChannelHost,
    PortHost {}
