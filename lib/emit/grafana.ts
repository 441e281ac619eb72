/**
 * A Grafana dashboard of switches that a Prometheus scrapes, as Grafana imports it. It names metrics
 * of lib/control/metrics/ alone; a test holds the two against each other.
 *
 * @module
 */
import { ControlError } from "../control/types.ts";

/** As typed. */
export interface DashboardWords {
  /** Title of the dashboard. */
  readonly title?: string;
}

/** What is printed. */
export interface EmittedDashboard {
  /** Its title. */
  readonly title: string;
  /** Grafana's name for it: importing it again replaces it. */
  readonly uid: string;
  /** What it asks of Prometheus. */
  readonly queries: readonly string[];
  /** It, line by line. */
  readonly dashboard: readonly string[];
}

/** Which switches and ports are chosen above the panels. */
const AT = 'instance=~"$instance"';
const PORT = `${AT},port=~"$port"`;
/** A window that Grafana fits to the scrape interval. */
const WINDOW = "[$__rate_interval]";

const GRID_COLUMNS = 24;
const PANEL_ROWS = 8;

type Query = readonly [expression: string, legend: string];

/** A panel before it has a place. */
interface Panel {
  readonly title: string;
  readonly description: string;
  readonly unit: string;
  readonly queries: readonly Query[];
  readonly columns: number;
  readonly type: "timeseries" | "stat" | "heatmap" | "table";
  /** What Grafana's panel of that type is told besides. */
  readonly more?: Readonly<Record<string, unknown>>;
}

function plot(
  title: string,
  description: string,
  unit: string,
  ...queries: readonly Query[]
): Panel {
  return { title, description, unit, queries, columns: 12, type: "timeseries" };
}

function figure(title: string, description: string, unit: string, expression: string): Panel {
  return { title, description, unit, queries: [[expression, ""]], columns: 4, type: "stat" };
}

function rate(metric: string, labels: string): string {
  return `rate(${metric}{${labels}}${WINDOW})`;
}

const DROPPED = "vuswitch_port_dropped_frames_total";
const BUSY = `avg(${rate("vuswitch_worker_busy_seconds_total", AT)})`;

/** What this share of visits takes at most. */
function visitQuantile(share: number): string {
  return `histogram_quantile(${share}, sum by (le) (${
    rate("vuswitch_worker_visit_seconds_bucket", AT)
  }))`;
}

