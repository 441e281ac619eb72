/**
 * A port as the switch sees it, whatever is behind it. A kind of port is a subclass that says where
 * its frames come from and where frames to it go: objects that take or deliver a burst at a time,
 * chosen when a ring or a device starts. Behind a vhost_port.ts is a guest, behind a lane_port.ts a
 * device of this host; null_port.ts and loop_port.ts are for tests and benches.
 *
 * **Offloads.** A frame may ask for its checksum to be completed, or be large and to be cut into
 * segments. That is between a source and the sinks its frames get to; the switch sees that each gets
 * what it takes:
 *
 * ```
 *   source.take    openOffloads(count, headerBytes, may)     lib/offload/open.ts
 *                    reads the virtio-net header in front of each frame and checks it against the
 *                    frame; `may`: what its peer was told it may ask for
 *   the switch     deliverAdapted(path, sink, ...)           lib/switch/adapt.ts
 *                    hands on what sink.accepts, and completes or cuts the rest
 *   sink.deliver   writeFrameOffloads(view, offset, frame)   lib/virtio/offloads.ts
 *                    writes what frame `frame` asks for into a bare virtio-net header
 * ```
 *
 * All three have the same bits, those of TUNSETOFFLOAD, so a TAP's `accepts` is what it was set to. A
 * source whose frames have no such header calls openFrames (burst.ts) instead and its frames ask for
 * nothing; a sink that accepts nothing never meets a frame that does. A source that makes its segments
 * itself leaves FREE_SEGMENTS of them free in front of each frame (burst.ts).
 *
 * @module
 */
import { FRAME_BYTES_MAX } from "../../virtio/burst.ts";
import type { PortTap } from "../capture/capture.ts";
import type { Datapath } from "../datapath.ts";
import type { PortGroups } from "../multicast/port_groups.ts";
import type { Guard } from "../guard/guard.ts";
import type { FairShare } from "../policy/fair_share.ts";
import { NOT_ISOLATED } from "../policy/isolation.ts";
import type { SharedRate } from "../policy/limits.ts";
import type { Rate } from "../policy/rate.ts";
import type { Storm } from "../policy/storm.ts";
import { ALL_VLANS, type PortVlans } from "../vlan/port_vlans.ts";

/**
 * Where frames come from: a transmit queue, or what an uplink receives. It is polled; each visit is
 * one `take`, the switch's decisions, and one `finish`. Data-plane thread only, like all here.
 */
export interface Source {
  /** The port that the frames come from. */
  readonly port: Port;
  /** Otherwise its frames are taken and discarded, not opened. */
  readonly enabled: boolean;
  /** Nothing wakes the thread for it: it must be looked at every so often. */
  readonly polled: boolean;
  /**
   * Fills the burst, opened, what its frames ask for checked (see above), from frame 0 on.
   * @returns frames, at most BURST_FRAMES
   */
  take(path: Datapath): number;
  /** The frames of the last `take` are delivered: their buffers go back. @param count as it was */
  finish(path: Datapath, count: number): void;
  /**
   * Asks to be woken for frames, or no more.
   * @returns whether there are some already, if it was asked: sleeping would lose a wake-up
   */
  setKicks(wanted: boolean): boolean;
  /**
   * The kernel found no page where a frame of the burst at hand is: whoever brought that memory is
   * served no more. Not where the memory is this process's own.
   */
  losePage?(): void;
}

