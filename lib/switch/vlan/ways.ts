// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A burst's way through a switch with VLANs, where it differs: each frame is in a VLAN or dropped, the
 * FDB is asked in that VLAN, and no port gets a frame of a VLAN that it is not in, whatever led there.
 * Which way a burst goes is asked once (datapath.ts): without VLANs nothing of this runs.
 *
 * Lengths are judged as if each frame had its tag: whether one comes or goes on the way changes
 * nothing, and of the two tags that there is room for beside the MTU one is the VLAN's.
 *
 * @module
 */
import { frameBytes, frameHead, HEAD_WORDS } from "../../virtio/burst.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import { decide } from "../decide.ts";
import { maySend } from "../policy/foreign.ts";
import type { Port } from "../ports/port.ts";
import { cutFits, refuses } from "../refuse.ts";
import { append, countGroup, DROP, spread } from "../spread.ts";
import { ALL_VLANS, VID_MASK } from "./port_vlans.ts";
import {
  frameTagged,
  frameTci,
  hasTag,
  popTag,
  pushTag,
  readTag,
  TAG_BYTES,
  TAGGED_BYTES_MIN,
  writeTag,
} from "./tags.ts";

/** {@linkcode admit}: the frame is in no VLAN of its port. */
const IN_NONE = 0;
/** {@linkcode admit}: it is no frame, or longer than the port allows. */
const NO_FRAME = -1;

/** Whether all frames between two linked ports pass as they are: neither says anything of VLANs. */
export function isPlainLink(from: Port | null, to: Port | null | undefined): boolean {
  if (from === null || !to || from.linkedTo !== to.index) return false;
  return from.vlans === ALL_VLANS && to.vlans === ALL_VLANS;
}

/**
 * Decides for frames `first` to `end` of the burst where they go in their VLANs, and sorts them by
 * destination.
 */
export function classifyVlans(path: Datapath, port: Port, first: number, end: number): void {
  const { fdb, counters, now } = path;
  const ingress = port.index;
  let bytes = 0;
  let good = 0;
  let destination = DROP;
  // As without VLANs: the decision for equal addresses, and VLANs, is kept.
  let word0 = 0;
  let word1 = 0;
  let word2 = 0;
  let known = IN_NONE;
  for (let frame = first; frame < end; frame++) {
    const size = frameBytes[frame]!;
    const vid = admit(path, port, frame);
    if (vid === NO_FRAME) continue;
    bytes += size;
    good++;
    if (vid === IN_NONE) continue;
    const next0 = frameHead[frame * HEAD_WORDS]!;
    const next1 = frameHead[frame * HEAD_WORDS + 1]!;
    const next2 = frameHead[frame * HEAD_WORDS + 2]!;
    if (vid !== known || next0 !== word0 || next1 !== word1 || next2 !== word2) {
      word0 = next0;
      word1 = next1;
      word2 = next2;
      known = vid;
      destination = decide(fdb, ingress, next0, next1, next2, vid << 16, now);
    }
    if (destination >= 0 && destination !== ingress) append(path, destination, frame);
    else spread(path, port, destination, frame, word0, word1, word2, vid);
  }
  counters[port.counterBase + PORT.rxFrames]! += good;
  counters[port.counterBase + PORT.rxBytes]! += bytes;
}

/** Lists frames of a linked port for its peer; those of none of its VLANs are dropped. */
export function listLinkedVlans(path: Datapath, port: Port, first: number, end: number): void {
  const { counters } = path;
  const base = port.counterBase;
  const to = port.linkedTo;
  let bytes = 0;
  let good = 0;
  for (let frame = first; frame < end; frame++) {
    const size = frameBytes[frame]!;
    const vid = admit(path, port, frame);
    if (vid === NO_FRAME) continue;
    bytes += size;
    good++;
    if (vid === IN_NONE || (port.isLocked && !maySend(path, port, frame))) continue;
    const word0 = frameHead[frame * HEAD_WORDS]!;
    if ((word0 & 1) !== 0) countGroup(path, port, word0, frameHead[frame * HEAD_WORDS + 1]!);
    if (to >= 0) append(path, to, frame);
    else counters[base + PORT.rxDroppedNoPort]!++;
  }
  counters[base + PORT.rxFrames]! += good;
  counters[base + PORT.rxBytes]! += bytes;
}

