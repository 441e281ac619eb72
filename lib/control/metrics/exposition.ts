/**
 * Metrics as text: Prometheus' text format 0.0.4, or OpenMetrics 1.0 for who asks for that. What the
 * metrics are is said in families.ts.
 *
 * @module
 */

/** How a metric's values move. */
export type MetricType = "counter" | "gauge" | "histogram";

/** Values of its labels in the order of their names, and its value. */
export type Sample = readonly [labels: readonly string[], value: number];

/** A distribution, as counts of what was not above a bound. */
export interface Distribution {
  /** As in {@linkcode Sample}. */
  readonly labels: readonly string[];
  /**
   * Upper bounds from small to large, each with what was not above it; the last has them all, and may
   * be infinite.
   */
  readonly buckets: readonly (readonly [bound: number, count: number])[];
  /** Of all that was counted. */
  readonly sum: number;
}

/** A metric with its values. */
export interface Family {
  /** As it is queried; of a counter it ends in `_total`. */
  readonly name: string;
  /** How its values move. */
  readonly type: MetricType;
  /** What it is, a line. */
  readonly help: string;
  /** Names of its labels. */
  readonly labels: readonly string[];
  /** None: there is nothing now that it is of. */
  readonly samples: Iterable<Sample | Distribution>;
}

/** Which of the two formats. */
export type Format = "text" | "openmetrics";

/** Media types, as answers name them. */
export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The weight that an Accept header gives to a media type (RFC 9110 §12.5.1), 0 to 1. */
function weightOf(accept: string, type: string): number {
  const weights = accept.toLowerCase().split(",").flatMap((each) => {
    const [name = "", ...parameters] = each.split(";").map((part) => part.trim());
    if (name !== type) return [];
    const text = parameters.find((part) => part.startsWith("q="))?.slice(2) ?? "1";
    const weight = Number(text);
    return [weight >= 0 && weight <= 1 ? weight : 0];
  });
  return Math.max(0, ...weights);
}

/** The format for an Accept header: OpenMetrics for who likes it as well as plain text, or more. */
export function formatFor(accept: string | null): Format {
  const wish = weightOf(accept ?? "", "application/openmetrics-text");
  return wish > 0 && wish >= weightOf(accept ?? "", "text/plain") ? "openmetrics" : "text";
}

function escapeLabel(value: string): string {
  // Nearly all: a page has as many as a switch has ports, queues and reasons.
  if (!/[\\\n"]/.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

/** Plain text leaves quotes in help as they are. */
function escapeHelp(help: string, format: Format): string {
  const text = escapeLabel(help);
  return format === "text" ? text.replaceAll('\\"', '"') : text;
}

function labelText(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return "";
  let text = "";
  for (let i = 0; i < names.length; i++) {
    text += `${i === 0 ? "{" : ","}${names[i]}="${escapeLabel(values[i] ?? "")}"`;
  }
  return `${text}}`;
}

function isSample(value: Sample | Distribution): value is Sample {
  return Array.isArray(value);
}

/** Bounds are floats, which OpenMetrics writes with a point. */
function boundText(bound: number, format: Format): string {
  return format === "openmetrics" && Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function* distributionLines(
  { name, labels }: Family,
  { labels: values, buckets, sum }: Distribution,
  format: Format,
): Generator<string> {
  const count = buckets.at(-1)?.[1] ?? 0;
  const finite = buckets.filter(([bound]) => bound !== Infinity);
  const bounds = [...finite.map(([bound, n]) => [boundText(bound, format), n]), ["+Inf", count]];
  for (const [bound, n] of bounds) {
    yield `${name}_bucket${labelText([...labels, "le"], [...values, String(bound)])} ${n}`;
  }
  yield `${name}_sum${labelText(labels, values)} ${sum}`;
  yield `${name}_count${labelText(labels, values)} ${count}`;
}

/** All families as text, those without a value left out. */
export function expose(families: Iterable<Family>, format: Format): string {
  const lines: string[] = [];
  for (const family of families) {
    const { name, type, help, labels } = family;
    const samples = [...family.samples];
    if (samples.length === 0) continue;
    // OpenMetrics names a counter without the end that its values have.
    const title = format === "openmetrics" ? name.replace(/_total$/, "") : name;
    lines.push(`# HELP ${title} ${escapeHelp(help, format)}`, `# TYPE ${title} ${type}`);
    for (const sample of samples) {
      if (isSample(sample)) lines.push(`${name}${labelText(labels, sample[0])} ${sample[1]}`);
      else lines.push(...distributionLines(family, sample, format));
    }
  }
  if (format === "openmetrics") lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}