/** Where frames go to: a receive queue, an uplink, a capture. */
export interface Sink {
  /** The port that the frames go to. */
  readonly port: Port;
  /** What frames to it may ask for, OFFLOAD_ bits (lib/virtio/offloads.ts); may change at any time. */
  readonly accepts: number;
  /**
   * Copies frames of the opened burst, or sends them, in order, and counts what became of them; when
   * it is back the burst may change. What finds no room is dropped: nobody waits for a slow one.
   * @param list frame numbers, from `start` on, `count` of them, at least one
   */
  deliver(path: Datapath, list: Uint16Array, start: number, count: number): void;
  /** Frames that there is room for now, as far as `most`; nothing: nobody can tell, or there always is. */
  room?(most: number): number;
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

/** Kinds of ports, by the names that commands have for them. */
export const PORT_KINDS = ["vhost", "lanes", "null"] as const;

/** One of {@linkcode PORT_KINDS}. */
export type PortKind = (typeof PORT_KINDS)[number];

/** {@linkcode Port.linkedTo} of a port that switches. */
export const NOT_LINKED: number = -1;
/** {@linkcode Port.linkedTo} of a port whose other end is missing: its frames go nowhere. */
export const LINK_WAITING: number = -2;

/**
 * Descriptors of chains that a visit may read, 30 us; what it reads beyond is a deficit, and later
 * visits are left out until that is worked off. A whole visit may read 16 times as many, half a
 * millisecond in each round and for each queue. Frames of one descriptor are not counted.
 */
export const STEPS_A_TURN = 4096;

/** One port, of any kind. Data-plane thread only. */
export abstract class Port {
  /** Its number: an index into Datapath.ports. */
  readonly index: number;
  /** Where its counters stand. */
  readonly counterBase: number;
  /** Where frames to it go now, each flow to one of them; see {@linkcode refresh}. */
  readonly receivers: Sink[] = [];
  /** Longest frame it takes or gives, bytes. */
  frameBytesMax: number = FRAME_BYTES_MAX;
  /** An operator wants it in service. */
  adminUp = true;
  /** Deficit: descriptors read beyond its turns; while above 0 its sources are left out. */
  debt = 0;
  /** The first of its sources that are polled: its visits count rounds. */
  protected first: Source | null = null;
  /** The one port its frames go to, or one of the two above. */
  linkedTo: number = NOT_LINKED;
  /** Who watches it; null: nobody. Refresh the datapath after a change. */
  tap: PortTap | null = null;
  /** Copies of a mirror go there, and nothing else; see capture/mirror.ts. */
  isMirror = false;
  /**
   * Behind it is not a guest but the outside: frames of other uplinks never go there, and what is
   * local is announced there.
   */
  isUplink = false;
  /** Only static addresses of its own may be sources of its frames. */
  isLocked = false;
  /** Its isolation group, by its number. */
  isolation: number = NOT_ISOLATED;
  /** Limits what comes from it; null: nothing does. */
  rateFrom: Rate | null = null;
  /** Limits what goes to it; null: nothing does. */
  rateTo: SharedRate | null = null;
  /** Shares its room among senders; null: there is enough. */
  fairShare: FairShare | null = null;
  /** What it shares it by, once it had to. */
  ownShare: FairShare | null = null;
  /** Limits what it sends to many; null: nothing does. */
  storm: Storm | null = null;
  /** Groups that somebody behind it is in; null: nobody said so. */
  groups: PortGroups | null = null;
  /** What its frames may not say; null: nothing is looked at. */
  guard: Guard | null = null;
  /** VLANs that it is in; they say nothing while nobody has any (Datapath.hasVlans). */
  vlans: PortVlans = ALL_VLANS;
  /** Reserved addresses that pass between ports which both have them; see reserved.ts. */
  reservedMask = 0;

  /**
   * Switches, in service, with nothing that takes or gives frames. @param counterBase where its
   * block of counters begins
   */
  constructor(index: number, counterBase: number) {
    this.index = index;
    this.counterBase = counterBase;
  }

  /** A visit took this long for what its memory is like, ms: later ones are left out for it. */
  owe(_ms: number): void {}

  /** A visit to a source has read this many descriptors of chains, or cost as much. */
  charge(steps: number): void {
    if (steps > STEPS_A_TURN) this.debt = Math.max(0, this.debt) + steps - STEPS_A_TURN;
  }

  /**
   * A visit is left out, and works the deficit off: a turn in each round, however many sources there
   * are. @returns frames taken: none
   */
  payBack(source: Source): number {
    if (source === this.first || this.first === null) this.debt -= STEPS_A_TURN;
    return 0;
  }

  /** Finds out anew what takes frames, {@linkcode receivers}. Call after any change to the port. */
  abstract refresh(): void;
  /** Appends what must be polled to `list`. */
  abstract appendSources(list: Source[]): void;
  /** Called about once a second, as long as the thread is awake. */
  abstract tick(path: Datapath): void;
  /** Counts what stands ready in its rings, if it has any; likewise, but not all ports at once. */
  countReady(_path: Datapath): void {}
}
