/** Which metrics there are: every counter is one, under a name that Prometheus' rules allow. */
import { strict as assert } from "node:assert";
import { expose } from "../../../../lib/control/metrics/exposition.ts";
import { isOfDistribution } from "../../../../lib/control/metrics/distributions.ts";
import { familiesOf, METRICS } from "../../../../lib/control/metrics/families.ts";
import type { Seen } from "../../../../lib/control/metrics/metric.ts";
import { metricOf } from "../../../../lib/control/metrics/names.ts";
import { processFigures } from "../../../../lib/control/metrics/process.ts";
import { workOf } from "../../../../lib/control/work.ts";
import {
  type CounterRow,
  FDB_ROWS,
  PORT_ROWS,
  VRING_ROWS,
  WORKER_ROWS,
} from "../../../../lib/switch/counter_rows.ts";
import { readMetrics, series, type Served } from "../../../harness/exposition.ts";

/** Each counter with another number, so that none is taken for another's. */
function counts(rows: readonly CounterRow[], from: number): Record<string, number> {
  return Object.fromEntries(rows.map(([name], i) => [name, from + i]));
}

function seen(): Seen {
  const port = {
    ...{ name: "vm1", kind: "vhost", socket: '/run/a "b"\\\n.sock', mode: "listen" },
    ...{ link: "up", admin: "down", ring: "split/256", mtu: null, connects: 7, queuePairs: 1 },
    ...{ vlans: { access: null, trunk: "1-10", native: 3 }, errors: { "bad-size": 2 } },
    memory: [{ guestAddr: "0x0", sizeBytes: 4096, userAddr: "0x0" }, { sizeBytes: 4096 }],
    problems: [{ code: "storm" }, { code: "storm" }],
    counters: counts(PORT_ROWS, 1000),
  };
  const listener = { name: "b{n}", ports: ["b0"], multi: 4, connects: 9, refused: { full: 3 } };
  const worker = counts(WORKER_ROWS, 3000);
  return {
    status: {
      ...{ uptimeSeconds: 5, fdb: counts(FDB_ROWS, 2000), fdbEntriesMax: 64 },
      ...{ fdbPortEntriesMax: 8, ports: [port], listeners: [listener] },
      addresses: { ports: { vm1: 5 }, vlans: { 0: 2, 10: 3 } },
    },
    workers: [{ number: 0, longestStallUs: 2_500_000, total: workOf(worker) }],
    vrings: [["vm1", [{
      ...{ index: 1, direction: "from guest", state: "running", size: 256 },
      counters: counts(VRING_ROWS, 4000),
      errors: { "bad-index": 6 },
    }]]],
    process: processFigures(),
  } as unknown as Seen;
}

function page(): Map<string, Served> {
  return readMetrics(expose(familiesOf(seen()), "text"));
}

function valueOf(name: string, labels: Record<string, string> = {}): number | undefined {
  return page().get(name.replace(/_(?:bucket|sum|count)$/, ""))?.values.get(series(name, labels));
}

Deno.test("every counter is served, each with its own value", () => {
  const values = new Map(
    [...page().values()].flatMap(({ values }) => [...values.values()].map((value) => [value, 1])),
  );
  const lost: string[] = [];
  for (
    const [rows, from] of [[PORT_ROWS, 1000], [FDB_ROWS, 2000], [WORKER_ROWS, 3000], [
      VRING_ROWS,
      4000,
    ]] as const
  ) {
    rows.forEach(([name, unit], i) => {
      if (/^last(Avail|Used)$|^longestStallUs$/.test(name) || isOfDistribution(name)) return;
      const value = unit === "microseconds" ? (from + i) / 1e6 : from + i;
      if (!values.has(value)) lost.push(name);
    });
  }
  assert.deepEqual(lost, []);
});

