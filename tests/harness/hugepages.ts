/**
 * Huge pages of the system, reserved for a while and given back.
 *
 * @module
 */

const COUNT_FILE = "/proc/sys/vm/nr_hugepages";

function readMeminfo(name: string): number {
  const line = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(Deno.readTextFileSync("/proc/meminfo"));
  return line === null ? 0 : Number(line[1]);
}

/** Memory in huge pages that nobody uses, MiB. */
export function freeHugePagesMib(): number {
  const free = readMeminfo("HugePages_Free") - readMeminfo("HugePages_Rsvd");
  return free * readMeminfo("Hugepagesize") / 1024;
}

/** A reservation. Give it back with `using`, or {@linkcode HugePages.restore}. */
export class HugePages implements Disposable {
  readonly #before: number | null;

  private constructor(before: number | null) {
    this.#before = before;
  }

  /**
   * Makes sure that `mib` of huge pages are free, raising the system's number if this process may.
   * @returns null where the system cannot spare them
   */
  static reserve(mib: number): HugePages | null {
    if (freeHugePagesMib() >= mib) return new HugePages(null);
    const pageMib = readMeminfo("Hugepagesize") / 1024;
    if (pageMib === 0) return null;
    try {
      const before = Number(Deno.readTextFileSync(COUNT_FILE));
      const reserved = new HugePages(before);
      const more = Math.ceil((mib - freeHugePagesMib()) / pageMib);
      Deno.writeTextFileSync(COUNT_FILE, `${before + more}`);
      if (freeHugePagesMib() >= mib) return reserved;
      // Memory is too scattered, or too little.
      reserved.restore();
    } catch {
      // Not ours to change.
    }
    return null;
  }

  /** Puts the system's number back. Does nothing the second time round the same value. */
  restore(): void {
    if (this.#before !== null) Deno.writeTextFileSync(COUNT_FILE, `${this.#before}`);
  }

  [Symbol.dispose](): void {
    this.restore();
  }
}
