// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A frame's way: ring -> frame -> FDB -> ring.
 *
 * `pollSource` takes a burst from one source, classifies it (learn the source, look up the
 * destination), delivers to each destination the frames that go there, and gives the buffers back.
 * One copy, from the sender's memory into the receiver's; nobody waits for a slow receiver. What is
 * at either end, a ring of either kind or no ring at all, is asked once a burst (port.ts).
 *
 * A burst's life, and the arrays that carry it from step to step. They are the thread's, not
 * anybody's object: there is one burst at a time, and a frame is its number in it.
 *
 * ```
 *   step               what it writes, by                            who reads it
 *
 *   source.take        frame   frameId frameSlots frameBytes         all below
 *     (take, open)     frame   frameSegment..frameSegmentEnd --+
 *                      frame   frameHead: 16 bytes, checked    |     classify, writeHead, flowHash
 *                      segment segmentWindow segmentOffset <---+     copyBytes, flowHash
 *                              segmentBytes, from TAKEN_SEGMENTS on
 *        |
 *   sort               port    list, listCount: frames for it        deliverListed
 *     (classify, …)            touched: ports in turn                forward
 *        |
 *   deliverListed      port    list, without what its MTU forbids (deliver_listed.ts)
 *     (keepInVlans)    frame   its tag comes or goes, if there are VLANs (vlan/ways.ts)
 *     (shareOut)       queue   share: those of one receive queue
 *        |  for each port touched, for each of its receive queues:
 *   sink.deliver       buffer  bufferId bufferBytes bufferSlots      the used ring
 *     (Vring.fill)     segment the same three, BUFFER_SEGMENTS on    writeHead, copyBytes
 *     (queue.deliver)          outcomes: what became of them         Vring.fill, which counts it
 *        |
 *   source.finish              frameId, frameSlots go to the used ring: all is free again
 * ```
 *
 * A window (segmentWindow) is a view of somebody's memory, window.ts; frame* and buffer* are in
 * burst.ts and deliver.ts, segment* in guest_memory.ts, the rest is the {@linkcode Datapath}'s.
 *
 * Data-plane thread only; nothing here allocates, throws or blocks per frame.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { MIRRORS_MAX } from "../base/limits.ts";
import {
  BURST_FRAMES,
  burstHasOffloads,
  frameBytes,
  frameHead,
  HEAD_WORDS,
  isPlainBurst,
} from "../virtio/burst.ts";
import { beginAdapting, beginHanding } from "./adapt.ts";
import { Announcer } from "./announcer.ts";
import { NO_TARGET } from "./capture/mirror.ts";
import { forwardTapped, tapReceivers } from "./capture/tapped.ts";
import { isCrumbled, readFirst, UNWATCHED, type VisitWatch } from "./closely.ts";
import { PORT, WORKER, WORKER_BASE } from "./counters.ts";
import { decide } from "./decide.ts";
import { deliverListed } from "./deliver_listed.ts";
import type { Fdb } from "./fdb.ts";
import { guardBurst } from "./guard/guard.ts";
import { listLinked } from "./link.ts";
import type { Snooping } from "./multicast/snooping.ts";
import { PortMoves } from "./moves.ts";
import type { Lane } from "./ports/lane_port.ts";
import { limitFrom } from "./policy/limits.ts";
import { NOT_LINKED, type Port, type Source } from "./ports/port.ts";
import { refuses } from "./refuse.ts";
import { DROP, spread } from "./spread.ts";
import { Survey } from "./survey.ts";
import type { Vring } from "./ports/vring.ts";
import { vlanKey } from "./vlan/key.ts";
import { classifyVlans, isPlainLink, listLinkedVlans } from "./vlan/ways.ts";

