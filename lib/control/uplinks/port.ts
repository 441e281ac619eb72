/**
 * A port without a front-end on the control thread: what is behind it is an {@linkcode Uplink}.
 *
 * @module
 */
import { frameLimit } from "../../switch/ports/port.ts";
import type { LaneKind } from "../../switch/ports/lane_port.ts";
import { type DataPlaneEvent, EVENT } from "../../worker/events.ts";
import { CommandFailed } from "../../worker/wire.ts";
import { isUplink } from "../config/port_targets.ts";
import type { PortPlane } from "../planes.ts";
import { applyPolicy } from "../policy.ts";
import type { PortRelations, ServedPort } from "../served_port.ts";
import {
  ControlError,
  type PortConfig,
  type PortLimits,
  type PortStatus,
  type VringStatus,
} from "../types.ts";
import type { PortContext } from "../vhost_port/context.ts";
import { PortHistory } from "../vhost_port/history.ts";
import { addressLimits, type AddressUse, portLimits } from "../vhost_port/limits.ts";
import { ALONE } from "../vhost_port/status.ts";
import { DropWatch } from "./drop_watch.ts";
import { makeUplink } from "./kinds.ts";
import { uplinkStatus } from "./status.ts";
import type { Uplink, UplinkFacts, UplinkHost } from "./uplink.ts";

/** One port. Control thread only. */
export class UplinkPort implements ServedPort {
  config: PortConfig;
  readonly plane: PortPlane;
  readonly number: number;
  readonly isAdopted = false;
  readonly memoryFiles: readonly string[] = [];
  readonly #context: PortContext;
  readonly #uplink: Uplink;
  readonly #history = new PortHistory();
  readonly #drops: DropWatch;
  #mtu: number | null = null;
  #linkUp = false;
  #admin: PortStatus["admin"] = "up";

  /** Reserves the port's number and opens what is behind it. @throws {ControlError} */
  constructor(config: PortConfig, context: PortContext) {
    this.config = config;
    this.#context = context;
    this.plane = context.planes.forNewPort();
    this.#uplink = makeUplink(this.#host(), context);
    const { commands } = this.plane.thread;
    const number = commands.addPort({ kind: "lanes" });
    if (number === null) {
      throw new ControlError("conflict", `Cannot add port ${config.name}: the switch is full`);
    }
    this.number = number;
    try {
      applyPolicy(this, config);
      this.#uplink.open();
    } catch (error) {
      this.#uplink.close();
      commands.removePort({ port: number });
      throw error;
    }
    this.#drops = new DropWatch({
      counters: () => this.plane.thread.portCounters(number),
      failed: (code, text) => {
        this.#history.failed(code, text);
        this.#log("warn", code, text);
      },
    });
  }

  #host(): UplinkHost {
    const { commands } = this.plane.thread;
    return {
      config: this.config,
      startLane: (...lane) => this.#startLane(...lane),
      stopLane: (lane) => this.#tryTo(() => commands.stopLane({ port: this.number, lane })) ?? [],
      watch: (fd, handler) => this.#context.reactor.add(fd, handler),
      unwatch: (fd) => this.#context.reactor.remove(fd),
      setLink: (up, text) => this.#setLink(up, text),
      connected: () => this.#history.connected(),
      disconnected: () => this.#history.disconnected(),
      setMtu: (mtu) => this.#setMtu(mtu),
      failed: (code, detail) => this.#history.failed(code, detail),
      log: (...line) => this.#log(...line),
    };
  }

  #log(
    level: "debug" | "info" | "warn",
    event: string,
    message: string,
    fields: Record<string, string | number> = {},
  ): void {
    this.#context.logger[level](`port ${this.config.name}`, event, message, fields);
  }

  #startLane(lane: number, kind: LaneKind, fd: number, offloads: number): boolean {
    try {
      this.plane.thread.commands.startLane({ port: this.number, lane, kind, fd, offloads });
      return true;
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      this.#log("warn", "data-plane", error.message);
      return false;
    }
  }

  /** What the data plane cannot carry out costs this port alone. @returns null: it was not */
  #tryTo<T>(command: () => T): T | null {
    try {
      return command();
    } catch (error) {
      if (!(error instanceof CommandFailed)) throw error;
      this.#history.failed("data-plane", error.message);
      this.#log("warn", "data-plane", error.message);
      return null;
    }
  }

  #setLink(up: boolean, text: string | null): void {
    if (up === this.#linkUp) return;
    this.#linkUp = up;
    this.#history.linkChanged();
    if (!up) this.#tryTo(() => this.flushFdb());
    else if (isUplink(this.config)) this.#context.uplinkUp();
    if (text === null) return;
    if (up) this.#log("info", "link-up", `link up, ${text}`);
    else this.#log("info", "link-down", `link down, ${text}`);
  }

  #setMtu(mtu: number | null): void {
    if (mtu === this.#mtu) return;
    this.#mtu = mtu;
    const { commands } = this.plane.thread;
    const frameBytesMax = frameLimit(mtu);
    this.#tryTo(() => commands.setFrameMax({ port: this.number, frameBytesMax }));
  }

  status(relations: PortRelations = ALONE): PortStatus {
    return uplinkStatus({
      config: this.config,
      uplink: this.#facts(),
      admin: this.#admin,
      mtu: this.#mtu,
      relations,
      history: this.#history,
      counters: this.plane.thread.portCounters(this.number),
    });
  }

  #facts(): UplinkFacts {
    const facts = this.#uplink.facts;
    return { ...facts, problems: [...facts.problems, ...this.#drops.problems] };
  }

  limits(addresses: AddressUse): PortLimits {
    return portLimits(this.config.name, addressLimits(addresses, this.config.budget));
  }

  /** Nobody knows who is there. */
  expectGuest(): void {}

  /** It has none. */
  vrings(): VringStatus[] {
    return [];
  }

  flushFdb(): void {
    this.plane.thread.commands.flushPort({ port: this.number });
  }

  setAdmin(admin: PortStatus["admin"]): void {
    if (admin === this.#admin) return;
    const { commands } = this.plane.thread;
    // In service first, and out of it last: a link that comes up meanwhile is announced through it.
    commands.setPortUp({ port: this.number, up: true });
    try {
      if (admin === "up") this.#uplink.open();
      else this.#uplink.suspend();
      this.#admin = admin;
    } finally {
      commands.setPortUp({ port: this.number, up: this.#admin === "up" });
    }
    this.#log("info", `admin-${admin}`, `taken ${admin === "up" ? "into" : "out of"} service`);
  }

  dataPlaneEvent({ kind, vring: lane, value }: DataPlaneEvent): void {
    if (kind === EVENT.laneFailed) this.#uplink.laneFailed(lane, value);
  }

  /** It has no virtqueues. */
  ringBroken(): void {}

  /** Nor calls. */
  callBlocked(): void {}

  /** Nor memory. */
  pagesLost(): void {}

  close(): void {
    this.#drops.close();
    try {
      this.#uplink.close();
    } finally {
      this.#tryTo(() => this.plane.thread.commands.removePort({ port: this.number }));
    }
  }
}
