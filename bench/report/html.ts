/**
 * A session as one HTML file that needs nothing else: pictures beside the figures they show.
 *
 * @module
 */
import { judgeGoal } from "../goal.ts";
import type { CellRecord, Run, Session } from "../record.ts";
import { digits } from "../statistics.ts";
import { drawBars, drawCurve, drawLatency, drawRatios, drawTrend, escapeXml } from "./plots.ts";
import { remarks, warnings } from "./table.ts";

const STYLE = `
body { font: 15px/1.5 sans-serif; color: #222; background: #fff; max-width: 62em; margin: 2em auto;
  padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 }
th, td { text-align: left; padding: .2em .8em .2em 0; border-bottom: 1px solid #ddd;
  vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
svg { max-width: 100%; height: auto; margin: .5em 0 }
.attention { background: #fff3cd; padding: .5em 1em; border-left: 4px solid #e0a800 }
.small { color: #666; font-size: 13px }`;

/** What is said of each suite, for a reader who does not know it. */
const ABOUT: Readonly<Record<string, string>> = {
  throughput: "One core for the switch, one for a generator (dpdk-testpmd) that is the same for " +
    "all; as many frames as a ring holds go round each way. Bars are medians, lines reach from the " +
    "slowest to the fastest run. DPDK io forwards without switching; the kernel's bridge works on " +
    "the generator's core.",
  latency: "One frame goes from guest to guest and back, two ways through the switch, again and " +
    "again. The curve is the share of frames that needed no longer, its tail stretched.",
  loss:
    "The highest rate at which no frame is lost, found by halving (RFC 2544), and confirmed by " +
    "a longer trial. A frame that finds its ring full when it is due counts as lost.",
  scale: "vuswitch beside itself at its smallest: what more ports, stations or memory cost.",
  idle: "Time on a processor of the whole process while nobody sends.",
};

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string): string =>
    row.map((text) => {
      const plain = tag === "td" && /^[\d.]+ (Mpps|us|%)/.test(text) ? ' class="n"' : "";
      return `<${tag}${plain}>${escapeXml(text)}</${tag}>`;
    }).join("");
  const body = rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("\n");
  return `<table>\n<tr>${cells(head, "th")}</tr>\n${body}\n</table>`;
}

function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "" : `${digits(100 * share, 3)} %`;
}

/** The mean of what runs say of a core; "" if none does. */
function meanOf(runs: readonly Run[], read: (run: Run) => number | null | undefined): string {
  const shares = runs.map(read).filter((share) => typeof share === "number");
  if (shares.length === 0) return "";
  return percent(shares.reduce((sum, share) => sum + share, 0) / shares.length);
}

/** Medians of further figures, such as `p99Us 3.4`. */
function moreOf(runs: readonly Run[]): string {
  const names = [...new Set(runs.flatMap(({ more }) => Object.keys(more)))];
  return names.map((name) => {
    const values = runs.flatMap(({ more }) => more[name] ?? []).sort((a, b) => a - b);
    return `${name} ${digits(values[values.length >> 1] ?? NaN, 3)}`;
  }).join(", ");
}