/** What the datapath needs from its thread. */
export interface DatapathHost {
  /** Notifies a driver; must not block. */
  call(vring: Vring): void;
  /** A driver broke its ring; it will not be touched again. Once per ring. */
  ringBroken(vring: Vring): void;
  /** A driver makes chains that go back unused. @returns whether that will be told */
  badChain(vring: Vring, reason: number): boolean;
  /** A page is to be translated. @param again it was asked before @returns whether it will be */
  untranslated(vring: Vring, page: number, permission: number, again: boolean): boolean;
  /** The front-end refuses an access; the ring is broken. */
  accessFailed(vring: Vring, page: number, permission: number): void;
  /** A lane's descriptor is of no use any more. @param code errno @returns whether that will be told */
  laneFailed?(lane: Lane, code: number): boolean;
  /** An address begins to move faster than a guest can. @param to its port now */
  macFlap?(macLo: number, macHi: number, from: number, to: number): void;
  /** A port sends more to many than it may. @param kind of STORM_KINDS */
  storm?(port: number, kind: number): void;
  /** A guard of a port drops a frame. @param reason of GUARD_REASONS */
  guarded?(port: number, reason: number): void;
  /** A port speaks with an address that is not its own. @param owner whose it is; itself: nobody's */
  macForeign?(macLo: number, macHi: number, owner: number, port: number): void;
}

// A burst is counted in the row of the power of 2 that it has reached.
assert(BURST_FRAMES < 2 << (WORKER.bursts128 - WORKER.bursts1), "each burst has its row");

/** The switch: its ports, and the frames of the burst sorted by destination. */
export class Datapath {
  /** By number; null: the number is free. */
  readonly ports: (Port | null)[];
  /** Where addresses are. */
  readonly fdb: Fdb;
  /** Totals, laid out as counters.ts says; other threads read them. */
  readonly counters: Float64Array;
  /** The thread around it. */
  readonly host: DatapathHost;
  /** Transmit queues and whatever else is polled. */
  readonly sources: Source[] = [];
  /** Ports that floods go to now, uplinks last. */
  readonly deliverable: Int32Array;
  /** Ports in `deliverable` now. */
  deliverableCount = 0;
  /** Of them, those that are no uplinks. */
  localCount = 0;
  /** Uplinks there are, in service or not. */
  uplinkCount = 0;
  /** Frames to groups go to who is in them; null: to all. */
  snooping: Snooping | null = null;
  /** Frames to addresses nobody knows go to uplinks alone, and from one nowhere. */
  unknownToUplinks = false;
  /** A port says something of VLANs: every frame is in one. See {@linkcode setVlans}. */
  hasVlans = false;
  /** Somebody watches a port: every burst goes the way of capture/tapped.ts. */
  hasTaps = false;
  /** Where each mirror's copies go: a port's number, or NO_TARGET. Refresh after a change. */
  readonly mirrorTargets: Int32Array = new Int32Array(MIRRORS_MAX).fill(NO_TARGET);
  /** Tells uplinks of local addresses. */
  readonly announcer: Announcer = new Announcer(this, (to) => deliverListed(this, to, null));
  /** Monotonic time in whole seconds, kept by the thread's loop. */
  now = 0;
  /** Where the burst at hand came from. Frames of the switch's own that go between two keep the last. */
  sender: Source | null = null;
  /** Rounds for which a source that is dear to look at is left alone once it was empty; likewise. */
  idleRounds = 0;

  /** Whether visits are watched now, part by part, and by what: see closely.ts. */
  isWatched = false;
  /** Likewise. */
  watch: VisitWatch = UNWATCHED;
  /** Looks at a visit now and then. */
  readonly survey: Survey = new Survey(this);

  /** Frame numbers per destination port, BURST_FRAMES each. */
  readonly list: Uint16Array;
  /** Frames in each port's part of `list`. */
  readonly listCount: Int32Array;
  /** Destinations of this burst in the order they came up. */
  readonly touched: Int32Array;
  /** Ports in `touched` now. */
  touchedCount = 0;
  /** Frames of a port with several receive queues, those of one queue at a time. */
  readonly share: Uint16Array = new Uint16Array(BURST_FRAMES);
  /** Receive queue of each of these frames. */
  readonly shareOf: Uint16Array = new Uint16Array(BURST_FRAMES);

