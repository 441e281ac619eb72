/**
 * Reading what an operator says of who may send what: addresses and limits of a port.
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { formatMac, parseMac } from "../../base/mac.ts";
import { ControlError, type PortConfig } from "../types.ts";

/** Bit 0 of an address's first byte: a group of stations. */
const GROUP_BIT = 1;

/** The address of one station, lower case, with colons. @throws {ControlError} */
export function readMac(value: unknown): string {
  const mac = typeof value === "string" ? parseMac(value) : null;
  if (mac && (mac.low & GROUP_BIT) === 0 && (mac.low | mac.high) !== 0) {
    return formatMac(mac.low, mac.high);
  }
  throw new ControlError(
    "invalid",
    `mac ${shown(value)} must be the address of one station, such as 52:54:00:00:00:01`,
  );
}

/** Addresses, each once. @throws {ControlError} */
export function readMacs(value: unknown): string[] {
  const given: unknown[] = Array.isArray(value) ? value : shown(value).split("+");
  return [...new Set(given.map(readMac))];
}

/** Addresses that are static at a port. */
export function staticMacs({ mac, lock, static: named = [] }: PortConfig): string[] {
  return [...new Set(lock && mac !== undefined ? [mac, ...named] : named)];
}

/** Checks what a port says of its addresses as a whole. @throws {ControlError} naming the fix */
export function checkAddresses(port: PortConfig): void {
  const fail = (what: string): never => {
    throw new ControlError("invalid", `port "${port.name}" ${what}`);
  };
  if (port.multi !== undefined && port.static !== undefined) {
    fail("cannot have multi and static: an address is at one port");
  }
  if (port.lock && port.multi !== undefined) {
    fail("cannot have multi and lock: each front-end has addresses of its own");
  }
  if (port.lock && staticMacs(port).length === 0) {
    fail("has lock=on and no address: name those it may have with mac= or static=");
  }
}
