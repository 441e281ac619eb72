/**
 * Names and sockets of ports must not collide, and links name ports that can be.
 *
 * @module
 */
import { didYouMean } from "../../base/nearest.ts";
import { checkLinked } from "./isolated_option.ts";
import { isSocketTarget, isTargetTemplate, targetPath } from "./port_targets.ts";
import { numberedNames } from "./port_spec.ts";
import { ControlError, type LinkConfig, type PortConfig } from "../types.ts";

function invalid(message: string): ControlError {
  return new ControlError("invalid", message);
}

/** A port that is not there. @param names those that are, and templates of those that may come */
export function noSuchPort(name: string, names: readonly string[]): ControlError {
  if (names.includes(name)) {
    return new ControlError(
      "not-found",
      `"${name}" is a socket for many front-ends, and only each of its ports has that`,
      "name one of them, see: vuswitch port list",
    );
  }
  const hint = didYouMean(name, names);
  const list = names.length === 0
    ? "there is none: vuswitch port add NAME"
    : "see: vuswitch port list";
  return new ControlError("not-found", `No port named "${name}"`, hint ?? list);
}

/** Checks the ports of a configuration against each other. @throws {ControlError} */
export function checkNames(ports: readonly PortConfig[]): void {
  const owners = new Map<string, PortConfig>();
  const paths = new Map<string, PortConfig>();
  for (const port of ports) {
    for (const name of [port.name, ...numberedNames(port)]) {
      const other = owners.get(name);
      if (other?.name === port.name) throw invalid(`Port "${name}" is given twice: rename one`);
      if (other) throw invalid(clash(name, port, other));
      owners.set(name, port);
    }
    if (port.fd !== undefined || isTargetTemplate(port)) continue;
    const path = targetPath(port);
    const other = paths.get(path);
    if (other) {
      throw invalid(`Ports "${other.name}" and "${port.name}" share ${path}: change one`);
    }
    paths.set(path, port);
  }
}

function clash(name: string, port: PortConfig, other: PortConfig): string {
  const template = port.multi === undefined ? other.name : port.name;
  return `Port "${name}" is given twice, once by the template "${template}": rename one`;
}

/**
 * Checks a port that is to be added beside others.
 * @param others configurations of the ports and listeners there are @throws {ControlError}
 */
export function checkAddition(port: PortConfig, others: Iterable<PortConfig>): void {
  const names = new Set([port.name, ...numberedNames(port)]);
  for (const other of others) {
    if (other.name === port.name) {
      throw new ControlError("conflict", `Port "${port.name}" exists already`);
    }
    const name = [other.name, ...numberedNames(other)].find((each) => names.has(each));
    if (name !== undefined) {
      const template = port.multi === undefined ? other.name : port.name;
      throw new ControlError(
        "conflict",
        `Port "${name}" would be there twice: template "${template}" may give that name`,
        "choose another name",
      );
    }
    const path = targetPath(port);
    if (!mayShare(port) && other.fd === undefined && targetPath(other) === path) {
      const what = isSocket(port) ? `the socket ${path}` : path;
      throw new ControlError("conflict", `Port "${other.name}" has ${what} already`);
    }
  }
}

function isSocket({ kind }: PortConfig): boolean {
  return kind === undefined || isSocketTarget(kind);
}

/** Whether it does not matter here who else has a port's target. */
function mayShare(port: PortConfig): boolean {
  // A socket in mode listen tells itself.
  return isSocket(port) ? port.mode !== "connect" : isTargetTemplate(port);
}

/** Refuses a port that a switch with `--sandbox` cannot have. @throws {ControlError} */
export function checkSandbox({ name, kind }: PortConfig, sandbox: boolean | undefined): void {
  if (kind !== "nat" || !sandbox) return;
  throw new ControlError(
    "invalid",
    `Cannot add port ${name}: NAT starts programs, which --sandbox gives up`,
    "leave out one of the two",
  );
}

/** Checks the links of a configuration. @throws {ControlError} naming the fix */
export function checkLinks(links: readonly LinkConfig[], ports: readonly PortConfig[]): void {
  const names = new Map(ports.flatMap((port) => {
    const own = port.multi ? numberedNames(port) : [port.name];
    return own.map((name) => [name, { ...port, name }] as const);
  }));
  const linked = new Set<string>();
  for (const { ports: pair } of links) {
    const where = `link ${pair.join(":")}`;
    if (pair[0] === pair[1]) throw invalid(`${where}: "${pair[0]}" cannot be linked with itself`);
    for (const name of pair) {
      if (!names.has(name)) {
        const fix = didYouMean(name, [...names.keys()]) ?? "add it, or name another one";
        throw invalid(`${where}: there is no port "${name}": ${fix}`);
      }
      if (linked.has(name)) {
        throw invalid(`${where}: port "${name}" is in another link already: a port has one`);
      }
      linked.add(name);
    }
    checkLinked(names.get(pair[0]), names.get(pair[1]));
  }
}

/** A port of a listener cannot be taken out of service: its front-end would not know. */
export function cannotTell(name: string, listener: string): ControlError {
  return new ControlError(
    "conflict",
    `Cannot take port ${name} down: its front-end cannot be told`,
    `vuswitch port del ${name}, or vuswitch port down '${listener}'`,
  );
}
