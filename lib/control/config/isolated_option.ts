/**
 * Isolation groups as an operator names them: `isolated=GROUP`.
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { NOT_ISOLATED } from "../../switch/policy/isolation.ts";
import { ControlError, type PortConfig } from "../types.ts";
import { isUplink } from "./port_targets.ts";

/** Names of groups, as those of ports. */
const GROUP_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;

/** Each name has a number for as long as the process lives, for data planes know numbers alone. */
const numbers = new Map<string, number>();

/** Reads the option; `off`: none, a file's `true` is a group of that name's, `on`. @throws {ControlError} */
export function readGroup(value: unknown): string | undefined {
  if (value === "off" || value === false) return undefined;
  const name = value === true ? "on" : value;
  if (typeof name === "string" && GROUP_NAME.test(name)) return name;
  throw new ControlError(
    "invalid",
    `isolated "${
      shown(value)
    }" must be the name of a group, 1-32 of A-Z a-z 0-9 . _ - such as tenants, or off`,
  );
}

/** What data planes know a group by; see Port.isolation. */
export function groupNumber(name: string | undefined): number {
  if (name === undefined) return NOT_ISOLATED;
  const known = numbers.get(name);
  if (known !== undefined) return known;
  const number = NOT_ISOLATED + 1 + numbers.size;
  numbers.set(name, number);
  return number;
}

/** Checks what a port says as a whole. @throws {ControlError} naming the fix */
export function checkIsolated(port: PortConfig): void {
  if (port.isolated === undefined || !isUplink(port)) return;
  throw new ControlError(
    "invalid",
    `port "${port.name}" is an uplink, which isolated ports are to reach: leave isolated out, or ` +
      "write uplink=off",
  );
}

/** Checks that a link would carry something. @throws {ControlError} */
export function checkLinked(one: PortConfig | undefined, other: PortConfig | undefined): void {
  if (one?.isolated === undefined || one.isolated !== other?.isolated) return;
  throw new ControlError(
    "invalid",
    `Cannot link "${one.name}" with "${other.name}": both are in isolation group ${one.isolated}`,
    "leave isolated= of one of them out",
  );
}
