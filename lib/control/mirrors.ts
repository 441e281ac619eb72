/**
 * Mirrors: frames from and to some ports are copied to another one, which gets nothing else and sends
 * nothing.
 *
 * A mirror that an operator added goes on without a port that goes, and ends with its last one or the
 * one that gets the copies. A mirror of the configuration stays as it is written: ports that are
 * missing have no part in it until they are there.
 *
 * @module
 */
import { present } from "../base/assert.ts";
import { checkMirror, sameMirror } from "./config/mirror_config.ts";
import { noSuchPort } from "./config/names.ts";
import type { Placed } from "./planes.ts";
import { ControlError, type MirrorConfig, type MirrorStatus } from "./types.ts";

/** What mirrors need of the switch. */
export interface MirrorHost {
  /** Where a port is served, or null if there is no such port. */
  placed(name: string): Placed | null;
  /** Names of all ports. */
  names(): readonly string[];
}

/** A mirror, and whether it outlives its ports. */
export interface Mirror extends MirrorConfig {
  /** It stands in the configuration. */
  readonly configured: boolean;
}

/** The mirrors of a switch. Control thread only. */
export class Mirrors {
  readonly #host: MirrorHost;
  readonly #mirrors = new Map<number, Mirror>();

  /** No mirrors. */
  constructor(host: MirrorHost) {
    this.#host = host;
  }

  /** All there are, by their numbers. */
  list(): MirrorStatus[] {
    return [...this.#mirrors.values()].map((mirror) => this.#status(mirror));
  }

  #status({ name, from, to, direction, configured }: Mirror): MirrorStatus {
    const isOn = this.#there(to) && from.some((port) => this.#there(port));
    return { name, from, to, direction, state: isOn ? "mirroring" : "waiting", configured };
  }

  #there(name: string): boolean {
    return this.#host.placed(name) !== null;
  }

  /** Begins to mirror. @throws {ControlError} a port is missing, or it would go in circles */
  add({ name, from, to, direction }: MirrorConfig): MirrorStatus {
    const mirror = { name, from, to, direction, configured: false };
    checkMirror(mirror, [...this.#mirrors.values()]);
    for (const port of [...from, to]) {
      if (!this.#there(port)) throw noSuchPort(port, this.#host.names());
    }
    this.#set(this.#freeNumber(), mirror);
    return this.#status(mirror);
  }

  /**
   * Has these mirrors and no other ones; they are checked against each other already. One of the same
   * name goes on without a gap.
   */
  replace(next: readonly Mirror[]): void {
    const numbers = new Map([...this.#mirrors].map(([number, { name }]) => [name, number]));
    for (const [number, mirror] of [...this.#mirrors]) {
      if (!next.some(({ name }) => name === mirror.name)) this.#end(number, mirror);
    }
    for (const mirror of next) this.#set(numbers.get(mirror.name) ?? this.#freeNumber(), mirror);
  }

  /** Ends a mirror. @throws {ControlError} there is none */
  remove(name: string): void {
    const found = [...this.#mirrors].find(([, mirror]) => mirror.name === name);
    if (!found) {
      throw new ControlError("not-found", `No mirror named "${name}"`, "see: vuswitch mirror list");
    }
    this.#end(...found);
  }

  /** A port is there now; call before its first frame can pass. */
  portAdded(name: string): void {
    for (const [number, mirror] of this.#mirrors) {
      if (mirror.to === name || mirror.from.includes(name)) this.#apply(number, mirror);
    }
  }

  /** A port is going; call while the host still knows it. */
  portRemoved(name: string): void {
    for (const [number, mirror] of [...this.#mirrors]) {
      const from = mirror.from.filter((port) => port !== name);
      if (mirror.to !== name && from.length === mirror.from.length) continue;
      if (mirror.configured) {
        if (mirror.to === name) this.#apply(number, { ...mirror, from: [] });
        else this.#apply(number, { ...mirror, from });
      } else if (mirror.to === name || from.length === 0) this.#end(number, mirror);
      else this.#set(number, { ...mirror, from });
    }
  }

  /** Below the most that {@linkcode checkMirror} lets be. */
  #freeNumber(): number {
    for (let number = 0;; number++) if (!this.#mirrors.has(number)) return number;
  }

  #set(number: number, mirror: Mirror): void {
    const before = this.#mirrors.get(number);
    this.#mirrors.set(number, mirror);
    if (before !== undefined && sameMirror(before, mirror)) return;
    // Another port gets the copies from now on, this one everything again.
    if (before !== undefined && before.to !== mirror.to) {
      this.#apply(number, { ...before, from: [] });
    }
    this.#apply(number, mirror);
  }

  #end(number: number, mirror: Mirror): void {
    this.#mirrors.delete(number);
    this.#apply(number, { ...mirror, from: [] });
  }

  /** Tells the data plane, as far as ports are there. */
  #apply(number: number, { from, to, direction }: MirrorConfig): void {
    const target = this.#host.placed(to);
    if (target === null) return;
    const numbers = from.filter((name) => this.#there(name))
      .map((name) => present(this.#host.placed(name), `port ${name}`).number);
    target.plane.thread.commands.setMirror({
      ...{ mirror: number, to: target.number },
      in: direction === "out" ? [] : numbers,
      out: direction === "in" ? [] : numbers,
    });
  }
}
