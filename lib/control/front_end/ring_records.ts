/**
 * What outlives this process of a port's rings, and how rings that were left behind are taken up
 * again: the inflight area the front-end keeps, or, for packed rings without one, a journal in a
 * file beside the control socket.
 *
 * The file belongs to the port, has a record for each ring (virtio/packed/journal.ts), and stays when the
 * switch ends in any way: QEMU is never asked where a ring stands then. It goes when nothing in it
 * is of use any more.
 *
 * @module
 */
import {
  allocateFile,
  closeFd,
  createMemoryFile,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  fdSeals,
  openFile,
  SystemError,
  truncateFd,
  viewMemory,
} from "../../../ffi/mod.ts";
import { dirname, join } from "node:path";
import { present } from "../../base/assert.ts";
import type { PlacedVring, VringPlan } from "../../vhost/host.ts";
import { isRefusal, type Refusal } from "../../vhost/reasons.ts";
import { inflightBytes } from "../../virtio/inflight/region.ts";
import {
  initRegion,
  isFault,
  recoverPacked,
  recoverSplit,
} from "../../virtio/inflight/recovery.ts";
import { journalBytes } from "../../virtio/packed/journal.ts";
import { packedDescBytes } from "../../virtio/packed/queue.ts";
import {
  atPlace,
  eraseJournal,
  findPlace,
  isJournal,
  isJournalOf,
  isNew,
  type JournalIdentity,
  recoverJournal,
  resumeJournal,
  startJournal,
} from "../../virtio/packed/recovery.ts";
import { VIRTQUEUE_SIZE_MAX } from "../../virtio/ring.ts";
import { splitAvailBytes, splitUsedBytes } from "../../virtio/split/queue.ts";
import type { VringPosition } from "../../worker/wire.ts";
import { VRINGS_PER_PORT } from "../../base/limits.ts";
import type { MappedRegion } from "./guest_memory.ts";
import type { Mappings } from "./port_pool.ts";

const PAGE_BYTES = 4096;
/** Records of the file stand this far apart, bytes; what no ring needs is never allocated. */
const RECORD_STRIDE = Math.ceil(journalBytes(VIRTQUEUE_SIZE_MAX) / PAGE_BYTES) * PAGE_BYTES;
const INFLIGHT_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

/** What the records need of their port. */
export interface RecordsHost {
  /** Maps areas and the journal. */
  readonly pool: Mappings;
  /** The journal's path, or null for none. */
  readonly path: string | null;
  /** The journals of other ports: a guest may come back by another socket, or its port's name. */
  siblings(): string[];
  /** Which file of guest memory, and where in it, a host address is. */
  identify(address: number): JournalIdentity | null;
  /** Logs with the port's name. */
  log(level: "debug" | "info" | "warn", event: string, message: string): void;
}

interface JournalFile {
  readonly fd: number;
  readonly mapped: MappedRegion;
  /** Rings whose records say something. */
  readonly live: Set<number>;
}

/** The records of one front-end's rings. Control thread only. Close it. */
export class RingRecords {
  readonly #host: RecordsHost;
  #area: MappedRegion | null = null;
  #nextArea: MappedRegion | null = null;
  #file: JournalFile | null = null;
  /** Opening the file failed, which is logged once. */
  #failed = false;

  /** Nothing is mapped or opened before a ring needs it. */
  constructor(host: RecordsHost) {
    this.#host = host;
  }

  /** Makes a file for an inflight area. The caller owns the descriptor. */
  createInflight(sizeBytes: number): number | Refusal {
    try {
      return createMemoryFile("vuswitch-inflight", sizeBytes, INFLIGHT_SEALS);
    } catch (error) {
      if (error instanceof SystemError) return { code: "map-failed", detail: error.message };
      throw error;
    }
  }

