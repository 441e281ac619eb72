/**
 * What a running switch has, for shells that complete a line: ports, addresses, mirrors. Whoever
 * types waits for it, so that a switch that does not answer at once has nothing.
 *
 * @module
 */
import { resolve } from "node:path";
import type { FdbStatus, ListenerStatus, MirrorStatus, PortStatus } from "../control/types.ts";
import { callSwitch } from "./client.ts";
import type { Place, Proposal } from "./command.ts";
import { trustedControlPath } from "./control_path.ts";

/** A shell's user is waiting: what takes longer is left out, ms. */
const PATIENCE_MS = 500;

/** Asks the switch that the line names, or else the one that is asked by default. */
async function ask<T>({ ctl }: Place, path: string): Promise<readonly T[]> {
  try {
    const socket = ctl === undefined ? trustedControlPath() : resolve(ctl);
    return await callSwitch(socket, "GET", path, null, PATIENCE_MS) as T[];
  } catch {
    return [];
  }
}

/** Names of ports and of sockets of many. */
export async function portWords(place: Place): Promise<Proposal[]> {
  const [ports, listeners] = await Promise.all([
    ask<PortStatus>(place, "/v1/ports"),
    ask<ListenerStatus>(place, "/v1/listeners"),
  ]);
  return [
    ...ports.map(({ name, link, admin }) => ({
      word: name,
      about: admin === "down" ? "admin-down" : link,
    })),
    ...listeners.map(({ name, multi }) => ({ word: name, about: `socket of ${multi} ports` })),
  ];
}

/** The same behind a comma, each once. */
export async function portListWords(place: Place): Promise<Proposal[]> {
  const head = place.partial.slice(0, place.partial.lastIndexOf(",") + 1);
  const there = head.split(",");
  const ports = await portWords(place);
  return ports.filter(({ word }) => !there.includes(word))
    .map(({ word, about }) => ({ word: `${head}${word}`, about }));
}

/** Addresses that are known, each once. */
export async function addressWords(place: Place): Promise<Proposal[]> {
  const entries = await ask<FdbStatus>(place, "/v1/fdb");
  return [...new Map(entries.map(({ mac, port }) => [mac, port]))]
    .map(([mac, port]) => ({ word: mac, about: `at ${port}` }));
}

/** Names of mirrors. */
export async function mirrorWords(place: Place): Promise<Proposal[]> {
  const mirrors = await ask<MirrorStatus>(place, "/v1/mirrors");
  return mirrors.map(({ name, to }) => ({ word: name, about: `to ${to}` }));
}
