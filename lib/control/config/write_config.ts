/**
 * Writes a configuration as a file that can be loaded again.
 *
 * @module
 */
import { join } from "node:path";
import type { PortConfig, SwitchConfig } from "../types.ts";
import { optionValues } from "./option_values.ts";
import { type SettingName, SETTINGS, type SettingValue } from "./settings.ts";

/** What is written besides values, and which values. */
export interface ConfigNotes {
  /** Whether a setting is written. */
  readonly isWritten: (name: SettingName) => boolean;
  /** Behind a setting, or a port's name, as a comment; empty: nothing. */
  readonly setting?: (name: SettingName) => string;
  /** The same of a port. */
  readonly port?: (port: PortConfig) => string;
}

/** Whether no file can say a port: it has a descriptor that whoever started the switch gave it. */
export function isInherited({ fd, path }: PortConfig): boolean {
  return fd !== undefined || path.startsWith("tap:fd=");
}

/** What a port's table says, in order. */
export function portTable(
  port: PortConfig,
  socketDir: string | undefined,
): Record<string, SettingValue> {
  const isUsual = socketDir !== undefined && port.kind === undefined &&
    port.path === join(socketDir, `${port.name}.sock`);
  return {
    name: port.name,
    ...isUsual ? {} : { socket: port.path },
    ...optionValues(port),
  };
}

/** The lines of a file. */
export async function configLines(config: SwitchConfig, notes: ConfigNotes): Promise<string[]> {
  const { stringify } = await import("smol-toml");
  const line = (key: string, value: unknown, note = ""): string =>
    `${stringify({ [key]: value }).trim()}${note === "" ? "" : `  # ${note}`}\n`;
  const tables = new Map<string, string>();
  for (const [name, { table, key, value }] of Object.entries(SETTINGS)) {
    const written = value(config);
    if (written === null || !notes.isWritten(name as SettingName)) continue;
    const note = notes.setting?.(name as SettingName);
    tables.set(table, (tables.get(table) ?? `[${table}]\n`) + line(key, written, note));
  }
  const parts = [...tables.values()];
  for (const port of config.ports) {
    if (isInherited(port)) continue;
    const entries = Object.entries(portTable(port, config.socketDir));
    const lines = entries.map(([key, value], i) =>
      line(key, value, i === 0 ? notes.port?.(port) : "")
    );
    parts.push(`[[port]]\n${lines.join("")}`);
  }
  for (const { ports } of config.links) parts.push(`[[link]]\n${line("ports", ports)}`);
  for (const { name, from, to, direction } of config.mirrors ?? []) {
    const lines = Object.entries({ name, from, to, direction }).map(([key, value]) =>
      line(key, value)
    );
    parts.push(`[[mirror]]\n${lines.join("")}`);
  }
  return parts.length === 0 ? [] : parts.join("\n").trimEnd().split("\n");
}