/**
 * Finds out in which VLAN a frame from a port is, and counts why it is dropped, if it is.
 * @returns the VLAN, IN_NONE or NO_FRAME
 */
function admit(path: Datapath, port: Port, frame: number): number {
  const { counters } = path;
  const { vlans, counterBase: base, frameBytesMax } = port;
  const size = frameBytes[frame]!;
  if ((size < 0 || size > frameBytesMax) && refuses(path, port, frame)) return NO_FRAME;
  let tci = vlans.native;
  let most = frameBytesMax - TAG_BYTES;
  if (!hasTag(frame)) frameTagged[frame] = 0;
  else {
    if (size < TAGGED_BYTES_MIN) {
      counters[base + PORT.rxDroppedMalformed]!++;
      return NO_FRAME;
    }
    most = frameBytesMax;
    tci = readTag(frame);
    if ((tci & VID_MASK) === 0) {
      tci |= vlans.native;
      writeTag(frame, tci);
    }
    frameTagged[frame] = 1;
  }
  if (size > most && !cutFits(frame, most)) {
    counters[base + PORT.rxDroppedOversize]!++;
    return NO_FRAME;
  }
  const vid = tci & VID_MASK;
  if (!vlans.has(vid)) {
    counters[base + PORT.rxDroppedVlan]!++;
    return IN_NONE;
  }
  frameTci[frame] = tci;
  return vid;
}

/** A frame that nobody asked for its VLAN is in that of its tag, as for a port that says nothing. */
export function readVlan(frame: number): void {
  frameTagged[frame] = 0;
  frameTci[frame] = ALL_VLANS.native;
  if (!hasTag(frame)) return;
  const isWhole = frameBytes[frame]! >= TAGGED_BYTES_MIN;
  // One without a whole tag is in none.
  frameTagged[frame] = isWhole ? 1 : 0;
  frameTci[frame] = isWhole ? readTag(frame) : VID_MASK;
  if (isWhole && (frameTci[frame]! & VID_MASK) === 0) frameTci[frame] = ALL_VLANS.native;
}

/** A frame of the switch's own, without a tag, is in a VLAN. */
export function putInVlan(frame: number, vid: number): void {
  frameTci[frame] = vid;
  frameTagged[frame] = 0;
}

/**
 * Leaves in a port's list only frames of its VLANs that its MTU allows, and has them with a tag or
 * without, as the port gets them. @returns how many are left
 */
export function keepInVlans(path: Datapath, port: Port, start: number, listed: number): number {
  const { list, counters } = path;
  const { vlans, counterBase: base, frameBytesMax } = port;
  let kept = 0;
  for (let i = start; i < start + listed; i++) {
    const frame = list[i]!;
    const vid = frameTci[frame]! & VID_MASK;
    if (!vlans.has(vid)) {
      counters[base + PORT.txDroppedVlan]!++;
      continue;
    }
    const most = frameTagged[frame] === 1 ? frameBytesMax : frameBytesMax - TAG_BYTES;
    if (frameBytes[frame]! > most && !cutFits(frame, most)) {
      counters[base + PORT.txDroppedOversize]!++;
      continue;
    }
    if (vid !== vlans.native) {
      if (frameTagged[frame] === 0) pushTag(frame);
    } else {
      if (frameTagged[frame] === 1) popTag(frame);
      // Without its tag it would be one of another VLAN's: of that in the tag behind it.
      if (!vlans.isAccess && hasTag(frame)) pushTag(frame);
    }
    list[start + kept++] = frame;
  }
  return kept;
}
