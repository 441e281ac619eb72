/**
 * `run`: the switch in the foreground, until a signal ends it.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { type MetricsServer, serveMetrics } from "../control/api/metrics_server.ts";
import { type ControlApi, serveApi } from "../control/api/server.ts";
import { checkConfig, configSource } from "./run_config.ts";
import { EventStore } from "../control/events/store.ts";
import {
  createLogger,
  type KeepEvent,
  type LogFormat,
  type Logger,
  stderrWriter,
} from "../control/log.ts";
import { isJournal, journalTakes, journalWriter } from "../control/journal.ts";
import { Pulse } from "../control/pulse.ts";
import { confineCalls } from "../control/sandbox/sandbox.ts";
import { Switch } from "../control/switch.ts";
import type { PortStatus, SwitchConfig } from "../control/types.ts";
import type { Assets } from "../page/assets.ts";
import type { PageServer } from "../page/server.ts";
import { defaultControlPath, makeControlFolder } from "./control_path.ts";
import type { RunFlags } from "./run_flags.ts";
import { ServiceManager } from "../control/service_manager.ts";
import { untilSignal } from "./signals.ts";

/** The folder of the default control socket is ours to make; one that was named is not. */
function prepareControlFolder(flags: RunFlags, path: string): void {
  if (flags.ctl === undefined && path === defaultControlPath()) makeControlFolder();
}

/** Where stderr is the journal's, it gets fields; prefixes, where only somebody says that it is. */
function pickFormat(flags: RunFlags): LogFormat {
  if (flags.logFormat === undefined && !Deno.env.has("JOURNAL_STREAM")) return "text";
  const format = flags.logFormat ?? "journal";
  return format === "journal" && isJournal() && journalTakes() ? "journald" : format;
}

/**
 * A stop takes a second at most, whatever tenants hold: ports and their sockets are closed at once,
 * what is waited for is a tenant's descriptor, which may never close, and a request under way, ms.
 */
const CLOSE_MS_MAX = 700;
const API_CLOSE_MS_MAX = 200;

/** Runs a switch until it is told to stop. @throws {ControlError} before it is ready */
export async function run(flags: RunFlags, print: (text: string) => void): Promise<void> {
  if (flags.check) return await checkConfig(flags, print);
  const level = flags.quiet ? "warn" : flags.verbose ? "debug" : "info";
  const events = new EventStore();
  const keep: KeepEvent = (...event) => events.add(...event);
  const format = pickFormat(flags);
  const write = format === "journald" ? journalWriter() : stderrWriter();
  const logger = createLogger(level, format, write, Date.now, keep);
  // One that comes too early is not lost: what is read may be older.
  const reload = { isWanted: false, now: (): void => void (reload.isWanted = true) };
  const stop = untilSignal(() => reload.now());
  const service = new ServiceManager(logger);
  const source = await configSource(flags);
  const { config } = source.loaded;
  const controlPath = config.controlPath as string;
  prepareControlFolder(flags, controlPath);
  const assets = config.page ? await (await import("../page/assets.ts")).loadAssets() : null;
  const running = await Switch.start(config, logger, source);
  const api = await startApi(running, controlPath, logger, events);
  const metrics = await startMetrics(running, api, config, logger);
  const page = await startPage(running, api, config, logger, events, assets);
  await confine(config, running);
  announce(running, logger, controlPath, print);
  const pulse = new Pulse();
  const status = (): string => {
    const ports = running.ports().length;
    return `serving ${ports} port${ports === 1 ? "" : "s"}`;
  };
  service.ready(status(), () => pulse.beats(running.workers()));
  reload.now = () => {
    service.reloading();
    void running.configuration.reloadOnSignal().then(() => service.reloaded(status()));
  };
  if (reload.isWanted) reload.now();
  const signal = await stop;
  service.stopping();
  logger.info("switch", "stopping", `${signal}: closing ports`);
  // Ports first: a request that is still being answered must not keep their sockets.
  await within(CLOSE_MS_MAX, running.close());
  await within(API_CLOSE_MS_MAX, Promise.all([api.close(), metrics?.close(), page?.close()]));
  Deno.exit(0);
}

/** The last thing before it is ready. */
async function confine(config: SwitchConfig, running: Switch): Promise<void> {
  try {
    confineCalls(config);
  } catch (error) {
    await running.close();
    throw error;
  }
}

/** Waits for the end of something, or for `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work, delay(ms)]);
}

async function startApi(
  running: Switch,
  path: string,
  logger: Logger,
  events: EventStore,
): Promise<ControlApi> {
  try {
    return serveApi(path, running, running.sockets, logger, events);
  } catch (error) {
    await running.close();
    throw error;
  }
}

/** Serves metrics where the configuration says; null: nowhere but at the control socket. */
async function startMetrics(
  running: Switch,
  api: ControlApi,
  { metrics }: SwitchConfig,
  logger: Logger,
): Promise<MetricsServer | null> {
  if (!metrics) return null;
  try {
    const server = serveMetrics(metrics, running);
    logger.info("switch", "metrics", `metrics at ${server.url}`);
    return server;
  } catch (error) {
    await running.close();
    await api.close();
    throw error;
  }
}

/** Serves the web page where the configuration says; null: nowhere. */
async function startPage(
  running: Switch,
  api: ControlApi,
  { page }: SwitchConfig,
  logger: Logger,
  events: EventStore,
  assets: Assets | null,
): Promise<PageServer | null> {
  if (!page || assets === null) return null;
  try {
    const { servePage } = await import("../page/server.ts");
    const server = servePage(page, running, events, logger, assets);
    running.pageUrl = server.url;
    return server;
  } catch (error) {
    await running.close();
    await api.close();
    throw error;
  }
}

/** The first word is the event. */
function verbOf(port: PortStatus): string {
  if (port.device !== null || port.kind === "nat") return "serving";
  return port.mode === "connect" ? "connecting to" : "listening on";
}

function announce(
  running: Switch,
  logger: Logger,
  controlPath: string,
  print: (text: string) => void,
): void {
  const { ports, listeners } = running.status();
  for (const port of ports) {
    const verb = verbOf(port);
    logger.info(`port ${port.name}`, verb.split(" ")[0] as string, `${verb} ${port.socket}`);
  }
  for (const { name, socket, multi } of listeners) {
    const what = `listening on ${socket}, ${multi} front-ends at most`;
    logger.info(`port ${name}`, "listening", what);
  }
  if (ports.length + listeners.length === 0) {
    const ctl = controlPath === defaultControlPath() ? "" : ` --ctl ${controlPath}`;
    logger.warn("switch", "no-ports", `no ports yet: vuswitch port add vm1${ctl}`);
  }
  const names = [...ports, ...listeners].map((each) => `${each.name}=${each.socket}`).join(" ");
  print(`ready ctl=${controlPath} ${names}`.trimEnd() + "\n");
}
