/**
 * Where virtqueues lie when their addresses are I/O virtual: the session's own view of the IOTLB,
 * kept for the rings' areas only. A ring runs while all of its areas are translated, each in one
 * piece of our mapping; when one of its translations goes, it is held until it is back.
 *
 * @module
 */
import { Translations } from "../../virtio/memory/translations.ts";
import { IOTLB_PAGE_BYTES } from "../../virtio/memory/iotlb.ts";
import { VHOST_ACCESS_RW } from "../wire/back_end_message.ts";
import type { MemoryTable } from "./memory_table.ts";
import { areaBytes } from "../../virtio/areas.ts";
import type { AreaSource, VringState } from "./vring.ts";

/** Translations kept; rings of 256 entries need three pages each. */
const ENTRIES_MAX = 4096;

/** The session's view of one front-end's IOTLB. */
export class RingIotlb {
  /** `target` is the front-end's user address. */
  readonly #entries = new Translations(ENTRIES_MAX);

  /** Notes a translation if a ring lies in it. @returns whether one does */
  update(
    vrings: readonly VringState[],
    packed: boolean,
    iova: number,
    sizeBytes: number,
    userAddr: number,
    permission: number,
  ): boolean {
    const wanted = vrings.some((vring) => liesIn(vring, packed, iova, iova + sizeBytes));
    if (wanted) this.#entries.update(iova, sizeBytes, userAddr, 0, permission);
    // Otherwise what was known of the range no longer holds.
    else this.#entries.invalidate(iova, sizeBytes);
    return wanted;
  }

  /** Forgets a range. @returns whether a ring may have lain there */
  invalidate(iova: number, sizeBytes: number): boolean {
    return this.#entries.invalidate(iova, sizeBytes);
  }

  /** Every translation that is kept; `target` is the front-end's user address. */
  get entries(): Pick<Translations, "count" | "start" | "end" | "target" | "permission"> {
    return this.#entries;
  }

  /** Areas as this IOTLB and a memory table translate them. */
  over(memory: MemoryTable): IovaAreas {
    return new IovaAreas(this.#entries, memory);
  }
}

/** Translates a ring's areas, and collects what is missing for that. */
export class IovaAreas implements AreaSource {
  readonly #entries: Translations;
  readonly #memory: MemoryTable;
  /** First addresses of pages of which too little is known. */
  readonly missing: number[] = [];

  /** `entries` translates to user addresses, `memory` these to host addresses. */
  constructor(entries: Translations, memory: MemoryTable) {
    this.#entries = entries;
    this.#memory = memory;
  }

  /** As {@linkcode AreaSource.translate}; pages that it lacks are added to `missing`. */
  translate(iova: number, sizeBytes: number, align: number): number | null {
    const end = iova + sizeBytes;
    let address: number | null = null;
    let at = iova;
    let whole = true;
    while (at < end) {
      const entry = this.#entries.find(at);
      const { start, end: ends, target, permission } = this.#entries;
      if (entry < 0 || permission[entry] !== VHOST_ACCESS_RW) {
        const page = at - at % IOTLB_PAGE_BYTES;
        this.missing.push(page);
        at = page + IOTLB_PAGE_BYTES;
        continue;
      }
      const part = Math.min(end, ends[entry] as number) - at;
      const user = (target[entry] as number) + at - (start[entry] as number);
      const host = this.#memory.translate(user, part, 1);
      if (address === null && at === iova) address = host;
      if (host === null || address === null || host !== address + at - iova) whole = false;
      at += part;
    }
    return whole && address !== null && address % align === 0 ? address : null;
  }
}

function liesIn(vring: VringState, packed: boolean, start: number, end: number): boolean {
  const { addresses, size } = vring;
  if (addresses === null || size === 0) return false;
  const bytes = areaBytes(size, packed);
  const meets = (address: number, length: number): boolean =>
    address < end && start < address + length;
  return meets(addresses.desc, bytes.desc) || meets(addresses.avail, bytes.driver) ||
    meets(addresses.used, bytes.device);
}
