/**
 * The command tree, made from the table of commands. This folder is the only one that knows the CLI
 * framework, and this file the only one that imports it. Commands load their code when they run, so
 * that each starts fast.
 *
 * @module
 */
import {
  buildApplication,
  buildChoiceParser,
  buildCommand,
  buildRouteMap,
  run as runApplication,
} from "@stricli/core";
import type { Command, CommandContext, RouteMap } from "@stricli/core";
import { description, groupExamples, helpFor, readLine } from "./command_line.ts";
import type { Argument, CommandRow, Flag } from "./command.ts";
import { COMMANDS, GROUPS } from "./commands.ts";
import { describeFailure, EXIT_USAGE, printable } from "./failure.ts";

/** Writes to stdout; a closed or full pipe loses text, never the program. @returns if it could */
function print(text: string): boolean {
  try {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    return true;
  } catch {
    // Nobody reads.
    return false;
  }
}

function printError(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  } catch {
    // Nobody reads.
  }
}

/** In front of a command line that a shell wants to complete; not for users. */
const COMPLETE_WORD = "--complete";

function buildArgument({ placeholder, brief, optional, values }: Argument): unknown {
  return {
    ...{ placeholder, brief, parse: values ? buildChoiceParser(values) : String },
    ...(optional ? { optional } : {}),
  };
}

/** The framework has many of one kind of argument or some of several: both kinds are one here. */
function buildPositional(all: readonly Argument[]): unknown {
  if (!all.at(-1)?.many) return { kind: "tuple", parameters: all.map(buildArgument) };
  const parameter = {
    placeholder: all.map(({ placeholder }) => placeholder).join(" "),
    brief: all.map(({ placeholder, brief }) => `${placeholder}: ${brief}`).join("; "),
    parse: String,
  };
  return { kind: "array", parameter, minimum: all.length };
}

function buildFlag(flag: Flag): unknown {
  const { brief, placeholder, values, otherwise, yes, many } = flag;
  if (yes) return { kind: "boolean", brief, default: false, withNegated: false };
  if (values) {
    const rest = otherwise === undefined ? { optional: true } : { default: otherwise };
    return { kind: "enum", values, brief, ...rest };
  }
  const variadic = many ? { variadic: true } : {};
  return { ...{ kind: "parsed", parse: String, brief, placeholder, optional: true }, ...variadic };
}

function build(row: CommandRow): Command<CommandContext> {
  const flags = Object.entries(row.flags);
  const aliases = flags.flatMap(([name, { alias }]) => alias ? [[alias, name]] : []);
  return buildCommand<Record<string, unknown>, string[], CommandContext>({
    func: async (values: Record<string, unknown>, ...words: string[]): Promise<void> => {
      const act = await row.load();
      await act(values as never, print, ...words);
    },
    parameters: {
      flags: Object.fromEntries(flags.map(([name, flag]) => [name, buildFlag(flag)])),
      aliases: Object.fromEntries(aliases),
      positional: buildPositional(row.arguments),
      // deno-lint-ignore no-explicit-any
    } as any,
    docs: { brief: row.brief, fullDescription: description(row.brief, row.examples) },
  });
}

type Routes = Record<string, Command<CommandContext> | RouteMap<CommandContext>>;

function buildRoutes(): Routes {
  const routes: Routes = {};
  for (const row of COMMANDS) {
    const [first] = row.words;
    const brief = GROUPS[first];
    if (brief === undefined) routes[first] = build(row);
    else if (!routes[first]) {
      const group = COMMANDS.filter((each) => each.words[0] === first);
      routes[first] = buildRouteMap({
        routes: Object.fromEntries(group.map((each) => [each.words[1], build(each)])),
        docs: { brief, fullDescription: description(brief, groupExamples(first)) },
      });
    }
  }
  return routes;
}

const BRIEF = "vuswitch: a vhost-user-net switch";

/** The framework's errors become our exit code. */
const application = buildApplication(
  buildRouteMap({
    routes: buildRoutes(),
    docs: {
      brief: BRIEF,
      fullDescription: description(BRIEF, [
        "vuswitch demo",
        "vuswitch run -p vm1 -p vm2",
        "vuswitch port list",
        "vuswitch help port add",
      ]),
    },
  }),
  {
    name: "vuswitch",
    scanner: {
      caseStyle: "allow-kebab-for-camel",
      allowArgumentEscapeSequence: true,
      distanceOptions: {
        threshold: 2,
        weights: { insertion: 1, deletion: 1, substitution: 1, transposition: 1 },
      },
    },
    documentation: { caseStyle: "convert-camel-to-kebab" },
    determineExitCode: (error: unknown): number => {
      const { exitCode, line } = describeFailure(error);
      printError(`vuswitch: ${line}\n`);
      return exitCode;
    },
  },
);

/** What the framework takes for a process. */
interface Context {
  readonly process: {
    readonly stdout: { readonly write: (text: string) => void };
    readonly stderr: { readonly write: (text: string) => void };
    exitCode: number | string | null;
    readonly env: Record<string, string>;
  };
}

/** A framework's process whose usage errors are kept, one by one. */
function processWith(write: (text: string) => void, faults: string[]): Context {
  return {
    process: {
      stdout: { write },
      // Errors of commands were printed already.
      stderr: {
        write: (line: string) => {
          if (!/^Command failed|^\s+at /.test(line)) faults.push(line.trim());
        },
      },
      exitCode: null,
      env: {},
    },
  };
}

/** A line for each proposal: the word, and behind a tab what it means. */
async function complete(words: readonly string[]): Promise<void> {
  const { propose } = await import("./propose.ts");
  const lines = (await propose(words)).map(({ word, about }) =>
    about === "" ? `${word}\n` : `${word}\t${about}\n`
  );
  print(lines.join(""));
}

function endUsage(message: string, words: readonly string[]): never {
  printError(`vuswitch: ${printable(message)} (see: ${helpFor(words)})\n`);
  Deno.exit(EXIT_USAGE);
}

/** Runs one command line and ends the process with its exit code. */
export async function main(given: readonly string[]): Promise<void> {
  if (given.includes("--print-capabilities")) {
    print(`${JSON.stringify({ type: "net", features: [] })}\n`);
    return;
  }
  if (given[0] === COMPLETE_WORD) return await complete(given.slice(1));
  const { args, words, unfinished, fault } = readLine(given);
  if (fault !== null) endUsage(fault, words);
  const faults: string[] = [];
  const context = processWith(unfinished ? printError : print, faults);
  await runApplication(application, args, context);
  if (faults.length > 0) {
    const { withProposal } = await import("./unknown_flag.ts");
    endUsage(faults.map((fault) => withProposal(fault, words)).join("; "), words);
  }
  if (unfinished) Deno.exit(EXIT_USAGE);
  const code = Number(context.process.exitCode ?? 0);
  // The framework's own codes are negative: all of them mean wrong usage.
  if (code !== 0) Deno.exit(code < 0 ? EXIT_USAGE : code);
}
