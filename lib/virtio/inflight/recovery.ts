/**
 * Reading an inflight region that an earlier process left (vhost-user.rst «Inflight I/O tracking»):
 * what was held is served again, in the order it was taken. Split: the available ring's position
 * goes back, or, where the order was another one, a private list comes first. Packed: the saved
 * descriptors are written back behind the used position, where the device's slots are.
 *
 * Every step may be the last one of this process as well: what is left then leads the next one to
 * the same result. Regions are a tenant's: anything may stand in them.
 *
 * @module
 */
import {
  INFLIGHT_VERSION,
  inflightBytes,
  PACKED_ENTRY_BYTES,
  PACKED_HEADER_BYTES,
  SPLIT_ENTRY_BYTES,
  SPLIT_HEADER_BYTES,
} from "./region.ts";
import { descFlags, isAvailableIn, ringAgrees, setAvailableIn } from "../packed/recovery.ts";
import type { VringPosition } from "../ring.ts";

const VERSION = 8;
const DESC_NUM = 10;
const LAST_BATCH_HEAD = 12;
const USED_IDX = 14;
const FREE_HEAD = 12;
const OLD_FREE_HEAD = 14;
const PACKED_USED_IDX = 16;
const OLD_USED_IDX = 18;
const USED_WRAP = 20;
const OLD_USED_WRAP = 21;
/** Counters at or above this are no count of chains. */
const COUNTER_MAX = 2n ** 52n;

/** What a region says about its ring. */
export interface RecoveredVring {
  /** Where the ring goes on. */
  readonly position: VringPosition;
  /** Number of the next chain taken. */
  readonly counter: number;
  /** Chains that were held and are served again. */
  readonly held: number;
  /** Split: they are to be served from {@linkcode heldHeads}, not from the available ring. */
  readonly listed: boolean;
}

/** Why a region cannot be used. */
export interface RegionFault {
  /** What is wrong, for people. */
  readonly fault: string;
}

/** Whether a recovery failed. */
export function isFault(
  result: RecoveredVring | RegionFault | null,
): result is RegionFault {
  return result !== null && "fault" in result;
}

/** Makes a region one of a ring that holds nothing. @param region of `entries` entries */
export function initRegion(
  region: DataView,
  packed: boolean,
  entries: number,
  position: VringPosition,
): void {
  region.setUint16(VERSION, 0, true);
  new Uint8Array(region.buffer, region.byteOffset, inflightBytes(packed, entries)).fill(0);
  region.setUint16(DESC_NUM, entries, true);
  if (packed) {
    for (let entry = 0; entry < entries; entry++) setNext(region, entry, entry + 1);
    setUsed(region, position.usedIndex, position.usedWrap);
  } else region.setUint16(USED_IDX, position.usedIndex, true);
  region.setUint16(VERSION, INFLIGHT_VERSION, true);
}

function checkHeader(region: DataView, entries: number): RegionFault | null {
  const version = region.getUint16(VERSION, true);
  if (version !== INFLIGHT_VERSION) return { fault: `version ${version}` };
  const number = region.getUint16(DESC_NUM, true);
  return number === entries ? null : { fault: `${number} entries, ${entries} announced` };
}

function splitEntry(head: number): number {
  return SPLIT_HEADER_BYTES + SPLIT_ENTRY_BYTES * head;
}

/** Heads of the chains a split ring's region says are held, in the order they were taken. */
export function heldHeads(region: DataView, size: number): number[] {
  return heldSplit(region, size).map(({ head }) => head);
}

function heldSplit(region: DataView, size: number): { head: number; counter: bigint }[] {
  const held: { head: number; counter: bigint }[] = [];
  for (let head = 0; head < size; head++) {
    if (region.getUint8(splitEntry(head)) !== 1) continue;
    held.push({ head, counter: region.getBigUint64(splitEntry(head) + 8, true) });
  }
  return held.sort(byCounter);
}

