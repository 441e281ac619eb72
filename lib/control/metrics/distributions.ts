/**
 * Metrics that are distributions. A distribution is a row of counters, from few or short to many or
 * long, that its values are read from.
 *
 * @module
 */
import { PORT_ROWS, WORKER_ROWS } from "../../switch/counter_rows.ts";
import type { Distribution } from "./exposition.ts";
import { type Counted, type Metric, metric, type Seen } from "./metric.ts";
import { directionOf } from "./names.ts";

/** Names of counters of a distribution: what it is of, and a bound, `More` or nothing for their sum. */
const PLACES: readonly RegExp[] = [
  /^bursts(\d+)$/,
  /^visitsUs(\d+|More)?$/,
  /^[rt]xSize(\d+|More|Bytes)$/,
];

/** Whether a counter is one of a distribution's, and no metric by itself. */
export function isOfDistribution(counter: string): boolean {
  return PLACES.some((pattern) => pattern.test(counter));
}

/** A counter of a distribution: what it counts is not above its bound, and above the one before. */
interface Place {
  readonly counter: string;
  readonly bound: number;
}

/** Places whose counters say their bounds: `visitsUs8`, and `visitsUsMore` for what is above all. */
function placesOf(rows: readonly (readonly [string, ...unknown[]])[], start: string): Place[] {
  return rows.flatMap(([counter]): Place[] => {
    if (!counter.startsWith(start)) return [];
    const [, bound] = /^(\d+|More)$/.exec(counter.slice(start.length)) ?? [];
    if (bound === undefined) return [];
    return [{ counter, bound: bound === "More" ? Infinity : Number(bound) }];
  });
}

/** Visits by frames: their counters say the least that they count. */
function burstPlaces(): Place[] {
  const least = placesOf(WORKER_ROWS, "bursts");
  return least.map(({ counter, bound }, i) => ({
    counter,
    // That of the last is the most that there can be.
    bound: i + 1 < least.length ? (least[i + 1]?.bound ?? NaN) - 1 : bound,
  }));
}

/** @param scale of bounds and sum, which are divided by it */
function distribution(
  { labels, counters }: Counted,
  places: readonly Place[],
  sum: string,
  scale = 1,
): Distribution {
  let all = 0;
  const buckets = places.map(({ counter, bound }): [number, number] => {
    all += counters[counter] ?? 0;
    return [bound / scale, all];
  });
  return { labels, buckets, sum: (counters[sum] ?? 0) / scale };
}

const RX_SIZES = placesOf(PORT_ROWS, "rxSize");
const TX_SIZES = placesOf(PORT_ROWS, "txSize");

/** How long frames are. */
export const FRAME_SIZES: Metric = metric(
  "port_frame_size_bytes",
  "histogram",
  "lengths of frames without virtio-net header and FCS, sampled; those that are dropped count",
  ["port", "direction"],
  ({ status }) =>
    status.ports.flatMap(({ name, counters }) =>
      ([["rx", RX_SIZES], ["tx", TX_SIZES]] as const).map(([way, places]) =>
        distribution({ labels: [name, directionOf(way)], counters }, places, `${way}SizeBytes`)
      )
    ),
);

const BURSTS = burstPlaces();
const TIMES = placesOf(WORKER_ROWS, "visitsUs");
const US = 1e6;

/** Of visits of data planes. @param of the data planes' counters */
export function workerDistributions(of: (seen: Seen) => readonly Counted[]): readonly Metric[] {
  return [
    metric(
      "worker_burst_frames",
      "histogram",
      "frames that a visit to a queue took, if it took any",
      ["worker"],
      (seen) => of(seen).map((worker) => distribution(worker, BURSTS, "frames")),
    ),
    metric(
      "worker_visit_seconds",
      "histogram",
      "time from when a visit has its frames at hand to when all receivers are called and the " +
        "sender has its buffers back, sampled; not how long frames waited for the visit",
      ["worker"],
      (seen) => of(seen).map((worker) => distribution(worker, TIMES, "visitsUs", US)),
    ),
  ];
}
