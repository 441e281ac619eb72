/**
 * Commands on ports.
 *
 * @module
 */
import { LIVE_OPTIONS } from "../../control/config/live_options.ts";
import { optionForm } from "../../control/config/port_options.ts";
import { parsePortSpec, splitOptions } from "../../control/config/port_spec.ts";
import type { ListenerStatus, PortStatus } from "../../control/types.ts";
import {
  type Argument,
  ask,
  asking,
  type CommandRow,
  type Flags,
  type FlagsOf,
  PORT,
  portPath,
  printing,
  SPEC,
} from "../command.ts";
import { LOOK_FLAGS, type LookFlags } from "../looks.ts";
import { portLately } from "../rates.ts";
import type { View } from "../view.ts";
import { limitTable, portTable, portView } from "../views.ts";

/** Options and their values. */
const SETTINGS: Argument = {
  placeholder: "OPTION=VALUE",
  brief: `as with port add: ${LIVE_OPTIONS.map(optionForm).join(", ")}`,
  many: true,
  words: async (place) => (await import("../spec_words.ts")).settingWords(place),
};

function setAdmin(admin: PortStatus["admin"], brief: string): CommandRow {
  return asking(
    {
      words: ["port", admin],
      brief,
      arguments: [PORT],
      examples: [`vuswitch port ${admin} vm1`],
    },
    "port",
    (flags, name = "") => ask(flags, "POST", `${portPath(name)}/link`, { admin }),
    (port) => `port ${port.name} is ${port.admin}\n`,
  );
}

function verbOf(port: PortStatus | ListenerStatus): string {
  if ("device" in port && (port.device !== null || port.kind === "nat")) return "serves";
  return "mode" in port && port.mode === "connect" ? "connects to" : "listens on";
}

const SHOW_FLAGS = {
  ...LOOK_FLAGS,
  limits: {
    brief: "what it may have instead: each limit, how much is used, what is left",
    yes: true,
  },
} as const satisfies Flags;

const SHOW: View<FlagsOf<typeof SHOW_FLAGS>, "port" | "port-limits"> = {
  document: ({ limits }) => limits ? "port-limits" : "port",
  read: (flags, name = "") =>
    ask(flags, "GET", flags.limits ? `${portPath(name)}/limits` : portPath(name)),
  between: (first, last, seconds) =>
    "counters" in first && "counters" in last ? portLately(first, last, seconds) : last,
  draw: (value) => "limits" in value ? limitTable(value) : portView(value),
};

const LIST: View<LookFlags, "port-list"> = {
  document: () => "port-list",
  read: async (flags) => ({
    ports: await ask<PortStatus[]>(flags, "GET", "/v1/ports"),
    listeners: await ask<ListenerStatus[]>(flags, "GET", "/v1/listeners"),
  }),
  between: (first, last, seconds) => {
    const before = new Map(first.ports.map((port) => [port.name, port]));
    const ports = last.ports.map((port) =>
      portLately(before.get(port.name) ?? port, port, seconds)
    );
    return { ...last, ports };
  },
  draw: portTable,
};

/** In the order help lists them. */
export const PORT_COMMANDS: readonly CommandRow[] = [
  printing({
    words: ["port", "list"],
    brief: "list the ports",
    examples: [
      "vuswitch port list",
      "vuswitch port list --rate",
      "vuswitch port list --watch 2",
      "vuswitch port list -o json",
    ],
    flags: LOOK_FLAGS,
  }, () => LIST),
  printing(
    {
      words: ["port", "show"],
      brief: "everything about one port: who, since when, last error, memory, drops, and a verdict",
      arguments: [PORT],
      examples: [
        "vuswitch port show vm1",
        "vuswitch port show vm1 -o json",
        "vuswitch port show vm1 --limits",
      ],
      flags: SHOW_FLAGS,
    },
    () => SHOW,
  ),
  asking(
    {
      words: ["port", "add"],
      brief: "add a port",
      arguments: [SPEC],
      examples: [
        "vuswitch port add vm3",
        "vuswitch port add vm3=/run/vm3.sock,mtu=9000",
        "vuswitch port add vm4=/run/vm4.sock,mode=connect",
        "vuswitch port add 'vm{n}=/run/vms.sock,multi=8'",
        "vuswitch port add up=tap:vsw0,queues=2",
        "vuswitch port add up=nat",
      ],
    },
    "port",
    (flags, spec = "") => {
      const { queuePairs, path, kind: _, ...given } = parsePortSpec(spec, "");
      // Without a path it is the switch that knows its folder.
      const named = /^[^,]*=/.test(spec);
      const body = { ...given, ...(named ? { path } : {}), queues: queuePairs };
      return ask(flags, "POST", "/v1/ports", body);
    },
    (port) => {
      return `port ${port.name} ${verbOf(port)} ${port.socket}\n`;
    },
  ),
  asking(
    {
      words: ["port", "del"],
      brief: "remove a port; a listener's name: with all its ports",
      arguments: [PORT],
      examples: ["vuswitch port del vm3"],
    },
    "port-removed",
    async (flags, name = "") => {
      await ask(flags, "DELETE", portPath(name));
      return { removed: name };
    },
    ({ removed }) => `port ${removed} removed\n`,
  ),
  asking(
    {
      words: ["port", "set"],
      brief: "set options of a port that is there, all of them or none; default takes one back",
      arguments: [PORT, SETTINGS],
      examples: [
        "vuswitch port set vm1 limit=rx:100M/50kpps",
        "vuswitch port set vm1 mac=52:54:00:00:00:01 lock=on isolated=tenants",
        "vuswitch port set vm1 access=20",
        "vuswitch port set vm1 limit=default",
      ],
    },
    "port",
    (flags, name = "", ...settings) =>
      ask(
        flags,
        "PATCH",
        portPath(name),
        splitOptions(settings.flatMap((each) => each.split(","))),
      ),
    (port) => portView(port),
  ),
  setAdmin("down", "take a port out of service; its front-end sees it"),
  setAdmin("up", "take a port back into service"),
];