Deno.test("names that dashboards rely on, with their labels", () => {
  const port = { port: "vm1" };
  const at = (name: string): number => 1000 + PORT_ROWS.findIndex(([row]) => row === name);
  assert.equal(valueOf("vuswitch_port_receive_frames_total", port), at("rxFrames"));
  assert.equal(valueOf("vuswitch_port_transmit_bytes_total", port), at("txBytes"));
  assert.equal(valueOf("vuswitch_port_flooded_frames_total", port), at("rxFloodedFrames"));
  assert.equal(valueOf("vuswitch_port_multicast_frames_total", port), at("rxMulticastFrames"));
  assert.equal(valueOf("vuswitch_port_broadcast_frames_total", port), at("rxBroadcastFrames"));
  const dropped = "vuswitch_port_dropped_frames_total";
  for (
    const [direction, reason, counter] of [
      ["transmit", "no_buffer", "txDroppedNoBuffer"],
      ["transmit", "link_down", "txDroppedLinkDown"],
      ["receive", "vlan", "rxDroppedVlan"],
      ["receive", "broadcast_storm", "rxDroppedBroadcastStorm"],
    ] as const
  ) assert.equal(valueOf(dropped, { ...port, direction, reason }), at(counter));
  const drops = PORT_ROWS.filter(([name]) => /xDropped/.test(name));
  assert.equal(page().get(dropped)?.values.size, drops.length);
  assert.equal(valueOf("vuswitch_port_up", port), 1);
  assert.equal(valueOf("vuswitch_port_admin_up", port), 0);
  const info = {
    ...{ kind: "vhost", socket: '/run/a "b"\\\n.sock', mode: "listen", ring: "split/256" },
    vlan: "trunk 1-10 native 3",
  };
  assert.equal(valueOf("vuswitch_port_info", { ...port, ...info }), 1);
  assert.equal(valueOf("vuswitch_port_problem", { ...port, problem: "storm" }), 1);
  assert.equal(valueOf("vuswitch_port_protocol_errors_total", { ...port, reason: "bad-size" }), 2);
  assert.equal(valueOf("vuswitch_guest_memory_mapped_bytes", port), 8192);
  assert.equal(valueOf("vuswitch_listener_refused_total", { listener: "b{n}", reason: "full" }), 3);
  const vring = { ...port, vring: "1", direction: "receive" };
  assert.equal(valueOf("vuswitch_vring_running", vring), 1);
  assert.equal(valueOf("vuswitch_vring_kicks_total", vring), 4002);
  assert.equal(
    valueOf("vuswitch_vring_ready_buffers", vring),
    4000 + VRING_ROWS.findIndex(([name]) => name === "ready"),
  );
  assert.equal(valueOf("vuswitch_vring_errors_total", { ...vring, reason: "bad-index" }), 6);
  assert.equal(valueOf("vuswitch_fdb_port_entries", port), 5);
  assert.equal(valueOf("vuswitch_fdb_vlan_entries", { vlan: "10" }), 3);
  assert.equal(valueOf("vuswitch_fdb_entries"), 2000);
  assert.equal(valueOf("vuswitch_fdb_entries_max"), 64);
  assert.equal(valueOf("vuswitch_fdb_rejected_total", { reason: "port_full" }), 2006);
  assert.equal(valueOf("vuswitch_worker_stall_seconds_max", { worker: "0" }), 2.5);
  assert.equal(page().has("vuswitch_port_mtu_bytes"), false, "nobody named one");
  for (const name of ["process_cpu_seconds_total", "process_open_fds", "process_max_fds"]) {
    assert(Number(valueOf(name)) > 0, name);
  }
  assert(Math.abs(Date.now() / 1000 - Number(valueOf("process_start_time_seconds"))) < 3600);
});

