/**
 * Alerts and dashboard in Prometheus' own hands: promtool reads the rules and tries each on series
 * made for it, and a Prometheus scrapes a switch and is asked what the dashboard asks.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { emitAlerts } from "../../lib/emit/alerts.ts";
import { emitGrafana } from "../../lib/emit/grafana.ts";
import { Bed } from "../harness/bed.ts";
import { peerTest } from "../harness/peers.ts";
import { Prometheus, PROMETHEUS_MISSING, promtool } from "../harness/promtool.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

/** Of every series. */
const AT = { job: "vuswitch", instance: "host:9477" };

type Labels = Readonly<Record<string, string>>;

/** A rule, series that it is for as promtool has them, and what it says of them. */
interface Case {
  readonly alert: string;
  readonly series: readonly (readonly [metric: string, labels: Labels, values: string])[];
  readonly labels: Labels;
  /** What `$value` is in its words. */
  readonly value?: string;
}

const PORT = { port: "vm1" };
const WORKER = { worker: "0" };
const DROPPED = "vuswitch_port_dropped_frames_total";

/** Every rule fires on these, and only it. */
const CASES: readonly Case[] = [
  { alert: "VuswitchDown", series: [["up", {}, "0x30"]], labels: AT },
  {
    alert: "VuswitchStandsStill",
    series: [
      ["vuswitch_worker_busy_seconds_total", WORKER, "5x30"],
      ["vuswitch_worker_idle_seconds_total", WORKER, "7x30"],
    ],
    labels: { ...AT, ...WORKER },
  },
  {
    alert: "VuswitchPortDown",
    series: [["vuswitch_port_up", PORT, "0x30"], ["vuswitch_port_admin_up", PORT, "1x30"]],
    labels: { ...AT, ...PORT },
  },
  {
    alert: "VuswitchPortProblem",
    series: [["vuswitch_port_problem", { ...PORT, problem: "mac-flap" }, "1x30"]],
    labels: { ...AT, ...PORT, problem: "mac-flap" },
  },
  {
    alert: "VuswitchRingBroken",
    series: [["vuswitch_vring_broken", { ...PORT, vring: "1", direction: "receive" }, "1x30"]],
    labels: { ...AT, ...PORT, vring: "1", direction: "receive" },
  },
  {
    alert: "VuswitchGuestTooSlow",
    series: [
      [DROPPED, { ...PORT, direction: "transmit", reason: "no_buffer" }, "0+5x30"],
      ["vuswitch_port_transmit_frames_total", PORT, "0+100x30"],
    ],
    labels: { ...AT, ...PORT },
    value: "5%",
  },
  {
    alert: "VuswitchAddressesTaken",
    series: [[DROPPED, { ...PORT, direction: "receive", reason: "spoofed" }, "0+1x30"]],
    labels: { instance: AT.instance, ...PORT, reason: "spoofed" },
  },
  {
    alert: "VuswitchStorm",
    series: [[DROPPED, { ...PORT, direction: "receive", reason: "broadcast_storm" }, "0+1x30"]],
    labels: { instance: AT.instance, ...PORT, reason: "broadcast_storm" },
  },
  {
    alert: "VuswitchFrontEndThrownOut",
    series: [["vuswitch_port_protocol_errors_total", { ...PORT, reason: "bad-size" }, "0+1x30"]],
    labels: { ...AT, ...PORT, reason: "bad-size" },
  },
  {
    alert: "VuswitchAddressesFull",
    series: [["vuswitch_fdb_entries", {}, "95x30"], ["vuswitch_fdb_entries_max", {}, "100x30"]],
    labels: AT,
    value: "95%",
  },
  {
    alert: "VuswitchAddressesRejected",
    series: [["vuswitch_fdb_rejected_total", { reason: "port_full" }, "0+1x30"]],
    labels: { ...AT, reason: "port_full" },
  },
  {
    alert: "VuswitchBusy",
    series: [["vuswitch_worker_busy_seconds_total", WORKER, "0+57x30"]],
    labels: { ...AT, ...WORKER },
    value: "95%",
  },
  {
    alert: "VuswitchStalls",
    series: [["vuswitch_worker_long_stalls_total", WORKER, "0+60x30"]],
    labels: { ...AT, ...WORKER },
  },
  {
    alert: "VuswitchVisitsLong",
    series: [
      ["vuswitch_worker_visit_seconds_bucket", { ...WORKER, le: "0.004096" }, "0+90x30"],
      ["vuswitch_worker_visit_seconds_bucket", { ...WORKER, le: "0.008192" }, "0+100x30"],
      ["vuswitch_worker_visit_seconds_bucket", { ...WORKER, le: "+Inf" }, "0+100x30"],
    ],
    labels: { instance: AT.instance, ...WORKER },
  },
  {
    alert: "VuswitchDescriptors",
    series: [["process_open_fds", {}, "90x30"], ["process_max_fds", {}, "100x30"]],
    labels: AT,
    value: "90%",
  },
];

