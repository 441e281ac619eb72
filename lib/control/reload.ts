/**
 * Carries out a reload, all of it or nothing: what can fail without a trace comes first, and what was
 * done is taken back when something fails. It never waits, so that nobody sees the switch halfway.
 *
 * @module
 */
import { PORTS_MAX } from "../base/limits.ts";
import { present } from "../base/assert.ts";
import type { Plan, PortChange } from "./config/plan.ts";
import { staticMacs } from "./config/policy_options.ts";
import { numberedNames } from "./config/port_spec.ts";
import { targetPath } from "./config/port_targets.ts";
import type { Links } from "./links.ts";
import type { Mirrors } from "./mirrors.ts";
import { setStatic, unsetStatic } from "./policy.ts";
import type { ServedPort } from "./served_port.ts";
import { becomePort, memberConfig } from "./set_port.ts";
import type { PortListener } from "./sockets/multi_socket.ts";
import { ControlError, type PortConfig, type SwitchConfig } from "./types.ts";

/** What a reload does to the switch. */
export interface ReloadHost {
  /** Ports by name, those of listeners included. */
  readonly ports: ReadonlyMap<string, ServedPort>;
  /** Listeners by name. */
  readonly listeners: ReadonlyMap<string, PortListener>;
  /** All links. */
  readonly links: Links;
  /** All mirrors. */
  readonly mirrors: Mirrors;
  /** Adds a port. @throws {ControlError} */
  addPort(config: PortConfig): unknown;
  /** Removes a port or a listener. */
  removePort(name: string): void;
  /** Takes a port or a listener out of service, or back. */
  setAdmin(name: string, admin: "up" | "down"): unknown;
  /** Frames are in VLANs as long as a port says so. */
  useVlans(): void;
  /** What is said of the switch as a whole. */
  settings(): SwitchConfig;
  /** Puts in force what can change of it. */
  setSettings(settings: SwitchConfig): void;
}

/** A reload under way. Control thread only. */
export class Reload {
  readonly #host: ReloadHost;
  readonly #plan: Plan;
  /** What takes each step back, in order. */
  readonly #undo: (() => void)[] = [];
  /** Ports whose front-ends were disconnected. */
  readonly #ended: string[] = [];

  /** Changes nothing yet. */
  constructor(host: ReloadHost, plan: Plan) {
    this.#host = host;
    this.#plan = plan;
  }

  /** Does it. @throws {ControlError} nothing has changed, or the line says what had to be made anew */
  run(): void {
    const { links, mirrors } = this.#host;
    const before = { links: links.list(), mirrors: mirrors.list() };
    try {
      this.#carryOut(before);
    } catch (error) {
      this.#holdOn(before);
      const lost = this.#takeBack();
      links.replace(before.links);
      mirrors.replace(before.mirrors);
      this.#host.useVlans();
      throw this.#failure(error, lost);
    }
  }

  #carryOut(before: Pick<Plan["next"], "links" | "mirrors">): void {
    const { added, renewed, removed, live, next } = this.#plan;
    const early = added.filter((port) => this.#isEarly(port));
    for (const port of early) this.#add(port);
    // Links and mirrors wait for ports meanwhile: none switches to everybody for a moment.
    this.#holdOn(before);
    for (const port of removed) this.#remove(port);
    const downs = renewed.map(({ before }) => this.#remove(before));
    this.#freeStatics(live);
    for (const change of live) this.#become(change);
    this.#holdOn(next);
    for (const [i, { after }] of renewed.entries()) this.#add(after, downs[i]);
    for (const port of added) if (!early.includes(port)) this.#add(port);
    this.#host.links.replace(next.links);
    this.#host.mirrors.replace(next.mirrors);
    this.#host.setSettings(next);
    this.#host.useVlans();
  }

  /** As in a configuration: they outlive their ports. */
  #holdOn({ links, mirrors }: Pick<Plan["next"], "links" | "mirrors">): void {
    this.#host.links.replace(links.map(({ ports }) => ({ ports, configured: true })));
    this.#host.mirrors.replace(mirrors.map((mirror) => ({ ...mirror, configured: true })));
  }

