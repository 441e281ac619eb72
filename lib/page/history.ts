/**
 * Rates of the last minutes, a number a second for each port: what the page draws. It looks at the
 * counters of the switch, which costs the data planes nothing, and keeps as much as it ever will from
 * the first second of a port on: 6 KB.
 *
 * @module
 */
import type { SwitchStatus, WorkerStatus } from "../control/types.ts";
import { type Counts, type Work, workBetween } from "../control/work.ts";

/** Samples that are kept: five minutes. */
export const SAMPLES_MAX = 300;
/** Between two of them, ms. */
export const STEP_MS = 1000;
/** A look that takes longer than this part of the time between two makes the next one later. */
const SHARE_MAX = 0.1;
/** Samples of a minute. */
export const MINUTE = 60;
/** What a port did lately is told from once or twice as many samples. */
const LATELY = 15;

/** What is kept, each a second; `drops`: frames in either direction. */
export const RATES = ["rxFrames", "rxBytes", "txFrames", "txBytes", "drops"] as const;
/** A name of these. */
export type Rate = typeof RATES[number];
/** One of each, of the last second. */
export type Rates = Readonly<Record<Rate, number>>;

/** Whether a counter counts frames that were dropped. */
export function isDrop(counter: string): boolean {
  return /^[rt]xDropped/.test(counter);
}

/** All frames that were dropped. */
export function dropsOf(counters: Counts): number {
  let sum = 0;
  for (const [name, value] of Object.entries(counters)) if (isDrop(name)) sum += value;
  return sum;
}

/** Numbers of one port, or of all. */
class Track {
  readonly #numbers = new Float32Array(SAMPLES_MAX * RATES.length).fill(NaN);

  /** Writes sample `n`; null: nothing is known. */
  put(n: number, rates: Rates | null): void {
    const at = (n % SAMPLES_MAX) * RATES.length;
    RATES.forEach((name, i) => this.#numbers[at + i] = rates?.[name] ?? NaN);
  }

  /** One of its numbers; NaN: nothing is known. */
  get(n: number, rate: Rate): number {
    const at = (n % SAMPLES_MAX) * RATES.length + RATES.indexOf(rate);
    return this.#numbers[at] ?? NaN;
  }
}

interface Followed {
  readonly track: Track;
  counters: Counts;
  /** How much they grew in the last step. */
  growth: Counts;
  /** Its counters some time ago, and twice as long. */
  before: readonly [Counts, Counts];
  seen: number;
}

/** What a browser draws. */
export interface Samples extends Readonly<Record<Rate, readonly (number | null)[]>> {
  /** Seconds since 1970. */
  readonly at: readonly number[];
}

const NOTHING: Rates = { rxFrames: 0, rxBytes: 0, txFrames: 0, txBytes: 0, drops: 0 };

function growthOf(before: Counts, after: Counts): Record<string, number> {
  const growth: Record<string, number> = {};
  // Of a port that was removed and added again, counters begin anew.
  for (const [name, value] of Object.entries(after)) {
    growth[name] = Math.max(0, value - (before[name] ?? 0));
  }
  return growth;
}

function ratesOf(growth: Counts, seconds: number): Rates {
  const rate = (name: string): number => (growth[name] ?? 0) / seconds;
  return {
    ...{ rxFrames: rate("rxFrames"), rxBytes: rate("rxBytes") },
    ...{ txFrames: rate("txFrames"), txBytes: rate("txBytes") },
    drops: dropsOf(growth) / seconds,
  };
}

/** Rates of a switch and its ports. Control thread only. */
export class History {
  readonly #ports = new Map<string, Followed>();
  readonly #all = new Track();
  readonly #at = new Float64Array(SAMPLES_MAX);
  /** Drops of the last minute by reason, a number for each sample. */
  readonly #reasons = new Map<string, Float32Array>();
  #workers: readonly WorkerStatus[] = [];
  #work: readonly Work[] = [];
  #count = 0;
  #atMs = 0;

  /** Samples so far. */
  get samples(): number {
    return this.#count;
  }

