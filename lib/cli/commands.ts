/**
 * The commands as a table: words, what they do, arguments, flags, examples, and where their code
 * is. The command line, its help and the documents are made from it; no framework is named here.
 *
 * @module
 */
import { OPTION_NAMES, optionForm, PORT_OPTIONS } from "../control/config/port_options.ts";
import { RUN_EXAMPLES, RUN_FLAGS } from "./run_flags.ts";
import type { AnyView, OutputFlags } from "./view.ts";

/** Prints to stdout. False: nobody reads. */
export type Print = (text: string) => unknown;
/** What a command does, with its flags and arguments. */
export type Act = (flags: never, print: Print, ...words: string[]) => void | Promise<void>;

/** An argument by its place. */
export interface Argument {
  /** How usage and errors name it, in capitals. */
  readonly placeholder: string;
  /** What it means, a line of help. */
  readonly brief: string;
  /** It may be left out. */
  readonly optional?: true;
  /** What it may be; any text if not given. */
  readonly values?: readonly string[];
  /** Shells complete it with the names of ports. */
  readonly isPort?: true;
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
  /** It takes no value. */
  readonly yes?: true;
  /** It may be given again; values are collected in order. */
  readonly many?: true;
  /** One letter that means the same. */
  readonly alias?: string;
}

/** A command. */
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
  readonly flags: Readonly<Record<string, Flag>>;
  /** Loads what the command does, once it runs: other commands start without it. */
  readonly load: () => Promise<Act>;
  /** What it prints, if that is JSON or a view of it: those have `--output`. */
  readonly view?: () => Promise<AnyView>;
}

/** Words with commands behind them. */
export const GROUPS: Readonly<Record<string, string>> = {
  port: "list, add and remove ports, take them down and up",
  link: "direct links between two ports",
  fdb: "the forwarding database",
  vring: "virtqueues",
};

const OUTPUT: Flag = {
  brief: "how to print",
  values: ["table", "json"],
  otherwise: "table",
  alias: "o",
};

/** Flags of every command that asks a switch; they may stand in front of its words as well. */
export const CLIENT_FLAGS: Readonly<Record<string, Flag>> = {
  ctl: { brief: "control socket of the switch", placeholder: "PATH" },
  output: OUTPUT,
  timeout: { brief: "how long to wait for the switch (2)", placeholder: "SECONDS" },
};

const RATE_FLAGS: Readonly<Record<string, Flag>> = {
  rate: { brief: "look twice and print growth per second as well", yes: true },
  watch: { brief: "the same again and again; with -o json a document a line", yes: true },
  seconds: { brief: "look twice, this far apart (1)", placeholder: "SECONDS" },
};

const PORT: Argument = { placeholder: "PORT", brief: "name of a port", isPort: true };
const OTHER_PORT: Argument = { ...PORT, brief: "name of the other port" };
const MAYBE_PORT: Argument = { ...PORT, optional: true };
const SPEC: Argument = {
  placeholder: "SPEC",
  brief: `NAME[=PATH]${OPTION_NAMES.map((name) => `[,${optionForm(name)}]`).join("")}; ` +
    Object.entries(PORT_OPTIONS).map(([name, { brief }]) => `${name}: ${brief}`).join("; "),
};

type Show = typeof import("./show.ts");
type Links = typeof import("./links.ts");

function show(name: keyof Show): () => Promise<AnyView> {
  return async () => (await import("./show.ts"))[name];
}

function links(name: keyof Links): () => Promise<AnyView> {
  return async () => (await import("./links.ts"))[name];
}

/** A command that prints. */
function viewing(view: () => Promise<AnyView>): Pick<CommandRow, "load" | "view"> {
  const load = async (): Promise<Act> => {
    const [{ showView }, what] = await Promise.all([import("./view.ts"), view()]);
    return async (flags: OutputFlags, print, ...words) =>
      await showView(what, flags, print, ...words);
  };
  return { load, view };
}

function client(
  words: CommandRow["words"],
  brief: string,
  given: readonly Argument[],
  view: () => Promise<AnyView>,
  ...examples: string[]
): CommandRow {
  return { words, brief, arguments: given, examples, flags: CLIENT_FLAGS, ...viewing(view) };
}

