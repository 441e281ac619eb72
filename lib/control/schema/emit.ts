/**
 * What `emit` prints in JSON. Its type is what is made: a field more or less does not compile.
 *
 * @module
 */
import type { EmittedAlerts } from "../../emit/alerts.ts";
import type { EmittedAttachment } from "../../emit/attachment.ts";
import type { EmittedDashboard } from "../../emit/grafana.ts";
import type { EmittedUnit } from "../../emit/systemd.ts";
import type { Emitted } from "../../emit/evpn.ts";
import { choice, flag, list, maybe, record, type Schema, text, whole } from "./builder.ts";

const line = text("a line");

/** `emit evpn`. */
export const EVPN: Schema<Emitted> = record(
  "emit evpn: how this host joins a network of several hosts",
  {
    vni: whole("number of the network", 1, 2 ** 24 - 1),
    local: text("address of this host's end of all tunnels"),
    peers: list("the other hosts, or the route reflectors", text("an address")),
    family: whole("of IP between the hosts", 4, 6) as Schema<4 | 6>,
    as: whole("BGP's number of all hosts"),
    tap: text("the switch's uplink"),
    bridge: text("the bridge"),
    vxlan: text("the VXLAN device"),
    user: text("who may open the TAP"),
    mtu: whole("of the guests, bytes"),
    underlayMtu: whole("what the network of the hosts must carry, bytes"),
    static: flag("without FRR: flood and learn"),
    reflector: flag("this host hands on to each peer what the others say"),
    notes: list("what to know", line),
    commands: list("the devices, for sh", line),
    frr: maybe("there is none to read", list("FRR's configuration, for vtysh -f", line)),
    script: list("all of it, for sh", line),
  },
);

/** `emit systemd`. */
export const SYSTEMD: Schema<EmittedUnit> = record("emit systemd: a unit for the switch", {
  binary: text("the program"),
  config: text("its configuration"),
  user: text("user and group that it runs as"),
  tap: flag("it may make TAP devices"),
  metrics: maybe("nowhere", text("where it serves metrics besides the control socket")),
  notes: list("what to do with it", line),
  unit: list("the unit", line),
});

/** `emit grafana`. */
export const GRAFANA: Schema<EmittedDashboard> = record("emit grafana: a dashboard of switches", {
  title: text("its title"),
  uid: text("Grafana's name for it: importing it again replaces it"),
  queries: list("what it asks of Prometheus", text("PromQL")),
  dashboard: list("it, as Grafana imports it", line),
});

/** `emit alerts`. */
export const ALERTS: Schema<EmittedAlerts> = record("emit alerts: rules for Prometheus", {
  job: text("the job under which Prometheus scrapes switches"),
  rules: list(
    "in the order in which they stand",
    record("a rule", {
      alert: text("its name"),
      expr: text("PromQL that has a value when something is wrong"),
      for: text("for how long it must be so"),
      severity: choice("how bad it is", { critical: "", warning: "" }),
      summary: text("what is wrong, with labels"),
      action: text("what to do"),
    }),
  ),
  file: list("the file, as Prometheus loads it", line),
});

/** `emit qemu`, and the others that attach a guest. */
export const ATTACHMENT: Schema<EmittedAttachment> = record(
  "emit qemu, qemu-json, libvirt, cloud-hypervisor, testpmd, kubernetes: how to attach to a port",
  {
    port: text("its name"),
    socket: text("path of its socket"),
    mac: text("address of the NIC"),
    queues: whole("queue pairs", 1),
    mtu: maybe("what the program takes by itself", whole("of the NIC, bytes")),
    words: list("of the program's command line; none where it takes a file", text("a word")),
    file: list("a file; none where it takes words", line),
  },
);
