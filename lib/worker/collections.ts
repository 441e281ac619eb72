/**
 * Collections of garbage by V8 in the thread that counts them. No observer is told in a thread that
 * never returns to its event loop; but a profile of collections can be begun and ended by anybody,
 * and tells all in between, to the nanosecond. One look makes 2 KiB of garbage itself, so they are
 * rare: looking every 10 s makes V8 collect young objects once in an hour or so.
 *
 * Deno before 2.9 has no such profile. There the heap is looked at, and what has become less since
 * the last look tells of a collection: of several between two looks one is seen, and how long they
 * took is not known.
 *
 * @module
 */
import { WORKER, WORKER_BASE } from "../switch/counters.ts";

/** What of `node:v8` is used. */
export interface HeapTeller {
  /** Profiles of collections, where there are any. */
  readonly GCProfiler?: new () => Profile;
  /** The heap as it is. */
  getHeapStatistics(): { readonly used_heap_size: number };
}

/** A profile of collections. */
export interface Profile {
  /** It begins. */
  start(): void;
  /** It ends. @returns what was collected, `cost` in ns */
  stop(): { readonly statistics: readonly { readonly cost: number }[] } | undefined;
}

/** Time between two looks, s. */
export const LOOK_SECONDS = 10;

/** Data-plane thread only. */
export class CollectionCounter {
  readonly #counters: Float64Array;
  readonly #v8: HeapTeller;
  readonly #profile: Profile | null;
  #costNs = 0;
  #usedBytes: number;
  #nextSeconds = 0;

  /** Counts from now on. @param counters all of them */
  constructor(counters: Float64Array, v8: HeapTeller) {
    this.#counters = counters;
    this.#v8 = v8;
    this.#profile = v8.GCProfiler ? new v8.GCProfiler() : null;
    this.#profile?.start();
    this.#usedBytes = v8.getHeapStatistics().used_heap_size;
  }

  /** Looks, if it is time. @param seconds monotonic */
  tick(seconds: number): void {
    if (seconds < this.#nextSeconds) return;
    this.#nextSeconds = seconds + LOOK_SECONDS;
    if (this.#profile === null) this.#count(this.#hasShrunk() ? 1 : 0);
    else this.#readProfile(this.#profile);
  }

  #readProfile(profile: Profile): void {
    const { statistics = [] } = profile.stop() ?? {};
    profile.start();
    for (const { cost } of statistics) this.#costNs += cost;
    this.#counters[WORKER_BASE + WORKER.collectionUs] = Math.round(this.#costNs / 1000);
    this.#count(statistics.length);
  }

  #hasShrunk(): boolean {
    const before = this.#usedBytes;
    this.#usedBytes = this.#v8.getHeapStatistics().used_heap_size;
    return this.#usedBytes < before;
  }

  #count(collections: number): void {
    const at = WORKER_BASE + WORKER.collections;
    this.#counters[at] = (this.#counters[at] ?? 0) + collections;
  }
}
