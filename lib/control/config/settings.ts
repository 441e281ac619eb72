/**
 * What a configuration says of the switch as a whole: where each setting stands in a file, and
 * whether it can change while the switch runs.
 *
 * @module
 */
import type { SwitchConfig } from "../types.ts";
import type { OptionValue } from "./option_values.ts";

/** A setting's value, as it is written. */
export type SettingValue = OptionValue | readonly number[];

/** Name of a setting in code. */
export type SettingName = Exclude<keyof SwitchConfig, "ports" | "links" | "mirrors">;

/** One setting. */
export interface Setting {
  /** The table it stands in. */
  readonly table: "switch" | "sockets" | "dataplane" | "control";
  /** Its key there. */
  readonly key: string;
  /** What it is, as written; null: there is nothing to write. */
  readonly value: (config: SwitchConfig) => SettingValue | null;
  /** It takes effect at once; others stay what they are until the switch is started again. */
  readonly isLive: boolean;
}

function metrics({ metrics }: SwitchConfig): string | null {
  if (!metrics) return null;
  const { hostname, port } = metrics;
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function page({ page }: SwitchConfig): string | null {
  if (!page) return null;
  const { hostname, port } = page;
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

const atStart = { isLive: false } as const;
const live = { isLive: true } as const;

/** All of them, in the order in which they are written. */
export const SETTINGS: Readonly<Record<SettingName, Setting>> = {
  fdbAgeSeconds: {
    ...{ table: "switch", key: "fdb_age_seconds", ...atStart },
    value: ({ fdbAgeSeconds }) => fdbAgeSeconds,
  },
  fdbEntriesMax: {
    ...{ table: "switch", key: "fdb_entries_max", ...atStart },
    value: ({ fdbEntriesMax }) => fdbEntriesMax,
  },
  fdbPortEntriesMax: {
    ...{ table: "switch", key: "fdb_port_max", ...atStart },
    value: ({ fdbPortEntriesMax }) => fdbPortEntriesMax,
  },
  macHoldSeconds: {
    ...{ table: "switch", key: "mac_hold_seconds", ...atStart },
    value: ({ macHoldSeconds }) => macHoldSeconds ?? 0,
  },
  unknown: {
    ...{ table: "switch", key: "unknown", ...live },
    value: ({ unknown }) => unknown ?? "flood",
  },
  snooping: {
    ...{ table: "switch", key: "snooping", ...live },
    value: ({ snooping }) => snooping ?? "off",
  },
  sandbox: {
    ...{ table: "switch", key: "sandbox", ...atStart },
    value: ({ sandbox }) => sandbox ?? false,
  },
  unsealedMemory: {
    ...{ table: "switch", key: "unsealed_memory", ...atStart },
    value: ({ unsealedMemory }) => unsealedMemory ?? "guard",
  },
  socketDir: {
    ...{ table: "sockets", key: "directory", ...live },
    value: ({ socketDir }) => socketDir ?? null,
  },
  socketMode: {
    ...{ table: "sockets", key: "mode", ...atStart },
    value: ({ socketMode }) => socketMode.toString(8).padStart(4, "0"),
  },
  socketGroup: {
    ...{ table: "sockets", key: "group", ...atStart },
    value: ({ socketGroup }) => socketGroup,
  },
  cpus: {
    ...{ table: "dataplane", key: "cpus", ...atStart },
    value: ({ cpus }) => cpus.length === 0 ? null : cpus,
  },
  idle: { ...{ table: "dataplane", key: "idle", ...atStart }, value: ({ idle }) => idle },
  controlPath: {
    ...{ table: "control", key: "socket", ...atStart },
    value: ({ controlPath }) => controlPath,
  },
  metrics: { ...{ table: "control", key: "metrics", ...atStart }, value: metrics },
  page: { ...{ table: "control", key: "page", ...atStart }, value: page },
};

/** Names of all settings. */
export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTINGS) as SettingName[];

/** A setting's value for people. */
export function settingText(name: SettingName, config: SwitchConfig): string {
  const value = SETTINGS[name].value(config);
  if (value === null) return "none";
  return typeof value === "object" ? value.join(",") : String(value);
}

/** Settings in which two configurations differ. */
export function changedSettings(one: SwitchConfig, other: SwitchConfig): SettingName[] {
  return SETTING_NAMES.filter((name) => settingText(name, one) !== settingText(name, other));
}
