/**
 * The forwarding database as the control thread reads it, while the data plane goes on.
 *
 * @module
 */
import { formatMac, type Mac } from "../base/mac.ts";
import { Fdb, type FdbOptions } from "../switch/fdb.ts";
import type { LearnedMac } from "./wire.ts";

/** An FDB entry as readers see it. */
export interface FdbEntry {
  /** As `52:54:00:00:00:01`. */
  readonly mac: string;
  /** VLAN id, 0-4095; 0: untagged. */
  readonly vlan: number;
  /** Number of the port behind which it is. */
  readonly port: number;
  /** Since its last frame. */
  readonly ageSeconds: number;
  /** An operator put it there. */
  readonly isStatic: boolean;
}

/** Reads the table. Control thread only. */
export class FdbReader {
  readonly #fdb: Fdb;

  /** A reader of the data plane's table. @param options the ones that the table was made with */
  constructor(memory: SharedArrayBuffer, options: FdbOptions) {
    // Who may have an address is not decided here.
    this.#fdb = new Fdb(memory, { ...options, holdSeconds: 0 });
  }

  /** Every entry that has not aged. */
  entries(): FdbEntry[] {
    return Array.from(this.#fdb.entries(now()), (entry) => ({
      mac: formatMac(entry.macLo, entry.macHi),
      vlan: entry.macHi >>> 16,
      port: entry.port,
      ageSeconds: entry.ageSeconds,
      isStatic: entry.isStatic,
    }));
  }

  /** Tells the port and the VLAN of every entry that has not aged. */
  eachPlace(tell: (port: number, vlan: number) => void): void {
    for (const { port, macHi } of this.#fdb.entries(now())) tell(port, macHi >>> 16);
  }

  /** The addresses learned on a port, without static ones. */
  portMacs(port: number): LearnedMac[] {
    const macs: LearnedMac[] = [];
    for (const { isStatic, ...entry } of this.#fdb.entries(now())) {
      if (entry.port === port && !isStatic) macs.push(entry);
    }
    return macs;
  }

  /** Forgets entries that were not seen for longer; 0: none. In force within a second. */
  setAge(seconds: number): void {
    this.#fdb.setAge(seconds);
  }

  /** Whether an address moves faster than a guest can. */
  isFlapping({ low, high }: Mac): boolean {
    return this.#fdb.isFlapping(low, high, now());
  }

  /** The table's counters by name. */
  counters(): Record<string, number> {
    return this.#fdb.counters();
  }
}

/** The data plane's clock, seconds. */
function now(): number {
  return Math.floor(performance.now() / 1000);
}