function byCounter(a: { counter: bigint }, b: { counter: bigint }): number {
  return a.counter < b.counter ? -1 : a.counter > b.counter ? 1 : 0;
}

/**
 * What a split ring's region says. @param avail available ring @param used used ring
 * @returns null if nothing, or nothing about this ring
 */
export function recoverSplit(
  region: DataView,
  avail: DataView,
  used: DataView,
  size: number,
  entries: number,
): RecoveredVring | RegionFault | null {
  if (region.getUint16(VERSION, true) === 0) return null;
  const wrong = checkHeader(region, entries);
  if (wrong) return wrong;
  const usedIndex = used.getUint16(2, true);
  const batch = (usedIndex - region.getUint16(USED_IDX, true)) & 0xffff;
  // The guest has set its rings up anew since.
  if (batch > size) return null;
  let head = region.getUint16(LAST_BATCH_HEAD, true);
  for (let i = 0; i < batch; i++) {
    if (head >= size) return { fault: `head ${head} in the last batch` };
    region.setUint8(splitEntry(head), 0);
    head = region.getUint16(splitEntry(head) + 6, true);
  }
  region.setUint16(USED_IDX, usedIndex, true);
  const held = heldSplit(region, size);
  if (held.length > ((avail.getUint16(2, true) - usedIndex) & 0xffff)) return null;
  const last = held.at(-1)?.counter ?? -1n;
  if (last >= COUNTER_MAX) return { fault: `counter ${last}` };
  const inOrder = held.every((chain, i) =>
    avail.getUint16(4 + 2 * ((usedIndex + i) % size), true) === chain.head
  );
  // Last first: what is left then is still the beginning of the available ring.
  if (inOrder) held.toReversed().forEach((chain) => region.setUint8(splitEntry(chain.head), 0));
  return {
    position: { availIndex: usedIndex, availWrap: 1, usedIndex, usedWrap: 1 },
    counter: Number(last) + 1,
    held: held.length,
    listed: !inOrder,
  };
}

function packedEntry(entry: number): number {
  return PACKED_HEADER_BYTES + PACKED_ENTRY_BYTES * entry;
}

function setNext(region: DataView, entry: number, next: number): void {
  region.setUint16(packedEntry(entry) + 2, next, true);
}

function getNext(region: DataView, entry: number): number {
  return region.getUint16(packedEntry(entry) + 2, true);
}

/** Both used positions in one store. */
function setUsed(region: DataView, slot: number, wrap: number): void {
  const low = slot | (slot << 16);
  const value = (BigInt(wrap | (wrap << 8)) << 32n) | BigInt(low >>> 0);
  region.setBigUint64(PACKED_USED_IDX, value, true);
}

/** Both heads of the list of free entries in one store. */
function setFree(region: DataView, head: number): void {
  region.setUint32(FREE_HEAD, (head | (head << 16)) >>> 0, true);
}

/** Finishes or takes back what was under way. @returns slot and wrap counter, or why not */
function settle(
  region: DataView,
  ring: DataView,
  size: number,
): { slot: number; wrap: number } | RegionFault {
  let slot = region.getUint16(OLD_USED_IDX, true);
  let wrap = region.getUint8(OLD_USED_WRAP);
  let free = region.getUint16(OLD_FREE_HEAD, true);
  const nextSlot = region.getUint16(PACKED_USED_IDX, true);
  const nextWrap = region.getUint8(USED_WRAP);
  if (slot >= size || nextSlot >= size || wrap > 1 || nextWrap > 1) {
    return { fault: `used index ${slot}, ${nextSlot} of ${size}` };
  }
  const moved = nextSlot !== slot || nextWrap !== wrap;
  if (moved && !isAvailableIn(descFlags(ring, slot), wrap)) {
    slot = nextSlot;
    wrap = nextWrap;
    free = region.getUint16(FREE_HEAD, true);
  }
  setFree(region, free);
  setUsed(region, slot, wrap);
  return { slot, wrap };
}

