/**
 * Reads a configuration file, TOML. Every fault is one line that names file, place and fix.
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { didYouMean } from "../../base/nearest.ts";
import {
  ControlError,
  type LinkConfig,
  type MirrorConfig,
  type PortConfig,
  type SwitchConfig,
} from "../types.ts";
import { checkRange, type ConfigInput, parseMode } from "./config.ts";
import { readText, tomlFix } from "./config_file.ts";
import { type ConfigText, Faults, type Place } from "./faults.ts";
import { parseMetricsAddress } from "./metrics_address.ts";
import { MIRROR_KEYS, readMirror } from "./mirror_config.ts";
import { OPTION_NAMES, readOptions } from "./port_options.ts";
import { checkPort } from "./port_spec.ts";
import { readTarget } from "./port_targets.ts";

/** Keys of tables of which there is one. */
const KEYS = {
  switch: [
    "fdb_age_seconds",
    "fdb_entries_max",
    "fdb_port_max",
    "mac_hold_seconds",
    "unknown",
    "snooping",
    "sandbox",
    "unsealed_memory",
  ],
  sockets: ["directory", "mode", "group"],
  dataplane: ["cpus", "idle"],
  control: ["socket", "metrics", "page"],
} as const;

/** Names of tables of which there are many. */
const LISTS = ["port", "link", "mirror"] as const;

/** Largest FDB that may be asked for. */
const FDB_ENTRIES_MAX = 1 << 20;

/** A TOML table as it was parsed. */
export type Table = Record<string, unknown>;