/** A switch on which no rule has anything to say. */
const HEALTHY: Case["series"] = [
  ["up", {}, "1x30"],
  ["vuswitch_worker_busy_seconds_total", WORKER, "0+30x30"],
  ["vuswitch_worker_idle_seconds_total", WORKER, "0+30x30"],
  ["vuswitch_worker_long_stalls_total", WORKER, "0+1x30"],
  ["vuswitch_worker_visit_seconds_bucket", { ...WORKER, le: "0.002048" }, "0+99x30"],
  ["vuswitch_worker_visit_seconds_bucket", { ...WORKER, le: "+Inf" }, "0+100x30"],
  ["vuswitch_port_up", PORT, "1x30"],
  ["vuswitch_port_admin_up", PORT, "1x30"],
  ["vuswitch_port_up", { port: "out" }, "0x30"],
  ["vuswitch_port_admin_up", { port: "out" }, "0x30"],
  [DROPPED, { ...PORT, direction: "transmit", reason: "no_buffer" }, "0+1x30"],
  ["vuswitch_port_transmit_frames_total", PORT, "0+1000x30"],
  [DROPPED, { port: "out", direction: "transmit", reason: "no_buffer" }, "0x30"],
  ["vuswitch_port_transmit_frames_total", { port: "out" }, "0x30"],
  [DROPPED, { ...PORT, direction: "receive", reason: "spoofed" }, "9x30"],
  ["vuswitch_fdb_entries", {}, "5x30"],
  ["vuswitch_fdb_entries_max", {}, "100x30"],
  ["vuswitch_fdb_rejected_total", { reason: "full" }, "3x30"],
  ["process_open_fds", {}, "70x30"],
  ["process_max_fds", {}, "100x30"],
];

function input(series: Case["series"]): unknown[] {
  return series.map(([metric, labels, values]) => ({
    series: `${metric}{${
      Object.entries({ ...AT, ...labels }).map(([name, value]) => `${name}="${value}"`).join(",")
    }}`,
    values,
  }));
}

/** A rule's words about some labels, as Prometheus' templates make them. */
function said(text: string, labels: Labels, value = ""): string {
  return text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, name) => labels[name] ?? "")
    .replaceAll("{{ $value | humanizePercentage }}", value);
}

peerTest(
  "promtool takes the rules, and each fires on what it is for",
  PROMETHEUS_MISSING,
  async () => {
    using folder = new TempFolder();
    const { rules, file } = emitAlerts({});
    await Deno.writeTextFile(folder.file("rules.yml"), `${file.join("\n")}\n`);
    assert.match(
      await promtool("", "check", "rules", folder.file("rules.yml")),
      new RegExp(`SUCCESS: ${rules.length} rules found`),
    );
    assert.deepEqual(CASES.map(({ alert }) => alert), rules.map(({ alert }) => alert));
    const at = { eval_time: "25m" };
    const tests = [...CASES, null].map((each) => ({
      interval: "1m",
      input_series: input(each?.series ?? HEALTHY),
      alert_rule_test: rules.map(({ alert, severity, summary, action }) => ({
        ...{ ...at, alertname: alert },
        exp_alerts: each?.alert !== alert ? [] : [{
          exp_labels: { ...each.labels, severity },
          exp_annotations: {
            summary: said(summary, each.labels, each.value),
            action: said(action, each.labels, each.value),
          },
        }],
      })),
    }));
    const words = { rule_files: ["rules.yml"], evaluation_interval: "1m", tests };
    await Deno.writeTextFile(folder.file("test.yml"), JSON.stringify(words));
    assert.match(await promtool("", "test", "rules", folder.file("test.yml")), /SUCCESS/);
  },
);

/** A query as Grafana sends it, when all is chosen. */
function asked(query: string): string {
  return query.replaceAll(/"\$(?:instance|port)"/g, '".*"').replaceAll("$__rate_interval", "1m");
}

peerTest(
  "a Prometheus scrapes a switch, and knows what the dashboard asks",
  PROMETHEUS_MISSING,
  async () => {
    await using bed = await Bed.make(2, "--metrics", "127.0.0.1:0");
    await introduce(await bed.guest(1), await bed.guest(2));
    let target = "";
    await until("where metrics are", () => {
      target = /metrics at http:\/\/([^/]+)/.exec(bed.process.log)?.[1] ?? "";
      return target !== "";
    });
    await Deno.writeTextFile(bed.file("rules.yml"), `${emitAlerts({}).file.join("\n")}\n`);
    const job = { job_name: "vuswitch", static_configs: [{ targets: [target] }] };
    await using prometheus = await Prometheus.start(bed.folder, {
      global: { scrape_interval: "200ms", evaluation_interval: "1s" },
      rule_files: ["rules.yml"],
      scrape_configs: [job],
    });
    const result = async (query: string): Promise<number> => {
      const answer = await prometheus.ask(`query?query=${encodeURIComponent(query)}`);
      if (answer === null) return 0;
      assert.equal(answer.status, "success", `${query}: ${answer.error}`);
      return answer.data.result.length;
    };
    await until(
      "two scrapes",
      async () => await result("count_over_time(up[1m]) > 2 and up == 1") > 0,
    );
    const nothing: string[] = [];
    for (const query of emitGrafana({}).queries) {
      if (await result(asked(query)) === 0) nothing.push(query);
    }
    // Nothing is wrong with this switch.
    const quiet = /port_problem|dropped_frames|protocol_errors|vring_errors/;
    assert.deepEqual(nothing.filter((query) => !quiet.test(query)), [], prometheus.log);
    assert.equal(await result('vuswitch_port_up{port="vm1"} == 1'), 1);
    const { data } = await prometheus.ask("rules") as unknown as {
      data: { groups: { rules: { health: string; lastError?: string }[] }[] };
    };
    const health = data.groups.flatMap(({ rules }) => rules);
    assert.equal(health.length, emitAlerts({}).rules.length);
    for (const { health: state, lastError } of health) assert.notEqual(state, "err", lastError);
  },
);
