/**
 * The running switch: its data plane, its ports, and what the control API asks of them.
 *
 * @module
 */
import { raiseFdLimit } from "../../ffi/mod.ts";
import { VERSION } from "../version.ts";
import { type DataPlaneThread, startDataPlane } from "../worker/supervisor.ts";
import { CallWatch } from "./call_watch.ts";
import { MappingPool } from "./guest_memory.ts";
import type { Logger } from "./log.ts";
import { type PortContext, SwitchPort } from "./port.ts";
import { Reactor } from "./reactor.ts";
import { BlockingPool } from "./tenant_fds.ts";
import {
  ControlError,
  type FdbStatus,
  type PortConfig,
  type PortStatus,
  type SwitchConfig,
  type SwitchControl,
  type SwitchStatus,
  type VringStatus,
} from "./types.ts";

/** Descriptors a port may need: listener, connection, six of its rings, a message full of them. */
const FDS_PER_PORT = 16;
/** Descriptors of everything else. */
const FDS_RESERVE = 64;

/** A running switch. Control thread only. */
export class Switch implements SwitchControl {
  readonly #config: SwitchConfig;
  readonly #plane: DataPlaneThread;
  readonly #reactor: Reactor;
  readonly #context: PortContext;
  readonly #ports = new Map<string, SwitchPort>();
  readonly #callWatch: CallWatch;
  readonly #startMs = performance.now();
  readonly #fdLimit: number;

  private constructor(
    config: SwitchConfig,
    logger: Logger,
    plane: DataPlaneThread,
    fdLimit: number,
  ) {
    this.#config = config;
    this.#fdLimit = fdLimit;
    this.#plane = plane;
    this.#reactor = new Reactor((error) => {
      // A bug of ours must not hide: end the process from outside the reactor.
      queueMicrotask(() => {
        throw error;
      });
    });
    this.#context = {
      plane,
      pool: new MappingPool(plane),
      blocking: new BlockingPool(),
      reactor: this.#reactor,
      logger,
      access: { mode: config.socketMode, group: config.socketGroup },
    };
    this.#callWatch = new CallWatch(plane, {
      drainCall: async (port, vring) => await this.#numbered(port)?.drainCall(vring),
      callBlocked: (port, vring) => this.#numbered(port)?.callBlocked(vring),
    });
    this.#reactor.add(plane.eventFd, () => this.#takeNews());
  }

  /** Starts the data plane and all ports. @throws {ControlError} nothing is left behind then */
  static async start(config: SwitchConfig, logger: Logger): Promise<Switch> {
    const fdLimit = raiseFdLimit();
    const plane = await startDataPlane(config);
    const running = new Switch(config, logger, plane, fdLimit);
    try {
      for (const port of config.ports) running.addPort(port);
    } catch (error) {
      await running.close();
      throw error;
    }
    return running;
  }

  /** The port with a number of the data plane. */
  #numbered(number: number): SwitchPort | undefined {
    for (const port of this.#ports.values()) if (port.number === number) return port;
    return undefined;
  }

  #takeNews(): void {
    for (const event of this.#plane.takeEvents()) this.#numbered(event.port)?.dataPlaneEvent(event);
    for (const { port, vring, reason } of this.#plane.takeBroken()) {
      this.#numbered(port)?.ringBroken(vring, reason);
    }
  }

  #port(name: string): SwitchPort {
    const port = this.#ports.get(name);
    if (port) return port;
    throw new ControlError("not-found", `No port named "${name}"`, "see: vuswitch port list");
  }

  status(): SwitchStatus {
    return {
      version: VERSION,
      pid: Deno.pid,
      uptimeSeconds: Math.floor((performance.now() - this.#startMs) / 1000),
      idle: this.#config.idle,
      cpus: this.#config.cpus,
      fdb: this.#plane.fdbCounters(),
      worker: this.#plane.workerCounters(),
      ports: this.ports(),
    };
  }

  ports(): PortStatus[] {
    return Array.from(this.#ports.values(), (port) => port.status());
  }

  port(name: string): PortStatus {
    return this.#port(name).status();
  }

  vrings(name: string): VringStatus[] {
    return this.#port(name).vrings();
  }

  fdb(): FdbStatus[] {
    const names = new Map(Array.from(this.#ports.values(), (p) => [p.number, p.config.name]));
    return this.#plane.fdbEntries().flatMap(({ mac, vlan, port, ageSeconds }) => {
      const name = names.get(port);
      return name === undefined ? [] : [{ mac, port: name, vlan, state: "dynamic", ageSeconds }];
    });
  }

  flushFdb(port: string | null): void {
    if (port === null) this.#plane.flushFdb();
    else this.#plane.flushPort(this.#port(port).number);
  }

  addPort(config: PortConfig): PortStatus {
    if (this.#ports.has(config.name)) {
      throw new ControlError("conflict", `Port "${config.name}" exists already`);
    }
    const fdsNeeded = FDS_RESERVE + FDS_PER_PORT * (this.#ports.size + 1);
    if (fdsNeeded > this.#fdLimit) {
      throw new ControlError(
        "invalid",
        `Cannot add port ${config.name}: ${this.#fdLimit} descriptors allowed, ${fdsNeeded} needed`,
        `ulimit -n ${fdsNeeded}, or LimitNOFILE=${fdsNeeded} in the systemd unit`,
      );
    }
    const port = new SwitchPort(config, this.#context);
    this.#ports.set(config.name, port);
    return port.status();
  }

  removePort(name: string): void {
    const port = this.#port(name);
    this.#ports.delete(name);
    port.close();
  }

  /** Closes every port, unlinks their sockets and stops the data plane. */
  async close(): Promise<void> {
    for (const name of [...this.#ports.keys()]) this.removePort(name);
    this.#callWatch.close();
    this.#reactor.remove(this.#plane.eventFd);
    await this.#reactor.close();
    this.#plane.shutdown();
  }
}