function cellRows(cell: CellRecord): string[][] {
  return Object.entries(cell.contenders).map(([name, { median, min, max, n }], i) => {
    const runs = cell.runs.filter((run) => run.contender === name);
    const ratio = cell.ratios[name];
    const goal = name === cell.subject ? judgeGoal(cell)?.words ?? "" : "";
    return [
      i === 0 ? `${cell.cell}` : "",
      name,
      `${digits(median, 3)} ${cell.unit}`,
      `${digits(min, 3)} - ${digits(max, 3)}, n = ${n}`,
      ratio === undefined
        ? ""
        : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} - ${ratio.max.toFixed(2)})`,
      meanOf(runs, (run) => run.switchCore?.worked),
      meanOf(runs, (run) => run.generatorCore?.emptyPolls),
      [goal, moreOf(runs), remarks(cell, name)].filter((words) => words !== "").join("; "),
    ];
  });
}

const CELL_HEAD = [
  ...["cell", "", "median", "spread", "subject is times as much", "switch worked"],
  ...["generator idle polls", "more"],
];

/** Cells that lie on one curve: those whose names differ in their number alone. */
function curves(cells: readonly CellRecord[]): [string, CellRecord[]][] {
  const groups = new Map<string, CellRecord[]>();
  for (const cell of cells) {
    if (cell.x === null) continue;
    const label = cell.cell.replace(`${cell.x} `, "");
    groups.set(label, [...groups.get(label) ?? [], cell]);
  }
  return [...groups];
}

function pictures(suite: string, cells: readonly CellRecord[], session: Session): string[] {
  const metric = cells[0]?.metric ?? "";
  if (suite === "latency") {
    return cells.flatMap((cell) => {
      const tail = cell.runs.some((run) => run.quantilesUs !== null);
      return tail ? [drawLatency(`${cell.cell}: us`, cell, session.quantiles)] : [];
    });
  }
  const drawn = curves(cells).filter(([, group]) => group.length > 1);
  const curved = new Set(drawn.flatMap(([, group]) => group));
  const rest = cells.filter((cell) => !curved.has(cell));
  return [
    ...drawn.map(([label, group]) => drawCurve(metric, label, group)),
    ...(rest.length > 0 ? [drawBars(metric, rest)] : []),
    ...(suite === "throughput" ? [drawRatios(`${cells[0]?.subject} to each rival`, cells)] : []),
  ];
}

function suiteSection(suite: string, session: Session): string {
  const cells = session.cells.filter((cell) => cell.suite === suite);
  return [
    `<h2>${escapeXml(suite)}</h2>`,
    `<p>${escapeXml(ABOUT[suite] ?? "")}</p>`,
    ...pictures(suite, cells, session),
    table(CELL_HEAD, cells.flatMap(cellRows)),
  ].join("\n");
}

/** Sessions whose ratios may stand on one line with this one's: same processor, no quick looks. */
export function comparable(session: Session, others: readonly Session[]): Session[] {
  return others.filter(({ quick, machine }) => !quick && machine["cpu"] === session.machine["cpu"]);
}

function trendSection(session: Session, history: readonly Session[]): string {
  const like = comparable(session, history);
  if (like.length < 2) return "";
  const picture = drawTrend("vuswitch to OVS-DPDK, by session", like, "OVS-DPDK");
  return `<h2>over time</h2>\n<p>${like.length} sessions on processors of this kind.</p>\n${picture}`;
}

/** @param history all sessions, this one among them, oldest first */
export function formatHtml(session: Session, history: readonly Session[]): string {
  const suites = [...new Set(session.cells.map(({ suite }) => suite))];
  const day = session.started.slice(0, 10);
  const machine = Object.entries(session.machine).map(([name, value]) => [name, `${value}`]);
  return [
    "<!doctype html>",
    `<html lang="en"><head><meta charset="utf-8"><title>vuswitch bench, ${day}</title>`,
    `<style>${STYLE}</style></head><body>`,
    `<h1>vuswitch bench, ${day}</h1>`,
    `<p class="small">${
      escapeXml(session.command)
    }; ${session.seconds} s; every ratio is of runs ` +
    "of one round, which are neighbours in time; medians of them, least and most in brackets.</p>",
    ...warnings(session).map((line) => `<p class="attention">${escapeXml(line)}</p>`),
    ...suites.map((suite) => suiteSection(suite, session)),
    trendSection(session, history),
    "<h2>machine</h2>",
    table(["", ""], machine),
    "</body></html>\n",
  ].join("\n");
}

/** What README shows: the throughput of a few cells that stand for the others. */
export function formatPicture(session: Session): string {
  const cells = session.cells.filter(({ suite, cell }) =>
    suite === "throughput" && /^(split|packed) (64|1500)$/.test(cell)
  );
  const cpu = `${session.machine["cpu"] ?? ""}`.replace(/ \(.*/, "");
  const day = session.started.slice(0, 10);
  return drawBars(`Million frames a second through one core (${cpu}, ${day})`, cells);
}
