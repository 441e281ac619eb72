/**
 * How an operator writes a port, everywhere: `NAME[=PATH][,option…]`, or `NAME=KIND:WHAT[,option…]`.
 *
 * @module
 */
import { join } from "node:path";
import { didYouMean } from "../../base/nearest.ts";
import { ControlError, type PortConfig } from "../types.ts";
import { checkIsolated } from "./isolated_option.ts";
import { checkBudget } from "./budget_option.ts";
import { checkAddresses } from "./policy_options.ts";
import { OPTION_NAMES, optionForm, readOptions } from "./port_options.ts";
import { checkVlans } from "./port_vlans.ts";
import { readTarget } from "./port_targets.ts";

/** Names of ports. */
export const PORT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;

/** Where the number of each port goes in a template. */
const PLACE = "{n}";

/** The name that a template gives port `number`. */
export function numberedName(template: string, number: number): string {
  return template.replace(PLACE, String(number));
}

/** Every name that a listener may give its ports. */
export function numberedNames(listener: PortConfig): string[] {
  return Array.from({ length: listener.multi ?? 0 }, (_, n) => numberedName(listener.name, n));
}

/** The fault of a port's name, or null. @param multi how many ports, for a template */
function nameFault(name: string, multi: number | undefined): string | null {
  const places = name.split(PLACE).length - 1;
  if (multi === undefined && places > 0) {
    return `port name "${name}" is a template: say for how many front-ends with multi=N`;
  }
  if (multi !== undefined && places !== 1) {
    return `port name "${name}" needs ${PLACE} once, the number of each of its multi=${multi} ports`;
  }
  if (PORT_NAME.test(multi === undefined ? name : numberedName(name, multi - 1))) return null;
  return `port name "${name}" must be 1-32 of A-Z a-z 0-9 . _ - and start with a letter or digit`;
}

/** Checks a port as a whole. @throws {ControlError} naming the fix */
export function checkPort(port: PortConfig): PortConfig {
  const fault = nameFault(port.name, port.multi);
  if (fault) throw new ControlError("invalid", fault);
  if (port.multi !== undefined && port.mode === "connect") {
    throw new ControlError(
      "invalid",
      `port "${port.name}" cannot have multi and mode=connect: one front-end listens at a socket`,
    );
  }
  if (port.owner !== undefined && port.mode === "connect") {
    throw new ControlError(
      "invalid",
      `port "${port.name}" cannot have owner and mode=connect: the socket is made by who listens`,
    );
  }
  if (port.multi !== undefined && port.mac !== undefined) {
    throw new ControlError(
      "invalid",
      `port "${port.name}" cannot have multi and mac: each front-end needs an address of its own`,
    );
  }
  checkAddresses(port);
  checkBudget(port);
  checkVlans(port);
  checkIsolated(port);
  return port;
}

/**
 * Reads a port. @param socketDir folder of `NAME.sock` when no path is given
 * @throws {ControlError} naming the fix
 */
export function parsePortSpec(spec: string, socketDir: string): PortConfig {
  const [head = "", ...options] = spec.split(",");
  const equals = head.indexOf("=");
  const name = equals < 0 ? head : head.slice(0, equals);
  const given = equals < 0 ? join(socketDir, `${name}.sock`) : head.slice(equals + 1);
  if (given === "") {
    throw new ControlError("invalid", `Cannot read port "${spec}": the path behind = is empty`);
  }
  try {
    const target = readTarget(given, Deno.cwd());
    return checkPort({ name, ...target, ...readOptions(splitOptions(options), target.kind) });
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    throw new ControlError("invalid", `Cannot read port "${spec}": ${error.message}`);
  }
}

/** Numbers between commas belong to the list that they are in: `trunk=1-10,20`. */
function joinLists(options: readonly string[]): string[] {
  const joined: string[] = [];
  for (const option of options) {
    const list = joined.at(-1);
    if (list?.startsWith("trunk=") && /^\s*\d[\d-]*$/.test(option)) {
      joined[joined.length - 1] = `${list},${option.trim()}`;
    } else joined.push(option);
  }
  return joined;
}

/** Options by their names, as they are typed: `limit=100M`. @throws {ControlError} */
export function splitOptions(options: readonly string[]): Record<string, string> {
  const table: Record<string, string> = {};
  for (const option of joinLists(options)) {
    const [name = "", ...values] = option.split("=");
    if (option.trim() === "") {
      throw new ControlError("invalid", "an option is empty: leave out the comma before it");
    }
    if (!OPTION_NAMES.includes(name)) {
      const fix = didYouMean(name, OPTION_NAMES);
      const known = `known: ${OPTION_NAMES.map(optionForm).join(", ")}`;
      throw new ControlError(
        "invalid",
        `unknown option "${option}"${fix ? `, ${fix}` : `; ${known}`}`,
      );
    }
    if (values.length === 0 || values[0] === "") {
      throw new ControlError("invalid", `option ${name} has no value: ${optionForm(name)}`);
    }
    if (Object.hasOwn(table, name)) {
      throw new ControlError("invalid", `${name} is given twice: keep one`);
    }
    table[name] = values.join("=");
  }
  return table;
}
