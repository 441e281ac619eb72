/**
 * Writes the tables of docs/ anew that the code knows best: what stands between two marks there is
 * never edited by hand.
 *
 * @module
 */
import {
  ACKNOWLEDGED,
  type Entry,
  ENTRY_KINDS,
  type EntryKind,
  inventory,
} from "../vhost/inventory/inventory.ts";
import {
  type CounterRow,
  counterWay,
  FDB_ROWS,
  PORT_ROWS,
  VRING_ROWS,
  WORKER_ROWS,
} from "../switch/counter_rows.ts";
import { STATUS_ROWS } from "../cli/failure.ts";
import { LIMIT_NAMES, type LimitRow, limitRow } from "../base/port_limits.ts";
import { optionForm, PORT_OPTIONS } from "../control/config/port_options.ts";
import { CHECKS } from "../control/doctor/checks.ts";
import { EVENT_ROWS } from "../control/event_rows.ts";
import { DROP_REASONS, METRICS } from "../control/metrics/families.ts";
import { VERDICT_ROWS } from "../control/verdict/rows.ts";
import { PROBLEM_ROWS } from "../control/vhost_port/problem_codes.ts";
import { DOCUMENTS } from "../control/schema/mod.ts";
import { UPLINK_REASON_ROWS } from "../control/uplinks/reasons.ts";
import { REASON_ROWS } from "../vhost/reasons.ts";
import { CHAIN_REASON_ROWS } from "../virtio/bad_chain.ts";
import { RING_REASON_ROWS } from "../virtio/ring.ts";

const TITLES: Readonly<Record<EntryKind, string>> = {
  "front-end message": "Messages of the front-end",
  "back-end message": "Messages of the back-end",
  "protocol feature": "Protocol feature bits",
  "virtio feature": "Virtio and virtio-net feature bits",
};