  /** Looks at what was counted. @param atMs when */
  take(status: SwitchStatus, workers: readonly WorkerStatus[], atMs: number): void {
    const seconds = Math.max(1e-3, (atMs - this.#atMs) / 1000);
    const n = this.#count++;
    this.#at[n % SAMPLES_MAX] = atMs / 1000;
    this.#atMs = atMs;
    const all = { ...NOTHING };
    for (const numbers of this.#reasons.values()) numbers[n % MINUTE] = 0;
    for (const { name, counters } of status.ports) {
      const port = this.#ports.get(name);
      if (port === undefined) {
        const track = new Track();
        track.put(n, null);
        const before = [counters, counters] as const;
        this.#ports.set(name, { track, counters, growth: {}, before, seen: n });
        continue;
      }
      port.growth = growthOf(port.counters, counters);
      const rates = ratesOf(port.growth, seconds);
      port.track.put(n, rates);
      for (const rate of RATES) all[rate] += rates[rate];
      this.#countDrops(n, port.growth);
      port.counters = counters;
      if (n % LATELY === 0) port.before = [counters, port.before[0]];
      port.seen = n;
    }
    for (const [name, { seen }] of this.#ports) if (seen !== n) this.#ports.delete(name);
    this.#all.put(n, n === 0 ? null : all);
    this.#work = workers.map((worker) => {
      const before = this.#workers.find(({ number }) => number === worker.number);
      return workBetween(before?.total.counters ?? {}, worker.total.counters);
    });
    this.#workers = workers;
  }

  #countDrops(n: number, growth: Counts): void {
    for (const [name, value] of Object.entries(growth)) {
      if (value === 0 || !isDrop(name)) continue;
      let numbers = this.#reasons.get(name);
      if (numbers === undefined) this.#reasons.set(name, numbers = new Float32Array(MINUTE));
      numbers[n % MINUTE] = (numbers[n % MINUTE] ?? 0) + value;
    }
  }

  #track(port: string | null): Track | undefined {
    return port === null ? this.#all : this.#ports.get(port)?.track;
  }

  /** Of the last second; 0 if nothing is known. @param port null: all of them */
  rates(port: string | null): Rates {
    const track = this.#track(port);
    if (track === undefined || this.#count === 0) return NOTHING;
    const of = (rate: Rate): number => track.get(this.#count - 1, rate) || 0;
    return Object.fromEntries(RATES.map((rate) => [rate, of(rate)])) as Rates;
  }

  /** How much a port's counters grew in the last second. */
  growth(port: string): Counts {
    return this.#ports.get(port)?.growth ?? {};
  }

  /** How much they grew lately: in 15 to 30 s. */
  lately(port: string): Counts {
    const found = this.#ports.get(port);
    return found === undefined ? {} : growthOf(found.before[1], found.counters);
  }

  /** What the data planes did in the last second, in the order of their numbers. */
  get work(): readonly Work[] {
    return this.#work;
  }

  /** Drops of the last minute for a reason, at all ports. */
  dropsOfMinute(reason: string): number {
    return this.#reasons.get(reason)?.reduce((sum, each) => sum + each, 0) ?? 0;
  }

  /** The newest `many`, oldest first; NaN where nothing is known. */
  newest(port: string | null, rate: Rate, many: number): number[] {
    const track = this.#track(port);
    return Array.from({ length: many }, (_, i) => {
      const n = this.#count - many + i;
      return track === undefined || n < 0 ? NaN : track.get(n, rate);
    });
  }

  /** All that is kept and newer. @param after seconds since 1970 */
  since(port: string | null, after: number): Samples {
    const track = this.#track(port);
    const first = Math.max(0, this.#count - SAMPLES_MAX);
    const numbers: number[] = [];
    for (let n = first; n < this.#count; n++) {
      if (track !== undefined && (this.#at[n % SAMPLES_MAX] ?? 0) > after) numbers.push(n);
    }
    const list = (rate: Rate): (number | null)[] =>
      numbers.map((n) => {
        const value = track?.get(n, rate) ?? NaN;
        return Number.isNaN(value) ? null : Math.round(10 * value) / 10;
      });
    const rates = Object.fromEntries(RATES.map((rate) => [rate, list(rate)]));
    return {
      at: numbers.map((n) => this.#at[n % SAMPLES_MAX] ?? 0),
      ...rates as Record<Rate, (number | null)[]>,
    };
  }
}

/** Looks once a second, more seldom where a look takes long, until it is told to stop. */
export function keepHistory(look: (history: History) => void): [History, () => void] {
  const history = new History();
  let timer: ReturnType<typeof setTimeout>;
  const step = (): void => {
    const begin = performance.now();
    look(history);
    const took = performance.now() - begin;
    timer = setTimeout(step, Math.max(STEP_MS - took, took / SHARE_MAX));
  };
  step();
  return [history, () => clearTimeout(timer)];
}
