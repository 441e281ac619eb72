/**
 * What a command is: words, what it does, arguments, flags, examples, and its code. The command
 * line, its help and the documents are made from that; no framework is named here.
 *
 * @module
 */
import { OPTION_NAMES, optionForm, PORT_OPTIONS } from "../control/config/port_options.ts";
import type { DocumentName } from "../control/schema/mod.ts";
import { type AnyView, showView, type View } from "./view.ts";

/** Prints to stdout. False: nobody reads. */
export type Print = (text: string) => unknown;

/** What a command does, with its flags and arguments. */
export type Act = (flags: never, print: Print, ...words: string[]) => void | Promise<void>;

/** What a shell may put where its user asks how a line goes on. */
export interface Proposal {
  /** The whole word, not only its rest; one that ends with `=`, `,` or `:` goes on itself. */
  readonly word: string;
  /** What it means, for shells that show that; may be empty. */
  readonly about: string;
}

/** Where a line is to go on. */
export interface Place {
  /** What of the word was typed. */
  readonly partial: string;
  /** The control socket that the line names, if it does. */
  readonly ctl: string | undefined;
}

/** Finds how a word may go on. What does not begin as it does is left out later. */
export type Propose = (place: Place) => Promise<readonly (string | Proposal)[]>;

/** An argument by its place. */
export interface Argument {
  /** How usage and errors name it, in capitals. */
  readonly placeholder: string;
  /** What it means, a line of help. */
  readonly brief: string;
  /** It may be left out. */
  readonly optional?: true;
  /** It may be given again; the last one alone. */
  readonly many?: true;
  /** What it may be; any text if not given. */
  readonly values?: readonly string[];
  /** Words that shells complete it with; it may be another one. */
  readonly words?: Propose;
}

/** A flag; without `values` and `yes` it takes one text. */
export interface Flag {
  /** What it does, a line of help. */
  readonly brief: string;
  /** What usage shows for its text, in capitals. */
  readonly placeholder?: string;
  /** Its value is one of these. */
  readonly values?: readonly string[];
  /** Of `values`, the one that counts where it is left out. */
  readonly otherwise?: string;
  /** It may stand without its text, and means this then; a text must be a number. */
  readonly bare?: string;
  /** It takes no value. */
  readonly yes?: true;
  /** It may be given again; values are collected in order. */
  readonly many?: true;
  /** Words that shells complete it with; it may be another one. */
  readonly words?: Propose;
  /** One letter that means the same. */
  readonly alias?: string;
}

/** Flags by their name in code; on the command line with hyphens. */
export type Flags = Readonly<Record<string, Flag>>;

/** What a command gets of a flag. */
export type Given<F extends Flag> = F extends { readonly yes: true } ? boolean
  : F extends { readonly many: true } ? readonly string[]
  : F extends { readonly values: readonly (infer Word)[] } ? Word
  : string;

/** Whether it is there when nobody gave it. */
export type IsSet<F extends Flag> = F extends
  { readonly yes: true } | { readonly otherwise: string } ? true
  : false;

/** What a command gets of its flags. */
export type FlagsOf<Rows extends Flags> =
  & {
    readonly [Name in keyof Rows as IsSet<Rows[Name]> extends true ? Name : never]: Given<
      Rows[Name]
    >;
  }
  & {
    readonly [Name in keyof Rows as IsSet<Rows[Name]> extends true ? never : Name]?: Given<
      Rows[Name]
    >;
  };

/** A command, whatever its flags are. */
export interface CommandRow {
  /** What is typed behind `vuswitch`. */
  readonly words: readonly [string] | readonly [string, string];
  /** What it does, a line of help. */
  readonly brief: string;
  /** Lines as typed, without what a comment behind them says. At least one. */
  readonly examples: readonly string[];
  /** In the order in which they are typed. */
  readonly arguments: readonly Argument[];
  /** By name in camel case; typed with hyphens. */
  readonly flags: Flags;
  /** Loads what the command does, once it runs: other commands start without it. */
  readonly load: () => Promise<Act>;
  /** What it prints, if that is JSON or a view of it: those have `--output`. */
  readonly view?: () => Promise<AnyView>;
}