function invalid(message: string): ControlError {
  return new ControlError("invalid", message);
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

/** Says of each key that nobody knows what was meant. */
function checkKeys(
  where: string,
  table: Table,
  known: readonly string[],
  place: Place,
  faults: Faults,
): void {
  for (const key of Object.keys(table)) {
    if (known.includes(key)) continue;
    const fix = didYouMean(key, known);
    const list = `known: ${known.join(", ")}`;
    faults.add(`${where}: unknown key "${key}"${fix ? `, ${fix}` : `; ${list}`}`, {
      ...place,
      key,
    });
  }
}

/** A table of which there is one; it reads its values one by one. */
class Section {
  readonly #table: Table;
  readonly #name: string;
  readonly #faults: Faults;

  constructor(root: Table, name: keyof typeof KEYS, faults: Faults) {
    const value = root[name] ?? {};
    this.#name = name;
    this.#faults = faults;
    this.#table = {};
    const place = { table: name };
    if (Array.isArray(value)) faults.add(`write [${name}], with one bracket: there is one`, place);
    else if (!isTable(value)) faults.add(`[${name}] must be a table`, place);
    else {
      this.#table = value;
      checkKeys(`[${name}]`, value, KEYS[name], place, faults);
    }
  }

  /** What a key says; undefined where there is none, or a fault. */
  read<T>(key: string, read: (value: unknown, where: string) => T): T | undefined {
    const value = this.#table[key];
    if (value === undefined) return undefined;
    const where = `[${this.#name}] ${key}`;
    return this.#faults.take({ table: this.#name, key }, () => read(value, where));
  }
}

function text(value: unknown, where: string): string {
  if (typeof value === "string") return value;
  const key = where.split(" ").pop();
  const plain = typeof value === "number" || typeof value === "boolean";
  throw invalid(`${where} must be a text in quotes${plain ? `: ${key} = "${shown(value)}"` : ""}`);
}

/** A reader of whole numbers. @param name how a fault names it */
function range(name: string, least: number, most: number): (value: unknown) => number {
  return (value) => checkRange(name, value, least, most);
}

/** Reads the idle behaviour. @throws {ControlError} */
function checkIdle(value: unknown): SwitchConfig["idle"] {
  if (value === "poll" || value === "adaptive" || value === "sleep") return value;
  throw invalid(`idle "${shown(value)}" must be poll, adaptive or sleep`);
}

/** Reads where unknown addresses go. @throws {ControlError} */
function checkUnknown(value: unknown): SwitchConfig["unknown"] {
  if (value === "flood" || value === "uplink") return value;
  throw invalid(`unknown "${shown(value)}" must be flood or uplink`);
}

/** Reads whether groups are snooped. @throws {ControlError} */
function checkSnooping(value: unknown): SwitchConfig["snooping"] {
  if (value === "off" || value === "on" || value === "strict") return value;
  if (typeof value === "boolean") return value ? "on" : "off";
  throw invalid(`snooping "${shown(value)}" must be off, on or strict`);
}

/** Reads what becomes of memory that can lose pages. @throws {ControlError} */
function checkUnsealed(value: unknown): SwitchConfig["unsealedMemory"] {
  if (value === "guard" || value === "refuse" || value === "allow") return value;
  throw invalid(`unsealed_memory "${shown(value)}" must be guard, refuse or allow`);
}

/** Reads whether it gives things up. @throws {ControlError} */
function checkSandbox(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw invalid(`[switch] sandbox ${shown(value)} must be true or false`);
}

function readDirectory(value: unknown, where: string): string {
  const folder = text(value, where);
  if (folder !== "") return folder;
  throw invalid(`${where} is empty: name a folder, or leave it out`);
}

function readCpus(value: unknown): number[] {
  if (Array.isArray(value)) {
    return value.map((cpu) => checkRange("[dataplane] cpus", cpu, 0, 1023));
  }
  const list = typeof value === "number" || typeof value === "string" ? shown(value) : "2";
  throw invalid(`[dataplane] cpus must be a list of numbers: cpus = [${list}]`);
}

function readMode(value: unknown, where: string): number {
  if (typeof value !== "number") return parseMode(text(value, where));
  // 660 was meant as typed; 432 is what TOML makes of 0o660.
  const typed = /^[04-7]{3}$/.test(shown(value));
  const meant = (typed ? shown(value) : value.toString(8)).padStart(4, "0");
  const good = /^0[0-7]{3}$/.test(meant) ? meant : "0660";
  throw invalid(`${where} must be a text in quotes: mode = "${good}"`);
}

/**
 * What an object parsed from TOML says; sockets of its ports may be relative still, to the folder
 * that mergeConfig finds. @throws {ControlError} the first fault
 */
export function readConfigObject(root: Table): ConfigInput {
  const faults = new Faults();
  const input = readAll(root, faults);
  faults.throwFirst();
  return input;
}

/** The same, as far as it has no faults. @param faults gets those */
function readAll(root: Table, faults: Faults): ConfigInput {
  checkKeys("top level", root, [...Object.keys(KEYS), ...LISTS], { table: null }, faults);
  const fdb = new Section(root, "switch", faults);
  const sockets = new Section(root, "sockets", faults);
  const plane = new Section(root, "dataplane", faults);
  const control = new Section(root, "control", faults);
  const places = new Map<object, Place>();
  return {
    ports: readList(root, "port", faults, places, readPort),
    links: readList(root, "link", faults, places, readLink),
    mirrors: readList(root, "mirror", faults, places, readMirrorTable),
    places,
    socketDir: sockets.read("directory", readDirectory),
    controlPath: control.read("socket", text),
    socketMode: sockets.read("mode", readMode),
    socketGroup: sockets.read("group", text),
    cpus: plane.read("cpus", readCpus),
    idle: plane.read("idle", checkIdle),
    fdbAgeSeconds: fdb.read("fdb_age_seconds", range("fdb_age_seconds", 0, 1_000_000)),
    fdbEntriesMax: fdb.read("fdb_entries_max", range("fdb_entries_max", 1, FDB_ENTRIES_MAX)),
    fdbPortEntriesMax: fdb.read("fdb_port_max", range("fdb_port_max", 1, FDB_ENTRIES_MAX)),
    macHoldSeconds: fdb.read("mac_hold_seconds", range("mac_hold_seconds", 0, 3600)),
    unknown: fdb.read("unknown", checkUnknown),
    snooping: fdb.read("snooping", checkSnooping),
    metrics: control.read(
      "metrics",
      (value, where) => parseMetricsAddress(where, text(value, where)),
    ),
    page: control.read(
      "page",
      (value, where) => parseMetricsAddress(where, text(value, where)),
    ),
    sandbox: fdb.read("sandbox", checkSandbox),
    unsealedMemory: fdb.read("unsealed_memory", checkUnsealed),
  };
}

/** Where one of many tables stands, and what faults are kept by. */
interface Entry {
  readonly where: string;
  readonly place: Place;
  readonly faults: Faults;
}

/** Reads tables of which there are many. @param read undefined: it has a fault, which is kept */
function readList<T extends object>(
  root: Table,
  name: (typeof LISTS)[number],
  faults: Faults,
  places: Map<object, Place>,
  read: (table: Table, entry: Entry) => T | undefined,
): T[] {
  const value = root[name] ?? [];
  if (!Array.isArray(value)) {
    faults.add(`${name}s must be written as [[${name}]], two brackets each`, { table: name });
    return [];
  }
  return value.flatMap((table: unknown, index): T[] => {
    const where = `[[${name}]] ${index + 1}`;
    const place = { table: name, index };
    if (!isTable(table)) {
      faults.add(`${where} must be a table`, place);
      return [];
    }
    const found = faults.take(place, () => read(table, { where, place, faults }));
    if (found !== undefined) places.set(found, place);
    return found === undefined ? [] : [found];
  });
}

function readPort(table: Table, { where, place, faults }: Entry): PortConfig | undefined {
  const before = faults.found.length;
  checkKeys(where, table, ["name", "socket", ...OPTION_NAMES], place, faults);
  const take = <T>(key: string, read: () => T): T | undefined =>
    table[key] === undefined ? undefined : faults.take({ ...place, key }, read);
  const name = take("name", () => text(table["name"], `${where} name`));
  if (table["name"] === undefined) faults.add(`${where} has no name: name = "vm1"`, place);
  // Relative paths stay what they are until the folder of sockets is known.
  const path = take("socket", () => readSocket(table["socket"], where)) ?? `${name}.sock`;
  const { kind } =
    faults.take({ ...place, key: "socket" }, () => inside(where, () => readTarget(path, "/"))) ??
      {};
  let options: Partial<PortConfig> = {};
  for (const key of OPTION_NAMES) {
    const read = take(key, () => inside(where, () => readOptions({ [key]: table[key] }, kind)));
    options = { ...options, ...read };
  }
  if (name === undefined || faults.found.length > before) return undefined;
  return inside(where, () => checkPort({ name, path, ...options }));
}

function readSocket(value: unknown, where: string): string {
  const socket = text(value, `${where} socket`);
  if (socket !== "") return socket;
  throw invalid(`${where}: socket is empty: name a path, or leave it out`);
}

function readLink(table: Table, { where, place, faults }: Entry): LinkConfig | undefined {
  const before = faults.found.length;
  checkKeys(where, table, ["ports"], place, faults);
  if (faults.found.length > before) return undefined;
  const { ports } = table;
  const [one, other] = Array.isArray(ports) && ports.length === 2 ? ports : [];
  if (typeof one === "string" && typeof other === "string") return { ports: [one, other] };
  throw invalid(`${where}: ports must be the names of two ports such as ["vm1", "vm2"]`);
}

function readMirrorTable(table: Table, { where, place, faults }: Entry): MirrorConfig | undefined {
  const before = faults.found.length;
  checkKeys(where, table, MIRROR_KEYS, place, faults);
  if (faults.found.length > before) return undefined;
  return inside(where, () => readMirror(table));
}

/** Says of a fault where it is. */
function inside<T>(where: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ControlError) throw invalid(`${where}: ${error.message}`);
    throw error;
  }
}

/** Reads the text of a file. @param faults made for that text; gets all that is wrong */
export async function readConfigText({ text }: ConfigText, faults: Faults): Promise<ConfigInput> {
  const { parse, TomlError } = await import("smol-toml");
  try {
    return readAll(parse(text) as Table, faults);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    const fix = tomlFix(text.split(/\r?\n/)[error.line - 1] ?? "");
    faults.addAt(error.line, error.column, `${what}${fix ? ` (${fix})` : ""}`);
    return {};
  }
}

/** Reads a configuration file. @throws {ControlError} one line: file, place, fix */
export async function readConfigFile(path: string): Promise<ConfigInput> {
  const source = { name: path, text: await readText(path) };
  const faults = new Faults(source);
  const input = await readConfigText(source, faults);
  faults.throwFirst();
  return input;
}
