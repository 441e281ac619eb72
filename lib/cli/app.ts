/**
 * The command tree. This folder is the only one that knows the CLI framework, and this file the
 * only one that imports it. Commands load their code when they run, so that each starts fast.
 *
 * @module
 */
import {
  buildApplication,
  buildChoiceParser,
  buildCommand,
  buildRouteMap,
  proposeCompletions,
  run as runApplication,
} from "@stricli/core";
import type { Command, CommandContext } from "@stricli/core";
import { VERSION } from "../version.ts";
import { describeFailure, EXIT_USAGE, printable } from "./failure.ts";
import type { ProtocolFlags } from "./protocol.ts";
import type { RunFlags } from "./run.ts";
import type { ShowFlags } from "./show.ts";

/** Writes to stdout; a closed or full pipe loses text, never the program. */
function print(text: string): void {
  try {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch {
    // Nobody reads.
  }
}

function printError(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  } catch {
    // Nobody reads.
  }
}

const text = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, optional: true }) as const;
const texts = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, optional: true, variadic: true }) as const;
const yes = (brief: string) =>
  ({ kind: "boolean", brief, default: false, withNegated: false }) as const;

/** In front of a command line that a shell wants to complete; not for users. */
const COMPLETE_WORD = "--complete";

const SHOW_FLAGS = {
  ctl: text("control socket of the switch", "PATH"),
  output: { kind: "enum", values: ["table", "json"], brief: "how to print", default: "table" },
} as const;
const SHOW_ALIASES = { o: "output" } as const;

type Show = typeof import("./show.ts");
type ShowName =
  | "portList"
  | "portShow"
  | "portAdd"
  | "portDel"
  | "portDown"
  | "portUp"
  | "fdbShow"
  | "fdbFlush"
  | "stats"
  | "vringShow";
type Links = typeof import("./links.ts");
type LinkName = "linkList" | "linkAdd" | "linkDel";

/** What a command on a running switch does, with its arguments. */
type Act = (flags: ShowFlags, write: typeof print, ...words: string[]) => Promise<void>;
type Argument = {
  placeholder: string;
  brief: string;
  optional?: true;
  proposeCompletions?: typeof proposePorts;
};

/** A command on a running switch, with at most one argument. */
function showCommand(
  name: ShowName,
  brief: string,
  argument: Argument | null,
): Command<CommandContext> {
  return clientCommand(brief, argument === null ? [] : [argument], async () => {
    const show: Show = await import("./show.ts");
    return show[name] as Act;
  });
}

/** A command on links. */
function linkCommand(
  name: LinkName,
  brief: string,
  ...ports: Argument[]
): Command<CommandContext> {
  return clientCommand(brief, ports, async () => {
    const links: Links = await import("./links.ts");
    return links[name] as Act;
  });
}

function clientCommand(
  brief: string,
  arguments_: readonly Argument[],
  load: () => Promise<Act>,
): Command<CommandContext> {
  return buildCommand<ShowFlags, string[], CommandContext>({
    func: async (flags: ShowFlags, ...words: string[]): Promise<void> => {
      const act = await load();
      await act(flags, print, ...words);
    },
    parameters: {
      flags: SHOW_FLAGS,
      aliases: SHOW_ALIASES,
      positional: {
        kind: "tuple",
        parameters: arguments_.map((argument) => ({ parse: String, ...argument })),
      },
      // deno-lint-ignore no-explicit-any
    } as any,
    docs: { brief },
  });
}

/** Names of ports that begin like this. */
async function proposePorts(partial: string): Promise<string[]> {
  const { portNames } = await import("./completion.ts");
  return (await portNames()).filter((name) => name.startsWith(partial));
}

