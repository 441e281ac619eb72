/**
 * The flags of `run`.
 *
 * @module
 */
import { type Flags, type FlagsOf, proposeSpec } from "./command.ts";

/** Lines that start a switch. */
export const RUN_EXAMPLES: readonly string[] = [
  "vuswitch run -p vm1 -p vm2",
  "vuswitch run -p vm1 --nat",
  "vuswitch run -p vm1=/run/vm1.sock,mtu=9000 --ctl /run/ctl.sock",
  "vuswitch run --config /etc/vuswitch.toml --cpus 2 --idle poll",
  "vuswitch run --config /etc/vuswitch.toml --check",
];

/** Flags by their name in code; on the command line with hyphens. */
export const RUN_FLAGS = {
  port: {
    brief: "a port, once for each: name, socket path, options (see: port add --help)",
    placeholder: "NAME[=PATH][,…]",
    words: proposeSpec,
    many: true,
    alias: "p",
  },
  nat: { brief: "the internet for guests, with DHCP and DNS: the same as -p up=nat", yes: true },
  link: {
    brief: "two ports whose frames go to each other and nowhere else",
    placeholder: "PORT:PORT",
    many: true,
  },
  socketPath: {
    brief: "a port by its socket alone, as back-end programs take it",
    placeholder: "PATH",
    many: true,
  },
  fd: { brief: "a port by an inherited listening socket", placeholder: "FD", many: true },
  socketDir: { brief: "folder of port sockets without a path", placeholder: "DIR" },
  socketMode: { brief: "permissions of port sockets, octal (0660)", placeholder: "MODE" },
  socketGroup: { brief: "group of port sockets", placeholder: "GROUP" },
  config: { brief: "TOML file that says the same", placeholder: "FILE" },
  check: { brief: "say what is wrong with file and flags, and start nothing", yes: true },
  ctl: { brief: "control socket", placeholder: "PATH" },
  metrics: {
    brief: "metrics for Prometheus at a TCP port of this host's loopback as well",
    placeholder: "127.0.0.1:PORT",
  },
  page: {
    brief: "a web page at a TCP port of this host's loopback, for who has its link: vuswitch page",
    placeholder: "127.0.0.1:PORT",
  },
  cpus: { brief: "processors of the data plane, such as 2 or 2-3", placeholder: "LIST" },
  idle: {
    values: ["poll", "adaptive", "sleep"],
    brief: "without traffic: spin, spin a little then sleep (default), sleep at once",
  },
  fdbAge: {
    brief: "seconds until an unused MAC address is forgotten (300; 0: never)",
    placeholder: "SECONDS",
  },
  fdbEntries: { brief: "MAC addresses in all (16384)", placeholder: "N" },
  fdbPortEntries: { brief: "MAC addresses per port (1024)", placeholder: "N" },
  macHold: {
    brief: "seconds for which an address stays with who spoke with it last (5; 0: no time)",
    placeholder: "SECONDS",
  },
  unknown: {
    values: ["flood", "uplink"],
    brief: "frames to addresses nobody knows: to all ports (default), or to uplinks alone",
  },
  snooping: {
    values: ["off", "on", "strict"],
    brief: "frames to groups: to all ports (default), to their members, or also none without",
  },
  sandbox: {
    brief: "give up system calls and files that a switch does not need",
    yes: true,
  },
  unsealedMemory: {
    values: ["guard", "refuse", "allow"],
    brief: "guests' memory that can lose pages: end its port then (default), refuse it, or take it",
  },
  logFormat: { values: ["text", "json", "journal"], brief: "log lines on stderr" },
  quiet: { brief: "log warnings and errors only", yes: true, alias: "q" },
  verbose: { brief: "log details", yes: true, alias: "v" },
} as const satisfies Flags;

/** Flags of `run`, as typed; what is left out comes from the configuration file or is a default. */
export type RunFlags = FlagsOf<typeof RUN_FLAGS>;
