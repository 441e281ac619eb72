/**
 * Medians, ratios of neighbouring runs, and the machine they were taken on.
 *
 * @module
 */
import { VERSION } from "../lib/version.ts";

/** Runs of one cell: by name of what ran, in millions of frames a second, in the order taken. */
export interface Row {
  readonly cell: string;
  readonly runs: Readonly<Record<string, readonly number[]>>;
  /** Whose ratio to all the others is shown. */
  readonly subject: string;
  /** Driver path of the generator, and where its buffers lie, by name of what ran. */
  readonly notes: Readonly<Record<string, string>>;
}

/** The middle one, or the mean of the two in the middle. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

/** Ratios of the subject's runs to those of `other` in the same round. */
export function pairRatios(row: Row, other: string): number[] {
  const others = row.runs[other] ?? [];
  return (row.runs[row.subject] ?? []).map((value, round) => value / (others[round] ?? NaN));
}

function outputOf(program: string, ...args: string[]): string {
  try {
    const { stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).trim();
  } catch {
    return "";
  }
}

/** What a reader needs to judge the figures. */
export function describeMachine(): Record<string, string | number> {
  const info = Deno.readTextFileSync("/proc/cpuinfo");
  const field = (name: string): string =>
    new RegExp(`^${name}\\s*: (.*)`, "m").exec(info)?.[1] ?? "?";
  const ovs = outputOf("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk", "--version");
  const dpdk = outputOf("dpkg-query", "-W", "-f", "${Version}", "dpdk-dev");
  return {
    date: new Date().toISOString(),
    cpu: `${field("model name")} (family ${field("cpu family")}, model ${field("model")})`,
    cores: navigator.hardwareConcurrency,
    memoryGib: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    kernel: Deno.osRelease(),
    loadAverageBefore: Deno.loadavg()[0] ?? NaN,
    vuswitch: VERSION,
    deno: `${Deno.version.deno}, V8 ${Deno.version.v8}`,
    ovs: ovs.replace(/\n/g, ", ") || "not installed",
    dpdk: dpdk || "not installed",
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function describeRatio(row: Row, other: string): string {
  const ratios = pairRatios(row, other);
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  return `${median(ratios).toFixed(2)} x ${other} (${least.toFixed(2)}-${most.toFixed(2)})`;
}

/** The table for people. */
export function formatTable(rows: readonly Row[]): string {
  const lines = rows.flatMap((row) => {
    const others = Object.keys(row.runs).filter((name) => name !== row.subject);
    return [
      row.cell,
      ...Object.entries(row.runs).map(([name, values]) =>
        `  ${name.padEnd(14)} median ${median(values).toFixed(2).padStart(6)} Mpps   ` +
        `best ${Math.max(...values).toFixed(2).padStart(6)}   ${row.notes[name] ?? ""}`
      ),
      ...others.map((other) => `  ratio, median of pairs: ${describeRatio(row, other)}`),
    ];
  });
  return lines.join("\n");
}

/** The same for programs. */
export function toJson(rows: readonly Row[], about: Record<string, string | number>): string {
  const cells = rows.map((row) => {
    const names = Object.keys(row.runs);
    const ratios = names.filter((name) => name !== row.subject).map((name) => [
      name,
      { median: round(median(pairRatios(row, name))), pairs: pairRatios(row, name).map(round) },
    ]);
    return {
      cell: row.cell,
      runsMpps: Object.fromEntries(names.map((name) => [name, row.runs[name]?.map(round)])),
      medianMpps: Object.fromEntries(
        names.map((name) => [name, round(median(row.runs[name] ?? []))]),
      ),
      bestMpps: Object.fromEntries(
        names.map((name) => [name, round(Math.max(...row.runs[name] ?? []))]),
      ),
      ratioTo: Object.fromEntries(ratios),
      notes: row.notes,
    };
  });
  return `${JSON.stringify({ about, subject: rows[0]?.subject, cells }, null, 2)}\n`;
}
