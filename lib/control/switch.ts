/**
 * The running switch: its data plane, its ports, and what the control API asks of them.
 *
 * @module
 */
import { dirname, resolve } from "node:path";
import { raiseFdLimit } from "../../ffi/mod.ts";
import type { SwitchControl } from "./api/table.ts";
import type { Adoption } from "./sockets/adopted.ts";
import { CallWatch } from "./call_watch.ts";
import { Captures } from "./capture/captures.ts";
import type { CaptureWanted } from "./capture/wanted.ts";
import { countAddresses, fdbOf } from "./fdb_rows.ts";
import { groupRows } from "./group_rows.ts";
import { Links } from "./links.ts";
import type { Logger } from "./log.ts";
import { type MemoryUsers, memoryUsers, sharersOf } from "./memory_users.ts";
import { SentNews } from "./sent_news.ts";
import { noSuchPort } from "./config/names.ts";
import { checkNewPort, templateOf } from "./new_port.ts";
import { checkLinked } from "./config/isolated_option.ts";
import { type ConfigSource, Configuration, withoutFile } from "./configuration.ts";
import { optionsText } from "./config/live_options.ts";
import { saysVlans } from "./config/port_vlans.ts";
import { Mirrors } from "./mirrors.ts";
import { type Plane, Planes, type PortPlane } from "./planes.ts";
import { SwitchPort } from "./vhost_port/port.ts";
import type { PortContext } from "./vhost_port/context.ts";
import { now } from "./vhost_port/history.ts";
import { setOptions } from "./set_port.ts";
import { applySwitchPolicy } from "./policy.ts";
import type { ReloadHost } from "./reload.ts";
import { addStatic, removeStatic } from "./static_macs.ts";
import { PortListener } from "./sockets/multi_socket.ts";
import { Reactor } from "./reactor.ts";
import type { PortRelations, ServedPort } from "./served_port.ts";
import { startPlane } from "./start_plane.ts";
import { facts } from "./switch_facts.ts";
import { SocketWatch } from "./sockets/socket_watch.ts";
import { BlockingPool } from "./front_end/tenant_fds.ts";
import { UplinkPort } from "./uplinks/port.ts";
import type {
  ControlError,
  FdbStatus,
  GroupStatus,
  LinkStatus,
  ListenerStatus,
  PortConfig,
  PortLimits,
  PortStatus,
  SwitchConfig,
  SwitchStatus,
  VringStatus,
  WorkerStatus,
} from "./types.ts";

/** How long the end waits for tenants' descriptors to close, ms: one may never. */
const CLOSE_MS_MAX = 1000;