  /** A page of them that could not be had, for people; or null. */
  get lost(): string | null {
    const { pool } = this.#host;
    for (const mapped of [this.#area, this.#nextArea, this.#file?.mapped ?? null]) {
      const page = mapped && pool.lostPage(mapped);
      const what = mapped === this.#file?.mapped ? "the journal of its rings" : "the inflight area";
      if (page) return `${what} at byte ${page.at}: ${page.why}`;
    }
    return null;
  }

  /** Bytes of the inflight area in force, 0 without one. */
  get areaBytes(): number {
    return this.#area?.placed.sizeBytes ?? 0;
  }

  /** Maps an area beside the one in force. The descriptor stays the caller's. */
  prepareInflight(fd: number, offset: number, sizeBytes: number): Refusal | null {
    // It will be written without a question: whoever could truncate it could end the switch.
    const seals = fdSeals(fd);
    if (seals < 0 || (seals & F_SEAL_SHRINK) === 0) {
      return {
        code: "bad-inflight",
        detail: "the area is no memory file sealed against shrinking",
      };
    }
    const region = { guestAddr: 0, sizeBytes, userAddr: 0, mmapOffset: offset };
    const mapped = this.#host.pool.acquire(region, fd);
    if (isRefusal(mapped)) return mapped;
    this.#nextArea = mapped;
    return null;
  }

  /** Puts the prepared area in force, or none. No ring may be running. */
  commitInflight(): void {
    if (this.#area) this.#host.pool.release(this.#area);
    this.#area = this.#nextArea;
    this.#nextArea = null;
  }

  /** Where a ring is to start, and where its position is kept from then on. */
  placeVring(vring: number, plan: VringPlan): PlacedVring | Refusal {
    if (plan.region !== null && this.#area !== null) return this.#byRegion(vring, plan);
    if (!plan.packed) return { position: plan.position, record: null };
    return this.#byJournal(vring, plan);
  }

  #byRegion(vring: number, plan: VringPlan): PlacedVring | Refusal {
    const { packed, size } = plan;
    const { entries, offset } = present(plan.region, "a region");
    const address = present(this.#area, "an area").placed.address + offset;
    const region = viewData(address, inflightBytes(packed, entries));
    const result = packed ? recoverPacked(region, viewRing(plan), size, entries) : recoverSplit(
      region,
      viewData(plan.driverAddress, splitAvailBytes(size)),
      viewData(plan.deviceAddress, splitUsedBytes(size)),
      size,
      entries,
    );
    if (isFault(result)) {
      return { code: "bad-inflight", detail: `vring ${vring}: ${result.fault}` };
    }
    const position = result?.position ?? (packed ? guess(plan) : plan.position);
    if (result === null) initRegion(region, packed, entries, position);
    else if (result.held > 0) {
      this.#host.log("info", "recovered", `vring ${vring}: ${result.held} chains are served again`);
    }
    const { counter, listed } = result ?? { counter: 0, listed: false };
    return { position, record: { kind: "inflight", address, entries, counter, listed } };
  }

  #byJournal(vring: number, plan: VringPlan): PlacedVring {
    const { size } = plan;
    const identity = this.#host.identify(plan.descAddress);
    const file = identity === null ? null : this.#open();
    if (file === null || identity === null || !allocate(file, vring, size)) {
      return { position: this.#tell(vring, plan, guess(plan)), record: null };
    }
    const address = file.mapped.placed.address + vring * RECORD_STRIDE;
    const record = viewData(address, journalBytes(size));
    const known = plan.exact
      ? null
      : recoverJournal(record, viewRing(plan), size, identity) ?? this.#elsewhere(plan, identity);
    const position = this.#tell(vring, plan, known ?? guess(plan));
    const ours = known !== null && isJournalOf(record, size, identity);
    if (ours) resumeJournal(record, known);
    else startJournal(record, viewRing(plan), size, identity, position, vring % 2 === 0);
    file.live.add(vring);
    const rest = { entries: size, counter: 0, listed: false };
    return { position, record: { kind: "journal", address, ...rest } };
  }

  /** Where the ring stands by the journal of another port. */
  #elsewhere(plan: VringPlan, identity: JournalIdentity): VringPosition | null {
    const ring = viewRing(plan);
    if (!plan.claimedNew || isNew(ring, plan.size)) return null;
    for (const path of this.#host.siblings()) {
      for (const record of readRecords(path, plan.size, identity)) {
        const position = recoverJournal(record, ring, plan.size, identity);
        if (position !== null) return position;
      }
    }
    return null;
  }

  #tell(vring: number, plan: VringPlan, position: VringPosition): VringPosition {
    const { usedIndex, usedWrap } = position;
    if (usedIndex !== plan.position.usedIndex || usedWrap !== plan.position.usedWrap) {
      const text = `vring ${vring} goes on at slot ${usedIndex}, where it was left`;
      this.#host.log("info", "recovered", text);
    }
    return position;
  }

  /** The record of a ring says nothing from now on. */
  forget(vring: number): void {
    const file = this.#file;
    if (!file?.live.delete(vring)) return;
    eraseJournal(viewData(file.mapped.placed.address + vring * RECORD_STRIDE, 4));
  }

  #open(): JournalFile | null {
    const { path, pool } = this.#host;
    if (this.#file !== null || path === null || this.#failed) return this.#file;
    try {
      const live = readLive(path);
      const fd = openFile(path);
      truncateFd(fd, VRINGS_PER_PORT * RECORD_STRIDE);
      const mapped = pool.acquireOwn(fd, VRINGS_PER_PORT * RECORD_STRIDE);
      if (!isRefusal(mapped)) return this.#file = { fd, mapped, live };
      closeFd(fd);
      this.#fail(mapped.detail);
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
    return null;
  }

  #fail(why: string): void {
    this.#failed = true;
    const text = `packed rings will not survive a crash of the switch: ${why}`;
    this.#host.log("warn", "no-journal", text);
  }

  /** Gives everything back; no ring runs any more. The file stays if it is of use. */
  close(): void {
    this.commitInflight();
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    this.#host.pool.release(file.mapped);
    closeFd(file.fd);
    if (file.live.size > 0) return;
    try {
      Deno.removeSync(present(this.#host.path, "the journal's path"));
    } catch {
      // Somebody else removed it.
    }
  }
}

const SUFFIX = ".rings";

/**
 * The file of a port's journal, and those of the others.
 * @param prefix what all their paths begin with, or null for none
 */
export function recordsFiles(
  prefix: string | null,
  port: string,
): Pick<RecordsHost, "path" | "siblings"> {
  if (prefix === null) return { path: null, siblings: () => [] };
  const path = `${prefix}.${port}${SUFFIX}`;
  const folder = dirname(prefix);
  const siblings = (): string[] =>
    namesIn(folder).map((name) => join(folder, name)).filter((other) =>
      other.startsWith(`${prefix}.`) && other.endsWith(SUFFIX) && other !== path
    );
  return { path, siblings };
}

/** Names in a folder; none if it cannot be read: a ring can do without records. */
function namesIn(folder: string): string[] {
  try {
    return Array.from(Deno.readDirSync(folder), ({ name }) => name);
  } catch {
    return [];
  }
}

function viewData(address: number, sizeBytes: number): DataView {
  return new DataView(viewMemory(address, sizeBytes));
}

function viewRing(plan: VringPlan): DataView {
  return viewData(plan.descAddress, packedDescBytes(plan.size));
}

/**
 * Where a packed ring stands without records. A front-end that says it is new may have lost its
 * back-end: then the descriptors tell, if they can.
 */
function guess(plan: VringPlan): VringPosition {
  if (plan.exact || !plan.claimedNew) return plan.position;
  const found = findPlace(viewRing(plan), plan.size);
  return found === null ? plan.position : atPlace(found);
}

/** Makes room for a ring's record; a store into a file without room would end the process. */
function allocate(file: JournalFile, vring: number, size: number): boolean {
  return allocateFile(file.fd, vring * RECORD_STRIDE, journalBytes(size));
}

/** Makes the file or checks the one that is there. @returns rings whose records say something */
function readLive(path: string): Set<number> {
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: 0o600 }).close();
    return new Set();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  if (!isPrivate(path)) throw new Error(`${path} is not a private file of this user: remove it`);
  return new Set(
    readFile(path, 4).flatMap((record, vring) => isJournal(record) ? [vring] : []),
  );
}

function isPrivate(path: string): boolean {
  const info = Deno.lstatSync(path);
  return info.isFile && info.uid === Deno.uid() && ((info.mode ?? 0) & 0o077) === 0;
}

/** The first bytes of each record of a file; zeros where there is none. */
function readFile(path: string, bytes: number): DataView[] {
  using file = Deno.openSync(path);
  return Array.from({ length: VRINGS_PER_PORT }, (_, vring) => {
    const record = new Uint8Array(bytes);
    file.seekSync(vring * RECORD_STRIDE, Deno.SeekMode.Start);
    file.readSync(record);
    return new DataView(record.buffer);
  });
}

/** Copies of a file's records about one ring; none if the file cannot be read. */
function readRecords(path: string, size: number, identity: JournalIdentity): DataView[] {
  try {
    if (!isPrivate(path)) return [];
    const heads = readFile(path, journalBytes(0));
    if (!heads.some((head) => isJournalOf(head, size, identity))) return [];
    return readFile(path, journalBytes(size));
  } catch {
    return [];
  }
}