/** A Markdown table as the formatter lays it out: columns as wide as their widest cell. */
function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows];
  const widths = heading.map((_, i) => Math.max(...all.map((row) => [...row[i] ?? ""].length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(heading), rule, ...rows.map(line)].join("\n");
}

function statusOf(entry: Entry): string {
  const { note } = entry;
  return note === null ? offerOf(entry) : `${offerOf(entry)}; ${note}`;
}

function offerOf({ status, option, requires, reason }: Entry): string {
  if (status === "not-offered") return `no: ${reason}`;
  const how = option === null ? "yes" : `\`${option}\``;
  if (reason !== null) return `${how}: ${reason}`;
  return requires === null ? how : `${how}, with ${short(requires)}`;
}

function short(name: string): string {
  return name.replace(/^VHOST_USER_(BACKEND_|PROTOCOL_F_)?|^VIRTIO_(NET_|RING_)?F_|^VHOST_F_/, "");
}

function section(kind: EntryKind, entries: readonly Entry[]): string {
  const there = entries.filter(({ status }) => status !== "not-offered").length;
  const answered = entries.some(({ answer }) => answer !== null);
  const rows = entries.map((entry) => [
    String(entry.number),
    short(entry.name),
    statusOf(entry),
    ...answered ? [entry.answer?.payload ?? "-"] : [],
    entry.tests.map(({ file }) => `\`${file}\``).join(" ") || "never sent",
  ]);
  return [
    "<details>",
    `<summary>${TITLES[kind]}: ${there} of ${entries.length}</summary>`,
    "",
    table(["number", "name", "offered", ...answered ? ["answer"] : [], "test"], rows),
    "",
    "</details>",
  ].join("\n");
}

/** A table of answers that are more than an acknowledgement, and of who reads them how. */
function answers(entries: readonly Entry[]): string {
  const rows = entries.flatMap(({ name, answer }) => {
    if (answer === null || answer === ACKNOWLEDGED) return [];
    return [[short(name), answer.payload, answer.failure, answer.readers]];
  });
  return [
    "<details>",
    `<summary>Answers of their own, and who reads them how: ${rows.length}</summary>`,
    "",
    table(["message", "answer", "failure", "read by"], rows),
    "",
    "</details>",
  ].join("\n");
}

/** All tables of docs/protocol.md. */
export function protocolTables(): string {
  const entries = inventory();
  const sections = ENTRY_KINDS.map((kind) =>
    section(kind, entries.filter((entry) => entry.kind === kind))
  );
  return [...sections, answers(entries)].join("\n\n");
}

/** Counters with unit and meaning; if some count frames of one way, with the way. */
function counterTable(rows: readonly CounterRow[]): string {
  const ways = rows.some(([name]) => counterWay(name) !== null);
  return table(
    ["counter", "unit", ...ways ? ["way"] : [], "what it counts"],
    rows.map(([name, unit, meaning]) => [
      `\`${name}\``,
      unit,
      ...ways ? [counterWay(name) ?? "-"] : [],
      meaning,
    ]),
  );
}

/** Codes and meanings. */
function codeTable(title: string, rows: readonly (readonly [string, string])[]): string {
  return table([title, "meaning"], rows.map(([code, meaning]) => [`\`${code}\``, meaning]));
}

/** Options of a port. */
function optionTable(): string {
  const rows = Object.entries(PORT_OPTIONS).map(([name, { meaning }]) => [
    `\`${optionForm(name)}\``.replaceAll("|", "\\|"),
    meaning,
  ]);
  return table(["option of a port", "what it does"], rows);
}

/** Metrics with their labels and meanings. */
function metricTable(): string {
  const rows = METRICS.map(({ name, type, help, labels }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(", ") || "-",
    help,
  ]);
  return table(["metric", "type", "labels", "meaning"], rows);
}

/** Words of the label `reason` of drops. */
function dropReasonTable(): string {
  const rows = DROP_REASONS.map(([reason, direction, counter]) => [
    `\`${reason}\``,
    direction,
    `\`${counter}\``,
  ]);
  return table(["`reason`", "`direction`", "counter"], rows);
}

/** Documents of JSON, and who prints them. */
function documentTable(): string {
  const rows = Object.entries(DOCUMENTS).map(([name, { json, uses }]) => {
    const part = String(json["$ref"] ?? "").replace("#/$defs/", "");
    const { description } = json["description"] === undefined ? uses.get(part) ?? {} : json;
    return [`\`${name}\``, String(description)];
  });
  return table(["document", "printed by"], rows);
}

/** A limit's number for people. */
function limitText({ unit }: LimitRow, number: number): string {
  const suffix = ["", " KiB", " MiB", " GiB", " TiB"];
  let value = number;
  let step = 0;
  for (; unit === "bytes" && value >= 1024; step++) value /= 1024;
  return unit === "bytes" ? `${value}${suffix[step] || " bytes"}` : `${number} ${unit}`;
}

/** Limits of a port. */
function limitTable(): string {
  const rows = LIMIT_NAMES.map((name) => {
    const row = limitRow(name);
    const { most, large, range, scope, beyond, reason, meaning } = row;
    const words = [
      limitText(row, most),
      ...large === undefined ? [] : [`${limitText(row, large)} with \`budget=large\``],
      ...range === undefined ? [] : [`\`budget=${name}:N\``],
    ];
    const then = reason === null ? beyond : `${beyond}: \`${reason}\``;
    return [`\`${name}\``, meaning, words.join(", "), scope, then];
  });
  return table(["limit", "of what", "at most", "of a", "beyond it"], rows);
}

/** Tables by page and by the name that stands in their marks. */
const TABLES: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  "docs/protocol.md": { protocol: protocolTables },
  "docs/operate.md": { "port options": optionTable },
  "docs/reference.md": {
    "port counters": () => counterTable(PORT_ROWS),
    "virtqueue counters": () => counterTable(VRING_ROWS),
    "fdb counters": () => counterTable(FDB_ROWS),
    "data-plane counters": () => counterTable(WORKER_ROWS),
    metrics: metricTable,
    "drop reasons": dropReasonTable,
    limits: limitTable,
    checks: () =>
      codeTable("check", Object.entries(CHECKS).map(([name, { meaning }]) => [name, meaning])),
    documents: documentTable,
    "exit codes": () =>
      table(
        ["exit code", "meaning"],
        STATUS_ROWS.map(([code, meaning]) => [String(code), meaning]),
      ),
    events: () =>
      table(
        ["event", "level", "what happened"],
        EVENT_ROWS.map(([event, level, meaning]) => [`\`${event}\``, level, meaning]),
      ),
    problems: () => codeTable("problem", PROBLEM_ROWS),
    verdicts: () =>
      table(
        ["verdict", "level", "meaning", "what helps"],
        VERDICT_ROWS.map((
          [code, level, meaning, fix],
        ) => [`\`${code}\``, level, meaning, fix ?? "-"]),
      ),
    reasons: () => codeTable("reason", [...REASON_ROWS, ...UPLINK_REASON_ROWS]),
    "ring reasons": () => codeTable("ring reason", RING_REASON_ROWS),
    "chain reasons": () => codeTable("chain reason", CHAIN_REASON_ROWS),
  },
};

/** Pages with tables that are written here. */
export const TABLE_PAGES: readonly string[] = Object.keys(TABLES);

/** A page with its tables written anew. @throws if it has no place for one */
export function withTables(path: string, page: string): string {
  let text = page;
  for (const [name, write] of Object.entries(TABLES[path] ?? {})) {
    const first = `<!-- ${name}: written by \`deno task docs\` -->`;
    const begin = text.indexOf(first);
    const end = text.indexOf(`<!-- ${name}: end -->`);
    if (begin < 0 || end < begin) throw new Error(`${path} has no "${first}", or no end of it`);
    text = `${text.slice(0, begin)}${first}\n\n${write()}\n\n${text.slice(end)}`;
  }
  return text;
}

if (import.meta.main) {
  for (const page of TABLE_PAGES) {
    const path = new URL(`../../${page}`, import.meta.url);
    await Deno.writeTextFile(path, withTables(page, await Deno.readTextFile(path)));
  }
}
