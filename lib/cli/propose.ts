/**
 * How a line that is being typed may go on, from the rows of the commands.
 *
 * @module
 */
import {
  type Argument,
  CLIENT_FLAGS,
  type CommandRow,
  type Flag,
  type Flags,
  type Place,
  type Proposal,
} from "./command.ts";
import { commandOf, flagWord, goesOn } from "./command_line.ts";
import { COMMANDS, GROUPS } from "./commands.ts";

/** More would not be read by anybody. */
const PROPOSALS_MAX = 256;

/** Words in front of a command that stand for it. */
const IN_FRONT: readonly Proposal[] = [
  { word: "help", about: "how a command is used" },
  { word: "--version", about: "print the version" },
];

/** What was read of a line in front of the word that is being typed. */
interface Read {
  /** Of a group or a command. */
  readonly words: string[];
  /** Arguments behind them. */
  count: number;
  /** By name. */
  readonly flags: Set<string>;
  /** What the next word belongs to, if to a flag. */
  pending: Flag | null;
  /** Behind `--` there are no flags. */
  ended: boolean;
  /** Behind `help` there are words alone. */
  help: boolean;
  /** Its words are of no command. */
  lost: boolean;
  /** The control socket that it names. */
  ctl: string | undefined;
}

/** Flags at a place; in front of a command's last word those that all commands have. */
function flagsAt(row: CommandRow | undefined): Flags {
  return row?.flags ?? CLIENT_FLAGS;
}

/** The flag that a word names, with the value behind its `=`. */
function flagOf(flags: Flags, word: string): { name: string; flag: Flag; value?: string } | null {
  const [head = "", ...rest] = word.split("=");
  for (const [name, flag] of Object.entries(flags)) {
    if (head !== `--${flagWord(name)}` && head !== `-${flag.alias}`) continue;
    return rest.length === 0 ? { name, flag } : { name, flag, value: rest.join("=") };
  }
  return null;
}

function readFlag(read: Read, flags: Flags, word: string): void {
  const found = flagOf(flags, word);
  if (found === null) return;
  read.flags.add(found.name);
  if (found.name === "ctl" && found.value !== undefined) read.ctl = found.value;
  if (!found.flag.yes && !found.flag.bare && found.value === undefined) read.pending = found.flag;
}

function readWord(read: Read, word: string): void {
  const row = commandOf(read.words);
  const flags = flagsAt(row);
  if (read.pending) {
    if (read.pending === flags.ctl) read.ctl = word;
    read.pending = null;
  } else if (word === "--") read.ended = true;
  else if (!read.ended && word.startsWith("-")) readFlag(read, flags, word);
  else if (row) read.count++;
  else if (word === "help" && read.words.length === 0) read.help = true;
  else if (goesOn(read.words, word)) read.words.push(word);
  else read.lost = true;
}

function readWords(words: readonly string[]): Read {
  const read: Read = {
    words: [],
    count: 0,
    flags: new Set(),
    pending: null,
    ended: false,
    help: false,
    lost: false,
    ctl: undefined,
  };
  for (const word of words) readWord(read, word);
  return read;
}

/** What a flag or an argument may be. */
async function valuesOf({ values, words }: Flag | Argument, place: Place): Promise<Proposal[]> {
  const all: readonly (string | Proposal)[] = values ?? await words?.(place) ?? [];
  return all.map((each) => typeof each === "string" ? { word: each, about: "" } : each);
}

/** Commands, or what stands behind a group. */
function commandWords({ words, help }: Read): Proposal[] {
  const [group] = words;
  if (group !== undefined) {
    return COMMANDS.flatMap(({ words: [first, second], brief }) =>
      first === group && second !== undefined ? [{ word: second, about: brief }] : []
    );
  }
  const firsts = new Map(COMMANDS.map((row) => [row.words[0], GROUPS[row.words[0]] ?? row.brief]));
  const all = Array.from(firsts, ([word, about]) => ({ word, about }));
  return help ? all : [...all, ...IN_FRONT.filter(({ word }) => !word.startsWith("-"))];
}

/** Flags that may still be given. */
function flagWords(read: Read, row: CommandRow | undefined): Proposal[] {
  const all = Object.entries<Flag>(flagsAt(row))
    .filter(([name, { many }]) => many || !read.flags.has(name))
    .map(([name, { brief }]) => ({ word: `--${flagWord(name)}`, about: brief }));
  const front = read.words.length === 0 ? IN_FRONT.filter(({ word }) => word.startsWith("-")) : [];
  return [...all, ...front, { word: "--help", about: "how it is used" }];
}

/** Everything at the place of the word that is being typed, whatever it begins with. */
async function allAt(read: Read, place: Place): Promise<Proposal[]> {
  if (read.lost) return [];
  if (read.pending) return await valuesOf(read.pending, place);
  const row = commandOf(read.words);
  if (!read.ended && !read.help && place.partial.startsWith("-")) {
    const found = flagOf(flagsAt(row), place.partial);
    if (found?.value === undefined) return flagWords(read, row);
    const inside = { ...place, partial: found.value };
    const head = place.partial.slice(0, place.partial.length - found.value.length);
    return (await valuesOf(found.flag, inside))
      .map(({ word, about }) => ({ word: `${head}${word}`, about }));
  }
  if (row === undefined) return commandWords(read);
  if (read.help) return [];
  const last = row.arguments.at(-1);
  const argument = row.arguments[read.count] ?? (last?.many ? last : undefined);
  if (argument !== undefined) return await valuesOf(argument, place);
  return read.ended ? [] : flagWords(read, row);
}

/**
 * Whole words that the last one of a line, which may be empty, may become.
 * @param given the line without the program's name
 */
export async function propose(given: readonly string[]): Promise<Proposal[]> {
  const partial = given.at(-1) ?? "";
  const read = readWords(given.slice(0, -1));
  const all = await allAt(read, { partial, ctl: read.ctl });
  const fitting = all.filter(({ word }) => word.startsWith(partial));
  return fitting.slice(0, PROPOSALS_MAX);
}
