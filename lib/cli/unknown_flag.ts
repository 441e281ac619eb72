/**
 * What is meant by a flag that no command has: the framework proposes commands, and flags not always.
 *
 * @module
 */
import { didYouMean } from "../base/nearest.ts";
import type { CommandRow } from "./command.ts";
import { COMMANDS } from "./commands.ts";

const UNKNOWN = /^No flag registered for (--[^\s,;]+)$/;

/** Words that others have for a flag of ours. */
const OTHERS: Readonly<Record<string, readonly [flag: string, instead: string]>> = {
  "--json": ["output", "-j"],
  "--format": ["output", "-o"],
  "--socket": ["ctl", "--ctl"],
};

function kebab(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Likewise, of a command. */
function proposal(typed: string, { flags }: CommandRow): string | null {
  const [flag, instead] = OTHERS[typed] ?? [];
  if (flag !== undefined && Object.hasOwn(flags, flag)) return `did you mean ${instead}?`;
  return didYouMean(typed, Object.keys(flags).map(kebab));
}

/** The framework's line on a flag, with what may be meant. @param words of the command line */
export function withProposal(line: string, words: readonly string[]): string {
  const [, typed] = UNKNOWN.exec(line) ?? [];
  const row = COMMANDS.find(({ words: own }) => own.every((word, i) => word === words[i]));
  const meant = typed === undefined || row === undefined ? null : proposal(typed, row);
  return meant === null ? line : `${line}, ${meant}`;
}
