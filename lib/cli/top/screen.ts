/**
 * The screen of `top`, line by line, whatever the size of the terminal: nothing here asks a switch or
 * touches a terminal.
 *
 * @module
 */
import { shortNumber } from "../table.ts";
import { placeColumns, portLine, rateText, titleLine } from "./columns.ts";
import { detailLines, type Details } from "./details.ts";
import type { Figures } from "./figures.ts";
import { sparkline, type TopHistory } from "./history.ts";
import { asciiText, type Line, type Looks, widthOf } from "./spans.ts";
import { selectedLine, settled, shownPorts, SORTS, type TopState } from "./state.ts";

/** What is drawn. */
export interface Scene {
  /** The last figures. */
  readonly figures: Figures;
  /** Rates are known: there were two looks. */
  readonly measured: boolean;
  /** Of the last minutes. */
  readonly history: TopHistory;
  /** What the user chose. */
  readonly state: TopState;
  /** Of the selected port, if it was asked for. */
  readonly details: Details | null;
  /** Why there are no newer figures; null: there are. */
  readonly trouble: string | null;
  /** Of the terminal. */
  readonly columns: number;
  /** Of the terminal. */
  readonly rows: number;
  /** Of the terminal. */
  readonly looks: Looks;
}

/** A screen, and what keys have to know of it. */
export interface Screen {
  /** From top to bottom, `rows` at most. */
  readonly lines: readonly Line[];
  /** Of ports that are shown or can be scrolled to, in their order. */
  readonly names: readonly string[];
  /** Lines there are for ports. */
  readonly portLines: number;
  /** What was chosen, scrolled to where the selected port can be seen. */
  readonly state: TopState;
}

const METER_COLUMNS = 20;

function spread(left: Line, right: Line, columns: number): Line {
  const gap = columns - widthOf(left) - widthOf(right);
  return gap < 1 ? left : [...left, " ".repeat(gap), ...right];
}

function duration(seconds: number): string {
  const [days, hours, minutes] = [86400, 3600, 60].map((unit) => Math.floor(seconds / unit));
  const two = (value = 0): string => String(value).padStart(2, "0");
  const time = `${two((hours ?? 0) % 24)}:${two((minutes ?? 0) % 60)}:${two(seconds % 60)}`;
  return days ? `${days} d ${time}` : time;
}

function headLine({ figures, columns }: Scene): Line {
  const { version, pid, uptimeSeconds, ports, at } = figures;
  const up = ports.filter(({ link }) => link.startsWith("up")).length;
  const count = `${ports.length} port${ports.length === 1 ? "" : "s"}, ${up} up`;
  return spread(
    [
      ["vuswitch", "bold"],
      ` ${asciiText(version)}  ${count}  up ${duration(uptimeSeconds)}  pid ${pid}`,
    ],
    [at.slice(11, 19), " UTC"],
    columns,
  );
}

function totalLine({ figures: { all, addresses }, history, measured, looks }: Scene): Line {
  if (!measured) return ["measuring ..."];
  const way = (name: string, frames: number, bits: number): string =>
    `${name} ${rateText(frames)}/s ${shortNumber(bits)}bit/s`;
  return [
    `${way("rx", all.rxFrames, all.rxBits)}  ${way("tx", all.txFrames, all.txBits)}  `,
    [`drops ${rateText(all.drops)}/s `, ...all.drops > 0 ? ["yellow" as const] : []],
    [sparkline(history.drops, Math.min(12, history.drops.length), looks.unicode), "yellow"],
    `  addresses ${addresses}`,
  ];
}

function percent(share: number | null): string {
  return share === null ? "-" : `${Math.round(100 * share)} %`;
}

function workerLines({ figures: { workers }, history, looks }: Scene): Line[] {
  return workers.map(({ number, busy, polling, asleep, waited, nsPerFrame }) => {
    const full = Math.round(METER_COLUMNS * (busy ?? 0));
    const hot = (busy ?? 0) >= 0.9;
    return [
      `worker ${number} busy `,
      [percent(busy).padStart(5), "bold", ...hot ? ["red" as const] : []],
      " ",
      [(looks.unicode ? "█" : "#").repeat(full), hot ? "red" : "green"],
      [(looks.unicode ? "░" : ".").repeat(METER_COLUMNS - full), "dim"],
      "  ",
      [sparkline(history.worker(number), 20, looks.unicode, 1), "cyan"],
      `  polls ${percent(polling)}, sleeps ${percent(asleep)}, not run ${percent(waited)}`,
      nsPerFrame === null ? "" : `, ${Math.round(nsPerFrame)} ns/frame`,
    ];
  });
}

