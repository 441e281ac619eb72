/**
 * Mirrors: frames from and to some ports are copied to another one, which gets nothing else and sends
 * nothing. So none goes round in circles: a port that a mirror has is no source of one.
 *
 * @module
 */
import { MIRRORS_MAX } from "../base/limits.ts";
import { present } from "../base/assert.ts";
import { noSuchPort } from "./config/names.ts";
import { PORT_NAME } from "./config/port_spec.ts";
import type { Placed } from "./planes.ts";
import { ControlError, type MirrorStatus } from "./types.ts";

/** A mirror as an operator writes it. */
export type MirrorConfig = MirrorStatus;

/** What mirrors need of the switch. */
export interface MirrorHost {
  /** Where a port is served, or null if there is no such port. */
  placed(name: string): Placed | null;
  /** Names of all ports. */
  names(): readonly string[];
}

/** The mirrors of a switch. Control thread only. */
export class Mirrors {
  readonly #host: MirrorHost;
  readonly #mirrors = new Map<number, MirrorStatus>();

  /** No mirrors. */
  constructor(host: MirrorHost) {
    this.#host = host;
  }

  /** All there are, by their numbers. */
  list(): MirrorStatus[] {
    return [...this.#mirrors.values()];
  }

  /** Begins to mirror. @throws {ControlError} a port is missing, or it would go in circles */
  add(mirror: MirrorConfig): MirrorStatus {
    const number = this.#check(mirror);
    this.#mirrors.set(number, mirror);
    this.#apply(number, mirror);
    return mirror;
  }

  #check({ name, from, to }: MirrorConfig): number {
    const fail = (kind: ControlError["kind"], what: string, hint: string | null = null): never => {
      throw new ControlError(kind, `Cannot add mirror ${name}: ${what}`, hint);
    };
    if (!PORT_NAME.test(name)) fail("invalid", "its name must be like that of a port");
    if (from.length === 0) fail("invalid", "it needs ports to copy from", "--from PORT");
    for (const port of [...from, to]) {
      if (this.#host.placed(port) === null) throw noSuchPort(port, this.#host.names());
    }
    if (from.includes(to)) fail("invalid", `port "${to}" cannot be copied to itself`);
    for (const other of this.#mirrors.values()) {
      if (other.name === name) fail("conflict", "there is one", `vuswitch mirror del ${name}`);
      const circle = from.find((port) => port === other.to) ??
        other.from.find((port) => port === to);
      if (circle !== undefined) {
        const why =
          `port "${circle}" would be copied from and to, as mirror ${other.name} has it too`;
        fail("conflict", why, `vuswitch mirror del ${other.name}`);
      }
    }
    const numbers = Array.from({ length: MIRRORS_MAX }, (_, i) => i);
    const free = numbers.find((number) => !this.#mirrors.has(number));
    return free ?? fail("conflict", `there are ${MIRRORS_MAX}, which is the most`);
  }

  /** Ends a mirror. @throws {ControlError} there is none */
  remove(name: string): void {
    const found = [...this.#mirrors].find(([, mirror]) => mirror.name === name);
    if (!found) {
      throw new ControlError("not-found", `No mirror named "${name}"`, "see: vuswitch mirror list");
    }
    this.#end(...found);
  }

  /** A port is going; call while the host still knows it. Its mirrors go on without it, if they can. */
  portRemoved(name: string): void {
    for (const [number, mirror] of [...this.#mirrors]) {
      const from = mirror.from.filter((port) => port !== name);
      if (mirror.to === name || from.length === 0) this.#end(number, mirror);
      else if (from.length < mirror.from.length) {
        this.#mirrors.set(number, { ...mirror, from });
        this.#apply(number, { ...mirror, from });
      }
    }
  }

  #end(number: number, mirror: MirrorStatus): void {
    this.#mirrors.delete(number);
    this.#apply(number, { ...mirror, from: [] });
  }

  #apply(number: number, { from, to, direction }: MirrorStatus): void {
    const target = present(this.#host.placed(to), `port ${to}`);
    const numbers = from.map((name) => present(this.#host.placed(name), `port ${name}`).number);
    target.plane.thread.commands.setMirror({
      ...{ mirror: number, to: target.number },
      in: direction === "out" ? [] : numbers,
      out: direction === "in" ? [] : numbers,
    });
  }
}

/** Reads what a request says of a mirror. @throws {ControlError} */
export function readMirror(body: Readonly<Record<string, unknown>>): MirrorConfig {
  const { name, from, to, direction = "both" } = body;
  const isList = Array.isArray(from) && from.every((port) => typeof port === "string");
  if (typeof name !== "string" || !isList || typeof to !== "string") {
    throw new ControlError(
      "invalid",
      "A mirror needs name, from, names of ports, and to, one more",
    );
  }
  if (direction !== "in" && direction !== "out" && direction !== "both") {
    throw new ControlError("invalid", `direction ${direction} must be in, out or both`);
  }
  return { name, from: [...new Set<string>(from)], to, direction };
}
