/**
 * Commands that print what other programs shall do. They ask no switch and change nothing.
 *
 * @module
 */
import { type CommandRow, OUTPUT, printing } from "../command.ts";
import { view } from "../view.ts";
import type { AlertWords } from "../../emit/alerts.ts";
import type { DashboardWords } from "../../emit/grafana.ts";
import type { UnitWords } from "../../emit/systemd.ts";
import type { FabricWords, HostAddress } from "../../emit/fabric.ts";

/** Addresses of this host's own devices; none where they cannot be read. */
function hostAddresses(): readonly HostAddress[] {
  try {
    return Deno.networkInterfaces();
  } catch {
    return [];
  }
}

/** In the order help lists them. */
export const EMIT_COMMANDS: readonly CommandRow[] = [
  printing({
    words: ["emit", "evpn"],
    brief: "print how this host joins a network of several hosts: bridge, VXLAN, TAP and FRR",
    examples: [
      "vuswitch emit evpn --vni 100 --peer 10.77.0.2 --peer 10.77.0.3 | sh",
      "vuswitch emit evpn --vni 100 --peer 10.77.0.2 --static",
      "vuswitch emit evpn --vni 100 --peer 10.77.0.2 --remove | sh",
    ],
    flags: {
      vni: { brief: "number of the network, 1 to 16777215", placeholder: "N" },
      peer: {
        brief: "address of another host, once for each; or of the route reflectors",
        placeholder: "ADDRESS",
        many: true,
      },
      local: {
        brief: "this host's address (the one in the first peer's network)",
        placeholder: "ADDRESS",
      },
      static: { brief: "without FRR: flood and learn, up to ten hosts", yes: true },
      reflector: { brief: "this host hands on to each peer what the others say", yes: true },
      as: { brief: "BGP's number of all hosts (65000)", placeholder: "N" },
      tap: { brief: "the switch's uplink (vswVNI)", placeholder: "NAME" },
      bridge: { brief: "the bridge (brVNI)", placeholder: "NAME" },
      user: { brief: "who may open the TAP (root)", placeholder: "NAME" },
      mtu: { brief: "of the guests (1450, or 1430 over IPv6)", placeholder: "N" },
      remove: { brief: "print what takes it away again", yes: true },
      output: { ...OUTPUT, brief: "how to print: as a script, or as JSON" },
    },
  }, async () => {
    const { readFabric } = await import("../../emit/fabric.ts");
    const { emitEvpn } = await import("../../emit/evpn.ts");
    return view(
      "evpn",
      (flags: FabricWords & { readonly remove: boolean }) =>
        emitEvpn(readFabric(flags, hostAddresses()), flags.remove),
      ({ script }) => `${script.join("\n")}\n`,
    );
  }),
  printing({
    words: ["emit", "systemd"],
    brief: "print a systemd unit that lets the switch do what it must and no more",
    examples: [
      "vuswitch emit systemd > /etc/systemd/system/vuswitch.service",
      "vuswitch emit systemd --tap --config /etc/vuswitch/tenants.toml",
    ],
    flags: {
      binary: { brief: "the program (/usr/local/bin/vuswitch)", placeholder: "PATH" },
      config: { brief: "its configuration (/etc/vuswitch.toml)", placeholder: "FILE" },
      user: { brief: "user and group that it runs as (vuswitch)", placeholder: "NAME" },
      tap: { brief: "it has TAP devices, which it makes itself", yes: true },
      metrics: { brief: "it serves metrics at this loopback port", placeholder: "127.0.0.1:PORT" },
      output: { ...OUTPUT, brief: "how to print: as a unit, or as JSON" },
    },
  }, async () => {
    const { emitSystemd } = await import("../../emit/systemd.ts");
    return view(
      "systemd",
      (flags: UnitWords) => emitSystemd(flags),
      ({ notes, unit }) => `${[...notes.map((note) => `# ${note}`), "", ...unit].join("\n")}\n`,
    );
  }),
  printing({
    words: ["emit", "grafana"],
    brief: "print a Grafana dashboard of switches that a Prometheus scrapes",
    examples: [
      "vuswitch emit grafana > dashboard.json",
      'vuswitch emit grafana --title "Switches of rack 7" > dashboard.json',
    ],
    flags: {
      title: { brief: "of the dashboard (vuswitch)", placeholder: "TEXT" },
      output: { ...OUTPUT, brief: "how to print: the dashboard, or JSON about it" },
    },
  }, async () => {
    const { emitGrafana } = await import("../../emit/grafana.ts");
    return view(
      "grafana",
      (flags: DashboardWords) => emitGrafana(flags),
      ({ dashboard }) => `${dashboard.join("\n")}\n`,
    );
  }),
  printing({
    words: ["emit", "alerts"],
    brief: "print rules by which Prometheus warns of what goes wrong",
    examples: [
      "vuswitch emit alerts > /etc/prometheus/vuswitch.rules.yml",
      "vuswitch emit alerts --job switches > vuswitch.rules.yml",
    ],
    flags: {
      job: { brief: "under which Prometheus scrapes switches (vuswitch)", placeholder: "NAME" },
      output: { ...OUTPUT, brief: "how to print: as rules, or as JSON" },
    },
  }, async () => {
    const { emitAlerts } = await import("../../emit/alerts.ts");
    return view(
      "alerts",
      (flags: AlertWords) => emitAlerts(flags),
      ({ file }) => `${file.join("\n")}\n`,
    );
  }),
];
