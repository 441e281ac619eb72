/**
 * Rules by which Prometheus warns of what goes wrong with a switch. They name metrics of
 * lib/control/metrics/ alone; a test holds the two against each other, and promtool tries each rule.
 *
 * @module
 */
import { ControlError } from "../control/types.ts";

/** As typed. */
export interface AlertWords {
  /** The job under which Prometheus scrapes switches. */
  readonly job?: string;
}

/** A rule. */
export interface AlertRule {
  /** Its name. */
  readonly alert: string;
  /** PromQL that has a value when something is wrong. */
  readonly expr: string;
  /** For how long it must be so. */
  readonly for: string;
  /** How bad it is. */
  readonly severity: "critical" | "warning";
  /** What is wrong, with labels as `{{ $labels.port }}`. */
  readonly summary: string;
  /** What to do. */
  readonly action: string;
}

/** What is printed. */
export interface EmittedAlerts {
  /** The job under which Prometheus scrapes switches. */
  readonly job: string;
  /** In the order in which they stand. */
  readonly rules: readonly AlertRule[];
  /** The file, line by line. */
  readonly file: readonly string[];
}

/** In place of the labels that say which job is meant. */
const JOB = "$JOB";

/** How fast frames are dropped. */
function dropped(labels: string): string {
  return `rate(vuswitch_port_dropped_frames_total{${JOB},${labels}}[5m])`;
}

/** Rules as rows: name, how bad, for how long, expression, summary, action. */
const ROWS: readonly (readonly [
  alert: string,
  severity: AlertRule["severity"],
  forTime: string,
  expr: string,
  summary: string,
  action: string,
])[] = [
  [
    ...["VuswitchDown", "critical", "1m", `up{$JOB} == 0`] as const,
    "{{ $labels.instance }} does not answer",
    "systemctl status vuswitch; journalctl -u vuswitch",
  ],
  [
    ...["VuswitchStandsStill", "critical", "1m"] as const,
    `rate(vuswitch_worker_busy_seconds_total{$JOB}[2m]) + ` +
    `rate(vuswitch_worker_idle_seconds_total{$JOB}[2m]) == 0`,
    "data plane {{ $labels.worker }} of {{ $labels.instance }} does nothing, not even sleep",
    "restart it: guests go on where they were",
  ],
  [
    ...["VuswitchPortDown", "warning", "5m"] as const,
    `vuswitch_port_up{$JOB} == 0 and vuswitch_port_admin_up{$JOB} == 1`,
    "port {{ $labels.port }} of {{ $labels.instance }} is in service and has no link",
    "vuswitch port show {{ $labels.port }} says why; vuswitch port down, if nobody is to be there",
  ],
  [
    ...["VuswitchPortProblem", "warning", "1m", `vuswitch_port_problem{$JOB} == 1`] as const,
    "port {{ $labels.port }} of {{ $labels.instance }}: {{ $labels.problem }}",
    "vuswitch port show {{ $labels.port }} says what helps",
  ],
  [
    ...["VuswitchRingBroken", "warning", "1m", `vuswitch_vring_broken{$JOB} == 1`] as const,
    "virtqueue {{ $labels.vring }} of port {{ $labels.port }} was stopped for a fault of its driver",
    "vuswitch vring show {{ $labels.port }} says which; reset the guest's device",
  ],
  [
    ...["VuswitchGuestTooSlow", "warning", "5m"] as const,
    `${dropped('direction="transmit",reason="no_buffer"')} / ignoring (direction, reason) ` +
    `rate(vuswitch_port_transmit_frames_total{$JOB}[5m]) > 0.01`,
    "the guest of port {{ $labels.port }} takes too few of its frames: {{ $value | humanizePercentage }} are lost",
    "give it more processor time, larger rings (rx_queue_size) or more queues",
  ],
  [
    ...["VuswitchAddressesTaken", "warning", "1m"] as const,
    `sum by (instance, port, reason) (${dropped('reason=~"spoofed|in_use"')}) > 0`,
    "port {{ $labels.port }} sends from addresses of others ({{ $labels.reason }})",
    "vuswitch fdb show; look at the guest: it may be hostile",
  ],
  [
    ...["VuswitchStorm", "warning", "1m"] as const,
    `sum by (instance, port, reason) (${dropped('reason=~".*_storm"')}) > 0`,
    "port {{ $labels.port }} sends more to many than it may ({{ $labels.reason }})",
    "look for a loop behind the guest, or set storm= of the port",
  ],
  [
    ...["VuswitchFrontEndThrownOut", "warning", "0m"] as const,
    `increase(vuswitch_port_protocol_errors_total{$JOB}[10m]) > 3`,
    "port {{ $labels.port }} throws its front-end out again and again ({{ $labels.reason }})",
    "vuswitch explain {{ $labels.reason }}; see the log for port {{ $labels.port }}",
  ],
  [
    ...["VuswitchAddressesFull", "warning", "5m"] as const,
    `vuswitch_fdb_entries{$JOB} / vuswitch_fdb_entries_max{$JOB} > 0.9`,
    "{{ $labels.instance }} knows {{ $value | humanizePercentage }} of the addresses that it can hold",
    "raise --fdb-entries, or look who has so many: vuswitch fdb show",
  ],
  [
    ...["VuswitchAddressesRejected", "warning", "5m"] as const,
    `rate(vuswitch_fdb_rejected_total{$JOB}[5m]) > 0`,
    "{{ $labels.instance }} does not learn addresses ({{ $labels.reason }}): frames to them go to all ports",
    "look who has so many: vuswitch fdb show; raise --fdb-entries or --fdb-port-entries",
  ],
  [
    ...["VuswitchBusy", "warning", "10m"] as const,
    `rate(vuswitch_worker_busy_seconds_total{$JOB}[5m]) > 0.9`,
    "data plane {{ $labels.worker }} of {{ $labels.instance }} is busy {{ $value | humanizePercentage }} of the time",
    "it will drop frames soon: vuswitch stats --rate shows who sends them",
  ],
  [
    ...["VuswitchStalls", "warning", "5m"] as const,
    `rate(vuswitch_worker_long_stalls_total{$JOB}[5m]) > 0.1`,
    "data plane {{ $labels.worker }} of {{ $labels.instance }} is often away from its queues for 10 ms or longer",
    "others have its processor: run it with --cpus on one of its own",
  ],
  [
    ...["VuswitchVisitsLong", "warning", "5m"] as const,
    "histogram_quantile(0.99, sum by (instance, worker, le) " +
    "(rate(vuswitch_worker_visit_seconds_bucket{$JOB}[5m]))) > 0.004",
    "one of 100 visits of data plane {{ $labels.worker }} of {{ $labels.instance }} takes 4 ms or longer",
    "memory of some guest is slow to come, or others have its processor: vuswitch worker show",
  ],
  [
    ...["VuswitchDescriptors", "warning", "5m"] as const,
    `process_open_fds{$JOB} / process_max_fds{$JOB} > 0.8`,
    "{{ $labels.instance }} holds {{ $value | humanizePercentage }} of the descriptors that it may",
    "raise LimitNOFILE in its unit",
  ],
];

