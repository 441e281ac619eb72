/**
 * The pictures of a report: SVG, drawn by Observable Plot in a document that no browser shows.
 *
 * @module
 */
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { CellRecord, Session } from "../record.ts";
import { median } from "../statistics.ts";

const WIDTH = 860;
const ROW_HEIGHT = 15;
const LABEL_HEIGHT = 13;
/** Names of contenders stand at the left, cells at the right. */
const MARGINS = { marginLeft: 165, marginRight: 190, marginTop: 40, marginBottom: 36 };
const CURVE = { marginLeft: 60, marginRight: 170, marginTop: 40, marginBottom: 36, height: 330 };
const STYLE = { background: "white", color: "#222", fontSize: "11px", fontFamily: "sans-serif" };
const COLORS: readonly (readonly [RegExp, string])[] = [
  [/^vuswitch$/, "#1f5fbf"],
  [/^vuswitch /, "#86aee8"],
  [/^OVS/, "#e07b1f"],
  [/^DPDK/, "#8a8a8a"],
  [/^Linux/, "#4c9a55"],
];

/** The color of a contender, the same in all pictures. */
export function colorOf(contender: string): string {
  return COLORS.find(([pattern]) => pattern.test(contender))?.[1] ?? "#9050a8";
}

/** What is used of an element; Deno has no types of documents. */
interface Drawn {
  readonly outerHTML: string;
}

/** A text as XML and HTML have it. */
export function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** Draws, and returns a picture that stands alone: a file of its own, or a part of HTML. */
function draw(title: string, options: Plot.PlotOptions): string {
  // linkedom's types say less than it has.
  const { document } = parseHTML("<html><body></body></html>") as unknown as { document: never };
  const svg = Plot.plot({ ...options, document, style: STYLE, width: WIDTH }) as unknown as Drawn;
  const said = escapeXml(title);
  // Written by hand: attributes as linkedom writes them are HTML's, and a file must be XML.
  const head = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${said}" `;
  const text = `<text x="${WIDTH / 2}" y="16" font-size="13">${said}</text>`;
  return svg.outerHTML.replace(/^<svg /, () => head).replace(/<\/svg>$/, () => `${text}</svg>`);
}

/** A bar. */
interface Bar {
  readonly cell: string;
  readonly contender: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

function barsOf(cells: readonly CellRecord[]): Bar[] {
  return cells.flatMap(({ cell, contenders }) =>
    Object.entries(contenders).map(([contender, { median: value, min, max }]) => ({
      ...{ cell, contender, value, min, max },
    }))
  );
}

function sayTick(value: number): string {
  return `${value}`;
}

function sayNumber(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}

/** Medians as bars beside one another, their ends as lines; one group a cell. */
export function drawBars(title: string, cells: readonly CellRecord[]): string {
  const bars = barsOf(cells);
  const names = [...new Set(bars.map(({ contender }) => contender))];
  const unit = cells[0]?.unit ?? "";
  const span = Math.max(0, ...bars.map(({ max }) => max));
  return draw(title, {
    ...MARGINS,
    height: MARGINS.marginTop + MARGINS.marginBottom +
      cells.length * (names.length * ROW_HEIGHT + 8),
    x: { label: unit, grid: true, domain: [0, span * 1.12 || 1] },
    y: { label: null, domain: names, padding: 0.15 },
    fy: { label: null, domain: cells.map(({ cell }) => cell), padding: 0.12 },
    marks: [
      Plot.barX(bars, {
        ...{ fy: "cell", y: "contender", x: "value" },
        fill: (bar: Bar) => colorOf(bar.contender),
      }),
      Plot.ruleY(bars, {
        ...{ fy: "cell", y: "contender", x1: "min", x2: "max", stroke: "#222", strokeWidth: 1.2 },
      }),
      Plot.text(bars, {
        ...{ fy: "cell", y: "contender", x: "max", dx: 5, textAnchor: "start" },
        text: (bar: Bar) => sayNumber(bar.value),
      }),
      Plot.ruleX([0]),
    ],
  });
}

/** Ratios to each rival, the median as a dot, the ends of all pairs as a line. */
export function drawRatios(title: string, cells: readonly CellRecord[]): string {
  const dots = cells.flatMap(({ cell, ratios }) =>
    Object.entries(ratios).map(([contender, { median: value, min, max }]) => ({
      ...{ cell, contender, value, min, max },
    }))
  );
  const names = [...new Set(dots.map(({ contender }) => contender))];
  const [least, most] = [
    Math.min(0.5, ...dots.map(({ min }) => min)) * 0.95,
    Math.max(2, ...dots.map(({ max }) => max)) * 1.2,
  ];
  const ticks = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 8, 16, 64].filter((tick) =>
    tick >= least && tick <= most
  );
  return draw(title, {
    ...MARGINS,
    height: MARGINS.marginTop + MARGINS.marginBottom +
      cells.length * (names.length * ROW_HEIGHT + 8),
    x: {
      label: "times",
      grid: true,
      type: "log",
      domain: [least, most],
      ticks,
      tickFormat: sayTick,
    },
    y: { label: null, domain: names },
    fy: { label: null, domain: cells.map(({ cell }) => cell), padding: 0.12 },
    marks: [
      Plot.ruleX([1], { stroke: "#222" }),
      Plot.ruleY(dots, {
        ...{ fy: "cell", y: "contender", x1: "min", x2: "max", strokeWidth: 1.5 },
        stroke: (dot: Bar) => colorOf(dot.contender),
      }),
      Plot.dot(dots, {
        ...{ fy: "cell", y: "contender", x: "value", r: 4 },
        fill: (dot: Bar) => colorOf(dot.contender),
      }),
      Plot.text(dots, {
        ...{ fy: "cell", y: "contender", x: "max", dx: 6, textAnchor: "start" },
        text: (dot: Bar) => dot.value.toFixed(2),
      }),
    ],
  });
}

