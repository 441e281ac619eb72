/**
 * Names and sockets of ports must not collide, and links name ports that can be.
 *
 * @module
 */
import { resolve } from "node:path";
import { didYouMean } from "../../base/nearest.ts";
import { checkLinked } from "./isolated_option.ts";
import { isSocketTarget, isTargetTemplate, targetPath } from "./port_targets.ts";
import { numberedNames } from "./port_spec.ts";
import { checkMirror } from "./mirror_config.ts";
import { ControlError, type LinkConfig, type MirrorConfig, type PortConfig } from "../types.ts";

function invalid(message: string): ControlError {
  return new ControlError("invalid", message);
}

/** Is told of a fault. @param of the port, link or mirror that has it */
export type Tell = (text: string, of: object) => void;

const throwIt: Tell = (text) => {
  throw invalid(text);
};

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

/**
 * Checks the ports of a configuration against each other.
 * @param tell gets each fault; if not given, the first is thrown @throws {ControlError}
 */
export function checkNames(ports: readonly PortConfig[], tell: Tell = throwIt): void {
  const owners = new Map<string, PortConfig>();
  const paths = new Map<string, PortConfig>();
  for (const port of ports) {
    const names = [port.name, ...numberedNames(port)];
    const taken = names.find((name) => owners.has(name));
    const owner = owners.get(taken ?? "");
    if (taken !== undefined && owner) {
      const isSame = owner.name === port.name;
      tell(
        isSame ? `Port "${port.name}" is given twice: rename one` : clash(taken, port, owner),
        port,
      );
      continue;
    }
    for (const name of names) owners.set(name, port);
    if (port.fd !== undefined || isTargetTemplate(port)) continue;
    const path = targetPath(port);
    const other = paths.get(path);
    if (other) {
      tell(`Ports "${other.name}" and "${port.name}" share ${path}: change one`, port);
    } else paths.set(path, port);
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

/**
 * Refuses a port at the control socket, which is bound last and would be told that this switch is in
 * its way. @throws {ControlError}
 */
export function checkControlPath(config: PortConfig, controlPath: string | null): void {
  const { name, fd } = config;
  const path = targetPath(config);
  if (fd !== undefined || controlPath === null || resolve(controlPath) !== resolve(path)) return;
  throw new ControlError(
    "invalid",
    `Cannot add port ${name}: ${path} belongs to this switch, it is its control socket`,
    `give the port another name or path: ${name}=PATH`,
  );
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

/** Ports, and those that templates may give, by their names. */
function possible(ports: readonly PortConfig[]): Map<string, PortConfig> {
  return new Map(ports.flatMap((port) => {
    const own = port.multi ? numberedNames(port) : [port.name];
    return own.map((name) => [name, { ...port, name }] as const);
  }));
}

/** Whether two links are the same pair, named in either order. */
export function sameLink({ ports: [a, b] }: LinkConfig, { ports: [c, d] }: LinkConfig): boolean {
  return (a === c && b === d) || (a === d && b === c);
}

/** Checks the links of a configuration. @param tell as in {@linkcode checkNames} */
export function checkLinks(
  links: readonly LinkConfig[],
  ports: readonly PortConfig[],
  tell: Tell = throwIt,
): void {
  const names = possible(ports);
  const linked = new Set<string>();
  for (const link of links) {
    const fault = linkFault(link, names, linked);
    if (fault !== null) tell(fault, link);
    else {
      try {
        checkLinked(names.get(link.ports[0]), names.get(link.ports[1]));
      } catch (error) {
        if (!(error instanceof ControlError)) throw error;
        tell(error.message, link);
      }
    }
    for (const name of link.ports) linked.add(name);
  }
}

/** What is wrong with a link beside others, or null. */
function linkFault(
  { ports: pair }: LinkConfig,
  names: ReadonlyMap<string, PortConfig>,
  linked: ReadonlySet<string>,
): string | null {
  const where = `link ${pair.join(":")}`;
  if (pair[0] === pair[1]) return `${where}: "${pair[0]}" cannot be linked with itself`;
  for (const name of pair) {
    if (!names.has(name)) {
      const fix = didYouMean(name, [...names.keys()]) ?? "add it, or name another one";
      return `${where}: there is no port "${name}": ${fix}`;
    }
    if (linked.has(name)) {
      return `${where}: port "${name}" is in another link already: a port has one`;
    }
  }
  return null;
}

/** Checks the mirrors of a configuration. @param tell as in {@linkcode checkNames} */
export function checkMirrors(
  mirrors: readonly MirrorConfig[],
  ports: readonly PortConfig[],
  tell: Tell = throwIt,
): void {
  const names = possible(ports);
  for (const [index, mirror] of mirrors.entries()) {
    const missing = [...mirror.from, mirror.to].find((name) => !names.has(name));
    if (missing !== undefined) {
      const fix = didYouMean(missing, [...names.keys()]) ?? "add it, or name another one";
      tell(`mirror ${mirror.name}: there is no port "${missing}": ${fix}`, mirror);
      continue;
    }
    try {
      checkMirror(mirror, mirrors.slice(0, index));
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      tell(error.message, mirror);
    }
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