const PORT_COMMANDS: readonly CommandRow[] = [
  client(
    ["port", "list"],
    "list the ports",
    [],
    show("portList"),
    ...["vuswitch port list", "vuswitch port list -o json"],
  ),
  client(
    ["port", "show"],
    "everything about one port: who, since when, last error, memory, drops, and a verdict",
    [PORT],
    show("portShow"),
    ...["vuswitch port show vm1", "vuswitch port show vm1 -o json"],
  ),
  client(
    ["port", "add"],
    "add a port",
    [SPEC],
    show("portAdd"),
    "vuswitch port add vm3",
    "vuswitch port add vm3=/run/vm3.sock,mtu=9000",
    "vuswitch port add vm4=/run/vm4.sock,mode=connect",
    "vuswitch port add 'vm{n}=/run/vms.sock,multi=8'",
  ),
  client(
    ["port", "del"],
    "remove a port; a listener's name: with all its ports",
    [PORT],
    show("portDel"),
    "vuswitch port del vm3",
  ),
  client(
    ["port", "down"],
    "take a port out of service; its front-end sees it",
    [PORT],
    show("portDown"),
    "vuswitch port down vm1",
  ),
  client(
    ["port", "up"],
    "take a port back into service",
    [PORT],
    show("portUp"),
    "vuswitch port up vm1",
  ),
];

const LINK_COMMANDS: readonly CommandRow[] = [
  client(["link", "list"], "list the links", [], links("linkList"), "vuswitch link list"),
  client(
    ["link", "add"],
    "link two ports: every frame of one goes to the other and nowhere else",
    [PORT, OTHER_PORT],
    links("linkAdd"),
    "vuswitch link add vm1 vm2",
  ),
  client(
    ["link", "del"],
    "end a link: both ports switch again",
    [PORT, OTHER_PORT],
    links("linkDel"),
    "vuswitch link del vm1 vm2",
  ),
];

const STATUS_COMMANDS: readonly CommandRow[] = [
  client(
    ["fdb", "show"],
    "list the learned MAC addresses",
    [],
    show("fdbShow"),
    ...["vuswitch fdb show", "vuswitch fdb show -o json"],
  ),
  client(
    ["fdb", "flush"],
    "forget learned MAC addresses",
    [MAYBE_PORT],
    show("fdbFlush"),
    ...["vuswitch fdb flush", "vuswitch fdb flush vm1"],
  ),
  {
    words: ["stats"],
    brief: "counters of the switch or one port, and how fast they grow",
    examples: [
      "vuswitch stats",
      "vuswitch stats vm1 -o json",
      "vuswitch stats --rate",
      "vuswitch stats vm1 --watch",
    ],
    arguments: [MAYBE_PORT],
    flags: { ...CLIENT_FLAGS, ...RATE_FLAGS },
    ...viewing(async () => (await import("./stats.ts")).stats),
  },
  client(
    ["vring", "show"],
    "the virtqueues of a port",
    [PORT],
    show("vringShow"),
    "vuswitch vring show vm1",
  ),
];

const OTHER_COMMANDS: readonly CommandRow[] = [
  {
    words: ["run"],
    brief: "run a switch in the foreground",
    examples: RUN_EXAMPLES,
    arguments: [],
    flags: RUN_FLAGS,
    load: async () => (await import("./run.ts")).run as Act,
  },
  {
    words: ["protocol"],
    brief: "list vhost-user messages and feature bits: offered or not, why, and tests",
    examples: ["vuswitch protocol", "vuswitch protocol -o json"],
    arguments: [],
    flags: { output: OUTPUT },
    ...viewing(async () => (await import("./protocol.ts")).protocol),
  },
  {
    words: ["schema"],
    brief: "print the JSON Schema of what -o json and the control API print",
    examples: ["vuswitch schema", "vuswitch schema port-list"],
    arguments: [{ placeholder: "NAME", brief: "a document; all if not given", optional: true }],
    flags: {},
    load: async () => (await import("./schema.ts")).schema as Act,
  },
  {
    words: ["demo"],
    brief: "two guests ping each other through a private switch",
    examples: ["vuswitch demo", "vuswitch demo --guest builtin"],
    arguments: [],
    flags: {
      guest: {
        values: ["builtin", "testpmd", "qemu"],
        brief: "what to connect (default: the most real one installed)",
      },
    },
    load: async () => (await import("./demo.ts")).demoCommand as Act,
  },
  {
    words: ["completion"],
    brief: "print what makes a shell complete commands and port names",
    examples: ["source <(vuswitch completion bash)", "source <(vuswitch completion zsh)"],
    arguments: [{
      placeholder: "SHELL",
      values: ["bash", "zsh"],
      brief: "bash or zsh: source <(vuswitch completion SHELL)",
    }],
    flags: {},
    load: async () => (await import("./completion.ts")).completion as Act,
  },
  {
    words: ["version"],
    brief: "print the version",
    examples: ["vuswitch version", "vuswitch version -o json"],
    arguments: [],
    flags: { output: OUTPUT },
    ...viewing(async () => (await import("./version.ts")).version),
  },
];

/** All commands, in the order help lists them. */
export const COMMANDS: readonly CommandRow[] = [
  ...OTHER_COMMANDS.slice(0, 1),
  ...PORT_COMMANDS,
  ...LINK_COMMANDS,
  ...STATUS_COMMANDS,
  ...OTHER_COMMANDS.slice(1),
];
