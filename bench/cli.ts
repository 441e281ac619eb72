/**
 * What one may type behind `deno task bench`.
 *
 * @module
 */
import { parseArgs } from "node:util";

/** What to run. */
export interface RunOptions {
  readonly action: "run" | "list";
  readonly quick: boolean;
  /** Names of suites; empty: all. */
  readonly suites: readonly string[];
  /** Words that a cell's name must contain, one of them; empty: all cells. */
  readonly cells: readonly string[];
  /** Names of rivals, or parts of them, beside the subject; empty: all. */
  readonly against: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly burst: number;
  /** Processors of switch and generator; null: chosen. */
  readonly cpus: { readonly switch: number; readonly generator: number } | null;
  readonly smallPages: boolean;
  /** Folder of the history. */
  readonly out: string;
  readonly html: string;
}

/** What to make of a session. */
export interface ReportOptions {
  readonly action: "report";
  /** A session's file; null: the newest of the history. */
  readonly from: string | null;
  readonly out: string;
  readonly html: string;
  /** Also write the picture alone here. */
  readonly picture: string | null;
}

/** Nothing but help. */
export interface HelpOptions {
  readonly action: "help";
}

/** What was typed wrong, in one line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const ROOT = new URL("../", import.meta.url).pathname;
const HISTORY = `${ROOT}bench/results`;

/** Printed by `--help`. */
export const HELP = `Throughput, latency, loss, scale and idle cost of vuswitch beside its rivals.

usage: deno task bench [OPTION]...             run, append to the history, write the report
       deno task bench report [FILE] [OPTION]  write the report of the newest session, or of FILE
       deno task bench list [OPTION]...        show what would run, and how long it would take

  --quick            a look in under two minutes: few cells, one round; not for claims
  --suite NAME       only this suite; may be repeated (see list)
  --cell WORDS       only cells whose name contains WORDS; may be repeated
  --against NAME     only rivals whose name contains NAME; may be repeated
  --rounds N         runs of each contender of a cell, 1-99 (5)
  --seconds N        how long each run is measured, 1-3600 (2)
  --burst N          frames the generator sends at once, 1-512 (64)
  --cpus S,G         processors of switch and generator (two cores of one memory node)
  --small-pages      4 KiB pages: without huge pages to spare (OVS-DPDK may not start)
  --out FOLDER       the history (bench/results)
  --html PATH        the report (bench/report.html)
  --picture PATH     report: also the picture of throughput alone, SVG
  --help

Needs as root: dpdk-testpmd (apt-get install dpdk dpdk-dev), two processors, 2 GiB of huge pages
(reserved and given back), and for rivals openvswitch-switch-dpdk, iproute2. Run nothing else.`;

const OPTIONS = {
  quick: { type: "boolean" },
  suite: { type: "string", multiple: true },
  cell: { type: "string", multiple: true },
  against: { type: "string", multiple: true },
  rounds: { type: "string" },
  seconds: { type: "string" },
  burst: { type: "string" },
  cpus: { type: "string" },
  "small-pages": { type: "boolean" },
  out: { type: "string" },
  html: { type: "string" },
  picture: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

function number(name: string, text: string | undefined, otherwise: number, max: number): number {
  if (text === undefined) return otherwise;
  if (/^[1-9]\d{0,5}$/.test(text) && Number(text) <= max) return Number(text);
  throw new UsageError(`--${name} ${text} must be a number from 1 to ${max}`);
}

function readCpus(text: string | undefined): RunOptions["cpus"] {
  if (text === undefined) return null;
  const [, one, other] = /^(\d{1,4}),(\d{1,4})$/.exec(text) ?? [];
  if (one === undefined || one === other) {
    throw new UsageError(`--cpus ${text} must be two different processors, such as 1,0`);
  }
  return { switch: Number(one), generator: Number(other) };
}

function parse(args: readonly string[]): ReturnType<typeof parseTyped> {
  try {
    return parseTyped(args);
  } catch (error) {
    // Node's message, its first sentence.
    const words = error instanceof Error ? error.message : `${error}`;
    throw new UsageError(words.split(/\.\s/)[0] ?? words);
  }
}

// deno-lint-ignore explicit-function-return-type
function parseTyped(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true });
}

/** Reads the command line. @throws {UsageError} */
export function readOptions(args: readonly string[]): RunOptions | ReportOptions | HelpOptions {
  const { values, positionals } = parse(args);
  if (values.help) return { action: "help" };
  const [action = "run", file, ...rest] = positionals;
  const out = values.out ?? HISTORY;
  const html = values.html ?? `${ROOT}bench/report.html`;
  if (action === "report" && rest.length === 0) {
    return {
      action,
      from: file ?? null,
      out,
      html,
      picture: values.picture ?? null,
    };
  }
  if ((action !== "run" && action !== "list") || file !== undefined) {
    const word = action === "run" || action === "list" ? file : action;
    throw new UsageError(`Unknown word: ${word}`);
  }
  const quick = values.quick ?? false;
  return {
    action,
    quick,
    suites: values.suite ?? [],
    cells: values.cell ?? [],
    against: values.against ?? [],
    rounds: number("rounds", values.rounds, quick ? 1 : 5, 99),
    seconds: number("seconds", values.seconds, quick ? 1 : 2, 3600),
    burst: number("burst", values.burst, 64, 512),
    cpus: readCpus(values.cpus),
    smallPages: values["small-pages"] ?? false,
    out,
    html,
  };
}
