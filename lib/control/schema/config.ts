/**
 * What `config` prints in JSON.
 *
 * @module
 */
import { byName, choice, code, list, maybe, pair, record, scalar, text, whole } from "./builder.ts";
import { NAME_OR_TEMPLATE, portName } from "./parts.ts";

/** Where something that is in force was said. */
const ORIGIN = choice("where it was said", {
  "default": "nowhere",
  "file": "in the configuration file",
  "flag": "by a flag of run",
  "run time": "by a command since, or by a file before: none says it now",
});

/** One line of what changes. */
const CHANGE = record("what becomes of one thing", {
  what: choice("what it is", {
    port: "a port or a listener",
    link: "",
    mirror: "",
    setting: "of the switch as a whole",
  }),
  name: text("its name; of a link, both ports' with a colon; of a setting, [TABLE] KEY"),
  how: code("what becomes of it", [
    ["added", "it comes"],
    ["removed", "it goes"],
    ["changed", "it changes while it is there: nobody is disconnected"],
    ["renewed", "it goes and comes again: a front-end is disconnected"],
    ["kept", "no file says it, and it stays: it was added at run time"],
    ["restart", "it cannot change before the switch is started again, and stays as it is"],
  ]),
  detail: text("what of it, for people; may be empty"),
});

/** `config diff`, `config reload`. */
const CHANGES = record("config diff, config reload: what changes, or has changed", {
  file: text("the file, as it was named"),
  changes: list("ports, links, mirrors, settings; none: all is as the file says", CHANGE),
});

/** `config check`, `run --check`. */
const CHECKED = record("config check: what is wrong with a configuration", {
  file: maybe("there is none", text("the file, as it was named")),
  faults: list(
    "in the order in which they were found; none: it is good",
    record("a fault", {
      file: maybe("it stands in no file", text("the file that it stands in")),
      line: maybe("it is not known", whole("its line", 1)),
      column: maybe("it is not known", whole("its column", 1)),
      text: text("what it is, and the fix"),
    }),
  ),
  ports: whole("how many ports and listeners it has"),
  links: whole("how many links it has"),
  mirrors: whole("how many mirrors it has"),
});

/** `config show`. */
const IN_FORCE = record("config show; GET /v1/config: what is in force", {
  file: maybe("none", text("the file that the switch was started with, absolute")),
  toml: list("all of it as a file that can be loaded again", text("a line")),
  toSave: list("the same without defaults and comments, for config save", text("a line")),
  settings: list(
    "of the switch as a whole",
    record("a setting", {
      table: text("the table it stands in"),
      key: text("its key there"),
      value: maybe("nothing is said", text("its value, for people")),
      origin: ORIGIN,
    }),
  ),
  ports: list(
    "ports and listeners",
    record("a port", {
      name: text("its name", NAME_OR_TEMPLATE),
      socket: text("its socket, or what it is instead"),
      origin: ORIGIN,
      options: byName("its options by their names", scalar("a value, as it is written")),
    }),
  ),
  links: list(
    "links",
    record("a link", { ports: pair("the two", portName("name")), origin: ORIGIN }),
  ),
  mirrors: list(
    "mirrors",
    record("a mirror", {
      name: portName("its name"),
      from: list("ports that it copies from", portName("name")),
      to: portName("port that gets the copies"),
      direction: choice("which frames", { in: "that come", out: "that go", both: "" }),
      origin: ORIGIN,
    }),
  ),
  unsaid: list("what no file can say, for people", text("what, and why")),
});

/** `config save`. */
const SAVED = record("config save: what was written", {
  file: text("the file, absolute"),
  unsaid: list("what no file can say, for people", text("what, and why")),
});

/** Documents of the configuration. */
export const CONFIG_SCHEMAS = { CHANGE, CHANGES, CHECKED, IN_FORCE, SAVED } as const;
