/**
 * Commands on virtqueues.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import type { PortStatus, VringStatus } from "../../control/types.ts";
import { onlyGrows, VRING_ROWS } from "../../switch/counter_rows.ts";
import { ask, type CommandRow, PORT, portPath, printing } from "../command.ts";
import { LOOK_FLAGS, type LookFlags } from "../looks.ts";
import { ratesOf } from "../rates.ts";
import { formatTable } from "../table.ts";
import type { View } from "../view.ts";

/** Counters of a virtqueue that have a rate. */
const RATE_ROWS = VRING_ROWS.filter(onlyGrows);
const RATES_SHOWN = ["frames", "kicks", "calls"];

/** What a virtqueue does, and what is wrong with it or was with its chains. */
function vringState(vring: DocumentOf<"vring-list">["vrings"][number]): string {
  const bad = vring.counters["badChains"] ?? 0;
  const state = vring.error === null ? vring.state : `${vring.state}: ${vring.error}`;
  return bad === 0 ? state : `${state}, ${bad} bad chain${bad === 1 ? "" : "s"}`;
}

function rateCell(rate: number | undefined): string {
  return rate === undefined ? "-" : rate.toFixed(1);
}

/** The table of `vring show`. */
export function vringTable(list: DocumentOf<"vring-list">): string {
  const features = `${list.features ?? "-"} ${list.featureNames.join(" ")}`.trimEnd();
  const memory = list.memory.map((region, i) =>
    `memory ${i}: guest ${region.guestAddr} +${region.sizeBytes} user ${region.userAddr}\n`
  );
  const rated = list.vrings.some(({ rates }) => rates !== undefined);
  const rows = list.vrings.map((vring) => [
    String(vring.index),
    vring.direction,
    `${vring.size}`,
    String(vring.lastAvail),
    String(vring.lastUsed),
    ...["kicks", "calls", "callsSuppressed"].map((name) => String(vring.counters[name] ?? 0)),
    ...rated ? RATES_SHOWN.map((name) => rateCell(vring.rates?.[name])) : [],
    vringState(vring),
  ]);
  const heading = [
    ...["VRING", "DIRECTION", "SIZE", "LAST-AVAIL", "LAST-USED"],
    ...["KICKS", "CALLS", "SUPPRESSED"],
    ...rated ? RATES_SHOWN.map((name) => `${name.toUpperCase()}/s`) : [],
    "STATE",
  ];
  return `${list.port}  link ${list.link}  features ${features}\n${memory.join("")}` +
    formatTable(heading, rows);
}

const SHOW: View<LookFlags, "vring-list"> = {
  document: () => "vring-list",
  read: async (flags, name = "") => {
    const path = portPath(name);
    const vrings = await ask<VringStatus[]>(flags, "GET", `${path}/vrings`);
    const { link, features, featureNames, memory } = await ask<PortStatus>(flags, "GET", path);
    return { port: name, link, features, featureNames, memory, vrings };
  },
  between: (first, last, seconds) => ({
    ...last,
    vrings: last.vrings.map((vring) => {
      const before = first.vrings.find(({ index }) => index === vring.index)?.counters ?? {};
      return { ...vring, rates: ratesOf(RATE_ROWS, before, vring.counters, seconds) };
    }),
  }),
  draw: vringTable,
};

/** In the order help lists them. */
export const VRING_COMMANDS: readonly CommandRow[] = [
  printing({
    words: ["vring", "show"],
    brief: "the virtqueues of a port",
    arguments: [PORT],
    examples: ["vuswitch vring show vm1", "vuswitch vring show vm1 --watch 2"],
    flags: LOOK_FLAGS,
  }, () => SHOW),
];