Deno.test("visits are a distribution whose bounds are those of the counters", () => {
  const all = WORKER_ROWS.filter(([name]) => /^bursts\d/.test(name));
  const first = 3000 + WORKER_ROWS.findIndex(([name]) => name === "bursts1");
  let total = 0;
  for (const [i, bound] of [1, 3, 7, 15, 31, 63, 127, 128].entries()) {
    total += first + i;
    const labels = { worker: "0", le: String(bound) };
    assert.equal(valueOf("vuswitch_worker_burst_frames_bucket", labels), total);
  }
  assert.equal(all.length, 8);
  assert.equal(valueOf("vuswitch_worker_burst_frames_count", { worker: "0" }), total);
  assert.equal(valueOf("vuswitch_worker_burst_frames_sum", { worker: "0" }), 3000);
});

Deno.test("sizes and times are distributions, in bytes and seconds, that end at infinity", () => {
  const sizes = PORT_ROWS.findIndex(([name]) => name === "txSize64") + 1000;
  const size = { port: "vm1", direction: "transmit" };
  let total = 0;
  for (const [i, le] of ["64", "128", "256", "512", "1024", "1518", "9018", "+Inf"].entries()) {
    total += sizes + i;
    const labels = { ...size, le };
    assert.equal(valueOf("vuswitch_port_frame_size_bytes_bucket", labels), total, le);
  }
  assert.equal(valueOf("vuswitch_port_frame_size_bytes_count", size), total);
  assert.equal(valueOf("vuswitch_port_frame_size_bytes_sum", size), sizes + 8);
  const times = WORKER_ROWS.findIndex(([name]) => name === "visitsUs1") + 3000;
  const worker = { worker: "0" };
  const name = "vuswitch_worker_visit_seconds";
  assert.equal(valueOf(`${name}_bucket`, { ...worker, le: "0.000001" }), times);
  assert.equal(valueOf(`${name}_bucket`, { ...worker, le: "0.000002" }), 2 * times + 1);
  assert.equal(valueOf(`${name}_bucket`, { ...worker, le: "0.016384" }), 15 * times + 105);
  assert.equal(valueOf(`${name}_bucket`, { ...worker, le: "+Inf" }), 16 * times + 120);
  assert.equal(valueOf(`${name}_count`, worker), 16 * times + 120);
  assert.equal(valueOf(`${name}_sum`, worker), (times + 16) / 1e6);
});

Deno.test("names are made of words of the format, in base units, each once", () => {
  const names = METRICS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type, help, labels } of METRICS) {
    assert.match(name, /^(vuswitch|process)(_[a-z0-9]+)+$/);
    assert.equal(name.endsWith("_total"), type === "counter", name);
    assert.match(help, /^\S.*[^.]$/, name);
    for (const label of labels) assert.match(label, /^[a-z][a-z0-9_]*$/);
    assert(!labels.includes("mac"), `${name}: a guest makes as many as it likes`);
  }
  // A counter to come is a metric without anybody's help.
  const odd = metricOf("port", ["rxDroppedPastDhcpGuard", "frames", "x"]);
  assert.deepEqual(odd.labels, { direction: "receive", reason: "past_dhcp_guard" });
  assert.equal(
    metricOf("port", ["txMirrored", "frames", "x"]).name,
    "port_transmit_mirrored_frames_total",
  );
  assert.equal(
    metricOf("worker", ["captureUs", "microseconds", "x"]).name,
    "worker_capture_seconds_total",
  );
  assert.equal(metricOf("port", ["groups", "addresses", "x", "now"]).name, "port_groups");
});

Deno.test("a page of all ports there can be, with all their queues, is bounded", () => {
  const one = seen();
  const ports = Array.from({ length: 254 }, (_, i) => ({ ...one.status.ports[0], name: `vm${i}` }));
  const [, [vring]] = one.vrings[0] as Seen["vrings"][number];
  const vrings = ports.map(({ name }): [string, unknown] => [
    name,
    Array.from({ length: 64 }, (_, index) => ({ ...vring, index })),
  ]);
  const full = { ...one, status: { ...one.status, ports }, vrings } as unknown as Seen;
  const text = expose(familiesOf(full), "text");
  assert(text.length < 32 << 20, `${text.length} bytes`);
});
