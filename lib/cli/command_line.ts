/**
 * What a line means before a command reads it: global flags in front of the words, `help`, versions,
 * words that are missing.
 *
 * @module
 */
import { CLIENT_FLAGS, type CommandRow, type Flag } from "./command.ts";
import { COMMANDS, GROUPS } from "./commands.ts";

/** A line in the order that the framework reads. */
export interface CommandLine {
  /** What the framework gets. */
  readonly args: readonly string[];
  /** The words of a command or a group that it starts with. */
  readonly words: readonly string[];
  /** It ends before it names a command: help is printed, and the line counts as wrong usage. */
  readonly unfinished: boolean;
  /** What is certainly wrong with it, one line; null: the framework finds that out. */
  readonly fault: string | null;
}

/** The command of some words, if it is one. */
export function commandOf(words: readonly string[]): CommandRow | undefined {
  return COMMANDS.find((row) => row.words.join(" ") === words.join(" "));
}

/** A flag's name in code as it is typed. */
export function flagWord(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Whether a command or a group begins with these words and one more. */
export function goesOn(words: readonly string[], word: string): boolean {
  const next = [...words, word].join(" ");
  return COMMANDS.some((row) => row.words.join(" ") === next || row.words[0] === next);
}

/** A global flag and its value, at the head of these arguments; empty if none is there. */
function globalFlag(args: readonly string[]): string[] {
  const [flag = "", value] = args;
  if (flag === "-j") return [flag];
  const name = Object.entries<Flag>(CLIENT_FLAGS)
    .find(([name, { alias }]) => flag === `--${name}` || (alias && flag === `-${alias}`));
  if (name) return value === undefined ? [flag] : [flag, value];
  const joined = Object.keys(CLIENT_FLAGS).some((name) => flag.startsWith(`--${name}=`));
  return joined ? [flag] : [];
}

/** `help`, `-V` and back-end programs' conventions as the commands that they stand for. */
function translate(args: readonly string[]): readonly string[] {
  const [first = "", ...rest] = args;
  if (first === "help") return [...rest.filter((word) => !word.startsWith("-")), "--help"];
  if (first === "-h") return ["--help", ...rest];
  if (first === "--version" || first === "-V") return ["version", ...rest];
  // A back-end program is started without a command word (vhost-user.rst «Backend programs»).
  if (/^--(?:socket-path|fd)(?:=|$)/.test(first)) return ["run", ...args];
  return args;
}

/** Reads a line. Never throws: what is wrong with it is said later, by whoever reads on. */
export function readLine(given: readonly string[]): CommandLine {
  let rest = [...translate(given)];
  const words: string[] = [];
  const globals: string[] = [];
  while (rest.length > 0) {
    const [first = ""] = rest;
    const taken = commandOf(words) ? [] : globalFlag(rest);
    globals.push(...taken);
    if (taken.length > 0) rest = rest.slice(taken.length);
    else if (goesOn(words, first)) {
      words.push(first);
      rest = rest.slice(1);
    } else break;
  }
  const complete = commandOf(words) !== undefined;
  const fault = complete ? null : flagInFront(words, rest[0]);
  const unfinished = !complete && rest.length === 0;
  const behind = unfinished ? ["--help"] : withLongOutput(words, [...globals, ...rest]);
  const args = [...words, ...withBareValues(words, behind)];
  return { args, words, unfinished, fault };
}

/** `-j` as what it stands for, where a command prints JSON; behind `--` it is an argument. */
function withLongOutput(words: readonly string[], args: readonly string[]): string[] {
  if (commandOf(words)?.flags.output === undefined) return [...args];
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  return args.flatMap((arg, at) => arg === "-j" && at < end ? ["--output", "json"] : [arg]);
}

/** `--watch` without a number as `--watch=1`, so that what follows is no value of it. */
function withBareValues(words: readonly string[], args: readonly string[]): string[] {
  const flags = Object.entries<Flag>(commandOf(words)?.flags ?? {});
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const found: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const [arg = "", next = ""] = [args[at], args[at + 1]];
    const bare = flags.find(([name]) => arg === `--${flagWord(name)}`)?.[1].bare;
    const isGiven = at + 1 < end && /^\d*\.?\d+$/.test(next);
    found.push(bare === undefined || at >= end ? arg : `${arg}=${isGiven ? next : bare}`);
    if (bare !== undefined && at < end && isGiven) at++;
  }
  return found;
}

/** A command's flag where its word is missing. */
function flagInFront(words: readonly string[], next: string | undefined): string | null {
  if (next === undefined || !next.startsWith("-") || /^(?:-h|--help|--)$/.test(next)) return null;
  if (words.length > 0) {
    return `${next} stands behind a command of ${words[0]}: vuswitch ${words[0]} ${
      COMMANDS.find((row) => row.words[0] === words[0])?.words[1]
    }`;
  }
  return `${next.slice(0, 64)} stands behind a command, such as: vuswitch run`;
}

/** Where to read more about a line. */
export function helpFor(words: readonly string[]): string {
  return ["vuswitch", ...words, "--help"].join(" ");
}

/** Examples of a group: the first of each of its commands. */
export function groupExamples(group: string): string[] {
  return COMMANDS.filter((row) => row.words[0] === group).map((row) => row.examples[0] as string);
}

/** What help says first. */
export function description(brief: string, examples: readonly string[]): string {
  return `${brief}\n\nEXAMPLES\n${examples.map((line) => `  ${line}`).join("\n")}`;
}

/** Whether a word has commands behind it. */
export function isGroup(word: string): boolean {
  return Object.hasOwn(GROUPS, word);
}