const PORT = { placeholder: "PORT", brief: "name of a port", proposeCompletions: proposePorts };
const OTHER_PORT = { ...PORT, brief: "name of the other port" };
const PORT_SPEC = "NAME[=PATH][,mode=listen|connect][,multi=N][,mtu=N][,queues=N]" +
  "[,mac=ADDRESS][,offer=WORD+…][,announce=off]; " +
  "mode=connect: the front-end listens and the switch connects; multi=N: N front-ends at once, " +
  "NAME has {n} for their numbers; announce=off: do not offer GUEST_ANNOUNCE";

const runCommand = buildCommand<RunFlags, [], CommandContext>({
  func: async (flags: RunFlags): Promise<void> => {
    const { run } = await import("./run.ts");
    await run(flags, print);
  },
  parameters: {
    flags: {
      port: texts(
        "a port, once for each: name, socket path, options (see: port add --help)",
        "NAME[=PATH][,…]",
      ),
      link: texts("two ports whose frames go to each other and nowhere else", "PORT:PORT"),
      socketPath: texts("a port by its socket alone, as back-end programs take it", "PATH"),
      fd: texts("a port by an inherited listening socket", "FD"),
      socketDir: text("folder of port sockets without a path", "DIR"),
      socketMode: text("permissions of port sockets, octal (0660)", "MODE"),
      socketGroup: text("group of port sockets", "GROUP"),
      config: text("TOML file that says the same", "FILE"),
      ctl: text("control socket", "PATH"),
      cpus: text("processors of the data plane, such as 2 or 2-3", "LIST"),
      idle: {
        kind: "enum",
        values: ["poll", "adaptive", "sleep"],
        brief: "without traffic: spin, spin a little then sleep (default), sleep at once",
        optional: true,
      },
      fdbAge: text("seconds until an unused MAC address is forgotten (300; 0: never)", "SECONDS"),
      fdbEntries: text("MAC addresses in all (16384)", "N"),
      fdbPortEntries: text("MAC addresses per port (1024)", "N"),
      logFormat: {
        kind: "enum",
        values: ["text", "json", "journal"],
        brief: "log lines on stderr",
        optional: true,
      },
      quiet: yes("log warnings and errors only"),
      verbose: yes("log details"),
    },
    aliases: { p: "port", q: "quiet", v: "verbose" },
  },
  docs: { brief: "run a switch in the foreground" },
});

const demoCommand = buildCommand<{ guest?: "builtin" | "testpmd" | "qemu" }, [], CommandContext>({
  func: async (flags): Promise<void> => {
    const { demo } = await import("./demo.ts");
    await demo(flags.guest ?? null, print);
  },
  parameters: {
    flags: {
      guest: {
        kind: "enum",
        values: ["builtin", "testpmd", "qemu"],
        brief: "what to connect (default: the most real one installed)",
        optional: true,
      },
    },
  },
  docs: { brief: "two guests ping each other through a private switch" },
});

const protocolCommand = buildCommand<ProtocolFlags, [], CommandContext>({
  func: async (flags): Promise<void> => {
    const { protocol } = await import("./protocol.ts");
    protocol(flags, print);
  },
  parameters: { flags: { output: SHOW_FLAGS.output }, aliases: SHOW_ALIASES },
  docs: { brief: "list vhost-user messages and feature bits: offered or not, why, and tests" },
});

const completionCommand = buildCommand<Record<never, never>, ["bash" | "zsh"], CommandContext>({
  func: async (_flags, shell): Promise<void> => {
    const { completionScript } = await import("./completion.ts");
    print(completionScript(shell, COMPLETE_WORD));
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        parse: buildChoiceParser(["bash", "zsh"]),
        proposeCompletions: (partial) => ["bash", "zsh"].filter((name) => name.startsWith(partial)),
        placeholder: "SHELL",
        brief: "bash or zsh: source <(vuswitch completion SHELL)",
      }],
    },
  },
  docs: { brief: "print what makes a shell complete commands and port names" },
});

const versionCommand = buildCommand<Record<never, never>, [], CommandContext>({
  func: (): void => print(`vuswitch ${VERSION} (deno ${Deno.version.deno})\n`),
  parameters: {},
  docs: { brief: "print the version" },
});