const PANELS: readonly Panel[] = [
  figure("Ports up", "ports that frames flow through", "none", `sum(vuswitch_port_up{${PORT}})`),
  figure(
    "Problems",
    "what is wrong with ports now",
    "none",
    `count(vuswitch_port_problem{${PORT}})`,
  ),
  figure(
    "Frames",
    "frames that guests sent",
    "pps",
    `sum(${rate("vuswitch_port_receive_frames_total", PORT)})`,
  ),
  figure(
    "Drops",
    "frames that were dropped, for all reasons",
    "pps",
    `sum(${rate(DROPPED, PORT)})`,
  ),
  figure("Busy", "share of the time in which the data plane moved frames", "percentunit", BUSY),
  figure(
    "Addresses",
    "share of the forwarding database in use",
    "percentunit",
    [
      `max(vuswitch_fdb_entries{${AT}} / vuswitch_fdb_entries_max{${AT}})`,
    ].join(""),
  ),
  plot(
    "Frames from guests",
    "by port",
    "pps",
    [rate("vuswitch_port_receive_frames_total", PORT), "{{port}}"],
  ),
  plot(
    "Frames to guests",
    "by port",
    "pps",
    [rate("vuswitch_port_transmit_frames_total", PORT), "{{port}}"],
  ),
  plot(
    "Traffic from guests",
    "by port",
    "bps",
    [`8 * ${rate("vuswitch_port_receive_bytes_total", PORT)}`, "{{port}}"],
  ),
  plot(
    "Traffic to guests",
    "by port",
    "bps",
    [`8 * ${rate("vuswitch_port_transmit_bytes_total", PORT)}`, "{{port}}"],
  ),
  plot("Drops by reason", "vuswitch explain REASON says what it means", "pps", [
    `sum by (direction, reason) (${rate(DROPPED, PORT)}) > 0`,
    "{{direction}} {{reason}}",
  ]),
  plot("Drops by port", "the ten that drop most", "pps", [
    `topk(10, sum by (port, direction) (${rate(DROPPED, PORT)}) > 0)`,
    "{{port}} {{direction}}",
  ]),
  plot(
    "The data plane's time",
    "what each thread does; the rest of a second is sleep",
    "percentunit",
    [rate("vuswitch_worker_busy_seconds_total", AT), "{{worker}} busy"],
    [rate("vuswitch_worker_polling_seconds_total", AT), "{{worker}} polling"],
    [rate("vuswitch_worker_command_seconds_total", AT), "{{worker}} commands"],
    [rate("vuswitch_worker_waited_seconds_total", AT), "{{worker}} not run"],
  ),
  {
    ...plot("Frames a visit", "how many frames a visit to a queue takes", "none", [
      `sum by (le) (rate(vuswitch_worker_burst_frames_bucket{${AT}}${WINDOW}))`,
      "{{le}}",
    ]),
    type: "heatmap",
    more: { options: { calculate: false, yAxis: { axisPlacement: "left" } } },
  },
  {
    ...plot("Frame sizes", "how long the frames of guests are; sampled", "bytes", [
      `sum by (le) (rate(vuswitch_port_frame_size_bytes_bucket{${PORT},direction="receive"}${WINDOW}))`,
      "{{le}}",
    ]),
    type: "heatmap",
    more: { options: { calculate: false, yAxis: { axisPlacement: "left" } } },
  },
  plot(
    "Time of a visit",
    "from frames at hand to the last receiver called: what half, and 99 of 100 visits take at most",
    "s",
    [visitQuantile(0.5), "half"],
    [visitQuantile(0.99), "99 %"],
  ),
  plot(
    "Receive buffers that guests have ready",
    "of all that their rings hold; 0: frames to that guest are dropped",
    "percentunit",
    [
      `min by (port) (vuswitch_vring_ready_buffers{${PORT},direction="transmit"} / ` +
      `(vuswitch_vring_size_buffers{${PORT},direction="transmit"} > 0))`,
      "{{port}}",
    ],
  ),
  plot(
    "Notifications",
    "kicks of drivers, and calls to them; those that were not wanted cost nothing",
    "ops",
    [`sum by (port) (${rate("vuswitch_vring_kicks_total", PORT)})`, "{{port}} kicks"],
    [`sum by (port) (${rate("vuswitch_vring_calls_total", PORT)})`, "{{port}} calls"],
  ),
  plot(
    "Addresses",
    "in the forwarding database, and how many there may be",
    "none",
    [`vuswitch_fdb_entries{${AT}}`, "{{instance}}"],
    [`vuswitch_fdb_entries_max{${AT}}`, "{{instance}} limit"],
  ),
  plot(
    "Addresses by port",
    "the ten ports with most",
    "none",
    [`topk(10, vuswitch_fdb_port_entries{${PORT}})`, "{{port}}"],
  ),
  plot(
    "Addresses by VLAN",
    "the ten VLANs with most; 0: without one",
    "none",
    [`topk(10, vuswitch_fdb_vlan_entries{${AT}})`, "{{vlan}}"],
  ),
  plot(
    "Addresses that move",
    "between ports: a guest that moves, a loop, or somebody who takes others' addresses",
    "ops",
    [rate("vuswitch_port_mac_moves_in_total", PORT), "{{port}}"],
    [rate("vuswitch_fdb_rejected_total", AT), "not learned: {{reason}}"],
  ),
  plot(
    "Front-ends that were thrown out",
    "connections and rings that the switch ended, by reason",
    "ops",
    [rate("vuswitch_port_protocol_errors_total", PORT), "{{port}} {{reason}}"],
  ),
  plot(
    "Rings that were stopped",
    "for a fault of their driver, by reason",
    "ops",
    [
      `sum by (port, reason) (${rate("vuswitch_vring_errors_total", PORT)})`,
      "{{port}} {{reason}}",
    ],
  ),
  plot(
    "Stalls",
    "times the data plane was away from its queues for 10 ms or longer",
    "ops",
    [rate("vuswitch_worker_long_stalls_total", AT), "{{worker}}"],
  ),
  plot(
    "Descriptors",
    "of the process, and how many it may hold",
    "none",
    [`process_open_fds{${AT}}`, "{{instance}}"],
    [`process_max_fds{${AT}}`, "{{instance}} limit"],
  ),
  {
    ...plot("Ports", "what each port is", "none", [`vuswitch_port_info{${PORT}}`, ""]),
    type: "table",
    columns: GRID_COLUMNS,
    more: {
      transformations: [{
        id: "organize",
        options: { excludeByName: { Time: true, Value: true, __name__: true, job: true } },
      }],
    },
  },
];

