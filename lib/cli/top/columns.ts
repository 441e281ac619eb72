/**
 * Columns of the table of `top`: those that matter most stay where a terminal is narrow.
 *
 * @module
 */
import { shortNumber } from "../table.ts";
import type { PortFigures } from "./figures.ts";
import { sparkline, type TopHistory } from "./history.ts";
import { asciiText, cell, type Line, type Looks, type Span, type Style } from "./spans.ts";
import type { Sort } from "./state.ts";

/** A column of the table. */
export interface Column {
  /** In the heading. */
  readonly title: string;
  /** Least width, without the blank in front. */
  readonly width: number;
  /** The lower, the longer it stays. */
  readonly rank: number;
  /** It takes a part of what is left, as large as this. */
  readonly grow?: number;
  /** And is never wider than that. */
  readonly most?: number;
  /** Its cells go to the right. */
  readonly right?: true;
  /** What ports are sorted by, where its title is marked. */
  readonly sort?: Sort;
  /** A cell. */
  readonly text: (port: PortFigures, width: number, seen: Seen) => string;
  /** How a cell looks, of a port that is not selected. */
  readonly style?: (port: PortFigures) => readonly Style[];
}

/** What cells are drawn from, besides their port. */
export interface Seen {
  /** Of the last minutes. */
  readonly history: TopHistory;
  /** Of the terminal. */
  readonly looks: Looks;
  /** Rates are known: there were two looks. */
  readonly measured: boolean;
}

/** A column with the width that it got. */
export interface Placed extends Column {
  /** In columns of the terminal. */
  readonly wide: number;
}

/** How a verdict's level looks. */
export const LEVEL_STYLES: Readonly<Record<PortFigures["verdictLevel"], readonly Style[]>> = {
  ok: [],
  waiting: ["dim"],
  warning: ["yellow"],
  fault: ["red", "bold"],
};

/** Narrower, a verdict is its code. */
const TEXT_COLUMNS = 32;

/** A rate in five characters. */
export function rateText(rate: number): string {
  return rate > 0 && rate < 1 ? "<1" : shortNumber(Math.round(rate));
}

function rate(read: (port: PortFigures) => number): Column["text"] {
  return (port, _, { measured }) => measured ? rateText(read(port)) : "-";
}

/** What is so, without what helps. */
export function verdictText({ verdict, verdictFix }: PortFigures): string {
  const whole = asciiText(verdict);
  const fix = verdictFix === null ? "" : `: ${asciiText(verdictFix)}`;
  return fix !== "" && whole.endsWith(fix) ? whole.slice(0, -fix.length) : whole;
}

const RATE = { width: 6, right: true } as const;

const COLUMNS: readonly Column[] = [
  {
    ...{ title: "PORT", width: 8, most: 32, grow: 1, rank: 0, sort: "name" },
    text: ({ name }) => name,
  },
  {
    ...{ title: "LINK", width: 5, most: 20, grow: 0.5, rank: 5 },
    text: ({ link }) => asciiText(link),
    style: ({ link }) => link.startsWith("up") ? [] : ["dim"],
  },
  { ...RATE, title: "RX/s", rank: 1, sort: "rx", text: rate(({ flow }) => flow.rxFrames) },
  { ...RATE, title: "RXbit", rank: 6, text: rate(({ flow }) => flow.rxBits) },
  { ...RATE, title: "TX/s", rank: 2, sort: "tx", text: rate(({ flow }) => flow.txFrames) },
  { ...RATE, title: "TXbit", rank: 7, sort: "bits", text: rate(({ flow }) => flow.txBits) },
  {
    ...{ ...RATE, title: "DROP/s", rank: 3, sort: "drops" },
    text: rate(({ flow }) => flow.drops),
    style: ({ flow }) => flow.drops > 0 ? ["yellow"] : [],
  },
  {
    ...{ ...RATE, title: "SHARE", rank: 8, sort: "frames" },
    text: ({ share }, _, { measured }) => measured ? `${Math.round(100 * share)} %` : "-",
  },
  {
    ...{ title: "HISTORY", width: 8, most: 40, grow: 1, rank: 9 },
    text: ({ name }, width, { history, looks }) =>
      sparkline(history.port(name), width, looks.unicode),
    style: () => ["cyan"],
  },
  {
    ...{ title: "VERDICT", width: 9, grow: 4, rank: 4, sort: "verdict" },
    text: (port, width) => width < TEXT_COLUMNS ? port.verdictCode : verdictText(port),
    style: ({ verdictLevel }) => LEVEL_STYLES[verdictLevel],
  },
];

/** The columns that fit, with their widths. */
export function placeColumns(columns: number): Placed[] {
  let left = columns + 1;
  const fitting: Column[] = [];
  for (const column of [...COLUMNS].sort((one, other) => one.rank - other.rank)) {
    // The first one is there whatever happens, cut if need be.
    if (column.width + 1 > left && fitting.length > 0) break;
    left -= column.width + 1;
    fitting.push(column);
  }
  const shown = COLUMNS.filter((column) => fitting.includes(column));
  const weight = shown.reduce((sum, { grow = 0 }) => sum + grow, 0);
  const extra = Math.max(0, left);
  const wide = shown.map(({ width, grow = 0, most = Infinity }) =>
    Math.min(most, width + (weight === 0 ? 0 : Math.floor((extra * grow) / weight)))
  );
  // What the others could not take, the last one does: its text is the longest.
  const rest = columns + 1 - wide.reduce((sum, each) => sum + each + 1, 0);
  const last = shown.length - 1;
  if (shown[last]?.most === undefined && rest > 0) wide[last] = (wide[last] ?? 0) + rest;
  return shown.map((column, i) => ({ ...column, wide: Math.min(columns, wide[i] ?? 0) }));
}

/** The titles; the one that ports are sorted by is marked. */
export function titleLine(placed: readonly Placed[], sort: Sort): Line {
  return placed.map(({ title, wide, right, sort: own }, i): Span => [
    `${i === 0 ? "" : " "}${cell(own === sort ? `*${title}` : title, wide, right)}`,
    "inverse",
  ]);
}

/** The line of a port. */
export function portLine(
  placed: readonly Placed[],
  port: PortFigures,
  seen: Seen,
  isSelected: boolean,
): Line {
  return placed.map(({ wide, right, text, style }, i): Span => [
    `${i === 0 ? "" : " "}${cell(text(port, wide, seen), wide, right)}`,
    ...isSelected ? ["bold" as const, "inverse" as const] : style?.(port) ?? [],
  ]);
}
