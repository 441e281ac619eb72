/**
 * One listening socket for many front-ends: each that connects becomes a port of its own, named by
 * the template with the lowest free number from 0, and the port ends with its front-end.
 *
 * @module
 */
import type { ReasonCode } from "../../vhost/reasons.ts";
import type { Adoption } from "./adopted.ts";
import type { SwitchPort } from "../vhost_port/port.ts";
import type { PortContext } from "../vhost_port/context.ts";
import { ListeningSocket } from "./listen_mode.ts";
import { budgetOf } from "../config/budget_option.ts";
import { addressSpaceLimit, portLimits } from "../vhost_port/limits.ts";
import { now } from "../vhost_port/history.ts";
import { offeredBy } from "../vhost_port/offered.ts";
import type { TurnedAway } from "./port_socket.ts";
import { numberedName } from "../config/port_spec.ts";
import type { MemoryAccount } from "../front_end/memory_shares.ts";
import { TenantFds } from "../front_end/tenant_fds.ts";
import { ControlError, type ListenerStatus, type PortConfig, type PortLimits } from "../types.ts";
import { Visits } from "./visits.ts";

/**
 * Closing what front-ends sent may block for ever, and ports come and go: so their numbers share a
 * few lanes that stay, and one socket can never take the whole blocking pool.
 */
const LANES = 8;

/** What a listener asks of its switch. */
export interface ListenerHost {
  /** Makes the port of a front-end. @throws {ControlError} the switch is full */
  adopt(config: PortConfig, adoption: Adoption): SwitchPort;
  /** Removes a port that was adopted. */
  remove(name: string): void;
}

/** A listener and its ports. Control thread only. */
export class PortListener {
  /** Its name is the template. */
  config: PortConfig;
  readonly #context: PortContext;
  readonly #host: ListenerHost;
  readonly #multi: number;
  readonly #socket: ListeningSocket;
  readonly #visits: Visits;
  readonly #ports = new Map<number, SwitchPort>();
  readonly #lanes: readonly TenantFds[];
  /** All its front-ends together have one share of the arena. */
  readonly #account: MemoryAccount;
  /** Closes front-ends that were refused. */
  readonly #refusals: TenantFds;
  readonly #refused = new Map<string, number>();
  /** Counters of a port end with it; why it ended is kept. */
  readonly #errors = new Map<string, number>();
  #admin: ListenerStatus["admin"] = "up";
  #adminSince: string = now();
  #connects = 0;
  #lastConnectAt: string | null = null;
  #lastError: ListenerStatus["lastError"] = null;