const routes = buildRouteMap({
  routes: {
    run: runCommand,
    port: buildRouteMap({
      routes: {
        list: showCommand("portList", "list the ports", null),
        show: showCommand("portShow", "everything about one port", PORT),
        add: showCommand("portAdd", "add a port", {
          placeholder: "SPEC",
          brief: PORT_SPEC,
        }),
        del: showCommand("portDel", "remove a port; a listener's name: with all its ports", PORT),
        down: showCommand("portDown", "take a port out of service; its front-end sees it", PORT),
        up: showCommand("portUp", "take a port back into service", PORT),
      },
      docs: { brief: "list, add and remove ports, take them down and up" },
    }),
    link: buildRouteMap({
      routes: {
        list: linkCommand("linkList", "list the links"),
        add: linkCommand(
          "linkAdd",
          "link two ports: every frame of one goes to the other and nowhere else",
          PORT,
          OTHER_PORT,
        ),
        del: linkCommand("linkDel", "end a link: both ports switch again", PORT, OTHER_PORT),
      },
      docs: { brief: "direct links between two ports" },
    }),
    fdb: buildRouteMap({
      routes: {
        show: showCommand("fdbShow", "list the learned MAC addresses", null),
        flush: showCommand("fdbFlush", "forget learned MAC addresses", { ...PORT, optional: true }),
      },
      docs: { brief: "the forwarding database" },
    }),
    stats: showCommand("stats", "counters of the switch or one port", { ...PORT, optional: true }),
    vring: buildRouteMap({
      routes: { show: showCommand("vringShow", "the virtqueues of a port", PORT) },
      docs: { brief: "virtqueues" },
    }),
    protocol: protocolCommand,
    demo: demoCommand,
    completion: completionCommand,
    version: versionCommand,
  },
  docs: { brief: "vuswitch: a vhost-user-net switch" },
});

/** The framework's errors become our exit code. */
const application = buildApplication(routes, {
  name: "vuswitch",
  scanner: { caseStyle: "allow-kebab-for-camel", allowArgumentEscapeSequence: true },
  documentation: { caseStyle: "convert-camel-to-kebab" },
  determineExitCode: (error: unknown): number => {
    const { exitCode, line } = describeFailure(error);
    printError(`vuswitch: ${line}\n`);
    return exitCode;
  },
});

/** A back-end program is started without a command word (vhost-user.rst «Backend programs»). */
function normalise(args: readonly string[]): string[] {
  if (args[0]?.startsWith("--socket-path") || args[0]?.startsWith("--fd")) return ["run", ...args];
  if (args[0] === "--version") return ["version"];
  return [...args];
}

/** Runs one command line and ends the process with its exit code. */
export async function main(args: readonly string[]): Promise<void> {
  if (args.includes("--print-capabilities")) {
    print(`${JSON.stringify({ type: "net", features: [] })}\n`);
    return;
  }
  const faults: string[] = [];
  const context = {
    process: {
      stdout: { write: print },
      // The framework's usage errors, one by one. Errors of commands were printed already.
      stderr: {
        write: (line: string) => {
          if (!/^Command failed|^\s+at /.test(line)) faults.push(line.trim());
        },
      },
      exitCode: null as number | string | null,
      env: {},
    },
  };
  if (args[0] === COMPLETE_WORD) {
    const proposals = await proposeCompletions(application, args.slice(1), context);
    const words = proposals.map(({ completion }) => completion).filter((word) => word !== "--");
    print(words.map((word) => `${word}\n`).join(""));
    return;
  }
  await runApplication(application, normalise(args), context);
  if (faults.length > 0) {
    printError(`vuswitch: ${printable(faults.join("; "))} (see: vuswitch --help)\n`);
  }
  const code = Number(context.process.exitCode ?? 0);
  // The framework's own codes are negative: all of them mean wrong usage.
  if (code !== 0) Deno.exit(code < 0 ? EXIT_USAGE : code);
}
