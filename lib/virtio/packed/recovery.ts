/**
 * Finding out where a packed virtqueue stands when its front-end does not know: from what its
 * descriptors say, and from the journal an earlier process left (journal.ts).
 *
 * In a ring at slot s with wrap counter w, a descriptor with both flags equal was used: with w
 * before s, with 1 - w from s on. One with different flags is available, or was inside a chain, of
 * this round or the last one. The USED flag alone is w before s and 1 - w from s on, as long as
 * every chain has one slot. Drivers clear their rings, so USED is nowhere set in a new one.
 *
 * @module
 */
import {
  JOURNAL_ENTRIES,
  JOURNAL_IDENTITY,
  JOURNAL_LIST,
  JOURNAL_PENDING,
  JOURNAL_PLAIN,
  JOURNAL_RECEIVES,
  JOURNAL_USED,
  JOURNAL_VALID,
} from "./journal.ts";
import { DESC_BYTES, VRING_DESC_F_WRITE, type VringPosition } from "../ring.ts";

const AVAIL = 1 << 7;
const USED = 1 << 15;
const BOTH = AVAIL | USED;
const FLAGS = 14;
const LENGTH = 8;
const ID = 12;

/** A slot and the wrap counter there. */
export interface PackedPlace {
  /** 0-32767. */
  readonly slot: number;
  /** 0 or 1. */
  readonly wrap: number;
}

/** What a journal's record is about; each a 64-bit number. */
export interface JournalIdentity {
  /** Device that holds the guest's memory file, as stat(2) numbers it. */
  readonly device: bigint;
  /** Number of the file on that device. */
  readonly inode: bigint;
  /** Where the descriptor ring starts in the guest's memory file. */
  readonly fileOffset: bigint;
  /** Bytes of the memory region it is in. */
  readonly regionBytes: bigint;
}

/** A descriptor's flags. @param ring descriptor ring */
export function descFlags(ring: DataView, slot: number): number {
  return ring.getUint16(DESC_BYTES * slot + FLAGS, true);
}

/** Whether these flags make a descriptor available in a round. */
export function isAvailableIn(flags: number, wrap: number): boolean {
  return (flags & BOTH) === (wrap === 0 ? USED : AVAIL);
}

/** Makes a slot available in a round. @param flags with any AVAIL and USED */
export function setAvailableIn(ring: DataView, slot: number, flags: number, wrap: number): void {
  const value = (flags & ~BOTH) | (wrap === 0 ? USED : AVAIL);
  ring.setUint16(DESC_BYTES * slot + FLAGS, value, true);
}

/** The driver may be looking: what was written before must be seen before this. */
function setUsedIn(ring: DataView, slot: number, wrap: number, written: boolean): void {
  const at = ring.byteOffset + DESC_BYTES * slot + FLAGS;
  const flags = (wrap === 0 ? 0 : BOTH) | (written ? VRING_DESC_F_WRITE : 0);
  Atomics.store(new Uint16Array(ring.buffer, at, 1), 0, flags);
}

function usedBit(ring: DataView, slot: number): number {
  return descFlags(ring, slot) >>> 15;
}

/** Whether no driver has ever got anything back in this ring. */
export function isNew(ring: DataView, size: number): boolean {
  for (let slot = 0; slot < size; slot++) if (usedBit(ring, slot) === 1) return false;
  return true;
}

/**
 * Whether a ring can stand at `slot` with `wrap`.
 * @param pending slots from there on that may hold anything
 */
export function ringAgrees(
  ring: DataView,
  size: number,
  slot: number,
  wrap: number,
  pending: number,
): boolean {
  if (isNew(ring, size)) return slot === 0 && wrap === 1;
  for (let s = 0; s < size; s++) {
    const flags = descFlags(ring, s);
    const used = flags >>> 15;
    if ((s - slot + size) % size < pending || ((flags & AVAIL) !== 0) !== (used === 1)) continue;
    if (used !== (s < slot ? wrap : wrap ^ 1)) return false;
  }
  return true;
}

/** Where a ring of chains of one slot stands; null if it is none, or not to be told. */
export function findPlace(ring: DataView, size: number): PackedPlace | null {
  const first = usedBit(ring, 0);
  let slot = 1;
  while (slot < size && usedBit(ring, slot) === first) slot++;
  for (let s = slot; s < size; s++) if (usedBit(ring, s) === first) return null;
  // All slots alike: a round was finished, or none was begun.
  return slot === size ? { slot: 0, wrap: first ^ 1 } : { slot, wrap: first };
}

/** Both positions of a ring that holds nothing. */
export function atPlace({ slot, wrap }: PackedPlace): VringPosition {
  return { availIndex: slot, availWrap: wrap, usedIndex: slot, usedWrap: wrap };
}

function word(record: DataView, index: number): number {
  return record.getUint32(4 * index, true);
}

function setWord(record: DataView, index: number, value: number): void {
  record.setUint32(4 * index, value >>> 0, true);
}

function place(value: number): PackedPlace {
  return { slot: value & 0x7fff, wrap: (value >>> 15) & 1 };
}

function identityWords(identity: JournalIdentity): bigint[] {
  return [identity.device, identity.inode, identity.fileOffset, identity.regionBytes];
}

/**
 * Begins a record anew. @param record at least `journalBytes(size)` bytes
 * @param receives the device writes the buffers
 */
