/**
 * What a suite is: cells, in each of which contenders take turns.
 *
 * @module
 */
import type { Busy, CellHead } from "./record.ts";
import type { Cpus } from "./machine.ts";
import type { Rival, RivalKind, RivalSettings } from "./rivals/rival.ts";

/** What all runs of a session share. */
export interface Bench {
  readonly cpus: Cpus;
  readonly hugepages: boolean;
  /** How long a run is measured. */
  readonly seconds: number;
  /** Frames the generator takes and sends at once. */
  readonly burst: number;
}

/** What one run gave. */
export interface Sample {
  /** In the unit of the cell's metric. */
  readonly value: number;
  readonly more: Readonly<Record<string, number>>;
  readonly quantilesUs: readonly number[] | null;
  readonly switchCore: Busy | null;
  readonly generatorCore: Busy | null;
  readonly note: string;
}

/** What takes turns. */
export interface Contender {
  readonly name: string;
  /** Debian packages it lacks. */
  readonly missing: readonly string[];
  /** One run from nothing to nothing, its files in `folder`. @throws if it means nothing */
  run(bench: Bench, folder: string): Promise<Sample>;
}

/** Contenders that are compared with one another. */
export interface Cell extends CellHead {
  readonly contenders: readonly Contender[];
  /** Huge pages that the largest run needs, MiB. */
  readonly memoryMib: number;
  /** Seconds that one run should take beside those it measures. */
  readonly overheadSeconds: number;
}

/** A group of cells that answer one question. */
export interface Suite {
  readonly name: string;
  /** For `--list`. */
  readonly about: string;
  /** All of its cells; with `quick`, those that a look of two minutes has time for. */
  cells(quick: boolean): Cell[];
}

/** Starts a switch, lets `use` work with it, and ends it. */
export async function withRival<T>(
  kind: RivalKind,
  settings: Omit<RivalSettings, "cpu" | "hugepages">,
  bench: Bench,
  use: (rival: Rival) => Promise<T>,
): Promise<T> {
  const { cpus, hugepages } = bench;
  await using rival = await kind.start({ ...settings, cpu: cpus.switch, hugepages });
  return await use(rival);
}
