// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Which sources a round leaves out. A look at a ring without frames costs some 10 ns, and 254 of
 * them took a third of what two busy ports can do: so where there are many, those that have been
 * silent for a while are looked at in every eighth round only. Before the data plane sleeps all are
 * looked at (setKicks), so none is forgotten.
 *
 * Data-plane thread only; nothing here allocates.
 *
 * @module
 */
import { PORTS_MAX, VRINGS_PER_PORT } from "../base/limits.ts";

/** Up to so many sources, all are looked at in every round. */
export const SOURCES_FEW = 32;
/** Looks in a row without frames after which a source is silent. */
export const SILENT_LOOKS = 255;
/** A silent source's turn comes once in so many rounds, a power of 2. */
export const SILENT_ROUNDS = 8;

/** How long each source has been silent, by its place in the list. */
export class Rota {
  readonly #silent = new Uint8Array(PORTS_MAX * VRINGS_PER_PORT);

  /**
   * Whether the source at `place` is left out in this round. Places change hands when ports come
   * and go: the new one is looked at a few rounds late at worst.
   * @param debt of its port: a deficit is worked off by looks, of which none is left out
   */
  leavesOut(place: number, round: number, debt: number): boolean {
    return this.#silent[place] === SILENT_LOOKS && debt <= 0 &&
      ((place ^ round) & (SILENT_ROUNDS - 1)) !== 0;
  }

  /** It was looked at and gave so many frames. */
  note(place: number, frames: number): void {
    if (frames > 0) this.#silent[place] = 0;
    else if (this.#silent[place]! < SILENT_LOOKS) this.#silent[place]!++;
  }
}
