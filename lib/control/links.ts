/**
 * Links: two ports whose frames go to each other and nowhere else.
 *
 * A link that an operator added ends with either of its ports, and the other one switches again; with
 * a listener's port, which comes and goes with its front-end, it waits for the next one of that name. A
 * link of the configuration stays: while one of its ports is missing, frames of the other go
 * nowhere, and when the port is back, so is the link.
 *
 * @module
 */
import type { Placed } from "./planes.ts";
import { ControlError, type LinkConfig, type LinkStatus } from "./types.ts";

/** A link, and whether it outlives its ports. */
export interface Link extends LinkConfig {
  /** It stands in the configuration. */
  readonly configured: boolean;
}

/** What links need of the switch. */
export interface LinkHost {
  /** Where a port is served, or null if there is no such port. */
  placed(name: string): Placed | null;
  /** Whether a listener may give a port that name. */
  mayCome(name: string): boolean;
  /** Links a port with another. @param to null: with one that is still to come */
  link(port: Placed, to: Placed | null): void;
  /** Ends a port's link. */
  unlink(port: Placed): void;
}

/** The links of a switch. Control thread only. */
export class Links {
  readonly #host: LinkHost;
  /** Each link under both of its ports' names. */
  readonly #byPort = new Map<string, Link>();

  /** No links. */
  constructor(host: LinkHost) {
    this.#host = host;
  }

  /** Links two ports. @throws {ControlError} a port is missing, unless configured, or linked */
  add(ports: readonly [string, string], configured: boolean): LinkStatus {
    if (ports[0] === ports[1]) {
      throw new ControlError("invalid", `Cannot link "${ports[0]}" with itself`);
    }
    for (const name of ports) {
      if (!configured && !this.#isPossible(name)) {
        throw new ControlError("not-found", `No port named "${name}"`, "see: vuswitch port list");
      }
      const known = this.#byPort.get(name);
      if (known) {
        throw new ControlError(
          "conflict",
          `Port "${name}" is linked already: ${known.ports.join(" with ")}`,
          `vuswitch link del ${known.ports.join(" ")}`,
        );
      }
    }
    const link = { ports, configured };
    for (const name of ports) this.#byPort.set(name, link);
    this.#apply(link);
    return this.#status(link);
  }

  #isPossible(name: string): boolean {
    return this.#host.placed(name) !== null || this.#host.mayCome(name);
  }

  /**
   * Has these links and no other ones; they are checked against each other already. A port that stays
   * linked is never without a link in between.
   */
  replace(next: readonly Link[]): void {
    const before = new Map(this.#byPort);
    this.#byPort.clear();
    for (const { ports, configured } of next) {
      const link = { ports, configured };
      for (const name of ports) this.#byPort.set(name, link);
      if (!ports.every((name) => isLinkedSo(before.get(name), ports))) this.#apply(link);
    }
    for (const name of before.keys()) {
      const port = this.#host.placed(name);
      if (port !== null && !this.#byPort.has(name)) this.#host.unlink(port);
    }
  }

  /** A listener is gone: links that only waited for its ports are, too. */
  listenerRemoved(): void {
    for (const link of new Set(this.#byPort.values())) {
      if (!link.configured && !link.ports.every((name) => this.#isPossible(name))) this.#end(link);
    }
  }

  /** Ends a link; its ports are named in either order. @throws {ControlError} there is none */
  remove(ports: readonly [string, string]): void {
    const link = this.#byPort.get(ports[0]);
    if (!link || this.peerOf(ports[0]) !== ports[1]) {
      throw new ControlError(
        "not-found",
        `No link between "${ports[0]}" and "${ports[1]}"`,
        "see: vuswitch link list",
      );
    }
    this.#end(link);
  }

  /** The port a port is linked with, there or not, or null. */
  peerOf(name: string): string | null {
    const link = this.#byPort.get(name);
    if (!link) return null;
    return link.ports[0] === name ? link.ports[1] : link.ports[0];
  }

  /** All links in the order they were made. */
  list(): LinkStatus[] {
    return Array.from(new Set(this.#byPort.values()), (link) => this.#status(link));
  }

  /** A port is there now; call before its first frame can pass. */
  portAdded(name: string): void {
    const link = this.#byPort.get(name);
    if (link) this.#apply(link);
  }

  /** A port is going; call while the host still knows it. */
  portRemoved(name: string): void {
    const link = this.#byPort.get(name);
    if (!link) return;
    if (!link.configured && !this.#host.mayCome(name)) {
      this.#end(link);
      return;
    }
    for (const each of link.ports) this.#link(each, null);
  }

  #status(link: Link): LinkStatus {
    const whole = link.ports.every((name) => this.#host.placed(name) !== null);
    const { ports, configured } = link;
    return { ports, configured, state: whole ? "linked" : "waiting" };
  }

  #apply(link: Link): void {
    const [one, other] = link.ports;
    this.#link(one, this.#host.placed(other));
    this.#link(other, this.#host.placed(one));
  }

  #end(link: Link): void {
    for (const name of link.ports) {
      this.#byPort.delete(name);
      const port = this.#host.placed(name);
      if (port !== null) this.#host.unlink(port);
    }
  }

  #link(name: string, to: Placed | null): void {
    const port = this.#host.placed(name);
    if (port !== null) this.#host.link(port, to);
  }
}

/** Whether a link is that of two ports, in whatever order. */
function isLinkedSo(link: Link | undefined, [one, other]: LinkConfig["ports"]): boolean {
  return link !== undefined && link.ports.includes(one) && link.ports.includes(other);
}
