/**
 * A switch inside another program: what `vuswitch run` does, without its command line, signals and
 * control socket.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { mkdtempSync, rmSync } from "node:fs";
import { type ConfigInput, mergeConfig, parseLink } from "../control/config/config.ts";
import { parsePortSpec } from "../control/config/port_spec.ts";
import { readConfigObject } from "../control/config/read_config.ts";
import { EventStore, type SwitchEvent } from "../control/events/store.ts";
import { createLogger, type Logger } from "../control/log.ts";
import { Switch } from "../control/switch.ts";
import {
  ControlError,
  type FdbStatus,
  type LinkStatus,
  type ListenerStatus,
  type PortStatus,
  type SwitchConfig,
  type SwitchStatus,
  type VringStatus,
} from "../control/types.ts";
import { Guest, type GuestOptions } from "./guest.ts";

/** How a switch is made. */
export interface EmbeddedSwitchOptions {
  /** Ports as after `run -p`, with their options: `vm1`, or `vm1=/run/vm1.sock,mtu=1400`. */
  readonly ports?: readonly string[];
  /** Pairs of ports that talk to each other alone, as after `run --link`: `vm1:vm2`. */
  readonly links?: readonly string[];
  /** Where sockets without a path are; a new folder, removed at the end, if not given. */
  readonly folder?: string;
  /**
   * Anything else, as a configuration file says it, parsed: `{ switch: { unknown: "uplink" } }`.
   * `[control]` and `sandbox` are the affair of a process of its own and refused.
   */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Gets every event of the log, as it happens. It must not throw. */
  readonly onEvent?: (event: SwitchEvent) => void;
}

/** A running switch in this process. Close it, or leave its `await using` scope. */
export class EmbeddedSwitch implements AsyncDisposable {
  /** Where sockets without a path are, absolute. */
  readonly folder: string;
  readonly #running: Switch;
  readonly #removeFolder: () => void;
  #closed: Promise<void> | null = null;

  private constructor(folder: string, running: Switch, removeFolder: () => void) {
    this.folder = folder;
    this.#running = running;
    this.#removeFolder = removeFolder;
  }

  /**
   * Starts a switch: a thread for the data plane, which sleeps without traffic unless `config` says
   * otherwise, and the rest on the caller's.
   * @throws {ControlError} one line with the fix; nothing is left behind then
   */
  static async start(options: EmbeddedSwitchOptions = {}): Promise<EmbeddedSwitch> {
    const made = options.folder === undefined ? mkdtempSync(`${tmpdir()}/vuswitch-`) : null;
    const removeFolder = (): void => {
      if (made !== null) rmSync(made, { recursive: true, force: true });
    };
    try {
      const folder = made ?? options.folder as string;
      const config = readOptions(options, folder);
      const running = await Switch.start(config, eventLogger(options.onEvent));
      return new EmbeddedSwitch(config.socketDir as string, running, removeFolder);
    } catch (error) {
      removeFolder();
      throw error;
    }
  }

  /** Path of a port's socket, for whoever is to connect to it. @throws {ControlError} no such port */
  socket(port: string): string {
    return this.#running.portOrListener(port).socket;
  }

  /** A guest in TypeScript on a port; the caller closes it. @throws {Error} it is refused */
  connect(port: string, options: GuestOptions): Promise<Guest> {
    return Guest.connect(this.socket(port), options);
  }

  /** Adds a port, in the words of {@linkcode EmbeddedSwitchOptions.ports}. @throws {ControlError} */
  addPort(spec: string): PortStatus | ListenerStatus {
    return this.#running.addPort(parsePortSpec(spec, this.folder));
  }

  /** Removes a port; its front-end is disconnected. @throws {ControlError} no such port */
  removePort(name: string): void {
    this.#running.removePort(name);
  }

  /**
   * Changes options of a port that is in use, as `port set`: `{ limit: "100M" }`.
   * @throws {ControlError} nothing has changed then
   */
  setPort(name: string, options: Readonly<Record<string, unknown>>): PortStatus | ListenerStatus {
    return this.#running.setPort(name, options);
  }

  /** Makes a port refuse its front-end, or take it again. @throws {ControlError} no such port */
  setAdmin(name: string, admin: "up" | "down"): PortStatus | ListenerStatus {
    return this.#running.setAdmin(name, admin);
  }

  /** Ports with their counters, as `port list -j`. */
  ports(): PortStatus[] {
    return this.#running.ports();
  }

  /** One port, as `port show -j`. @throws {ControlError} no such port */
  port(name: string): PortStatus {
    return this.#running.port(name);
  }

  /** A port's virtqueues, as `vring show -j`. @throws {ControlError} no such port */
  vrings(port: string): VringStatus[] {
    return this.#running.vrings(port);
  }

  /** Which addresses are where, as `fdb show -j`. */
  fdb(): FdbStatus[] {
    return this.#running.fdb();
  }

  /** Pairs of ports, as `link list -j`. */
  links(): LinkStatus[] {
    return this.#running.links();
  }

  /** The switch as a whole, as `stats -j`. */
  status(): SwitchStatus {
    return this.#running.status();
  }

  /** Disconnects all front-ends, removes the sockets and ends the data plane's thread. */
  close(): Promise<void> {
    this.#closed ??= this.#running.close().finally(this.#removeFolder);
    return this.#closed;
  }

  /** As {@linkcode EmbeddedSwitch.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function eventLogger(onEvent: EmbeddedSwitchOptions["onEvent"]): Logger {
  const events = new EventStore();
  return createLogger("error", "json", () => true, Date.now, (...event) => {
    const made = events.add(...event);
    // What the caller's code throws is the caller's.
    if (onEvent) queueMicrotask(() => onEvent(made));
  });
}

/** Checks the whole as `run` does. */
function readOptions(options: EmbeddedSwitchOptions, folder: string): SwitchConfig {
  const { ports = [], links = [], config = {} } = options;
  const file = readConfigObject(config);
  for (const what of ["controlPath", "metrics", "sandbox"] as const) {
    if (file[what] === undefined) continue;
    throw new ControlError(
      "invalid",
      `An embedded switch has no ${what}: that belongs to a process of its own`,
      "leave it out, or start vuswitch run",
    );
  }
  const socketDir = options.folder ?? file.socketDir ?? folder;
  const given: ConfigInput = {
    ports: ports.map((spec) => parsePortSpec(spec, socketDir)),
    links: links.map(parseLink),
    socketDir,
  };
  const idle = file.idle ?? "sleep";
  return { ...mergeConfig({ ...file, idle }, given, `${socketDir}/control`), controlPath: null };
}
