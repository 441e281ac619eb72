/**
 * `top`: what a switch does now, on a whole terminal, as pages of text, or as JSON.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import type { Print } from "../command.ts";
import type { TopFlags } from "../commands/top.ts";
import { CliError, EXIT_USAGE } from "../failure.ts";
import { batchText } from "./batch.ts";
import { showFullScreen } from "./full_screen.ts";
import { TopSource } from "./source.ts";
import { firstState, SECONDS_LEAST, SECONDS_MOST, type TopState } from "./state.ts";
import { looksOf, whyNoTerminal } from "./terminal.ts";

const COUNT_MOST = 1_000_000;
/** Numbers of signals, for the exit code of a process that one ended: 128 + N. */
const NUMBERS: Readonly<Partial<Record<Deno.Signal, number>>> = {
  ...{ SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 },
};

/** Reads a number of a flag. @throws {CliError} */
function numberOf(flag: string, text: string, least: number, most: number): number {
  const number = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new CliError(EXIT_USAGE, `--${flag} ${text} must be from ${least} to ${most}`);
}

function countOf({ count, output }: TopFlags): number | null {
  if (count === undefined) return output === "json" ? Infinity : null;
  const number = numberOf("count", count, 1, COUNT_MOST);
  if (Number.isInteger(number)) return number;
  throw new CliError(EXIT_USAGE, `--count ${count} must be a whole number`);
}

async function printPages(
  source: TopSource,
  state: TopState,
  count: number,
  print: (figures: Awaited<ReturnType<TopSource["look"]>>["figures"]) => boolean,
): Promise<void> {
  await source.look();
  for (let page = 0; page < count;) {
    await delay(1000 * state.seconds);
    const { figures, measured } = await source.look();
    // Another process answers: from the next look on there are rates again.
    if (!measured) continue;
    page++;
    if (!print(figures)) return;
  }
}

/** `top`. @throws {CliError} nobody answers, or there is no terminal and no number of pages */
export async function top(flags: TopFlags, print: Print): Promise<void> {
  const seconds = flags.seconds === undefined
    ? 1
    : numberOf("seconds", flags.seconds, SECONDS_LEAST, SECONDS_MOST);
  const state = firstState(flags.sort, flags.filter ?? "", seconds);
  const count = countOf(flags);
  const source = new TopSource(flags);
  if (count !== null) {
    return await printPages(source, state, count, (figures) => {
      const json = flags.output === "json";
      const text = json ? `${JSON.stringify(figures)}\n` : `${batchText(figures, state)}\n`;
      return print(text) !== false;
    });
  }
  const why = whyNoTerminal();
  if (why !== null) {
    throw new CliError(
      EXIT_USAGE,
      `top needs a terminal, and ${why}`,
      "-n 1 prints one page, -j a line of JSON each second",
    );
  }
  const signal = await showFullScreen(source, state, looksOf((name) => Deno.env.get(name)));
  // A read of the terminal is still under way, and would keep the process.
  Deno.exit(signal === null ? 0 : 128 + (NUMBERS[signal] ?? 0));
}
