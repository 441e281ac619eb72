/**
 * Metrics of counters: their names, units and labels are worked out from the rows of the counters
 * (counter_rows.ts), so that a new counter is a metric as well. Names follow Prometheus' rules: base
 * units, which end the name, and `_total` behind what only grows.
 *
 * @module
 */
import { type CounterRow, onlyGrows } from "../../switch/counter_rows.ts";
import type { MetricType } from "./exposition.ts";

/** In front of every name of ours. */
export const PREFIX = "vuswitch_";

/** A counter as a metric. */
export interface CounterMetric {
  /** The counter. */
  readonly counter: string;
  /** The metric, without `vuswitch_`; several counters have the same one, told apart by labels. */
  readonly name: string;
  /** How it moves. */
  readonly type: MetricType;
  /** What it counts. */
  readonly help: string;
  /** Labels that this counter has on top of where it is counted. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of the counter's unit, a base unit. */
  readonly scale: number;
}

/** Names that are not made by rule: the field's own. */
const OWN_NAMES: Readonly<Record<string, string>> = {
  port_receive_broadcast_frames: "port_broadcast_frames",
  port_receive_multicast_frames: "port_multicast_frames",
  port_receive_flooded_frames: "port_flooded_frames",
  vring_ready: "vring_ready_buffers",
  worker_longest_stall_seconds: "worker_stall_seconds_max",
};

/** Counters of one fact, one of them for each reason. */
const BY_REASON: readonly (readonly [pattern: RegExp, name: string, help: string])[] = [
  [/^[rt]xDropped(?=[A-Z])/, "dropped_frames", "frames that were dropped; by way and reason"],
  [/^rejected(?=[A-Z])/, "rejected", "addresses that were not learned; by reason"],
];

/** Words in camel case with hyphens or the like between them. */
export function joined(name: string, by: "_" | "-"): string {
  return name.replaceAll(/(?<!^)[A-Z]/g, (letter) => by + letter).toLowerCase();
}

/** Which way frames go, as labels say it. */
export function directionOf(name: string): "receive" | "transmit" {
  return name.startsWith("rx") ? "receive" : "transmit";
}

function baseName(counter: string, unit: CounterRow[1]): string {
  const words = joined(counter, "_").replace(/^rx_/, "receive_").replace(/^tx_/, "transmit_");
  if (unit === "microseconds") return words.replace(/_us$/, "_seconds");
  const ends = unit !== "frames" && unit !== "bytes" || words.endsWith(unit);
  return ends ? words : `${words}_${unit}`;
}

/** A counter's metric. @param of what is counted, such as `port` */
export function metricOf(of: string, row: CounterRow): CounterMetric {
  const [counter, unit, meaning] = row;
  const grows = onlyGrows(row);
  const total = grows ? "_total" : "";
  const shared = BY_REASON.find(([pattern]) => pattern.test(counter));
  if (shared !== undefined) {
    const [pattern, name, help] = shared;
    const reason = joined(counter.replace(pattern, ""), "_");
    const way = /^[rt]x/.test(counter) ? { direction: directionOf(counter) } : {};
    return {
      ...{ counter, name: `${of}_${name}${total}`, type: "counter", help },
      ...{ labels: { ...way, reason }, scale: 1 },
    };
  }
  const base = `${of}_${baseName(counter, unit)}`;
  return {
    counter,
    name: `${OWN_NAMES[base] ?? base}${total}`,
    type: grows ? "counter" : "gauge",
    help: meaning,
    labels: {},
    scale: unit === "microseconds" ? 1e-6 : 1,
  };
}
