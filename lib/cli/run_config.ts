/**
 * The configuration of `run`, of its flags and its file: read at the start, at each reload, and for
 * `run --check` and `config check`, which start nothing.
 *
 * @module
 */
import { basename, resolve } from "node:path";
import {
  checkRange,
  type ConfigInput,
  mergeAll,
  parseCpus,
  parseLink,
  parseMode,
  socketFolder,
} from "../control/config/config.ts";
import { readText } from "../control/config/config_file.ts";
import { type ConfigText, faultLine, Faults } from "../control/config/faults.ts";
import { parseMetricsAddress } from "../control/config/metrics_address.ts";
import { checkControlPath, checkSandbox } from "../control/config/names.ts";
import { parsePortSpec } from "../control/config/port_spec.ts";
import { readConfigText } from "../control/config/read_config.ts";
import type { ConfigSource, LoadedConfig } from "../control/configuration.ts";
import type { DocumentOf } from "../control/schema/mod.ts";
import { ControlError, type LinkConfig, type PortConfig } from "../control/types.ts";
import { defaultControlPath } from "./control_path.ts";
import { CliError, EXIT_USAGE } from "./failure.ts";
import type { RunFlags } from "./run_flags.ts";

/** Reads each of several flags. @param faults gets what is wrong with them */
function readEach<T>(texts: readonly string[], faults: Faults, read: (text: string) => T): T[] {
  return texts.flatMap((text): T[] => {
    const value = faults.take(null, () => read(text));
    return value === undefined ? [] : [value];
  });
}

function flagPorts(flags: RunFlags, socketDir: string, faults: Faults): PortConfig[] {
  const spec = (text: string): PortConfig => parsePortSpec(text, socketDir);
  const named = readEach(flags.port ?? [], faults, spec);
  // The convention of vhost-user back-end programs: a path or descriptor, and we find the name.
  const paths = readEach(flags.socketPath ?? [], faults, (path) => {
    const name = basename(path).replace(/\.sock(et)?$/, "");
    return spec(`${name}=${path}`);
  });
  const fds = readEach(flags.fd ?? [], faults, (text) => {
    const fd = checkRange("--fd", text, 3, 1_000_000);
    return { name: `fd${fd}`, path: "", fd };
  });
  const nat = flags.nat ? readEach(["up=nat"], faults, spec) : [];
  return [...named, ...paths, ...fds, ...nat];
}

/**
 * What flags say, but for the control socket. @param file with that in force
 * @param faults gets what is wrong with them
 */
function readFlags(flags: RunFlags, file: ConfigInput, faults: Faults): ConfigInput {
  const socketDir = socketFolder(file, flags, file.controlPath ?? "");
  const read = <T>(text: string | undefined, parse: (text: string) => T): T | undefined =>
    text === undefined ? undefined : faults.take(null, () => parse(text));
  const range = (name: string, text: string | undefined, least: number, most = 1 << 20) =>
    read(text, (text) => checkRange(name, text, least, most));
  const links: LinkConfig[] = readEach(flags.link ?? [], faults, parseLink);
  return {
    ports: flagPorts(flags, socketDir, faults),
    links,
    socketDir: flags.socketDir,
    socketMode: read(flags.socketMode, parseMode),
    socketGroup: flags.socketGroup,
    cpus: read(flags.cpus, parseCpus),
    idle: flags.idle,
    unknown: flags.unknown,
    snooping: flags.snooping,
    metrics: read(flags.metrics, (text) => parseMetricsAddress("--metrics", text)),
    page: read(flags.page, (text) => parseMetricsAddress("--page", text)),
    sandbox: flags.sandbox || undefined,
    unsealedMemory: flags.unsealedMemory,
    fdbAgeSeconds: range("--fdb-age", flags.fdbAge, 0),
    fdbEntriesMax: range("--fdb-entries", flags.fdbEntries, 1),
    fdbPortEntriesMax: range("--fdb-port-entries", flags.fdbPortEntries, 1),
    macHoldSeconds: range("--mac-hold", flags.macHold, 0, 3600),
  };
}

/**
 * Reads all of it. @param text of the file; null: there is none @param faults made for that text
 * @param inForce the control socket of the switch that runs already; null: none runs
 */
async function load(
  flags: RunFlags,
  text: ConfigText | null,
  faults: Faults,
  inForce: string | null = null,
): Promise<LoadedConfig> {
  if (flags.socketDir === "") {
    throw new ControlError("invalid", "--socket-dir is empty", "name a folder, or leave it out");
  }
  const file = text === null ? {} : await readConfigText(text, faults);
  const controlPath = flags.ctl ?? file.controlPath ?? defaultControlPath();
  // Ports without a path are beside the control socket, which stays where it is while a switch runs.
  const here = { ...file, controlPath: inForce ?? controlPath };
  const given = readFlags(flags, here, faults);
  const config = { ...mergeAll(here, given, "", faults), controlPath };
  for (const port of config.ports) {
    faults.take(null, () => {
      checkSandbox(port, config.sandbox);
      checkControlPath(port, config.controlPath);
    });
  }
  return { config, file, flags: { ...given, controlPath: flags.ctl } };
}

async function textOf(path: string): Promise<ConfigText> {
  return { name: path, text: await readText(path) };
}

/** Where a switch with these flags has its configuration from. @throws {ControlError} the first fault */
export async function configSource(flags: RunFlags): Promise<ConfigSource> {
  const read = async (
    text: ConfigText | null,
    inForce: string | null = null,
  ): Promise<LoadedConfig> => {
    const faults = new Faults(text);
    const loaded = await load(flags, text, faults, inForce);
    faults.throwFirst();
    return loaded;
  };
  const { config: path } = flags;
  return {
    path: path === undefined ? null : resolve(path),
    loaded: await read(path === undefined ? null : await textOf(path)),
    read,
    readFile: textOf,
  };
}

/** What is wrong with flags and a file. @throws {ControlError} the file cannot be read */
export async function faultsOf(flags: RunFlags): Promise<DocumentOf<"config-checked">> {
  const text = flags.config === undefined ? null : await textOf(flags.config);
  const faults = new Faults(text);
  const { config } = await load(flags, text, faults);
  return {
    file: flags.config ?? null,
    faults: faults.found,
    ports: config.ports.length,
    links: config.links.length,
    mirrors: config.mirrors?.length ?? 0,
  };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** A line for each fault, or that there is none. */
export function checkedText(checked: DocumentOf<"config-checked">): string {
  const { file, faults, ports, links, mirrors } = checked;
  if (faults.length > 0) return faults.map((fault) => `${faultLine(fault)}\n`).join("");
  const what = [count(ports, "port"), count(links, "link"), count(mirrors, "mirror")];
  return `${file ?? "flags"}: good: ${what.join(", ")}\n`;
}

/** Ends the command with its code. @throws {CliError} there are faults, which were printed */
export function endChecked(faults: number): void {
  if (faults > 0) throw new CliError(EXIT_USAGE, `${count(faults, "fault")}, see above`);
}

/** `run --check`: starts nothing. @throws {CliError} there are faults, which were printed */
export async function checkConfig(flags: RunFlags, print: (text: string) => void): Promise<void> {
  const checked = await faultsOf(flags);
  print(checkedText(checked));
  endChecked(checked.faults.length);
}
