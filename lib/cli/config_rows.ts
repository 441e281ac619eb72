/**
 * Keys of the configuration file, and the flag of `run` that says the same. What they mean is said
 * by the flags. Options of ports have rows of their own (port_options.ts).
 *
 * @module
 */
import type { RunFlags } from "./run_flags.ts";

/** A key of a table. */
export interface ConfigRow {
  /** How its value is written, TOML. */
  readonly form: string;
  /** The flag that says the same. */
  readonly flag: keyof RunFlags;
}

/** Tables that are there once, with their keys. */
export const CONFIG_ROWS: Readonly<Record<string, Readonly<Record<string, ConfigRow>>>> = {
  switch: {
    fdb_age_seconds: { form: "SECONDS", flag: "fdbAge" },
    fdb_entries_max: { form: "N", flag: "fdbEntries" },
    fdb_port_max: { form: "N", flag: "fdbPortEntries" },
    mac_hold_seconds: { form: "SECONDS", flag: "macHold" },
    unknown: { form: '"flood"|"uplink"', flag: "unknown" },
    snooping: { form: '"off"|"on"|"strict"', flag: "snooping" },
    sandbox: { form: "true|false", flag: "sandbox" },
    unsealed_memory: { form: '"guard"|"refuse"|"allow"', flag: "unsealedMemory" },
  },
  sockets: {
    directory: { form: '"DIR"', flag: "socketDir" },
    mode: { form: '"MODE"', flag: "socketMode" },
    group: { form: '"GROUP"', flag: "socketGroup" },
  },
  dataplane: {
    cpus: { form: "[N,…]", flag: "cpus" },
    idle: { form: '"poll"|"adaptive"|"sleep"', flag: "idle" },
  },
  control: {
    socket: { form: '"PATH"', flag: "ctl" },
    metrics: { form: '"127.0.0.1:PORT"', flag: "metrics" },
    page: { form: '"127.0.0.1:PORT"', flag: "page" },
  },
};

/** Tables that are there once for each of their kind, with keys and what they are. */
export const CONFIG_LIST_ROWS: Readonly<
  Record<string, Readonly<Record<string, { readonly form: string; readonly meaning: string }>>>
> = {
  port: {
    name: { form: '"NAME"', meaning: "its name, which must be there" },
    socket: {
      form: '"PATH"',
      meaning:
        "its socket, or a target such as tap:vsw0; NAME.sock in the folder of sockets if not given",
    },
  },
  link: {
    ports: {
      form: '["PORT", "PORT"]',
      meaning: "two ports whose frames go to each other and nowhere else",
    },
  },
  mirror: {
    name: { form: '"NAME"', meaning: "its name, which must be there" },
    from: { form: '["PORT", …]', meaning: "ports to copy frames from" },
    to: { form: '"PORT"', meaning: "port that gets the copies, and nothing else" },
    direction: {
      form: '"both"|"in"|"out"',
      meaning: "frames that come from the ports (in), go to them (out), or both, the default",
    },
  },
};