  /** Without ports. @param counters all zeros, laid out as counters.ts says */
  constructor(portsMax: number, fdb: Fdb, counters: Float64Array, host: DatapathHost) {
    this.ports = new Array<Port | null>(portsMax).fill(null);
    this.fdb = fdb;
    fdb.listener = new PortMoves(this);
    this.counters = counters;
    this.host = host;
    this.deliverable = new Int32Array(portsMax);
    this.list = new Uint16Array(portsMax * BURST_FRAMES);
    this.listCount = new Int32Array(portsMax);
    this.touched = new Int32Array(portsMax);
  }

  /** Finds out anew what is polled and which ports take frames. Call after any change to a port. */
  refresh(): void {
    this.deliverableCount = 0;
    this.uplinkCount = 0;
    this.sources.length = 0;
    this.hasTaps = false;
    for (const port of this.ports) {
      if (port === null) continue;
      if (port.isUplink) this.uplinkCount++;
      port.refresh();
      // Whoever comes next has buffers of its own.
      if (port.receivers.length === 0) port.fairShare = null;
      port.isMirror = this.mirrorTargets.includes(port.index);
      if (port.isMirror) this.hasTaps = true;
      if (port.tap !== null) {
        this.hasTaps = true;
        tapReceivers(port);
      }
      port.appendSources(this.sources);
    }
    this.#listDeliverable(false);
    this.localCount = this.deliverableCount;
    if (this.uplinkCount > 0) this.#listDeliverable(true);
  }

  /** Every frame is in a VLAN from now on, or none is. What was learned is forgotten if that changes. */
  setVlans(on: boolean): void {
    if (on === this.hasVlans) return;
    this.hasVlans = on;
    this.fdb.flush();
  }

  /**
   * An address of a port as the FDB has it. @param macHi with a VLAN, or 0 in its place: that of
   * untagged frames @returns its upper half, or -1: the port is not in that VLAN
   */
  keyHigh({ vlans }: Port, macLo: number, macHi: number): number {
    const high = macHi & 0xffff;
    if (!this.hasVlans) return high;
    const vid = macHi >>> 16 === 0 ? vlans.native : macHi >>> 16;
    return vlans.has(vid) ? vlanKey(this.fdb, macLo, high, vid << 16, this.now) : -1;
  }

  #listDeliverable(uplinks: boolean): void {
    for (const port of this.ports) {
      if (port === null || port.isUplink !== uplinks) continue;
      // A linked port hears nobody but its peer.
      if (port.receivers.length === 0 || port.linkedTo !== NOT_LINKED) continue;
      if (port.isMirror) continue;
      this.deliverable[this.deliverableCount++] = port.index;
    }
  }
}

/** Serves one source once. @returns frames taken */
export function pollSource(path: Datapath, source: Source): number {
  const { counters, isWatched, survey } = path;
  if (isWatched) path.watch.begin();
  const count = source.take(path);
  if (count === 0) return 0;
  beginHanding();
  path.sender = source;
  const { port } = source;
  const isSurveyed = --survey.left === 0;
  if (isSurveyed) survey.begin(port, source.enabled ? count : 0);
  if (source.enabled && (isWatched || (!isPlainBurst() && isCrumbled(count)))) {
    readFirst(path, port, count, isWatched);
  }
  counters[WORKER_BASE + (isPlainBurst() ? WORKER.plainFrames : WORKER.generalFrames)]! += count;
  counters[WORKER_BASE + WORKER.bursts1 + 31 - Math.clz32(count)]!++;
  if (source.enabled) forward(path, port, count);
  else counters[port.counterBase + PORT.rxDroppedDisabled]! += count;
  if (isWatched) path.watch.begin();
  source.finish(path, count);
  if (isWatched) path.watch.endPart(port.index);
  counters[WORKER_BASE + WORKER.frames]! += count;
  counters[WORKER_BASE + WORKER.bursts]!++;
  if (isSurveyed) survey.end();
  return count;
}

