/**
 * All commands. Each stands with its code in a file of `commands/`; what is large is loaded when it
 * runs, so that each starts fast.
 *
 * @module
 */
import { type CommandRow, doing, OUTPUT, printing } from "./command.ts";
import { CAPTURE_COMMANDS } from "./commands/capture.ts";
import { ATTACH_COMMANDS } from "./commands/attach.ts";
import { CONFIG_COMMANDS } from "./commands/config.ts";
import { DOCTOR_COMMANDS } from "./commands/doctor.ts";
import { EMIT_COMMANDS } from "./commands/emit.ts";
import { EVENTS_COMMANDS } from "./commands/events.ts";
import { EXPLAIN_COMMANDS } from "./commands/explain.ts";
import { FDB_COMMANDS } from "./commands/fdb.ts";
import { GROUP_COMMANDS } from "./commands/group.ts";
import { LINK_COMMANDS } from "./commands/link.ts";
import { MIRROR_COMMANDS } from "./commands/mirror.ts";
import { PAGE_COMMANDS } from "./commands/page.ts";
import { PORT_COMMANDS } from "./commands/port.ts";
import { STATS_COMMANDS } from "./commands/stats.ts";
import { TOP_COMMANDS } from "./commands/top.ts";
import { VRING_COMMANDS } from "./commands/vring.ts";
import { WORKER_COMMANDS } from "./commands/worker.ts";
import { MAN_PAGES } from "./man_pages.ts";
import { SHELLS } from "./shells.ts";
import { RUN_EXAMPLES, RUN_FLAGS } from "./run_flags.ts";

/** Words with commands behind them. */
export const GROUPS: Readonly<Record<string, string>> = {
  port: "list, add and remove ports, take them down and up",
  link: "direct links between two ports",
  mirror: "copies of frames for another port",
  config: "check, show, compare, load and save the configuration",
  fdb: "the forwarding database",
  group: "who is in which group",
  vring: "virtqueues",
  worker: "data planes: the threads that move frames",
  emit: "print what other programs shall do",
};

const RUN = doing({
  words: ["run"],
  brief: "run a switch in the foreground",
  examples: RUN_EXAMPLES,
  flags: RUN_FLAGS,
}, async () => (await import("./run.ts")).run);

const PROTOCOL = printing({
  words: ["protocol"],
  brief: "list vhost-user messages and feature bits: offered or not, why, and tests",
  examples: ["vuswitch protocol", "vuswitch protocol -o json"],
  flags: { output: OUTPUT },
}, async () => (await import("./protocol.ts")).protocol);

const SCHEMA = doing({
  words: ["schema"],
  brief: "print the JSON Schema of what -o json and the control API print",
  examples: ["vuswitch schema", "vuswitch schema port-list"],
  arguments: [{
    placeholder: "NAME",
    brief: "a document; all if not given",
    optional: true,
    words: async () => Object.keys((await import("../control/schema/mod.ts")).DOCUMENTS),
  }],
  flags: {},
}, async () => (await import("./schema.ts")).schema);

const DEMO = doing({
  words: ["demo"],
  brief: "two guests ping each other through a private switch",
  examples: ["vuswitch demo", "vuswitch demo --guest builtin"],
  flags: {
    guest: {
      values: ["builtin", "testpmd", "qemu"],
      brief: "what to connect (default: the most real one installed)",
    },
  },
}, async () => (await import("./demo.ts")).demoCommand);

const COMPLETION = doing({
  words: ["completion"],
  brief: "print what makes a shell complete commands and port names",
  examples: [
    "source <(vuswitch completion bash)",
    "source <(vuswitch completion zsh)",
    "vuswitch completion fish | source",
  ],
  arguments: [{
    placeholder: "SHELL",
    values: SHELLS,
    brief: "bash, zsh or fish",
  }],
  flags: {},
}, async () => (await import("./completion.ts")).completion);

const MAN = doing({
  words: ["man"],
  brief: "print a page of the manual, for man -l",
  examples: ["vuswitch man | man -l -", "vuswitch man vuswitch.toml | man -l -"],
  arguments: [{
    placeholder: "PAGE",
    brief: "vuswitch (if not given), or vuswitch.toml",
    optional: true,
    values: MAN_PAGES,
  }],
  flags: {},
}, async () => (await import("./man/pages.ts")).man);

const VERSION = printing({
  words: ["version"],
  brief: "print the version",
  examples: ["vuswitch version", "vuswitch version -o json"],
  flags: { output: OUTPUT },
}, async () => (await import("./version.ts")).version);

/** All commands, in the order help lists them. */
export const COMMANDS: readonly CommandRow[] = [
  RUN,
  ...PORT_COMMANDS,
  ...LINK_COMMANDS,
  ...MIRROR_COMMANDS,
  ...FDB_COMMANDS,
  ...GROUP_COMMANDS,
  ...CONFIG_COMMANDS,
  ...TOP_COMMANDS,
  ...STATS_COMMANDS,
  ...VRING_COMMANDS,
  ...WORKER_COMMANDS,
  ...EVENTS_COMMANDS,
  ...EXPLAIN_COMMANDS,
  ...DOCTOR_COMMANDS,
  ...CAPTURE_COMMANDS,
  ...PAGE_COMMANDS,
  ...ATTACH_COMMANDS,
  ...EMIT_COMMANDS,
  ...[PROTOCOL, SCHEMA, DEMO, COMPLETION, MAN, VERSION],
];