  /**
   * Whether a port can come before any other one goes. Most can: if one of them fails, as its socket is
   * somebody else's, nobody has noticed.
   */
  #isEarly(port: PortConfig): boolean {
    const { ports, listeners } = this.#host;
    const { next } = this.#plan;
    if (ports.size + this.#plan.added.length > PORTS_MAX) return false;
    const joins = [...next.links.flatMap((link) => link.ports)];
    for (const { from, to } of next.mirrors) joins.push(...from, to);
    if (joins.includes(port.name) && (port.kind === "tap" || port.kind === "nat")) return false;
    const all = [...ports.values(), ...listeners.values()].map(({ config }) => config);
    const names = [port.name, ...numberedNames(port)];
    const macs = staticMacs(port);
    return !all.some((other) =>
      names.includes(other.name) || numberedNames(other).some((name) => names.includes(name)) ||
      targetPath(other) === targetPath(port) || staticMacs(other).some((mac) => macs.includes(mac))
    );
  }

  #add(port: PortConfig, admin: "up" | "down" = "up"): void {
    this.#host.addPort(port);
    this.#undo.push(() => this.#host.removePort(port.name));
    if (admin === "down") this.#host.setAdmin(port.name, "down");
  }

  /** @returns whether it was in service */
  #remove(port: PortConfig): "up" | "down" {
    const { ports, listeners } = this.#host;
    const { admin } = (listeners.get(port.name) ?? present(ports.get(port.name), port.name))
      .status();
    this.#host.removePort(port.name);
    this.#ended.push(port.name);
    this.#undo.push(() => {
      this.#host.addPort(port);
      if (admin === "down") this.#host.setAdmin(port.name, "down");
    });
    return admin;
  }

  /** Static addresses that move from one port to another are free in between. */
  #freeStatics(live: readonly PortChange[]): void {
    for (const { before, after } of live) {
      const port = this.#host.ports.get(before.name);
      if (port === undefined) continue;
      const stay = staticMacs(after);
      const gone = staticMacs(before).filter((mac) => !stay.includes(mac));
      const { commands } = port.plane.thread;
      const freed = gone.filter((mac) => unsetStatic(commands, mac));
      // Another port may have them by the time this one changes.
      port.config = withoutMacs(port.config, gone);
      this.#undo.push(() => {
        for (const mac of freed) setStatic(port, mac);
        port.config = before;
      });
    }
  }

  #become({ before, after }: PortChange): void {
    const listener = this.#host.listeners.get(before.name);
    if (listener === undefined) {
      this.#set(present(this.#host.ports.get(before.name), before.name), after);
      return;
    }
    for (const member of listener.members) {
      this.#set(member, memberConfig(member.config, before, after));
    }
    listener.config = after;
    this.#undo.push(() => listener.config = before);
  }

  #set(port: ServedPort, config: PortConfig): void {
    const before = port.config;
    becomePort(port, config);
    this.#undo.push(() => becomePort(port, before));
  }

  /** @returns what could not be taken back */
  #takeBack(): string[] {
    const lost: string[] = [];
    for (const step of this.#undo.toReversed()) {
      try {
        step();
      } catch (error) {
        lost.push(error instanceof Error ? error.message : String(error));
      }
    }
    return lost;
  }

  #failure(error: unknown, lost: readonly string[]): unknown {
    if (!(error instanceof ControlError)) return error;
    const ended = this.#ended.length === 0
      ? "nothing has changed"
      : `all is as it was, but ports ${this.#ended.join(", ")} were made anew`;
    const what = lost.length === 0 ? ended : `this could not be taken back: ${lost.join("; ")}`;
    const hint = error.hint === null ? what : `${error.hint}; ${what}`;
    return new ControlError(error.kind, error.message, hint);
  }
}

/** A port that says nothing of these addresses. */
function withoutMacs(config: PortConfig, macs: readonly string[]): PortConfig {
  const { mac, static: named, ...rest } = config;
  return {
    ...rest,
    ...mac === undefined || macs.includes(mac) ? {} : { mac },
    ...named === undefined ? {} : { static: named.filter((each) => !macs.includes(each)) },
  };
}
