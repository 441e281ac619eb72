/**
 * What the user of `top` chose: how ports are sorted, which are shown, which one is looked at; and
 * what a key makes of it.
 *
 * @module
 */
import { type Figures, framesOf, type PortFigures } from "./figures.ts";
import type { Key } from "./keys.ts";

/** What ports can be sorted by; with the key that chooses it. */
export const SORTS = {
  frames: "f",
  rx: "r",
  tx: "t",
  bits: "b",
  drops: "d",
  name: "n",
  verdict: "v",
} as const;

/** What ports are sorted by. */
export type Sort = keyof typeof SORTS;

/** All of them, in the order of `<` and `>`. */
export const SORT_NAMES = Object.keys(SORTS) as readonly Sort[];

/** What was chosen. */
export interface TopState {
  /** The largest first, of names the first. */
  readonly sort: Sort;
  /** The other way round. */
  readonly reverse: boolean;
  /** Ports with this in their name, link or verdict. */
  readonly filter: string;
  /** A filter that is being typed; null: keys are commands. */
  readonly typing: string | null;
  /** Name of the port that is looked at; null: whichever is first. */
  readonly selected: string | null;
  /** Ports above the first line. */
  readonly first: number;
  /** More about the selected port. */
  readonly details: boolean;
  /** The keys, instead of ports. */
  readonly help: boolean;
  /** Nothing moves. */
  readonly paused: boolean;
  /** Between two looks. */
  readonly seconds: number;
}

/** Least and most time between two looks, s. */
export const SECONDS_LEAST = 0.1;
/** See above. */
export const SECONDS_MOST = 3600;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600];
const FILTER_MAX = 40;

/** How it begins. */
export function firstState(sort: Sort, filter: string, seconds: number): TopState {
  return {
    ...{ sort, filter, seconds, reverse: false, typing: null, selected: null, first: 0 },
    ...{ details: false, help: false, paused: false },
  };
}

const LEVELS: readonly PortFigures["verdictLevel"][] = ["fault", "warning", "waiting", "ok"];

function compare(sort: Sort, one: PortFigures, other: PortFigures): number {
  const larger = (value: (port: PortFigures) => number): number => value(other) - value(one);
  if (sort === "rx") return larger(({ flow }) => flow.rxFrames);
  if (sort === "tx") return larger(({ flow }) => flow.txFrames);
  if (sort === "bits") return larger(({ flow }) => flow.rxBits + flow.txBits);
  if (sort === "drops") return larger(({ flow }) => flow.drops);
  if (sort === "verdict") return -larger(({ verdictLevel }) => LEVELS.indexOf(verdictLevel));
  if (sort === "name") return one.name.localeCompare(other.name, "en", { numeric: true });
  return larger(({ flow }) => framesOf(flow));
}

/** Ports that are shown, in their order. */
export function shownPorts(
  { ports }: Pick<Figures, "ports">,
  { sort, reverse, filter, typing }: TopState,
): PortFigures[] {
  const wanted = (typing ?? filter).toLowerCase();
  const found = ports.filter(({ name, link, verdictCode }) =>
    [name, link, verdictCode].some((text) => text.toLowerCase().includes(wanted))
  );
  const way = reverse ? -1 : 1;
  const byName = (one: PortFigures, other: PortFigures): number => compare("name", one, other);
  return found.sort((one, other) => way * (compare(sort, one, other) || byName(one, other)));
}

/** The line of the selected port. */
export function selectedLine(names: readonly string[], { selected }: TopState): number {
  return Math.max(0, selected === null ? 0 : names.indexOf(selected));
}

/** The same with its first line where the selected port can be seen. @param lines for ports */
export function settled(state: TopState, names: readonly string[], lines: number): TopState {
  const line = selectedLine(names, state);
  const most = Math.max(0, names.length - lines);
  const first = Math.min(
    most,
    Math.max(line - Math.max(1, lines) + 1, Math.min(state.first, line)),
  );
  return first === state.first ? state : { ...state, first };
}

function moved(state: TopState, names: readonly string[], by: number): TopState {
  const line = selectedLine(names, state) + by;
  const selected = names[Math.min(names.length - 1, Math.max(0, line))] ?? null;
  return { ...state, selected };
}

function typed(state: TopState, typing: string, key: Key): TopState {
  if (key === "enter") return { ...state, filter: typing, typing: null, first: 0 };
  if (key === "escape") return { ...state, typing: null };
  if (key === "backspace") return { ...state, typing: typing.slice(0, -1) };
  if (!/^[ -~]$/.test(key) || typing.length >= FILTER_MAX) return state;
  return { ...state, typing: typing + key };
}

function slower(state: TopState, way: 1 | -1): TopState {
  const { seconds } = state;
  const next = way === 1
    ? STEPS.find((step) => step > seconds)
    : STEPS.findLast((step) => step < seconds);
  return { ...state, seconds: next ?? seconds };
}

function sorted(state: TopState, by: 1 | -1): TopState {
  const count = SORT_NAMES.length;
  const next = (SORT_NAMES.indexOf(state.sort) + by + count) % count;
  return { ...state, sort: SORT_NAMES[next] ?? state.sort };
}

/** Keys and what they make of a state. */
const COMMANDS: Readonly<
  Record<string, (state: TopState, names: readonly string[], lines: number) => TopState>
> = {
  "up": (state, names) => moved(state, names, -1),
  "k": (state, names) => moved(state, names, -1),
  "down": (state, names) => moved(state, names, 1),
  "j": (state, names) => moved(state, names, 1),
  "page-up": (state, names, lines) => moved(state, names, -lines),
  "page-down": (state, names, lines) => moved(state, names, lines),
  "home": (state, names) => moved(state, names, -Infinity),
  "g": (state, names) => moved(state, names, -Infinity),
  "end": (state, names) => moved(state, names, Infinity),
  "G": (state, names) => moved(state, names, Infinity),
  "enter": (state, names) => ({ ...moved(state, names, 0), details: !state.details }),
  "<": (state) => sorted(state, -1),
  "left": (state) => sorted(state, -1),
  ">": (state) => sorted(state, 1),
  "right": (state) => sorted(state, 1),
  "R": (state) => ({ ...state, reverse: !state.reverse }),
  "/": (state) => ({ ...state, typing: "" }),
  " ": (state) => ({ ...state, paused: !state.paused }),
  "p": (state) => ({ ...state, paused: !state.paused }),
  "+": (state) => slower(state, 1),
  "-": (state) => slower(state, -1),
  "?": (state) => ({ ...state, help: true }),
  "h": (state) => ({ ...state, help: true }),
  "escape": (state) =>
    state.details
      ? { ...state, details: false }
      : { ...state, filter: "", selected: null, first: 0 },
};

/**
 * What a key makes of what was chosen.
 * @param names of the ports that are shown, in their order @param lines for them
 * @returns the new state, or what is to be done instead
 */
export function press(
  state: TopState,
  key: Key,
  names: readonly string[],
  lines: number,
): TopState | "quit" | "suspend" {
  if (key === "ctrl-c") return "quit";
  if (key === "ctrl-z") return "suspend";
  if (state.typing !== null) return settled(typed(state, state.typing, key), names, lines);
  if (state.help) return { ...state, help: false };
  if (key === "q") return "quit";
  const sort = SORT_NAMES.find((name) => SORTS[name] === key);
  if (sort !== undefined) return { ...state, sort, first: 0, reverse: false };
  return settled(COMMANDS[key]?.(state, names, lines) ?? state, names, lines);
}
