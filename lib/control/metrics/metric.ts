/**
 * What a metric is, and what its values are read from.
 *
 * @module
 */
import type { SwitchStatus, VringStatus, WorkerStatus } from "../types.ts";
import type { Distribution, MetricType, Sample } from "./exposition.ts";
import { PREFIX } from "./names.ts";
import type { ProcessFigures } from "./process.ts";

/** What all values are read from. */
export interface Seen {
  /** The switch. */
  readonly status: SwitchStatus;
  /** Its data planes. */
  readonly workers: readonly WorkerStatus[];
  /** Virtqueues in use, by port. */
  readonly vrings: readonly (readonly [port: string, vrings: readonly VringStatus[]])[];
  /** This process. */
  readonly process: ProcessFigures;
}

/** A metric, whatever its values are. */
export interface Metric {
  /** As it is queried. */
  readonly name: string;
  /** How it moves. */
  readonly type: MetricType;
  /** What it is. */
  readonly help: string;
  /** Names of its labels. */
  readonly labels: readonly string[];
  /** Reads its values. */
  readonly read: (seen: Seen) => Iterable<Sample | Distribution>;
}

/** Counters of one thing, and the labels that say which thing it is. */
export interface Counted {
  /** Values of its labels. */
  readonly labels: readonly string[];
  /** By name. */
  readonly counters: Readonly<Record<string, number>>;
}

/** A metric. @param name without `vuswitch_` */
export function metric(
  name: string,
  type: MetricType,
  help: string,
  labels: readonly string[],
  read: Metric["read"],
): Metric {
  return { name: /^process_/.test(name) ? name : PREFIX + name, type, help, labels, read };
}
