/**
 * Prometheus' text format and OpenMetrics, read as a scraper reads them, strictly.
 *
 * @module
 */
import { strict as assert } from "node:assert";

/** A metric that was served. */
export interface Served {
  readonly type: string;
  readonly help: string;
  /** By name with its labels in order of their names. */
  readonly values: Map<string, number>;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{([^\n]*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/y;

function unescaped(text: string): string {
  return text.replaceAll(/\\([^])/g, (_, letter) => letter === "n" ? "\n" : letter);
}

/** Labels by name. */
export function labelsOf(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    assert(match, `labels ${text}`);
    const [, name = "", value = ""] = match;
    assert(!labels.has(name), `label ${name} twice: ${text}`);
    labels.set(name, unescaped(value));
  }
  return labels;
}

/** A series' name, as the values of {@linkcode Served} have it. */
export function series(name: string, labels: Readonly<Record<string, string>> = {}): string {
  return `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
}

/** Reads a page. @throws it is not as the format says */
export function readMetrics(text: string): Map<string, Served> {
  const served = new Map<string, Served>();
  assert(text.endsWith("\n"), "the last line has an end");
  const lines = text.slice(0, -1).split("\n");
  const isOpen = lines.at(-1) === "# EOF";
  let title = "";
  for (const line of isOpen ? lines.slice(0, -1) : lines) {
    const [, word, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) ([^\n]+)$/.exec(line) ?? [];
    if (word === "HELP") {
      assert(!served.has(name), `${name} is in one place`);
      title = name;
      served.set(name, { type: "", help: unescaped(rest), values: new Map() });
    } else if (word === "TYPE") {
      assert(name === title && served.get(name)?.type === "", line);
      served.set(name, { ...served.get(name) as Served, type: rest });
    } else {
      const [, sample = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
      assert(sample !== "", `a line ${line}`);
      const family = served.get(title) as Served;
      const ends = family.type === "histogram" ? "_bucket|_sum|_count" : isOpen ? "_total|" : "";
      assert.match(sample, new RegExp(`^${title}(?:${ends})$`), line);
      const key = series(sample, Object.fromEntries(labelsOf(labels)));
      assert(!family.values.has(key), `${line} is there twice`);
      assert(Number.isFinite(Number(value)), line);
      family.values.set(key, Number(value));
    }
  }
  return served;
}
