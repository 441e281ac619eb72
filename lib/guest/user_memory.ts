/**
 * A guest's memory as its front-end tells it: the table of regions, and user addresses.
 *
 * @module
 */
import type { GuestRam } from "./driver.ts";

/** User addresses of regions stand this far apart, with no relation to where they are mapped. */
const USER_BASE = 2 ** 44;
const USER_STEP = 2 ** 40;

/** The user addresses of a guest's memory. */
export class UserMemory {
  readonly #ram: GuestRam;
  readonly #same: boolean;

  /** User addresses of all of `ram`. @param same user addresses are guest addresses */
  constructor(ram: GuestRam, same: boolean) {
    this.#ram = ram;
    this.#same = same;
  }

  #start(region: number): number {
    if (!this.#same) return USER_BASE + region * USER_STEP;
    return this.#ram.regions[region]?.base ?? 0;
  }

  /** The payload of SET_MEM_TABLE. */
  table(): Uint8Array<ArrayBuffer> {
    const { regions } = this.#ram;
    const table = new DataView(new ArrayBuffer(8 + 32 * regions.length));
    table.setUint32(0, regions.length, true);
    let offset = 0;
    for (const [i, region] of regions.entries()) {
      table.setBigUint64(8 + 32 * i, BigInt(region.base), true);
      table.setBigUint64(16 + 32 * i, BigInt(region.bytes), true);
      table.setBigUint64(24 + 32 * i, BigInt(this.#start(i)), true);
      table.setBigUint64(32 + 32 * i, BigInt(offset), true);
      offset += region.bytes;
    }
    return new Uint8Array(table.buffer);
  }

  /** The user address of a guest-physical one. */
  address(guestAddress: number): bigint {
    for (const [i, region] of this.#ram.regions.entries()) {
      const inRegion = guestAddress - region.base;
      if (inRegion >= 0 && inRegion < region.bytes) return BigInt(this.#start(i) + inRegion);
    }
    throw new Error(`No memory at 0x${guestAddress.toString(16)}`);
  }
}