/** Decides where the first `count` frames of the opened burst go and delivers them. */
export function forward(path: Datapath, port: Port, count: number): void {
  if (burstHasOffloads()) beginAdapting();
  if (path.hasTaps) {
    forwardTapped(path, port, count, sort);
    return;
  }
  sort(path, port, 0, count);
  for (let i = 0; i < path.touchedCount; i++) deliverListed(path, path.touched[i]!, port);
  path.touchedCount = 0;
}

/** Decides for frames `first` to `end` of the burst where they go, and sorts them by destination. */
function sort(path: Datapath, port: Port, first: number, end: number): void {
  if (port.rateFrom !== null) limitFrom(port.rateFrom, first, end);
  if (port.guard !== null) guardBurst(path, port, port.guard, first, end);
  const { linkedTo } = port;
  if (linkedTo === NOT_LINKED) {
    if (path.hasVlans) classifyVlans(path, port, first, end);
    else classify(path, port, first, end);
  } else if (path.hasVlans && !isPlainLink(port, path.ports[linkedTo])) {
    listLinkedVlans(path, port, first, end);
  } else listLinked(path, port, first, end);
}

/** The same where there are neither links nor VLANs. */
function classify(path: Datapath, port: Port, first: number, end: number): void {
  const { fdb, counters, list, now } = path;
  const ingress = port.index;
  const base = port.counterBase;
  const frameMax = port.frameBytesMax;
  let run = -1;
  let at = 0;
  let bytes = 0;
  let good = 0;
  let destination = DROP;
  // Frames come in runs of one conversation: the decision for equal addresses is kept.
  let word0 = 0;
  let word1 = 0;
  let word2 = 0;
  for (let frame = first; frame < end; frame++) {
    const size = frameBytes[frame]!;
    if ((size < 0 || size > frameMax) && refuses(path, port, frame)) continue;
    bytes += size;
    good++;
    const next0 = frameHead[frame * HEAD_WORDS]!;
    const next1 = frameHead[frame * HEAD_WORDS + 1]!;
    const next2 = frameHead[frame * HEAD_WORDS + 2]!;
    if (good === 1 || next0 !== word0 || next1 !== word1 || next2 !== word2) {
      word0 = next0;
      word1 = next1;
      word2 = next2;
      destination = decide(fdb, ingress, next0, next1, next2, 0, now);
    }
    if (destination >= 0 && destination !== ingress) {
      // Frames in a row to one port are listed without touching the path.
      if (destination !== run) {
        if (run >= 0) closeRun(path, run, at);
        run = destination;
        at = run * BURST_FRAMES + path.listCount[run]!;
      }
      list[at++] = frame;
      continue;
    }
    if (run >= 0) closeRun(path, run, at);
    run = -1;
    spread(path, port, destination, frame, word0, word1, word2, 0);
  }
  if (run >= 0) closeRun(path, run, at);
  counters[base + PORT.rxFrames]! += good;
  counters[base + PORT.rxBytes]! += bytes;
}

/** Frames were listed for a port up to index `end` of the list. */
function closeRun(path: Datapath, destination: number, end: number): void {
  if (path.listCount[destination] === 0) path.touched[path.touchedCount++] = destination;
  path.listCount[destination] = end - destination * BURST_FRAMES;
}

/**
 * Asks all sources to wake the thread, before it sleeps, or no more.
 * @returns whether one has frames already, so that sleeping would lose a wake-up
 */
export function setKicks(path: Datapath, wanted: boolean): boolean {
  let work = false;
  for (const source of path.sources) if (source.setKicks(wanted)) work = true;
  return work;
}
