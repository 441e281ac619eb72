/**
 * Every metric of the switch: name, type, labels and meaning, and how its values are read from what
 * the control API says. Of counters there is nothing here: they are made metrics by rule, see
 * names.ts.
 *
 * What a series belongs to decides how long it lives: those of a port end with the port, and begin at
 * 0 with the next one of that name; those of a virtqueue begin at 0 when its driver starts it again;
 * all others only grow while the switch runs. Labels are names of ports, and words of closed lists:
 * never an address, of which a guest makes as many as it likes.
 *
 * @module
 */
import { FDB_ROWS, PORT_ROWS, VRING_ROWS, WORKER_ROWS } from "../../switch/counter_rows.ts";
import type { CounterRow } from "../../switch/counter_rows.ts";
import { VERSION } from "../../version.ts";
import type { PortStatus, VringStatus } from "../types.ts";
import { FRAME_SIZES, isOfDistribution, workerDistributions } from "./distributions.ts";
import type { Family, MetricType, Sample } from "./exposition.ts";
import { type Counted, type Metric, metric, type Seen } from "./metric.ts";
import { type CounterMetric, directionOf, joined, metricOf, PREFIX } from "./names.ts";
import type { ProcessFigures } from "./process.ts";

function counted({ counter, labels, scale }: CounterMetric, of: Counted): Sample {
  const value = of.counters[counter] ?? 0;
  // In base units, without the noise of a product of floats.
  return [[...of.labels, ...Object.values(labels)], scale === 1 ? value : value / (1 / scale)];
}

/** Metrics of all counters of `rows`. @param of what is counted @param where names of its labels */
function counterMetrics(
  of: string,
  rows: readonly CounterRow[],
  where: readonly string[],
  things: (seen: Seen) => readonly Counted[],
): Metric[] {
  // All metrics of a scrape read the same things: a switch may have ten thousand virtqueues.
  const known = new WeakMap<Seen, readonly Counted[]>();
  const once = (seen: Seen): readonly Counted[] => {
    const found = known.get(seen) ?? things(seen);
    known.set(seen, found);
    return found;
  };
  const byName = Map.groupBy(rows.map((row) => metricOf(of, row)), ({ name }) => name);
  return Array.from(byName, ([name, metrics]) => {
    const [{ type, help, labels }] = metrics as [CounterMetric];
    return {
      ...{ name: PREFIX + name, type, help, labels: [...where, ...Object.keys(labels)] },
      read: (seen) => once(seen).flatMap((of) => metrics.map((each) => counted(each, of))),
    };
  });
}

/** One number of each port; null: it has none. */
function ofPorts(
  name: string,
  type: MetricType,
  help: string,
  read: (port: PortStatus) => number | null,
): Metric {
  return metric(
    name,
    type,
    help,
    ["port"],
    ({ status }) =>
      status.ports.flatMap((port): Sample[] => {
        const value = read(port);
        return value === null ? [] : [[[port.name], value]];
      }),
  );
}

function vlanText({ vlans }: PortStatus): string {
  if (vlans === null) return "";
  if (vlans.access !== null) return `access ${vlans.access}`;
  return `trunk ${vlans.trunk}${vlans.native === null ? "" : ` native ${vlans.native}`}`;
}

const PORT_METRICS: readonly Metric[] = [
  ofPorts("port_up", "gauge", "1: frames flow", ({ link }) => Number(link === "up")),
  ofPorts(
    "port_admin_up",
    "gauge",
    "0: an operator took it out of service",
    ({ admin }) => Number(admin === "up"),
  ),
  metric(
    "port_info",
    "gauge",
    "1, and what a port is",
    ["port", "kind", "socket", "mode", "ring", "vlan"],
    ({ status }) =>
      status.ports.map((port) => [
        [port.name, port.kind, port.socket, port.mode, port.ring ?? "", vlanText(port)],
        1,
      ]),
  ),
  metric(
    "port_problem",
    "gauge",
    "1 for each problem that a port has now; by its code",
    ["port", "problem"],
    ({ status }) =>
      status.ports.flatMap(({ name, problems }) =>
        [...new Set(problems.map(({ code }) => code))].map((code): Sample => [[name, code], 1])
      ),
  ),
  ofPorts(
    "port_connects_total",
    "counter",
    "front-ends that connected",
    ({ connects }) => connects,
  ),
  metric(
    "port_protocol_errors_total",
    "counter",
    "connections and rings that the switch ended; by reason",
    ["port", "reason"],
    ({ status }) =>
      status.ports.flatMap(({ name, errors }) =>
        Object.entries(errors).map(([reason, count]): Sample => [[name, reason], count])
      ),
  ),
  ofPorts(
    "port_queue_pairs",
    "gauge",
    "queue pairs that frames flow through",
    ({ queuePairs }) => queuePairs,
  ),
  ofPorts("port_mtu_bytes", "gauge", "MTU in force, if somebody named one", ({ mtu }) => mtu),
  ofPorts(
    "guest_memory_mapped_bytes",
    "gauge",
    "guest memory that the front-end shared",
    ({ memory }) => memory.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  ),
];