export function startJournal(
  record: DataView,
  ring: DataView,
  size: number,
  identity: JournalIdentity,
  position: VringPosition,
  receives: boolean,
): void {
  eraseJournal(record);
  const at = position.usedIndex | (position.usedWrap << 15);
  const found = findPlace(ring, size);
  const plain = found?.slot === position.usedIndex && found.wrap === position.usedWrap;
  setWord(record, JOURNAL_ENTRIES, size);
  identityWords(identity).forEach((value, i) =>
    record.setBigUint64(4 * JOURNAL_IDENTITY + 8 * i, value, true)
  );
  setWord(record, JOURNAL_USED, at);
  setWord(record, JOURNAL_PENDING, at);
  setWord(record, JOURNAL_PLAIN, plain ? 1 : 0);
  setWord(record, JOURNAL_RECEIVES, receives ? 1 : 0);
  setWord(record, 0, JOURNAL_VALID);
}

/** Goes on with a record from the position that {@linkcode recoverJournal} found. */
export function resumeJournal(record: DataView, position: VringPosition): void {
  const at = position.usedIndex | (position.usedWrap << 15);
  // In this order: a record that says less than was published is taken as what was meant.
  setWord(record, JOURNAL_PENDING, at);
  setWord(record, JOURNAL_USED, at);
}

/** Makes a record say nothing. */
export function eraseJournal(record: DataView): void {
  setWord(record, 0, 0);
}

/** Whether a record says anything. */
export function isJournal(record: DataView): boolean {
  return word(record, 0) === JOURNAL_VALID;
}

/** Whether a record is about this ring. @param record at least its words before the list */
export function isJournalOf(record: DataView, size: number, identity: JournalIdentity): boolean {
  if (!isJournal(record) || word(record, JOURNAL_ENTRIES) !== size) return false;
  return identityWords(identity).every((value, i) =>
    record.getBigUint64(4 * JOURNAL_IDENTITY + 8 * i, true) === value
  );
}

/**
 * Where a ring stands by its journal, after finishing or taking back what an earlier process had
 * begun to write. @param record as in the file @param ring descriptor ring @returns null if the
 * record is not about this ring, or the ring says otherwise; nothing was changed then
 */
export function recoverJournal(
  record: DataView,
  ring: DataView,
  size: number,
  identity: JournalIdentity,
): VringPosition | null {
  if (!isJournalOf(record, size, identity)) return null;
  const used = place(word(record, JOURNAL_USED));
  const next = place(word(record, JOURNAL_PENDING));
  if (used.slot >= size || next.slot >= size) return null;
  const moved = used.slot !== next.slot || used.wrap !== next.wrap;
  if (!moved || usedBit(ring, used.slot) === used.wrap) {
    return agrees(record, ring, size, next, 0) ? atPlace(next) : null;
  }
  const slots = (next.slot - used.slot + size - 1) % size + 1;
  if (!agrees(record, ring, size, used, slots)) return null;
  return finishVisit(record, ring, size, used, slots) ? atPlace(next) : null;
}

/** A ring of plain chains shows its place; any other must at least not contradict. */
function agrees(
  record: DataView,
  ring: DataView,
  size: number,
  { slot, wrap }: PackedPlace,
  pending: number,
): boolean {
  if (!ringAgrees(ring, size, slot, wrap, pending)) return false;
  if (word(record, JOURNAL_PLAIN) !== 1) return true;
  for (let s = 0; s < size; s++) {
    if ((s - slot + size) % size < pending) continue;
    if (usedBit(ring, s) !== (s < slot ? wrap : wrap ^ 1)) return false;
  }
  return true;
}

/** A chain to be written used, slots counted from the used position. */
interface Pending {
  readonly at: number;
  readonly id: number;
  readonly bytes: number;
}

/** What was to be written, or null if the record makes no sense. */
function readVisit(
  record: DataView,
  ring: DataView,
  size: number,
  used: PackedPlace,
  slots: number,
): Pending[] | null {
  const chains = word(record, JOURNAL_PENDING) >>> 16;
  if (chains === 0) {
    const receives = word(record, JOURNAL_RECEIVES) === 1;
    return Array.from({ length: slots }, (_, at) => ({
      at,
      id: ring.getUint16(DESC_BYTES * ((used.slot + at) % size) + ID, true),
      bytes: receives ? word(record, JOURNAL_LIST + at) : 0,
    }));
  }
  if (chains > slots) return null;
  const list: Pending[] = [];
  let at = 0;
  for (let i = 0; i < chains; i++) {
    const idSlots = word(record, JOURNAL_LIST + 2 * i);
    list.push({ at, id: idSlots & 0xffff, bytes: word(record, JOURNAL_LIST + 2 * i + 1) });
    at += idSlots >>> 16;
  }
  return at === slots ? list : null;
}

/** Writes all chains of the visit under way, the first one last. */
function finishVisit(
  record: DataView,
  ring: DataView,
  size: number,
  used: PackedPlace,
  slots: number,
): boolean {
  const list = readVisit(record, ring, size, used, slots);
  for (const chain of list?.toReversed() ?? []) {
    const slot = (used.slot + chain.at) % size;
    ring.setUint32(DESC_BYTES * slot + LENGTH, chain.bytes, true);
    ring.setUint16(DESC_BYTES * slot + ID, chain.id, true);
    const wrap = used.slot + chain.at < size ? used.wrap : used.wrap ^ 1;
    setUsedIn(ring, slot, wrap, chain.bytes > 0);
  }
  return list !== null;
}
