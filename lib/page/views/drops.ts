/**
 * The page of drops: every reason for which frames were dropped, how often, where, and what it means.
 *
 * @module
 */
import type { PortStatus } from "../../control/types.ts";
import { counterWay, PORT_ROWS } from "../../switch/counter_rows.ts";
import { prose } from "../figures.ts";
import { isDrop } from "../history.ts";
import { count } from "../numbers.ts";
import { type Html, markup } from "../html.ts";
import { column, type Contents, portLink, type Row, type Seen, table } from "../layout.ts";

/** Ports that are named with a reason. */
const PORTS_MAX = 3;

/** Reasons, each with its meaning, in the order of the reference. */
const REASONS = PORT_ROWS.filter(([name]) => isDrop(name))
  .map(([word, , meaning]) => ({ word, meaning }));

function worst(seen: Seen, ports: readonly PortStatus[], reason: string): Html {
  const counted = ports.map(({ name, counters }) => ({ name, drops: counters[reason] ?? 0 }))
    .filter(({ drops }) => drops > 0)
    .sort((one, other) => other.drops - one.drops);
  const named = counted.slice(0, PORTS_MAX).map(({ name, drops }, i) =>
    markup`${i > 0 ? ", " : ""}${portLink(seen, name)} ${count(drops)}`
  );
  const more = counted.length - named.length;
  return markup`${named}${more > 0 ? `, ${more} more` : ""}`;
}

/** The page. */
export function dropsPage(seen: Seen): Contents {
  const ports = seen.control.ports();
  const sums = REASONS.map((reason) => ({
    ...reason,
    total: ports.reduce((sum, { counters }) => sum + (counters[reason.word] ?? 0), 0),
    lately: seen.history.dropsOfMinute(reason.word),
  }));
  const seenOnes = sums.filter(({ total }) => total > 0)
    .sort((one, other) => other.lately - one.lately || other.total - one.total);
  const rows = seenOnes.map(({ word, meaning, total, lately }): Row => ({
    key: word,
    cells: [
      lately > 0 ? markup`<span class="problem">${word}</span>` : word,
      counterWay(word),
      count(total),
      lately > 0 ? markup`<span class="now">${count(lately)}</span>` : "–",
      worst(seen, ports, word),
      prose(meaning),
    ],
  }));
  const columns = [
    column("Reason"),
    column("Frames"),
    column("In all", "number"),
    column("Last minute", "number"),
    column("Ports"),
    column("What it means", "wide"),
  ];
  const others = sums.filter(({ total }) => total === 0).map(({ word, meaning }) =>
    markup`<dt>${word}</dt><dd>${prose(meaning)}</dd>`
  );
  return {
    title: "Drops",
    page: "drops",
    main:
      markup`<p>Frames that went nowhere, by the first reason that applied. They are counted since each port was added.</p>
${table("drops", "Reasons for which frames were dropped", columns, rows, "No frame was dropped.")}
<details><summary>Reasons that were not seen (${others.length})</summary><dl class="glossary">${others}</dl></details>`,
  };
}
