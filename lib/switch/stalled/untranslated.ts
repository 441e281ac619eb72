// deno-lint-ignore-file no-non-null-assertion
/**
 * Virtqueues that wait for their guest's IOTLB. A transmit queue simply is not polled: its frames
 * stay in the ring. Frames for a receive queue are parked. Neither is a fault, and nobody else
 * waits; what a queue waits for is asked of the front-end by the control thread.
 *
 * A queue waits for a buffer's translation, or it is held because its own areas are not translated;
 * both may be true. Nothing of this runs for guests without IOMMU.
 *
 * @module
 */
import { BURST_FRAMES, CHAIN_BYTES_MAX, frameBytes } from "../../virtio/burst.ts";
import { AHEAD_MAX, IOTLB_PAGE_BYTES } from "../../virtio/memory/iotlb.ts";
import { RING_ACCESS, RING_BAD_ADDRESS, RING_OK, RING_UNTRANSLATED } from "../../virtio/ring.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import { Park } from "./park.ts";
import type { VhostPort } from "../ports/vhost_port.ts";
import type { Vring } from "../ports/vring.ts";

/** A question is not repeated before this, and at the longest, ms. */
const AGAIN_MS = 200;
const AGAIN_MS_MAX = 1600;
/** Answers without the permission asked for, until the access counts as refused. */
const DENIALS_MAX = 3;
/** Frames wait this long for a receive queue, ms; then they are dropped. */
export const PARKED_MS_MAX = 1000;

/** What one virtqueue waits for, and the frames that wait with it. */
export class Waiting {
  /** Address that must be translated, or -1. */
  address: number = -1;
  /** Permission it needs: IOTLB_READ or IOTLB_WRITE. */
  permission = 0;
  /** Answers without the permission since the question was first asked. */
  denials = 0;
  /** Its own areas are not to be touched. */
  held = false;
  /** When the queue stopped, ms of the thread's clock. */
  sinceMs = 0;
  /** When it last asked, likewise. */
  askedMs = 0;
  /** How long it does not ask again, ms. */
  pauseMs = 0;
  /** Frames that wait for a receive queue; null before the first. */
  park: Park | null = null;
}

function waitingOf(vring: Vring): Waiting {
  const known = vring.port.waiting.get(vring.number);
  if (known) return known;
  const made = new Waiting();
  vring.port.waiting.set(vring.number, made);
  return made;
}

/** The queue stops until what it lacks is there. */
function stopFor(vring: Vring, waiting: Waiting): void {
  if (vring.queue.broken !== RING_UNTRANSLATED) waiting.sinceMs = performance.now();
  vring.queue.broken = RING_UNTRANSLATED;
}

/** Asks for a page, unless that question is open. */
function ask(
  path: Datapath,
  vring: Vring,
  page: number,
  permission: number,
  again = false,
): void {
  const { iotlb } = vring.port.memory;
  if (!iotlb?.ask(page, permission)) return;
  if (!path.host.untranslated(vring, page, permission, again)) iotlb.unask(page, permission);
}

/** Asks for what a queue waits for. */
function askFor(path: Datapath, vring: Vring, waiting: Waiting): void {
  waiting.askedMs = performance.now();
  waiting.pauseMs = AGAIN_MS;
  ask(path, vring, pageOf(waiting.address), waiting.permission);
}

/** Asks once more for what a queue waits for: the question or the answer may be lost. */
function repeat(path: Datapath, vring: Vring, waiting: Waiting): void {
  const page = pageOf(waiting.address);
  waiting.askedMs = performance.now();
  waiting.pauseMs = Math.min(AGAIN_MS_MAX, 2 * waiting.pauseMs);
  vring.port.memory.iotlb?.unask(page, waiting.permission);
  ask(path, vring, page, waiting.permission, true);
}

function pageOf(address: number): number {
  return address - address % IOTLB_PAGE_BYTES;
}

/**
 * A ring was just given up over an address: if that only needs a translation, the ring waits for
 * it instead, and the front-end is asked. @returns whether it waits
 */
function waitsForTranslation(path: Datapath, vring: Vring, bytes: number): boolean {
  const { port, queue } = vring;
  const { iotlb } = port.memory;
  if (iotlb === null || queue.broken !== RING_BAD_ADDRESS || !iotlb.missed) return false;
  const waiting = waitingOf(vring);
  waiting.address = iotlb.missedAddress;
  waiting.permission = iotlb.missedPermission;
  waiting.denials = 0;
  stopFor(vring, waiting);
  path.counters[port.counterBase + PORT.iotlbMisses]!++;
  askFor(path, vring, waiting);
  // What is to be sent is there already; for what will be received one can only guess.
  const chains = vring.number % 2 === 1 ? AHEAD_MAX : iotlb.takeAhead();
  queue.lookAhead(port.memory, iotlb, chains, bytes, (page, permission) => {
    ask(path, vring, page, permission);
  });
  return true;
}

/**
 * A queue has just stopped: for good, or until an address is translated.
 * @param bytes what the next chains will have to hold; if not given, all of what they hold
 */
export function giveUp(path: Datapath, vring: Vring, bytes: number = CHAIN_BYTES_MAX): void {
  if (!waitsForTranslation(path, vring, bytes)) path.host.ringBroken(vring);
}

