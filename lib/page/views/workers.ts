/**
 * The page of workers: what the data planes do with their time.
 *
 * @module
 */
import type { WorkerStatus } from "../../control/types.ts";
import type { Work } from "../../control/work.ts";
import { bar } from "../figures.ts";
import { count, duration, percent, short } from "../numbers.ts";
import { type Html, markup } from "../html.ts";
import { column, type Contents, type Row, type Seen, table } from "../layout.ts";

const PARTS = [
  ["busy", "in rounds that took frames"],
  ["polling", "in rounds that found none"],
  ["asleep", "asleep"],
  ["commands", "in commands of the control thread"],
  ["waited", "not running: others had its processor, or a call held it"],
] as const satisfies readonly (readonly [keyof Work, string])[];

function share(value: number | null): Html {
  return value === null
    ? markup`–`
    : markup`${bar(value)} <span class="share">${percent(value)}</span>`;
}

function shares(worker: WorkerStatus, lately: Work): Html {
  const rows = PARTS.map(([part, meaning]): Row => ({
    key: part,
    cells: [part, share(lately[part]), share(worker.total[part]), meaning],
  }));
  const columns = [
    column("Time"),
    column("Last second", "number"),
    column("Since it started", "number"),
    column("What that is", "wide"),
  ];
  const { number } = worker;
  return table(`time${number}`, `How data plane ${number} spends its time`, columns, rows, null);
}

/** Visits by how many frames they took. */
function bursts({ number, total }: WorkerStatus): Html {
  const names = Object.keys(total.counters).filter((name) => /^bursts\d+$/.test(name));
  const all = names.reduce((sum, name) => sum + (total.counters[name] ?? 0), 0);
  const rows = names.map((name): Row => {
    const visits = total.counters[name] ?? 0;
    const from = name.slice("bursts".length);
    return { key: name, cells: [from, count(visits), share(all === 0 ? null : visits / all)] };
  });
  const columns = [column("Frames, from"), column("Visits", "number"), column("Share", "number")];
  return table(`bursts${number}`, "How many frames a visit took", columns, rows, null);
}

function facts(worker: WorkerStatus, lately: Work): Html {
  const { counters, nsPerFrame } = worker.total;
  const rows: [string, string][] = [
    ["processors", worker.cpus.join(", ") || "any"],
    ["without traffic", worker.idle],
    [
      "frames",
      `${short(lately.counters["frames"] ?? 0)}/s, ${count(counters["frames"] ?? 0)} in all`,
    ],
    ["time for a frame", nsPerFrame === null ? "–" : `${count(nsPerFrame)} ns`],
    ["longest stall", `${count(worker.longestStallUs)} µs`],
    ["running for", duration(worker.total.seconds)],
  ];
  return markup`<dl class="facts" id="worker${worker.number}" data-live>${
    rows.map(([name, text]) => markup`<div><dt>${name}</dt><dd>${text}</dd></div>`)
  }</dl>`;
}

/** The page. */
export function workersPage(seen: Seen): Contents {
  const workers = seen.control.workers();
  const parts = workers.map((worker, i) => {
    const lately = seen.history.work[i] ?? worker.total;
    return markup`<section><h2>Data plane ${worker.number}</h2>
${facts(worker, lately)}
${shares(worker, lately)}
${bursts(worker)}</section>`;
  });
  return {
    title: "Workers",
    page: "workers",
    main:
      markup`<p>Threads that move frames. One that is busy all the time has reached its end: frames wait in their guests then.</p>
${parts}`,
  };
}