/** What every command says of itself. */
export interface About<Rows extends Flags> {
  /** As in {@linkcode CommandRow}. */
  readonly words: CommandRow["words"];
  /** As in {@linkcode CommandRow}. */
  readonly brief: string;
  /** As in {@linkcode CommandRow}. */
  readonly examples: readonly string[];
  /** None if not given. */
  readonly arguments?: readonly Argument[];
  /** As in {@linkcode CommandRow}; the command gets them as {@linkcode FlagsOf} says. */
  readonly flags: Rows;
}

/** A command that does something. @param load brings its code, when it runs */
export function doing<const Rows extends Flags>(
  about: About<Rows>,
  load: () => Promise<
    // deno-lint-ignore no-explicit-any -- words are text, and of a closed list where a row says so
    (flags: FlagsOf<Rows>, print: Print, ...words: any[]) => void | Promise<void>
  >,
): CommandRow {
  return { arguments: [], ...about, load };
}

/** A command that prints a document, as JSON or as a table. @param load brings its view */
export function printing<const Rows extends Flags, Name extends DocumentName>(
  about: About<Rows>,
  load: () => View<FlagsOf<Rows>, Name> | Promise<View<FlagsOf<Rows>, Name>>,
): CommandRow {
  return {
    arguments: [],
    ...about,
    view: async () => await load(),
    load: async () => {
      const view = await load();
      return async (flags, print, ...words) => await showView(view, flags, print, ...words);
    },
  };
}

/** A command that asks a switch and prints what it says. */
export function asking<Name extends DocumentName>(
  about: Omit<About<typeof CLIENT_FLAGS>, "flags">,
  document: Name,
  read: View<ClientFlags, Name>["read"],
  draw: View<ClientFlags, Name>["draw"],
): CommandRow {
  return printing(
    { ...about, flags: CLIENT_FLAGS },
    () => ({ document: () => document, read, draw }),
  );
}

/** How to print. */
export const OUTPUT = {
  brief: "how to print; -j: as JSON",
  values: ["table", "json"],
  otherwise: "table",
  alias: "o",
} as const satisfies Flag;

/** Flags of every command that asks a switch; they may stand in front of its words as well. */
export const CLIENT_FLAGS = {
  ctl: { brief: "control socket of the switch", placeholder: "PATH" },
  output: OUTPUT,
  timeout: { brief: "how long to wait for the switch (2)", placeholder: "SECONDS" },
} as const satisfies Flags;

/** What such a command gets of them. */
export type ClientFlags = FlagsOf<typeof CLIENT_FLAGS>;

/** Shells complete a word with what a running switch has; loaded when one asks. */
export const LIVE = {
  ports: async (place) => await (await import("./live_words.ts")).portWords(place),
  portList: async (place) => await (await import("./live_words.ts")).portListWords(place),
  addresses: async (place) => await (await import("./live_words.ts")).addressWords(place),
  mirrors: async (place) => await (await import("./live_words.ts")).mirrorWords(place),
} as const satisfies Readonly<Record<string, Propose>>;

/** Shells complete the options of a specification, and their words. */
export async function proposeSpec(place: Place): Promise<readonly Proposal[]> {
  return (await import("./spec_words.ts")).specWords(place);
}

/** A port. */
export const PORT: Argument = {
  placeholder: "PORT",
  brief: "name of a port",
  words: LIVE.ports,
};
/** A second one. */
export const OTHER_PORT: Argument = { ...PORT, brief: "name of the other port" };
/** One, or all. */
export const MAYBE_PORT: Argument = { ...PORT, optional: true };
/** The address of a station. */
export const MAC: Argument = {
  placeholder: "MAC",
  brief: "address of a station",
  words: LIVE.addresses,
};
/** A port as an operator writes it. */
export const SPEC: Argument = {
  placeholder: "SPEC",
  words: proposeSpec,
  brief: `NAME[=PATH]${OPTION_NAMES.map((name) => `[,${optionForm(name)}]`).join("")}; ` +
    Object.entries(PORT_OPTIONS).map(([name, { brief }]) => `${name}: ${brief}`).join("; "),
};

/** Asks the switch that a command's flags name; see client.ts, which is loaded when it is needed. */
export async function ask<T>(
  flags: Pick<ClientFlags, "ctl" | "timeout">,
  method: string,
  path: string,
  body: unknown = null,
): Promise<T> {
  return await (await import("./client.ts")).ask(flags, method, path, body) as T;
}

/** The path of a port in the control API. */
export function portPath(name: string): string {
  return `/v1/ports/${encodeURIComponent(name)}`;
}