const LISTENER_METRICS: readonly Metric[] = [
  metric(
    "listener_ports",
    "gauge",
    "ports that a listener has now",
    ["listener"],
    ({ status }) => status.listeners.map(({ name, ports }) => [[name], ports.length]),
  ),
  metric("listener_ports_max", "gauge", "front-ends that it takes at once", ["listener"], (
    { status },
  ) => status.listeners.map(({ name, multi }) => [[name], multi])),
  metric(
    "listener_connects_total",
    "counter",
    "front-ends that connected to it",
    ["listener"],
    ({ status }) => status.listeners.map(({ name, connects }) => [[name], connects]),
  ),
  metric(
    "listener_refused_total",
    "counter",
    "front-ends that it did not take; by reason",
    ["listener", "reason"],
    ({ status }) =>
      status.listeners.flatMap(({ name, refused }) =>
        Object.entries(refused).map(([reason, count]): Sample => [[name, reason], count])
      ),
  ),
];

const VRING_LABELS = ["port", "vring", "direction"];

function ofVrings(read: (vring: VringStatus) => number): Metric["read"] {
  return ({ vrings }) =>
    vrings.flatMap(([port, all]) =>
      all.map((vring): Sample => [vringLabels(port, vring), read(vring)])
    );
}

/** The way of its frames as the switch sees it, as all labels say it. */
function vringLabels(port: string, { index, direction }: VringStatus): string[] {
  return [port, String(index), directionOf(direction === "from guest" ? "rx" : "tx")];
}

const VRING_METRICS: readonly Metric[] = [
  metric(
    "vring_running",
    "gauge",
    "1: frames flow",
    VRING_LABELS,
    ofVrings(({ state }) => Number(state === "running")),
  ),
  metric(
    "vring_broken",
    "gauge",
    "1: stopped by the switch",
    VRING_LABELS,
    ofVrings(({ state }) => Number(state === "broken")),
  ),
  metric("vring_size_buffers", "gauge", "its size", VRING_LABELS, ofVrings(({ size }) => size)),
  metric(
    "vring_errors_total",
    "counter",
    "times that it was stopped by the switch, since its front-end came; by reason",
    [...VRING_LABELS, "reason"],
    ({ vrings }) =>
      vrings.flatMap(([port, all]) =>
        all.flatMap((vring) =>
          Object.entries(vring.errors).map(([reason, count]): Sample => [
            [...vringLabels(port, vring), reason],
            count,
          ])
        )
      ),
  ),
];

function workersOf({ workers }: Seen): Counted[] {
  return workers.map(({ number, longestStallUs, total }) => ({
    labels: [String(number)],
    counters: { ...total.counters, longestStallUs },
  }));
}

const WORKER_METRICS: readonly Metric[] = [
  ...counterMetrics(
    "worker",
    WORKER_ROWS.filter(([name]) => !isOfDistribution(name)),
    ["worker"],
    workersOf,
  ),
  metric(
    "worker_idle_seconds_total",
    "counter",
    "time without frames: polling and asleep",
    ["worker"],
    (seen) =>
      workersOf(seen).map(({ labels, counters }) => [
        labels,
        ((counters["pollingUs"] ?? 0) + (counters["asleepUs"] ?? 0)) / 1e6,
      ]),
  ),
  ...workerDistributions((seen) => workersOf(seen)),
];

const FDB_METRICS: readonly Metric[] = [
  ...counterMetrics("fdb", FDB_ROWS, [], ({ status }) => [{ labels: [], counters: status.fdb }]),
  metric(
    "fdb_entries_max",
    "gauge",
    "addresses that it holds: `--fdb-entries`",
    [],
    ({ status }) => [[[], status.fdbEntriesMax]],
  ),
  metric(
    "fdb_port_entries_max",
    "gauge",
    "addresses of one port at most: `--fdb-port-entries`",
    [],
    ({ status }) => [[[], status.fdbPortEntriesMax]],
  ),
];

