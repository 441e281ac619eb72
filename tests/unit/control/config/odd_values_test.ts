/** Values of every kind that TOML and JSON have, where an option wants another one. */
import { strict as assert } from "node:assert";
import { parse } from "smol-toml";
import { OPTION_NAMES, readOptions } from "../../../../lib/control/config/port_options.ts";
import { Faults } from "../../../../lib/control/config/faults.ts";
import { readConfigText } from "../../../../lib/control/config/read_config.ts";
import { ControlError } from "../../../../lib/control/types.ts";

const VALUES = [
  ...["{}", "{ a = 1 }", "[]", "[{}]", "[[{}]]", "[[1, 2]]", "{ a = { b = [{}] } }", "[true]"],
  ...["1979-05-27T07:32:00Z", "1979-05-27", "07:32:00", "nan", "-inf", "1e300", "-1", "true"],
  ...['""', '"\\u0000"', '"x"', "[1979-05-27]", "[nan]", '["", {}]', "9007199254740991"],
];

Deno.test("an option of any odd value is an operator's fault, or read", () => {
  for (const name of OPTION_NAMES) {
    for (const value of VALUES) {
      for (const json of [false, true]) {
        const table = parse(`${name} = ${value}`);
        const given = json ? JSON.parse(JSON.stringify(table)) : table;
        try {
          readOptions(given, undefined);
        } catch (error) {
          assert(error instanceof ControlError, `${name} = ${value}: ${error}`);
          assert(!/\n/.test(error.message) && error.message.length < 600, error.message);
        }
      }
    }
  }
});

Deno.test("so is any setting of a file", async () => {
  const keys = ["switch", "sockets", "dataplane", "control", "port", "link", "mirror"];
  const inner = [
    ...[
      "fdb_age_seconds",
      "unknown",
      "snooping",
      "sandbox",
      "unsealed_memory",
      "directory",
      "mode",
    ],
    ...["group", "cpus", "idle", "socket", "metrics", "page", "name", "ports", "from", "to"],
  ];
  for (const value of VALUES) {
    const texts = keys.flatMap((key) => [
      `${key} = ${value}`,
      ...inner.flatMap((
        name,
      ) => [`[${key}]\n${name} = ${value}`, `[[${key}]]\n${name} = ${value}`]),
    ]);
    for (const text of texts) {
      const source = { name: "odd.toml", text };
      await readConfigText(source, new Faults(source));
    }
  }
});