/** How many nines: 0.9 is 1, 0.999 is 3. */
function nines(share: number): number {
  return -Math.log10(1 - share);
}

/** Latency by quantile, the tail stretched: of all rounds of a contender the median. */
export function drawLatency(title: string, cell: CellRecord, quantiles: readonly number[]): string {
  const points = Object.keys(cell.contenders).flatMap((contender) => {
    const runs = cell.runs.filter((run) => run.contender === contender && run.quantilesUs !== null);
    return quantiles.flatMap((share, i) => {
      const us = median(runs.map((run) => run.quantilesUs?.[i] ?? NaN));
      return share >= 1 || !(us > 0) ? [] : [{ contender, x: nines(share), us }];
    });
  });
  const ticks = [0, 0.5, 0.9, 0.99, 0.999, 0.9999];
  const all = points.map(({ us }) => us);
  const domain: Ends = all.length === 0 ? [1, 10] : [Math.min(...all), Math.max(...all) * 1.1];
  return draw(title, {
    ...CURVE,
    x: {
      ...{ label: "share of frames", ticks: ticks.map(nines), grid: true },
      tickFormat: (x: number) => `${Number((100 * (1 - 10 ** -x)).toFixed(2))} %`,
    },
    y: { label: cell.unit, type: "log", grid: true, tickFormat: sayNumber, domain },
    marks: [
      Plot.line(points, {
        ...{ x: "x", y: "us", z: "contender", strokeWidth: 2 },
        stroke: (point: { contender: string }) => colorOf(point.contender),
      }),
      ...endLabels(
        points.map(({ contender, x, us }) => ({ contender, x, y: us })),
        (us) => Math.log(us / domain[0]) / Math.log(domain[1] / domain[0]),
      ),
    ],
  });
}

/** Least and most of an axis. */
type Ends = [number, number];

/**
 * Names at the right ends of lines, apart from one another.
 * @param share where a value stands on its axis, 0-1
 */
function endLabels(
  points: readonly { readonly contender: string; readonly x: number; readonly y: number }[],
  share: (y: number) => number,
  fill: (contender: string) => string = colorOf,
): Plot.Markish[] {
  const last = new Map(points.map((point) => [point.contender, point]));
  const height = CURVE.height - CURVE.marginTop - CURVE.marginBottom;
  let free = Infinity;
  // From below: a name that would touch the one below it is moved up.
  return [...last.values()].sort((a, b) => a.y - b.y).map((point) => {
    const home = (1 - share(point.y)) * height;
    const at = Math.min(home, free);
    free = at - LABEL_HEIGHT;
    return Plot.text([point], {
      ...{ x: "x", y: "y", text: "contender", dx: 8, dy: at - home, textAnchor: "start" },
      fill: fill(point.contender),
    });
  });
}

/** How a figure changes with size: the medians as lines, their ends as bands. */
export function drawCurve(title: string, label: string, cells: readonly CellRecord[]): string {
  const points = cells.flatMap(({ x, contenders }) =>
    Object.entries(contenders).map(([contender, { median: y, min, max }]) => ({
      ...{ contender, x: x ?? NaN, y, min, max },
    }))
  );
  const sizes = cells.map(({ x }) => x ?? NaN);
  const most = Math.max(0, ...points.map(({ max }) => max)) * 1.05 || 1;
  return draw(title, {
    ...CURVE,
    x: { label, type: "log", base: 2, ticks: sizes, tickFormat: (x: number) => `${x}` },
    y: { label: cells[0]?.unit ?? "", grid: true, domain: [0, most] },
    marks: [
      Plot.areaY(points, {
        ...{ x: "x", y1: "min", y2: "max", z: "contender", fillOpacity: 0.15 },
        fill: (point: { contender: string }) => colorOf(point.contender),
      }),
      Plot.line(points, {
        ...{ x: "x", y: "y", z: "contender", strokeWidth: 2, marker: "dot" },
        stroke: (point: { contender: string }) => colorOf(point.contender),
      }),
      ...endLabels(points, (y) => y / most),
      Plot.ruleY([0]),
    ],
  });
}

/** The median ratio to a rival by session, a line for each cell. */
export function drawTrend(title: string, sessions: readonly Session[], rival: string): string {
  const points = sessions.flatMap((session) =>
    session.cells.flatMap(({ suite, cell, ratios }) => {
      const ratio = ratios[rival];
      if (suite !== "throughput" || ratio === undefined) return [];
      return [{ contender: cell, x: new Date(session.started), y: ratio.median }];
    })
  );
  const most = Math.max(1, ...points.map(({ y }) => y)) * 1.05;
  return draw(title, {
    ...CURVE,
    x: { label: null, type: "utc" },
    y: { label: "times", grid: true, domain: [0, most] },
    marks: [
      Plot.ruleY([1], { stroke: "#222" }),
      Plot.line(points, { x: "x", y: "y", z: "contender", stroke: "#86aee8", marker: "dot" }),
      ...endLabels(
        points.map(({ contender, x, y }) => ({ contender, x: x.getTime(), y })),
        (y) => y / most,
        () => "#444",
      ),
    ],
  });
}