const SOURCE = { type: "prometheus", uid: "${datasource}" };

function panelJson(panel: Panel, id: number, x: number, y: number): Record<string, unknown> {
  const { title, description, unit, queries, columns, type, more = {} } = panel;
  return {
    id,
    type,
    title,
    description,
    datasource: SOURCE,
    gridPos: { x, y, w: columns, h: type === "stat" ? PANEL_ROWS / 2 : PANEL_ROWS },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    targets: queries.map(([expr, legend], i) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + i),
      datasource: SOURCE,
      expr,
      ...(legend === "" ? {} : { legendFormat: legend }),
      ...(type === "heatmap" ? { format: "heatmap" } : {}),
      ...(type === "table" || type === "stat" ? { instant: true } : {}),
      ...(type === "table" ? { format: "table" } : {}),
    })),
    ...more,
  };
}

/** Panels from left to right, as many in a row as there is room for. */
function placed(): Record<string, unknown>[] {
  let [x, y, height] = [0, 0, 0];
  return PANELS.map((panel, i) => {
    if (x + panel.columns > GRID_COLUMNS) [x, y, height] = [0, y + height, 0];
    const json = panelJson(panel, i + 1, x, y);
    x += panel.columns;
    height = Math.max(height, panel.type === "stat" ? PANEL_ROWS / 2 : PANEL_ROWS);
    return json;
  });
}

function choice(name: string, metric: string, label: string): Record<string, unknown> {
  const query = `label_values(${metric}, ${label})`;
  return {
    ...{ type: "query", name, label, datasource: SOURCE, definition: query },
    ...{ query: { query, refId: name }, refresh: 2, sort: 1 },
    ...{ multi: true, includeAll: true, allValue: ".*", current: { text: "All", value: "$__all" } },
  };
}

/** The dashboard, as Grafana has it. */
function dashboardOf(title: string, uid: string): Record<string, unknown> {
  return {
    ...{ title, uid, tags: ["vuswitch"], timezone: "browser", editable: true },
    ...{ schemaVersion: 37, version: 1, refresh: "30s", time: { from: "now-1h", to: "now" } },
    templating: {
      list: [
        { type: "datasource", name: "datasource", label: "data source", query: "prometheus" },
        choice("instance", "vuswitch_build_info", "instance"),
        choice("port", `vuswitch_port_up{${AT}}`, "port"),
      ],
    },
    panels: placed(),
  };
}

/** Makes it. @throws {ControlError} the title cannot be one */
export function emitGrafana({ title = "vuswitch" }: DashboardWords): EmittedDashboard {
  const name = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").replaceAll(/^-|-$/g, "");
  if (name === "" || title.length > 80) {
    throw new ControlError(
      "invalid",
      `title ${
        JSON.stringify(title.slice(0, 80))
      } must have a letter or digit, and 80 characters at most`,
    );
  }
  // Grafana takes 40 characters.
  const uid = name.slice(0, 40);
  return {
    title,
    uid,
    queries: PANELS.flatMap(({ queries }) => queries.map(([expression]) => expression)),
    dashboard: JSON.stringify(dashboardOf(title, uid), null, 2).split("\n"),
  };
}
