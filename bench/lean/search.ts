/**
 * The highest rate at which no more than a share of the frames is lost, by search (RFC 2544 §26.1).
 *
 * @module
 */

/** What a trial at a rate gave. */
export interface Trial {
  readonly pps: number;
  /** Share of the offered frames that were lost, 0-1. */
  readonly loss: number;
}

/** How to search. */
export interface Search {
  /** No rate above it is tried. */
  readonly ppsMax: number;
  /** Loss that passes, 0-1. */
  readonly lossMax: number;
  /** The search ends when the rate is known to this share of `ppsMax`. */
  readonly resolution: number;
  /** Trials of another search of the same switch: what they tell is not tried again. */
  readonly known?: readonly Trial[];
}

/** Where a search ended, and what it tried. */
export interface Found {
  /** 0: even the lowest rate lost too much. */
  readonly pps: number;
  readonly trials: readonly Trial[];
}

/** Halves the stretch between a rate that passes and one that does not. */
export async function searchRate(
  trial: (pps: number) => Promise<number>,
  { ppsMax, lossMax, resolution, known = [] }: Search,
): Promise<Found> {
  const trials: Trial[] = [];
  const passes = async (pps: number): Promise<boolean> => {
    const loss = await trial(pps);
    trials.push({ pps, loss });
    return loss <= lossMax;
  };
  const failed = known.filter(({ loss }) => loss > lossMax).map(({ pps }) => pps);
  let high = Math.min(ppsMax, ...failed);
  // Chance makes a rate pass above one that failed: the lower one counts.
  const passed = known.filter(({ pps, loss }) => loss <= lossMax && pps < high);
  let low = Math.max(0, ...passed.map(({ pps }) => pps));
  if (failed.length === 0 && await passes(ppsMax)) return { pps: ppsMax, trials };
  while (high - low > resolution * ppsMax) {
    const middle = (low + high) / 2;
    if (await passes(middle)) low = middle;
    else high = middle;
  }
  return { pps: low, trials };
}

/**
 * Confirms a found rate with a longer trial, and goes down a step at a time until one passes.
 * @returns the rate that passed, 0 if none of `tries` did
 */
export async function confirmRate(
  trial: (pps: number) => Promise<number>,
  pps: number,
  lossMax: number,
  { step, tries }: { readonly step: number; readonly tries: number },
): Promise<number> {
  let rate = pps;
  for (let i = 0; i < tries && rate > 0; i++) {
    if (await trial(rate) <= lossMax) return rate;
    rate *= 1 - step;
  }
  return 0;
}
