/**
 * What every word means that an operator meets in counters, logs and metrics: the rows from which the
 * reference is written, in one list to look things up in.
 *
 * @module
 */
import { didYouMean } from "../base/nearest.ts";
import {
  type CounterRow,
  counterWay,
  FDB_ROWS,
  PORT_ROWS,
  VRING_ROWS,
  WORKER_ROWS,
} from "../switch/counter_rows.ts";
import { REASON_ROWS } from "../vhost/reasons.ts";
import { CHAIN_REASON_ROWS } from "../virtio/bad_chain.ts";
import { RING_REASON_ROWS } from "../virtio/ring.ts";
import { EVENT_ROWS } from "./event_rows.ts";
import { METRICS } from "./metrics/families.ts";
import { joined, metricOf, PREFIX } from "./metrics/names.ts";
import { ControlError } from "./types.ts";
import { UPLINK_REASON_ROWS } from "./uplinks/reasons.ts";
import { VERDICT_ROWS } from "./verdict/rows.ts";
import { PROBLEM_ROWS } from "./vhost_port/problem_codes.ts";
import type { WordKind } from "./word_kinds.ts";

/** A word and what it means. */
export interface Explanation {
  /** As it is printed. */
  readonly word: string;
  /** What it is a word of. */
  readonly kind: WordKind;
  /** What it means. */
  readonly meaning: string;
  /** Where it is seen. */
  readonly seenIn: string;
}

/** An explanation, and other ways to write its word. */
interface Entry extends Explanation {
  readonly also: readonly string[];
}

/** Links of pages lead nowhere on a terminal. */
function withoutLinks(text: string): string {
  return text.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, "$1");
}

/** However it is written: in camel case, with hyphens or underscores. */
function plainWord(word: string): string {
  const cased = /[a-z]/.test(word) ? joined(word.trim(), "-") : word.trim().toLowerCase();
  return cased.replaceAll(/[_\s-]+/g, "-");
}

function labelled(name: string, labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`).join(",");
  return `${PREFIX}${name}${pairs === "" ? "" : `{${pairs}}`}`;
}

function counters(of: string, rows: readonly CounterRow[], where: string): Entry[] {
  return rows.map((row): Entry => {
    const [word, unit, meaning] = row;
    const way = counterWay(word);
    const { name, labels } = metricOf(of, row);
    const { reason } = labels;
    const served = METRICS.some((metric) => metric.name === PREFIX + name);
    return {
      word,
      kind: /^[rt]xDropped/.test(word) ? "drop" : "counter",
      meaning: `${meaning} (${unit}${way === null ? "" : `, ${way}`})`,
      seenIn: served ? `${where}; ${labelled(name, labels)}` : where,
      also: reason === undefined ? [] : [reason],
    };
  });
}

function codes(
  kind: WordKind,
  seenIn: string,
  rows: readonly (readonly [code: string, meaning: string])[],
): Entry[] {
  return rows.map(([word, meaning]) => ({ word, kind, meaning, seenIn, also: [] }));
}

function entries(): Entry[] {
  return [
    ...counters("port", PORT_ROWS, "stats PORT"),
    ...codes("reason", "the log; errors of port show; closed: of stats", [
      ...REASON_ROWS,
      ...UPLINK_REASON_ROWS,
    ]),
    ...codes("ring-reason", "vring show PORT; the log: ring-broken", RING_REASON_ROWS),
    ...codes("chain-reason", "badChains of vring show PORT; the log: bad-chain", CHAIN_REASON_ROWS),
    ...codes("problem", "problems of port show PORT; the log", PROBLEM_ROWS),
    ...VERDICT_ROWS.map(([word, level, meaning, fix]): Entry => ({
      ...{
        word,
        kind: "verdict",
        meaning: `${meaning} (${level})${fix === null ? "" : `: ${fix}`}`,
      },
      ...{ seenIn: "the verdict of port show PORT and top; verdictCode in JSON", also: [] },
    })),
    ...EVENT_ROWS.map(([word, level, meaning]): Entry => ({
      ...{ word, kind: "event", meaning, seenIn: `the log and events, as ${level}`, also: [] },
    })),
    ...counters("vring", VRING_ROWS, "vring show PORT"),
    ...counters("fdb", FDB_ROWS, "stats"),
    ...counters("worker", WORKER_ROWS, "worker show; stats"),
    ...METRICS.map(({ name, type, help, labels }): Entry => ({
      ...{ word: name, kind: "metric", meaning: `${help} (${type})`, also: [] },
      seenIn: `GET /metrics${labels.length === 0 ? "" : `, by ${labels.join(", ")}`}`,
    })),
  ];
}

const ENTRIES = entries();

/** All of them, in the order of the reference. */
export function glossary(): Explanation[] {
  return ENTRIES.map(({ also: _, ...rest }) => ({
    ...rest,
    meaning: withoutLinks(rest.meaning),
  }));
}

/** All words, for shells that complete them. */
export function glossaryWords(): string[] {
  return [...new Set(ENTRIES.flatMap(({ word, also }) => [word, ...also]))];
}

/**
 * Everything that a word means: several things, as a rule of several kinds.
 * @throws {ControlError} nothing has that name; says what may be meant
 */
export function explain(word: string): Explanation[] {
  const wanted = plainWord(word);
  const all = glossary();
  const found = ENTRIES.flatMap(({ word, also }, i) => {
    const names = [word, ...also].map(plainWord);
    return names.includes(wanted) ? [all[i] as Explanation] : [];
  });
  if (found.length > 0) return found;
  const hint = didYouMean(word, glossaryWords()) ?? didYouMean(wanted, glossaryWords());
  throw new ControlError(
    "not-found",
    `Nothing is called ${JSON.stringify(word.slice(0, 64))}`,
    hint ?? "vuswitch explain lists all words",
  );
}
