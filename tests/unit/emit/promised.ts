/**
 * Whether PromQL names only metrics that a switch serves, with labels that they have.
 *
 * @module
 */
import { METRICS } from "../../../lib/control/metrics/families.ts";

/** Labels that Prometheus adds when it scrapes. */
const SCRAPED = ["job", "instance"];
const ENDS = /_(?:bucket|sum|count)$/;

/** Metrics and labels that are named and not served. */
export function unserved(expression: string): string[] {
  const bad: string[] = [];
  const named = expression.matchAll(/\b((?:vuswitch|process)_\w+)(?:\{([^}]*)\})?/g);
  for (const [, name = "", labels = ""] of named) {
    const metric = METRICS.find((each) =>
      each.name === name || (each.type === "histogram" && each.name === name.replace(ENDS, ""))
    );
    if (metric === undefined) bad.push(name);
    const known = [...metric?.labels ?? [], ...SCRAPED];
    for (const [, label = ""] of labels.matchAll(/(\w+)\s*(?:=~|!~|!=|=)"/g)) {
      if (!known.includes(label)) bad.push(`${name}{${label}}`);
    }
  }
  return bad;
}
