/**
 * The memory table in force, and what is looked up in it: ring addresses, which are the front-end's
 * own virtual addresses (vhost-user.rst «Memory region description»).
 *
 * @module
 */
import { assert, present } from "../../base/assert.ts";
import type { MemoryRegion } from "../host.ts";

/** A piece of a region where it is mapped. */
export interface Piece {
  /** Host address. */
  readonly address: number;
  /** Above 0. */
  readonly sizeBytes: number;
}

/** A memory table in force: regions and where the host mapped each. */
export class MemoryTable {
  /** In the order of the front-end's message. */
  readonly regions: readonly MemoryRegion[];
  readonly #addresses: readonly number[];

  /** A table as the host mapped it. @param addresses host address of each region's first byte */
  constructor(regions: readonly MemoryRegion[], addresses: readonly number[]) {
    assert(regions.length === addresses.length, "A memory table needs an address per region");
    this.regions = regions;
    this.#addresses = addresses;
  }

  /**
   * The pieces of a range of user addresses, in order, one for each region it crosses; null if it
   * leaves the table. @param sizeBytes above 0
   */
  pieces(userAddr: number, sizeBytes: number): Piece[] | null {
    const list: Piece[] = [];
    const end = userAddr + sizeBytes;
    for (let at = userAddr; at < end;) {
      const index = this.regions.findIndex((region) =>
        at >= region.userAddr && at < region.userAddr + region.sizeBytes
      );
      const region = this.regions[index];
      if (!region) return null;
      const bytes = Math.min(end, region.userAddr + region.sizeBytes) - at;
      const base = present(this.#addresses[index], `address of region ${index}`);
      list.push({ address: base + at - region.userAddr, sizeBytes: bytes });
      at += bytes;
    }
    return list;
  }

  /**
   * Host address of `sizeBytes` at a user address, all inside one region, aligned to `align`; or
   * null if there is no such place.
   */
  translate(userAddr: number, sizeBytes: number, align: number): number | null {
    for (const [i, region] of this.regions.entries()) {
      const offset = userAddr - region.userAddr;
      if (offset < 0 || sizeBytes > region.sizeBytes - offset) continue;
      const address = present(this.#addresses[i], `address of region ${i}`) + offset;
      return address % align === 0 ? address : null;
    }
    return null;
  }
}