interface HeldChain {
  readonly entries: readonly number[];
  readonly counter: bigint;
}

/** The chains that are marked and not on the list of free entries. */
function heldPacked(region: DataView, size: number, entries: number): HeldChain[] | RegionFault {
  const seen = new Set<number>();
  let free = region.getUint16(FREE_HEAD, true);
  while (free < entries && !seen.has(free)) {
    seen.add(free);
    free = getNext(region, free);
  }
  const chains: HeldChain[] = [];
  let slots = 0;
  for (let head = 0; head < entries; head++) {
    if (region.getUint8(packedEntry(head)) !== 1 || seen.has(head)) continue;
    const number = region.getUint16(packedEntry(head) + 6, true);
    const counter = region.getBigUint64(packedEntry(head) + 8, true);
    slots += number;
    if (number === 0 || slots > size || counter >= COUNTER_MAX) {
      return { fault: `${number} descriptors in entry ${head}, counter ${counter}` };
    }
    const list: number[] = [];
    for (let entry = head; list.length < number; entry = getNext(region, entry)) {
      if (entry >= entries || seen.has(entry)) return { fault: `entry ${entry} in two lists` };
      seen.add(entry);
      list.push(entry);
    }
    chains.push({ entries: list, counter });
  }
  return chains.sort(byCounter);
}

/**
 * What a packed ring's region says; chains that were held are available in the ring again.
 * @param ring descriptor ring @returns null if nothing, or nothing about this ring
 */
export function recoverPacked(
  region: DataView,
  ring: DataView,
  size: number,
  entries: number,
): RecoveredVring | RegionFault | null {
  if (region.getUint16(VERSION, true) === 0) return null;
  const wrong = checkHeader(region, entries);
  if (wrong) return wrong;
  const at = settle(region, ring, size);
  if ("fault" in at) return at;
  const chains = heldPacked(region, size, entries);
  if ("fault" in chains) return chains;
  const held = chains.flatMap((chain) => chain.entries);
  if (!ringAgrees(ring, size, at.slot, at.wrap, held.length)) return null;
  writeBack(region, ring, size, at, held);
  freeAll(region, entries, chains);
  return {
    position: { availIndex: at.slot, availWrap: at.wrap, usedIndex: at.slot, usedWrap: at.wrap },
    counter: Number(chains.at(-1)?.counter ?? -1n) + 1,
    held: chains.length,
    listed: false,
  };
}

function writeBack(
  region: DataView,
  ring: DataView,
  size: number,
  at: { readonly slot: number; readonly wrap: number },
  held: readonly number[],
): void {
  held.forEach((entry, i) => {
    const from = packedEntry(entry);
    const slot = (at.slot + i) % size;
    const to = 16 * slot;
    const wrap = at.slot + i < size ? at.wrap : at.wrap ^ 1;
    ring.setBigUint64(to, region.getBigUint64(from + 24, true), true);
    ring.setUint32(to + 8, region.getUint32(from + 20, true), true);
    ring.setUint16(to + 12, region.getUint16(from + 16, true), true);
    setAvailableIn(ring, slot, region.getUint16(from + 18, true), wrap);
  });
}

/** Gives all chains back, in one store; then the list of free entries gets its plain order. */
function freeAll(region: DataView, entries: number, chains: readonly HeldChain[]): void {
  let free = region.getUint16(FREE_HEAD, true);
  for (const chain of chains) {
    setNext(region, chain.entries.at(-1) as number, free);
    free = chain.entries[0] as number;
  }
  setFree(region, free);
  for (let entry = 0; entry < entries; entry++) region.setUint8(packedEntry(entry), 0);
  for (let entry = 0; entry < entries; entry++) setNext(region, entry, entry + 1);
  setFree(region, 0);
}
