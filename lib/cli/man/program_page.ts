/**
 * vuswitch(1): every command with its arguments, flags and examples, from the rows that `--help`
 * and docs/commands.md are made of.
 *
 * @module
 */
import { VERSION, VERSION_DATE } from "../../version.ts";
import type { Argument, CommandRow, Flag } from "../command.ts";
import { flagWord } from "../command_line.ts";
import { COMMANDS, GROUPS } from "../commands.ts";
import { STATUS_ROWS } from "../failure.ts";
import { ENVIRONMENT_ROWS, FILE_ROWS } from "../surroundings.ts";
import { display, head, prose, tagged, word } from "./mdoc.ts";

/** A command's arguments, as typed. */
function argumentMacros({ placeholder, optional, many }: Argument): string {
  const macros = `Ar ${word(many ? `${placeholder} …` : placeholder)}`;
  return optional ? `Op ${macros}` : macros;
}

/** A flag as it is typed, behind `.It`. */
function flagMacros(name: string, { alias, placeholder, values, yes }: Flag): string {
  const long = `Fl ${word(`-${flagWord(name)}`)}`;
  const both = alias ? `Fl ${word(alias)} , ${long}` : long;
  return yes ? both : `${both} Ar ${word(values?.join("|") ?? placeholder ?? "VALUE")}`;
}

/** Two lines: in a synopsis each name of the program begins one. */
function usage({ words, arguments: all, flags }: CommandRow): string[] {
  const options = Object.keys(flags).length > 0 ? ["Op Ar options"] : [];
  const macros = [`Cm ${word(words.join(" "))}`, ...options, ...all.map(argumentMacros)];
  return [".Nm", `.${macros.join(" ")}`];
}

function flagMeaning({ brief, otherwise, many }: Flag): string[] {
  const more = [
    ...otherwise === undefined ? [] : [`${otherwise} if not given`],
    ...many ? ["may be given again"] : [],
  ];
  return prose(more.length === 0 ? brief : `${brief}; ${more.join("; ")}`);
}

/** What the page says of a command. */
function commandSection(row: CommandRow): string[] {
  return [
    `.Ss ${word(`vuswitch ${row.words.join(" ")}`)}`,
    ...prose(`${row.brief[0]?.toUpperCase()}${row.brief.slice(1)}.`),
    ...tagged([
      ...row.arguments.map((each) => [argumentMacros(each), prose(each.brief)] as const),
      ...Object.entries<Flag>(row.flags).map(([name, flag]) =>
        [flagMacros(name, flag), flagMeaning(flag)] as const
      ),
    ]),
    ".Pp",
    row.examples.length === 1 ? "Example:" : "Examples:",
    ...display(row.examples),
  ];
}

/** Words with commands behind them, and commands of one word, in the order of help. */
function overview(): string[] {
  const firsts = new Map(
    COMMANDS.map(({ words: [first], brief }) => [first, GROUPS[first] ?? brief]),
  );
  return tagged(Array.from(firsts, ([first, brief]) => [`Cm ${word(first)}`, prose(brief)]));
}

const DESCRIPTION = [
  "The switch serves virtual machines' network devices at Unix sockets, one for each port, by the " +
  "vhost-user protocol: QEMU, libvirt, Cloud Hypervisor and DPDK connect to them. It learns where " +
  "MAC addresses live and moves each frame in one copy from the sender's memory into the " +
  "receiver's.",
  "`vuswitch run` is the switch itself, in the foreground; other commands ask a running one at its " +
  "control socket and print a table, or JSON with `-j`. Flags that all of those have (`--ctl`, " +
  "`--output`, `--timeout`) may stand in front of a command's words as well.",
];

/** The page, mdoc(7). The same rows give the same text. */
export function programPage(): string {
  return [
    ...head("vuswitch", 1, VERSION_DATE, VERSION),
    ...[".Sh NAME", ".Nm vuswitch", ".Nd a vhost\\-user\\-net switch for virtual machines"],
    ...[".Sh SYNOPSIS", ...COMMANDS.flatMap(usage)],
    ...[
      ".Sh DESCRIPTION",
      ...DESCRIPTION.flatMap((text, at) => [...at ? [".Pp"] : [], ...prose(text)]),
    ],
    ".Pp",
    ...prose("Its commands:"),
    ...overview(),
    ...[".Sh COMMANDS", ...COMMANDS.flatMap(commandSection)],
    ...[
      ".Sh ENVIRONMENT",
      ...tagged(ENVIRONMENT_ROWS.map(([name, text]) => [`Ev ${word(name)}`, prose(text)])),
    ],
    ...[".Sh FILES", ...tagged(FILE_ROWS.map(([path, text]) => [`Pa ${word(path)}`, prose(text)]))],
    ".Sh EXIT STATUS",
    ...tagged(STATUS_ROWS.map(([code, text]) => [word(String(code)), prose(text)])),
    ...[".Sh SEE ALSO", ".Xr vuswitch.toml 5"],
  ].join("\n") + "\n";
}