function stateLine({ state, trouble }: Scene, shown: number, all: number): Line {
  const { sort, reverse, filter, typing, paused, seconds } = state;
  if (trouble !== null) return [[` ${asciiText(trouble)} `, "inverse", "red"]];
  const wanted = typing ?? filter;
  return [
    `by ${sort}${reverse ? ", reversed" : ""}, every ${seconds} s`,
    ...wanted === "" && typing === null ? [] : [
      ["  filter /", "bold"],
      [`${wanted}${typing === null ? "/" : "_"}`, "bold"],
      ` ${shown} of ${all}`,
    ] as const,
    ...paused ? [["  PAUSED", "bold", "yellow"]] as const : [],
  ];
}

const HELP: readonly (readonly [string, string])[] = [
  ["arrows, j k, PgUp PgDn, g G", "select a port"],
  ["Enter", "more about it, and less"],
  ["/", "show ports with a text in name, link or verdict"],
  [Object.values(SORTS).join(" "), `sort by ${Object.keys(SORTS).join(", ")}`],
  ["< >, R", "sort by the next one; the other way round"],
  ["p, Space", "pause"],
  ["+ -", "look less often, more often"],
  ["Esc", "no details, no filter"],
  ["Ctrl-Z, Ctrl-L", "to the shell (fg comes back); draw anew"],
  ["q, Ctrl-C", "end"],
];

function helpLines(): Line[] {
  return [
    [["Keys", "bold"]],
    ...HELP.map(([keys, what]): Line => [[`  ${keys}`.padEnd(30), "bold"], what]),
    ["rx is what comes from the guest, tx what goes to it; any key goes back"],
  ];
}

function footLine({ state, columns }: Scene): Line {
  if (state.typing !== null) return ["Enter keeps the filter, Esc does not"];
  const words = columns < 60
    ? "q end  ? help  Enter more  / filter"
    : "q end  ? help  Enter details  / filter  < > sort  R reverse  p pause  + - interval";
  return [[words, "dim"]];
}

/** Draws it. Every line fits, and there are never more than `rows`. */
export function drawScreen(scene: Scene): Screen {
  const { figures, history, columns, rows, looks, measured } = scene;
  const ports = shownPorts(figures, scene.state);
  const names = ports.map(({ name }) => name);
  const tall = rows >= 8;
  const foot = rows >= 6 ? [footLine(scene)] : [];
  const head = [
    ...tall ? [headLine(scene)] : [],
    ...tall ? [totalLine(scene), ...workerLines(scene).slice(0, Math.max(1, rows - 10))] : [],
    ...rows >= 3 ? [stateLine(scene, ports.length, figures.ports.length)] : [],
  ];
  const room = rows - head.length - foot.length;
  if (scene.state.help) {
    const lines = [...head, ...helpLines().slice(0, room), ...foot];
    return {
      lines: lines.slice(0, rows),
      names,
      portLines: Math.max(1, room - 1),
      state: scene.state,
    };
  }
  const chosen = ports[selectedLine(names, scene.state)];
  const most = Math.floor(room / 2);
  const below = scene.state.details && chosen !== undefined
    ? detailLines(chosen, scene.details, history, { columns, most }, looks)
    : [];
  const portLines = Math.max(1, room - 1 - below.length);
  const state = settled(scene.state, names, portLines);
  const placed = placeColumns(columns);
  const table = ports.slice(state.first, state.first + portLines)
    .map((port) => portLine(placed, port, { history, looks, measured }, port === chosen));
  const empty: Line[] = ports.length === 0
    ? [[figures.ports.length === 0 ? "no ports" : "no port has that in it: Esc shows all"]]
    : [];
  const filler: Line[] = new Array(Math.max(0, portLines - table.length - empty.length)).fill([]);
  const lines = [
    ...head,
    titleLine(placed, state.sort),
    ...table,
    ...empty,
    ...filler,
    ...below,
    ...foot,
  ];
  return { lines: lines.slice(0, rows), names, portLines, state };
}