  /** Binds the socket. @throws {ControlError} */
  constructor(config: PortConfig, context: PortContext, host: ListenerHost) {
    this.config = config;
    this.#context = context;
    this.#host = host;
    this.#multi = config.multi ?? 1;
    this.#lanes = Array.from({ length: LANES }, () => new TenantFds(context.blocking));
    this.#refusals = new TenantFds(context.blocking);
    const { shares } = context.planes.forNewPort().pool;
    this.#account = shares.open(this.#multi, budgetOf(config).addressSpace);
    this.#socket = new ListeningSocket(config, context, {
      mayTake: () => !this.#refusals.isChoked && !this.#isChoked,
      take: (fd) => this.#take(fd),
      refuse: (fd, code) => {
        this.#count(code, "a front-end knocked and was not taken");
        this.#refusals.close(fd);
      },
      failed: (code, detail) => this.#count(code, detail),
      log: (level, event, message) => this.#log(level, event, message),
    });
    this.#visits = new Visits((level, event, message) => this.#log(level, event, message));
    try {
      this.#socket.open();
    } catch (error) {
      this.#account.close();
      throw error;
    }
  }

  #log(level: "debug" | "info" | "warn", event: string, message: string): void {
    this.#context.logger[level](`port ${this.config.name}`, event, message);
  }

  #count(code: ReasonCode, detail: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
    this.#lastError = { code, detail, at: now() };
  }

  #take(fd: number): TurnedAway | null {
    if (this.#admin === "down") return { code: "admin-down", why: "and the port is down" };
    // One that connects again may be here before the news of its hanging up, and keeps its number.
    for (const port of [...this.#ports.values()]) port.poll();
    let number = this.#freeNumber();
    if (number < 0 && [...this.#ports.values()].some((port) => port.dropAbandoned())) {
      number = this.#freeNumber();
    }
    if (number < 0) {
      return { code: "full", why: `and ${this.#multi} front-ends are connected` };
    }
    const { multi: _, ...config } = this.config;
    const name = numberedName(config.name, number);
    try {
      const port = this.#host.adopt({ ...config, name }, {
        fd,
        tenantFds: this.#lane(number),
        account: this.#account,
        listener: this.config.name,
        visits: this.#visits,
        announced: () => {
          this.#connects++;
          this.#lastConnectAt = now();
        },
        ended: (visited) => {
          this.#remove(number);
          this.#socket.freed(visited);
        },
      });
      this.#ports.set(number, port);
      return null;
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      return { code: "switch-full", why: "and the switch has as many ports as it can" };
    }
  }

  #lane(number: number): TenantFds {
    return this.#lanes[number % LANES] as TenantFds;
  }

  /** The lowest free number in whose lane not too many descriptors wait to be closed, or -1. */
  #freeNumber(): number {
    for (let number = 0; number < this.#multi; number++) {
      if (!this.#ports.has(number) && !this.#lane(number).isChoked) return number;
    }
    return -1;
  }

  /** There are free numbers, and too many descriptors wait in the lanes of all of them. */
  get #isChoked(): boolean {
    return this.#ports.size < this.#multi && this.#freeNumber() < 0;
  }

  #remove(number: number): void {
    const port = this.#ports.get(number);
    if (!port) return;
    this.#drop(number, port);
    this.#host.remove(port.config.name);
  }

  #drop(number: number, port: SwitchPort): void {
    this.#ports.delete(number);
    const { errors, lastError } = port.status();
    for (const [code, count] of Object.entries(errors)) {
      this.#errors.set(code, (this.#errors.get(code) ?? 0) + count);
    }
    if (lastError !== null && lastError.at >= (this.#lastError?.at ?? "")) {
      this.#lastError = lastError;
    }
  }

  /** Its ports of now. */
  get members(): SwitchPort[] {
    return [...this.#ports.values()];
  }

  #removeAll(): void {
    for (const number of [...this.#ports.keys()]) this.#remove(number);
  }

  /** Somebody else removes a port of this listener. */
  forget(name: string): void {
    for (const [number, port] of this.#ports) {
      if (port.config.name === name) this.#drop(number, port);
    }
  }

  /** Down: the socket is closed and all its ports end. @throws {ControlError} it cannot be bound */
  setAdmin(admin: ListenerStatus["admin"]): void {
    if (admin === this.#admin) return;
    if (admin === "up") this.#socket.open();
    else {
      this.#socket.suspend();
      this.#removeAll();
    }
    this.#admin = admin;
    this.#adminSince = now();
    this.#log("info", `admin-${admin}`, `taken ${admin === "up" ? "into" : "out of"} service`);
  }

  /** For `port list`. */
  status(): ListenerStatus {
    const numbers = [...this.#ports.keys()].sort((a, b) => a - b);
    return {
      name: this.config.name,
      socket: this.config.path,
      admin: this.#admin,
      adminSince: this.#adminSince,
      multi: this.#multi,
      ports: numbers.map((number) => numberedName(this.config.name, number)),
      connects: this.#connects,
      lastConnectAt: this.#lastConnectAt,
      lastError: this.#lastError,
      refused: Object.fromEntries(this.#refused),
      errors: Object.fromEntries(this.#errors),
      problems: this.#socket.problem === null ? [] : [this.#socket.problem],
      offered: offeredBy(this.config),
    };
  }

  /** For `port show --limits`. */
  limits(): PortLimits {
    return portLimits(this.config.name, {
      ...addressSpaceLimit(this.#account),
      "front-ends": { limit: this.#multi, used: this.#ports.size },
      "held": { used: this.#socket.held },
    });
  }

  /** Closes the socket and ends all its ports. Call once. */
  close(): void {
    this.#socket.close();
    this.#removeAll();
    this.#visits.close();
    this.#account.close();
  }
}
