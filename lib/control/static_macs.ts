/**
 * Addresses that an operator makes static at a port that is there, and takes away again: its
 * configuration says them from then on, as if `static=` had.
 *
 * @module
 */
import { setStatic, unsetStatic } from "./policy.ts";
import type { ServedPort } from "./served_port.ts";
import { ControlError } from "./types.ts";

/** Makes an address static at a port. @throws {ControlError} it is static elsewhere, or no room */
export function addStatic(port: ServedPort, mac: string): void {
  setStatic(port, mac);
  const { static: named = [] } = port.config;
  if (!named.includes(mac)) port.config = { ...port.config, static: [...named, mac] };
}

/** Forgets a static address. @throws {ControlError} it is none */
export function removeStatic(ports: Iterable<ServedPort>, mac: string): void {
  let was = false;
  for (const port of ports) {
    if (unsetStatic(port.plane.thread.commands, mac)) was = true;
    const { static: named = [], ...rest } = port.config;
    if (!named.includes(mac)) continue;
    const left = named.filter((each) => each !== mac);
    port.config = left.length === 0 ? rest : { ...rest, static: left };
  }
  if (was) return;
  throw new ControlError("not-found", `${mac} is no static address`, "vuswitch fdb show");
}
