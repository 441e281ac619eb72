/**
 * Options of a port as they are written in a file: what reading them gives, back. Each value is a
 * text, a number or a truth value, that the row of its option in port_options.ts takes.
 *
 * @module
 */
import { STORM_KINDS } from "../../switch/policy/storm.ts";
import { QUEUE_PAIRS_MAX } from "../../base/limits.ts";
import { BUDGET_NAMES } from "../../base/port_limits.ts";
import type { PortConfig } from "../types.ts";
import { OPTION_NAMES } from "./port_options.ts";

/** How a value is written. */
export type OptionValue = string | number | boolean;

function joined(words: readonly (string | number)[] | undefined, none: string): string | undefined {
  if (words === undefined) return undefined;
  return words.length === 0 ? none : words.join("+");
}

function storm({ storm }: PortConfig): string | undefined {
  if (storm === undefined) return undefined;
  if (STORM_KINDS.every((kind) => storm[kind] === 0)) return "off";
  return STORM_KINDS.filter((kind) => storm[kind] !== undefined)
    .map((kind) => `${kind}:${storm[kind] || "off"}`).join("+");
}

function budget({ budget }: PortConfig): string | undefined {
  const names = BUDGET_NAMES.filter((name) => budget?.[name] !== undefined);
  return names.length === 0
    ? undefined
    : names.map((name) => `${name}:${budget?.[name]}`).join("+");
}

function owner({ owner }: PortConfig): string | undefined {
  if (owner === undefined) return undefined;
  return owner.gid === null ? `${owner.uid}` : `${owner.uid}:${owner.gid}`;
}

/** By the name of the option; undefined: nothing is said. */
const VALUES: Readonly<Record<string, (port: PortConfig) => OptionValue | undefined>> = {
  mode: ({ mode }) => mode,
  multi: ({ multi }) => multi,
  mtu: ({ mtu }) => mtu,
  queues: ({ queuePairs }) => queuePairs,
  mac: ({ mac }) => mac,
  static: (port) => joined(port.static, "") || undefined,
  lock: ({ lock }) => lock,
  storm,
  limit: ({ limit }) => limit,
  isolated: ({ isolated }) => isolated,
  budget,
  guard: ({ guard }) => joined(guard, "off"),
  ip: ({ ip }) => joined(ip, "") || undefined,
  announce: ({ announce }) => announce,
  offload: ({ offload }) => offload,
  forward: ({ forward }) => joined(forward, "") || undefined,
  uplink: ({ uplink }) => uplink,
  owner,
  "peer-uid": ({ peerUids }) => joined(peerUids, "") || undefined,
  subnet: ({ subnet }) => subnet,
  access: ({ access }) => access,
  trunk: ({ trunk }) => trunk,
  native: ({ native }) => native,
  offer: ({ offer }) => joined(offer, "") || undefined,
};

/** The value of an option, as it is written; undefined: the port does not say it. */
export function optionValue(name: string, port: PortConfig): OptionValue | undefined {
  return VALUES[name]?.(port);
}

/** What a port says, by the names of options, in their order. */
export function optionValues(port: PortConfig): Record<string, OptionValue> {
  return Object.fromEntries(OPTION_NAMES.flatMap((name) => {
    const value = optionValue(name, port);
    return value === undefined ? [] : [[name, value]];
  }));
}

/** What options are when nobody says them, of those that can be said so. */
const OTHERWISE: Readonly<Record<string, OptionValue>> = {
  mode: "listen",
  queues: QUEUE_PAIRS_MAX,
  lock: false,
  guard: "off",
  announce: true,
  offload: "uso",
};

/** The same as it is in force: a default that is written down is none that is not. */
function inForce(name: string, port: PortConfig): OptionValue | undefined {
  return optionValue(name, port) ?? OTHERWISE[name];
}

/** Options in which two ports differ, by name. */
export function changedOptions(one: PortConfig, other: PortConfig): string[] {
  return OPTION_NAMES.filter((name) => inForce(name, one) !== inForce(name, other));
}

/** Whether two ports are the same in everything. */
export function samePort(one: PortConfig, other: PortConfig): boolean {
  return one.name === other.name && one.path === other.path && one.kind === other.kind &&
    one.fd === other.fd && changedOptions(one, other).length === 0;
}