function rulesOf(job: string): AlertRule[] {
  return ROWS.map(([alert, severity, forTime, expr, summary, action]) => ({
    ...{ alert, expr: expr.replaceAll(JOB, `job="${job}"`), for: forTime },
    ...{ severity, summary, action },
  }));
}

/** Lines of a rule; a text in quotes is YAML as it is JSON. */
function ruleLines({ alert, expr, for: forTime, severity, summary, action }: AlertRule): string[] {
  return [
    `      - alert: ${alert}`,
    `        expr: ${JSON.stringify(expr)}`,
    `        for: ${forTime}`,
    "        labels:",
    `          severity: ${severity}`,
    "        annotations:",
    `          summary: ${JSON.stringify(summary)}`,
    `          action: ${JSON.stringify(action)}`,
  ];
}

/** Makes them. @throws {ControlError} the job cannot have that name */
export function emitAlerts({ job = "vuswitch" }: AlertWords): EmittedAlerts {
  // What stands in quotes of PromQL in quotes of YAML without anything being escaped.
  if (!/^[A-Za-z0-9][A-Za-z0-9._/:-]{0,62}$/.test(job)) {
    throw new ControlError(
      "invalid",
      `job ${JSON.stringify(job.slice(0, 80))} must be a name of A-Z a-z 0-9 . _ / : -`,
    );
  }
  const rules = rulesOf(job);
  const file = [
    "# Rules for Prometheus, from: vuswitch emit alerts",
    "groups:",
    "  - name: vuswitch",
    "    rules:",
    ...rules.flatMap(ruleLines),
  ];
  return { job, rules, file };
}
