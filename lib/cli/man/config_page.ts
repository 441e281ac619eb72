/**
 * vuswitch.toml(5): the configuration file, from the rows of its keys, of the flags that say the
 * same, and of the options of ports.
 *
 * @module
 */
import { optionForm, PORT_OPTIONS } from "../../control/config/port_options.ts";
import { VERSION, VERSION_DATE } from "../../version.ts";
import { flagWord } from "../command_line.ts";
import { CONFIG_LIST_ROWS, CONFIG_ROWS } from "../config_rows.ts";
import { RUN_FLAGS } from "../run_flags.ts";
import { display, head, prose, tagged, word } from "./mdoc.ts";

/** A configuration that a switch starts with. */
export const EXAMPLE_CONFIG: readonly string[] = [
  "[switch]",
  "fdb_age_seconds = 300",
  "",
  "[sockets]",
  'mode = "0660"',
  "",
  "[[port]]",
  'name = "vm1"',
  "",
  "[[port]]",
  'name = "vm2"',
  "mtu = 9000",
  'limit = "rx:100M"',
];

const DESCRIPTION = [
  "TOML, read by `vuswitch run --config FILE`. It says the same as flags do, and flags win. A key " +
  "that is not known, or a value that cannot be, is refused with its place and the fix. A path " +
  "that is relative is below the folder of sockets.",
];

/** A table that is there once. */
function settings(table: string): string[] {
  const rows = Object.entries(CONFIG_ROWS[table] ?? {});
  return [
    `.Ss ${word(`[${table}]`)}`,
    ...tagged(rows.map(([key, { form, flag }]) => [
      `Li ${word(`${key} = ${form}`)}`,
      prose(`${RUN_FLAGS[flag].brief}. The same as \`--${flagWord(flag)}\`.`),
    ])),
  ];
}

/** A table for each of a kind. */
function list(table: string): string[] {
  const rows = Object.entries(CONFIG_LIST_ROWS[table] ?? {});
  const options = table === "port" ? Object.entries(PORT_OPTIONS) : [];
  return [
    `.Ss ${word(`[[${table}]]`)}`,
    ...tagged(rows.map(([key, { form, meaning }]) => [
      `Li ${word(`${key} = ${form}`)}`,
      prose(meaning),
    ])),
    ...options.length === 0 ? [] : [
      ".Pp",
      ...prose(
        "Options are the same as those of `vuswitch port add`: a number or a text, and a list where " +
          "words are joined by + there. Written as there:",
      ),
      ...tagged(
        options.map(([name, { meaning }]) => [`Li ${word(optionForm(name))}`, prose(meaning)]),
      ),
    ],
  ];
}

/** The page, mdoc(7). The same rows give the same text. */
export function configPage(): string {
  return [
    ...head("vuswitch.toml", 5, VERSION_DATE, VERSION),
    ...[".Sh NAME", ".Nm vuswitch.toml", ".Nd configuration of a vhost\\-user\\-net switch"],
    ...[".Sh DESCRIPTION", ...DESCRIPTION.flatMap(prose)],
    ...Object.keys(CONFIG_ROWS).flatMap(settings),
    ...Object.keys(CONFIG_LIST_ROWS).flatMap(list),
    ...[
      ".Sh FILES",
      ".Bl -tag -width Ds",
      ".It Pa /etc/vuswitch.toml",
      "the file that the service reads",
      ".El",
    ],
    ...[
      ".Sh EXAMPLES",
      ...prose("Two ports, the second with larger frames and a limit:"),
      ...display(EXAMPLE_CONFIG),
    ],
    ...[".Sh SEE ALSO", ".Xr vuswitch 1"],
  ].join("\n") + "\n";
}
