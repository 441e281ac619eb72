/**
 * Commands on virtqueues.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import type { PortStatus, VringStatus } from "../../control/types.ts";
import { ask, asking, type CommandRow, PORT, portPath } from "../command.ts";
import { formatTable } from "../table.ts";

/** What a virtqueue does, and what is wrong with it or was with its chains. */
function vringState(vring: DocumentOf<"vring-list">["vrings"][number]): string {
  const bad = vring.counters["badChains"] ?? 0;
  const state = vring.error === null ? vring.state : `${vring.state}: ${vring.error}`;
  return bad === 0 ? state : `${state}, ${bad} bad chain${bad === 1 ? "" : "s"}`;
}

/** The table of `vring show`. */
export function vringTable(list: DocumentOf<"vring-list">): string {
  const features = `${list.features ?? "-"} ${list.featureNames.join(" ")}`.trimEnd();
  const memory = list.memory.map((region, i) =>
    `memory ${i}: guest ${region.guestAddr} +${region.sizeBytes} user ${region.userAddr}\n`
  );
  const rows = list.vrings.map((vring) => [
    String(vring.index),
    vring.direction,
    `${vring.size}`,
    String(vring.lastAvail),
    String(vring.lastUsed),
    ...["kicks", "calls", "callsSuppressed"].map((name) => String(vring.counters[name] ?? 0)),
    vringState(vring),
  ]);
  const heading = [
    ...["VRING", "DIRECTION", "SIZE", "LAST-AVAIL", "LAST-USED"],
    ...["KICKS", "CALLS", "SUPPRESSED", "STATE"],
  ];
  return `${list.port}  link ${list.link}  features ${features}\n${memory.join("")}` +
    formatTable(heading, rows);
}

/** In the order help lists them. */
export const VRING_COMMANDS: readonly CommandRow[] = [
  asking(
    {
      words: ["vring", "show"],
      brief: "the virtqueues of a port",
      arguments: [PORT],
      examples: ["vuswitch vring show vm1"],
    },
    "vring-list",
    async (flags, name = "") => {
      const path = portPath(name);
      const vrings = await ask<VringStatus[]>(flags, "GET", `${path}/vrings`);
      const { link, features, featureNames, memory } = await ask<PortStatus>(flags, "GET", path);
      return { port: name, link, features, featureNames, memory, vrings };
    },
    vringTable,
  ),
];