const FDB_USE_METRICS: readonly Metric[] = [
  metric(
    "fdb_port_entries",
    "gauge",
    "addresses known at a port now, static ones included",
    ["port"],
    ({ status }) =>
      Object.entries(status.addresses.ports).map(([port, count]): Sample => [[port], count]),
  ),
  metric(
    "fdb_vlan_entries",
    "gauge",
    "addresses known in a VLAN now; 0: without one",
    ["vlan"],
    ({ status }) =>
      Object.entries(status.addresses.vlans).map(([vlan, count]): Sample => [[vlan], count]),
  ),
];

/** A figure of the process; one that cannot be read is left out. */
function ofProcess(
  name: string,
  type: MetricType,
  help: string,
  read: (figures: ProcessFigures) => number,
): Metric {
  return metric(name, type, help, [], ({ process }) => {
    const value = read(process);
    return Number.isFinite(value) ? [[[], value]] : [];
  });
}

const PROCESS_METRICS: readonly Metric[] = [
  ofProcess("process_cpu_seconds_total", "counter", "user and system time", (p) => p.cpuSeconds),
  ofProcess(
    "process_resident_memory_bytes",
    "gauge",
    "memory that is present",
    (p) => p.residentBytes,
  ),
  ofProcess(
    "process_virtual_memory_bytes",
    "gauge",
    "address space, most of it reserved",
    (p) => p.virtualBytes,
  ),
  ofProcess(
    "process_start_time_seconds",
    "gauge",
    "when it was started, since 1970",
    (p) => p.startSeconds,
  ),
  ofProcess("process_threads", "gauge", "its threads", (p) => p.threads),
  ofProcess("process_open_fds", "gauge", "descriptors that it holds", (p) => p.openFds),
  ofProcess("process_max_fds", "gauge", "descriptors that it may hold", (p) => p.maxFds),
  ofProcess("heap_used_bytes", "gauge", "objects of the control thread", (p) => p.heapUsedBytes),
  ofProcess("heap_size_bytes", "gauge", "memory of V8 for them", (p) => p.heapSizeBytes),
];

/** All metrics, in the order in which they are served. */
export const METRICS: readonly Metric[] = [
  metric("build_info", "gauge", "1, and versions", ["version", "deno", "v8"], () => [
    [[VERSION, Deno.version.deno, Deno.version.v8], 1],
  ]),
  metric("uptime_seconds", "gauge", "since it was started", [], ({ status }) => [
    [[], status.uptimeSeconds],
  ]),
  ...PORT_METRICS,
  ...counterMetrics(
    "port",
    PORT_ROWS.filter(([name]) => !isOfDistribution(name)),
    ["port"],
    ({ status }) => status.ports.map(({ name, counters }) => ({ labels: [name], counters })),
  ),
  FRAME_SIZES,
  ...LISTENER_METRICS,
  ...VRING_METRICS,
  ...counterMetrics(
    "vring",
    // Positions go round: they are of use in `vring show` alone.
    VRING_ROWS.filter(([name]) => name !== "lastAvail" && name !== "lastUsed"),
    VRING_LABELS,
    ({ vrings }) =>
      vrings.flatMap(([port, all]) =>
        all.map((vring) => ({ labels: vringLabels(port, vring), counters: vring.counters }))
      ),
  ),
  ...FDB_METRICS,
  ...FDB_USE_METRICS,
  ...WORKER_METRICS,
  ...PROCESS_METRICS,
];

/** Words of the `reason` label of drops, with way and meaning. */
export const DROP_REASONS: readonly (readonly [
  reason: string,
  direction: string,
  counter: string,
  meaning: string,
])[] = PORT_ROWS.filter(([name]) => /^[rt]xDropped[A-Z]/.test(name)).map(([name, , meaning]) => [
  joined(name.replace(/^[rt]xDropped/, ""), "_"),
  directionOf(name),
  name,
  meaning,
]);

/** All metrics with their values. */
export function* familiesOf(seen: Seen): Generator<Family> {
  for (const { name, type, help, labels, read } of METRICS) {
    yield { name, type, help, labels, samples: read(seen) };
  }
}