/** A running switch. Control thread only. */
export class Switch implements SwitchControl {
  #config: SwitchConfig;
  readonly #planes: Planes;
  readonly #reactor: Reactor;
  readonly #context: PortContext;
  readonly #ports = new Map<string, ServedPort>();
  readonly #listeners = new Map<string, PortListener>();
  readonly #links: Links;
  /** Watches the socket files of ports, and that of the control API. */
  readonly sockets = new SocketWatch();
  readonly #callWatches: ReadonlyMap<Plane, CallWatch>;
  readonly #sent: SentNews;
  readonly #captures = new Captures();
  readonly mirrors = new Mirrors({
    placed: (name) => this.#ports.get(name) ?? null,
    names: () => [...this.#ports.keys()],
  });
  /** The web page, with its key. */
  pageUrl: string | null = null;
  /** What is in force, and how it changes as a whole. */
  readonly configuration: Configuration;
  readonly #start = { ms: performance.now(), at: now() };
  readonly #fdLimit: number;

  private constructor(
    config: SwitchConfig,
    logger: Logger,
    planes: Planes,
    fdLimit: number,
    source: ConfigSource,
  ) {
    this.#config = config;
    this.#fdLimit = fdLimit;
    this.#planes = planes;
    this.#reactor = new Reactor((error) => {
      // A bug of ours must not hide: end the process from outside the reactor.
      queueMicrotask(() => {
        throw error;
      });
    });
    this.#context = {
      planes,
      blocking: new BlockingPool(),
      reactor: this.#reactor,
      logger,
      access: { mode: config.socketMode, group: config.socketGroup },
      sockets: this.sockets,
      uplinkUp: () => this.#uplinkUp(),
      pagesLost: (plane) => this.#pagesLost(plane),
      recordsPrefix: config.controlPath?.replace(/\.sock(et)?$/, "") ?? null,
    };
    this.#callWatches = new Map(planes.all.map((plane) => [
      plane,
      new CallWatch(plane.thread, {
        callBlocked: (port, vring) => this.#numbered(plane, port)?.callBlocked(vring),
      }),
    ]));
    this.#sent = new SentNews(logger, planes);
    this.#links = new Links({
      placed: (name) => this.#ports.get(name) ?? null,
      mayCome: (name) => templateOf(name, this.#listeners.values()) !== undefined,
      link: (port, to) => planes.link(port, to),
      unlink: (port) => planes.unlink(port),
    });
    this.configuration = new Configuration(this.#reloadHost(), source, logger);
    for (const plane of planes.all) {
      this.#reactor.add(plane.thread.eventFd, () => this.#takeNews(plane));
    }
  }

  /**
   * Starts the data plane and all ports. @param source of the configuration; if not given, it is no
   * file's @throws {ControlError} nothing is left behind then
   */
  static async start(
    config: SwitchConfig,
    logger: Logger,
    source: ConfigSource = withoutFile(config),
  ): Promise<Switch> {
    const fdLimit = raiseFdLimit();
    const { thread, unsealed } = await startPlane(config, logger);
    const running = new Switch(config, logger, new Planes([thread], unsealed), fdLimit, source);
    applySwitchPolicy(thread.commands, config);
    try {
      running.#links.replace(config.links.map(({ ports }) => ({ ports, configured: true })));
      const mirrors = config.mirrors ?? [];
      running.mirrors.replace(mirrors.map((mirror) => ({ ...mirror, configured: true })));
      for (const port of config.ports) running.addPort(port);
    } catch (error) {
      await running.close();
      throw error;
    }
    return running;
  }

  #reloadHost(): ReloadHost {
    return {
      ...{ ports: this.#ports, listeners: this.#listeners },
      ...{ links: this.#links, mirrors: this.mirrors },
      addPort: (port) => this.addPort(port),
      removePort: (name) => this.removePort(name),
      setAdmin: (name, admin) => this.setAdmin(name, admin),
      useVlans: () => this.#useVlans(),
      settings: () => this.#config,
      setSettings: (settings) => {
        this.#config = settings;
        for (const { thread } of this.#planes.all) applySwitchPolicy(thread.commands, settings);
      },
    };
  }

  /** Whoever is behind an uplink is told of all local addresses. */
  #uplinkUp(): void {
    for (const port of this.#ports.values()) port.expectGuest();
    for (const { thread } of this.#planes.all) thread.commands.announceAll();
  }

  get socketDir(): string {
    return resolve(this.#config.socketDir ?? dirname(this.#config.controlPath ?? "ctl"));
  }

  /** The port with a number on a data plane. */
  #numbered(plane: PortPlane, number: number): ServedPort | undefined {
    for (const port of this.#ports.values()) {
      if (port.plane === plane && port.number === number) return port;
    }
    return undefined;
  }

  #pagesLost(plane: PortPlane): void {
    for (const port of [...this.#ports.values()]) if (port.plane === plane) port.pagesLost();
  }

  #takeNews(plane: Plane): void {
    if (plane.pool.takeNews()) this.#pagesLost(plane);
    this.#callWatches.get(plane)?.resume();
    for (const event of plane.thread.takeEvents()) {
      const port = this.#numbered(plane, event.port);
      const nameOf = (number: number): string | undefined =>
        this.#numbered(plane, number)?.config.name;
      if (!this.#sent.take(event, port?.config.name, nameOf)) port?.dataPlaneEvent(event);
    }
    for (const { port, vring, reason } of plane.thread.takeBroken()) {
      this.#numbered(plane, port)?.ringBroken(vring, reason);
    }
  }

  #port(name: string): ServedPort {
    const port = this.#ports.get(name);
    if (port) return port;
    throw this.#noPort(name);
  }

  #noPort(name: string): ControlError {
    const names = [...this.#ports.keys(), ...this.#listeners.keys()];
    return noSuchPort(name, names);
  }

  status(): SwitchStatus {
    return {
      ...facts(this.#config, this.#planes, this.#start),
      socketDir: this.socketDir,
      addresses: countAddresses(this.#planes.all, [...this.#ports.values()]),
      ports: this.ports(),
      listeners: this.listeners(),
      links: this.links(),
    };
  }

  workers(): WorkerStatus[] {
    return this.#planes.workers(this.#config);
  }

  ports(): PortStatus[] {
    const users = memoryUsers(this.#ports.values());
    return Array.from(this.#ports.values(), (port) => port.status(this.#relations(port, users)));
  }

  portOrListener(name: string): PortStatus | ListenerStatus {
    return this.#listeners.get(name)?.status() ?? this.port(name);
  }

  port(name: string): PortStatus {
    const port = this.#port(name);
    return port.status(this.#relations(port, memoryUsers(this.#ports.values())));
  }

  listeners(): ListenerStatus[] {
    return Array.from(this.#listeners.values(), (listener) => listener.status());
  }

  links(): LinkStatus[] {
    return this.#links.list();
  }

  #relations(port: ServedPort, users: MemoryUsers): PortRelations {
    const { name } = port.config;
    return {
      linkedTo: this.#links.peerOf(name),
      sharesMemoryWith: sharersOf(port, users),
      problems: this.#sent.problems(name),
    };
  }

  vrings(name: string): VringStatus[] {
    return this.#port(name).vrings();
  }

  limits(name: string): PortLimits {
    const listener = this.#listeners.get(name);
    if (listener) return listener.limits();
    const port = this.#port(name);
    return port.limits(this.#planes.addressUse(port, this.#config));
  }

  fdb(): FdbStatus[] {
    return fdbOf(this.#planes.all, [...this.#ports.values()]);
  }

  groups(): GroupStatus[] {
    return groupRows([...this.#ports.values()]);
  }

  flushFdb(port: string | null): void {
    if (port === null) this.#planes.flushFdb();
    else this.#port(port).flushFdb();
  }

  addStatic(mac: string, port: string): FdbStatus {
    addStatic(this.#port(port), mac);
    return { mac, port, vlan: 0, state: "static", ageSeconds: 0 };
  }

  removeStatic(mac: string): void {
    removeStatic(this.#ports.values(), mac);
  }

  addPort(config: PortConfig): PortStatus | ListenerStatus {
    checkNewPort(
      config,
      this.#ports.values(),
      this.#listeners.values(),
      this.#config,
      this.#fdLimit,
    );
    try {
      this.#make(config);
    } finally {
      this.#useVlans();
    }
    return this.portOrListener(config.name);
  }

  /** Frames are in VLANs as long as a port says so, or a listener whose ports may come. */
  #useVlans(): void {
    const all = [...this.#ports.values(), ...this.#listeners.values()];
    this.#planes.useVlans(all.some(({ config }) => saysVlans(config)));
  }

  #make(config: PortConfig): void {
    if (config.kind !== undefined) this.#add(new UplinkPort(config, this.#context));
    else if (config.multi === undefined) this.#add(new SwitchPort(config, this.#context));
    else {
      const listener = new PortListener(config, this.#context, {
        adopt: (port, adoption) => this.#adopt(port, adoption),
        remove: (name) => this.#remove(this.#port(name)),
      });
      this.#listeners.set(config.name, listener);
    }
  }

  #add(port: ServedPort): void {
    this.#ports.set(port.config.name, port);
    this.#links.portAdded(port.config.name);
    this.mirrors.portAdded(port.config.name);
  }

  #adopt(config: PortConfig, adoption: Adoption): SwitchPort {
    const port = new SwitchPort(config, this.#context, adoption);
    this.#add(port);
    return port;
  }

  removePort(name: string): void {
    const listener = this.#listeners.get(name);
    if (listener) {
      listener.close();
      this.#listeners.delete(name);
      this.#links.listenerRemoved();
    } else {
      const port = this.#port(name);
      for (const each of this.#listeners.values()) each.forget(name);
      this.#remove(port);
    }
    this.#useVlans();
  }

  #remove(port: ServedPort): void {
    const { name } = port.config;
    this.#links.portRemoved(name);
    this.#captures.portRemoved(name);
    this.mirrors.portRemoved(name);
    this.#sent.forget(name);
    port.close();
    this.#ports.delete(name);
    // Its number may be another port's soon: events about it are taken, and dropped, now.
    for (const plane of this.#planes.all) this.#takeNews(plane);
  }

  setPort(name: string, options: Readonly<Record<string, unknown>>): PortStatus | ListenerStatus {
    const listener = this.#listeners.get(name) ?? null;
    const peerOf = (port: string): PortConfig | undefined =>
      this.#ports.get(this.#links.peerOf(port) ?? "")?.config;
    setOptions(listener?.members ?? [this.#port(name)], listener, options, peerOf);
    this.#useVlans();
    this.#context.logger.info(`port ${name}`, "set", `set: ${optionsText(options)}`);
    return this.portOrListener(name);
  }

  setAdmin(name: string, admin: "up" | "down"): PortStatus | ListenerStatus {
    (this.#listeners.get(name) ?? this.#port(name)).setAdmin(admin);
    return this.portOrListener(name);
  }

  addLink(ports: readonly [string, string]): LinkStatus {
    const [one, other] = ports.map((name) => {
      const config = this.#ports.get(name)?.config ?? templateOf(name, this.#listeners.values());
      if (config === undefined) throw this.#noPort(name);
      return { ...config, name };
    });
    checkLinked(one, other);
    return this.#links.add(ports, false);
  }

  removeLink(ports: readonly [string, string]): void {
    this.#links.remove(ports);
  }

  capture(wanted: CaptureWanted, signal: AbortSignal): ReadableStream<Uint8Array> {
    const named = (name: string): readonly string[] =>
      this.#listeners.get(name)?.status().ports ?? [name];
    return this.#captures.start(wanted, named, (name) => this.#port(name), signal);
  }

  /** Closes every port and the data plane; nothing is under way then but what a tenant blocks. */
  async close(): Promise<void> {
    this.#captures.close();
    for (const name of [...this.#listeners.keys(), ...this.#ports.keys()]) {
      if (this.#listeners.has(name) || this.#ports.has(name)) this.removePort(name);
    }
    for (const watch of this.#callWatches.values()) watch.close();
    this.#sent.close();
    for (const { thread } of this.#planes.all) this.#reactor.remove(thread.eventFd);
    await this.#reactor.close();
    this.#planes.shutdown();
    await this.#context.blocking.idle(CLOSE_MS_MAX);
  }
}