/** Frames of the burst for a receive queue that does not work now. */
export function leaveFrames(
  path: Datapath,
  vring: Vring,
  list: Uint16Array,
  start: number,
  count: number,
): void {
  if (vring.queue.broken === RING_UNTRANSLATED) parkFrames(path, vring, list, start, count);
  else path.counters[vring.port.counterBase + PORT.txDroppedRingBroken]! += count;
}

/** Keeps frames of the burst for a receive queue that waits; what finds no room is dropped. */
function parkFrames(
  path: Datapath,
  vring: Vring,
  list: Uint16Array,
  start: number,
  count: number,
): void {
  const waiting = waitingOf(vring);
  const park = waiting.park ??= Park.take();
  let kept = 0;
  for (let i = start; i < start + count; i++) if (park.add(list[i]!)) kept++;
  const base = vring.port.counterBase;
  path.counters[base + PORT.txParked]! += kept;
  path.counters[base + PORT.txDroppedUntranslated]! += count - kept;
}

/** Lets the frames go that wait for a receive queue. */
function dropParked(path: Datapath, vring: Vring): void {
  const park = vring.port.waiting.get(vring.number)?.park;
  if (!park) return;
  path.counters[vring.port.counterBase + PORT.txDroppedUntranslated]! += park.count;
  park.drop(park.count);
}

/** The virtqueue is taken out of service. */
export function forgetWaiting(path: Datapath, vring: Vring): void {
  dropParked(path, vring);
  vring.port.waiting.get(vring.number)?.park?.release();
  vring.port.waiting.delete(vring.number);
}

/** A range was translated: queues that waited for an address in it go on. */
export function rangeTranslated(
  path: Datapath,
  port: VhostPort,
  start: number,
  sizeBytes: number,
): void {
  for (const [number, waiting] of port.waiting) {
    const { address } = waiting;
    if (address < start || address >= start + sizeBytes) continue;
    const vring = port.vrings[number]!;
    if (!permitted(port, waiting)) denied(path, vring, waiting);
    else goOn(path, vring, waiting);
  }
}

function permitted(port: VhostPort, waiting: Waiting): boolean {
  const known = port.memory.iotlb?.entries.permissionAt(waiting.address) ?? 0;
  return (known & waiting.permission) !== 0;
}

/**
 * The translation came without the permission. It may have been the answer to another question, so
 * the access counts as refused only when asking again has not helped.
 */
function denied(path: Datapath, vring: Vring, waiting: Waiting): void {
  if (++waiting.denials < DENIALS_MAX) {
    askFor(path, vring, waiting);
    return;
  }
  const { address, permission } = waiting;
  waiting.address = -1;
  vring.queue.broken = RING_ACCESS;
  dropParked(path, vring);
  path.host.accessFailed(vring, pageOf(address), permission);
  path.host.ringBroken(vring);
}

/** The queue has what it waited for, unless it is held. */
function goOn(path: Datapath, vring: Vring, waiting: Waiting): void {
  waiting.address = -1;
  if (waiting.held || vring.queue.broken !== RING_UNTRANSLATED) return;
  vring.queue.broken = RING_OK;
  if (waiting.park === null) return;
  if (vring.queue.enabled && vring.port.adminUp) unpark(path, vring, waiting.park);
  else dropParked(path, vring);
}

const everyFrame = Uint16Array.from({ length: BURST_FRAMES }, (_, i) => i);

/** Delivers what is parked, as far as translations go. */
function unpark(path: Datapath, vring: Vring, park: Park): void {
  while (park.count > 0) {
    const count = park.load();
    const done = vring.fill(path, everyFrame, 0, count);
    park.drop(done);
    if (done === count) continue;
    giveUp(path, vring, vring.queue.headerBytes + frameBytes[done]!);
    if (vring.queue.broken !== RING_UNTRANSLATED) dropParked(path, vring);
    return;
  }
}

/** The virtqueue's own areas may not be touched until {@linkcode releaseVring}. */
export function holdVring(vring: Vring): void {
  const waiting = waitingOf(vring);
  waiting.held = true;
  if (vring.queue.broken === RING_OK) stopFor(vring, waiting);
}

/**
 * The virtqueue's own areas may be used again, at the same place: it goes on, or asks for the
 * buffer it still waits for.
 */
export function releaseVring(path: Datapath, vring: Vring): void {
  const waiting = waitingOf(vring);
  waiting.held = false;
  if (waiting.address < 0 || permitted(vring.port, waiting)) goOn(path, vring, waiting);
  else askFor(path, vring, waiting);
}

/**
 * Tells the control thread once more what each queue of a port waits for, because events and
 * questions can be lost, and drops frames that have waited for too long. @returns how many queues
 * wait
 */
export function askAgain(path: Datapath, port: VhostPort): number {
  const now = performance.now();
  let count = 0;
  for (const [number, waiting] of port.waiting) {
    const vring = port.vrings[number]!;
    if (vring.queue.broken !== RING_UNTRANSLATED) continue;
    count++;
    const due = now - waiting.askedMs >= waiting.pauseMs;
    if (waiting.address >= 0 && due) repeat(path, vring, waiting);
    if (now - waiting.sinceMs >= PARKED_MS_MAX) dropParked(path, vring);
  }
  return count;
}
