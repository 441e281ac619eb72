/**
 * Throughput beside OVS-DPDK and DPDK's own forwarding: `deno task bench`.
 *
 * One dpdk-testpmd with two virtio-user ports sends frames round through the switch under test. One
 * core for the switch, one for the generator; switches take turns, run by run, because the machine
 * is never the same for two minutes. Medians, and the ratio of neighbouring runs, are what counts.
 *
 * Options: `--rounds N` (5), `--seconds N` (2), `--quick` (one round of one second), `--json PATH`.
 *
 * @module
 */
import { Testpmd } from "../lib/demo/testpmd.ts";
import { VERSION } from "../lib/version.ts";
import { dpdkIo, ovs, type Rival, type RivalKind, vuswitch } from "./rivals.ts";

interface Cell {
  readonly ring: "split" | "packed";
  readonly bytes: number;
  /** Memory of the generator's process, MiB; its buffers lie at the end of it. */
  readonly memoryMib: number;
}

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly json: string;
}

const SWITCH_CPU = 1;
const GENERATOR_CPU = 0;
const SMALL_MIB = 512;
const LARGE_MIB = 9216;
/** 2 MiB pages for the generator and the rivals, if the kernel gives them. */
const HUGEPAGES = 1400;

const CELLS: readonly Cell[] = [
  { ring: "split", bytes: 64, memoryMib: SMALL_MIB },
  { ring: "split", bytes: 1500, memoryMib: SMALL_MIB },
  { ring: "packed", bytes: 64, memoryMib: SMALL_MIB },
  { ring: "packed", bytes: 1500, memoryMib: SMALL_MIB },
];

function readOptions(): Options {
  const value = (name: string, otherwise: string): string => {
    const at = Deno.args.indexOf(name);
    return at < 0 ? otherwise : Deno.args[at + 1] ?? otherwise;
  };
  const quick = Deno.args.includes("--quick");
  const json = new URL("./results.json", import.meta.url).pathname;
  return {
    rounds: Number(value("--rounds", quick ? "1" : "5")),
    seconds: Number(value("--seconds", quick ? "1" : "2")),
    json: value("--json", json),
  };
}

/** Frames per second the generator received, both ports together, in millions. */
async function measure(
  kind: RivalKind,
  cell: Cell,
  seconds: number,
  hugepages: boolean,
): Promise<number> {
  const folder = await Deno.makeTempDir({ prefix: "vub-" });
  try {
    await using rival = await kind.start(folder, SWITCH_CPU, hugepages);
    return await load(rival, cell, seconds, hugepages);
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

async function load(
  rival: Rival,
  cell: Cell,
  seconds: number,
  hugepages: boolean,
): Promise<number> {
  const ports = rival.sockets.map((socket, i) => ({
    socket,
    mac: `02:00:00:00:00:0${i + 1}`,
    queueSize: 1024,
    packed: cell.ring === "packed",
    server: rival.generatorListens,
  }));
  const large = cell.memoryMib > SMALL_MIB;
  await using testpmd = await Testpmd.start({
    ports,
    memoryMib: cell.memoryMib,
    // Memory of many GiB is plain pages: nobody reserves huge pages for a test of that size.
    hugepages: hugepages && !large,
    cpus: { main: GENERATOR_CPU, forward: [GENERATOR_CPU] },
    forward: "io",
    burst: 64,
    descriptors: { rx: 1024, tx: 1024 },
    mbufs: 16384,
  });
  await testpmd.commands(`set txpkts ${cell.bytes}`);
  // OVS takes its time to connect to a generator that listens.
  await new Promise((resolve) => setTimeout(resolve, rival.generatorListens ? 2000 : 300));
  await testpmd.commands("start tx_first 16");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const before = await received(testpmd);
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const after = await received(testpmd);
  return (after - before) / ((performance.now() - start) * 1000);
}

async function received(testpmd: Testpmd): Promise<number> {
  return (await testpmd.stats()).reduce((sum, port) => sum + port.rxPackets, 0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}

function sysctl(value?: number): number {
  const path = "/proc/sys/vm/nr_hugepages";
  try {
    if (value !== undefined) Deno.writeTextFileSync(path, String(value));
    return Number(Deno.readTextFileSync(path));
  } catch {
    return 0;
  }
}

function command(program: string, ...args: string[]): string {
  try {
    const { stdout } = new Deno.Command(program, { args }).outputSync();
    return new TextDecoder().decode(stdout).split("\n")[0] ?? "";
  } catch {
    return "not installed";
  }
}

function machine(hugepages: boolean): Record<string, string | number> {
  const cpu = /model name\s*: (.*)/.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? "?";
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu,
    cores: navigator.hardwareConcurrency,
    kernel: Deno.osRelease(),
    vuswitch: VERSION,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    ovs: command("ovs-vswitchd", "--version"),
    dpdk: command("dpkg-query", "-W", "-f", "${Version}", "dpdk-dev"),
    memory: hugepages ? "2 MiB pages" : "4 KiB pages",
  };
}

interface Row {
  readonly cell: string;
  readonly runs: Record<string, number[]>;
  readonly medians: Record<string, number>;
  readonly ratios: Record<string, number>;
}

async function runCell(
  cell: Cell,
  kinds: readonly RivalKind[],
  options: Options,
  hugepages: boolean,
): Promise<Row> {
  const runs: Record<string, number[]> = Object.fromEntries(kinds.map((kind) => [kind.name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const kind of kinds) {
      const mpps = await measure(kind, cell, options.seconds, hugepages);
      runs[kind.name]?.push(mpps);
      console.error(`  ${kind.name} ${mpps.toFixed(2)} Mpps`);
    }
  }
  const own = runs[vuswitch.name] ?? [];
  const others = kinds.filter((kind) => kind !== vuswitch);
  const ratios = others.map((kind) => {
    const pairs = own.map((value, i) => value / (runs[kind.name]?.[i] ?? NaN));
    return [kind.name, median(pairs)] as const;
  });
  return {
    cell: `${cell.ring} ${cell.bytes} B${cell.memoryMib > SMALL_MIB ? ", 9 GiB guest" : ""}`,
    runs,
    medians: Object.fromEntries(Object.entries(runs).map(([name, v]) => [name, median(v)])),
    ratios: Object.fromEntries(ratios),
  };
}

/** The same switch and generator, small guest against large, neighbouring runs. */
async function runLarge(options: Options): Promise<Row> {
  const small = { ring: "split", bytes: 1500, memoryMib: SMALL_MIB } as const;
  const large = { ...small, memoryMib: LARGE_MIB };
  const runs = { "9 GiB": [] as number[], "512 MiB": [] as number[] };
  for (let round = 0; round < options.rounds; round++) {
    runs["512 MiB"].push(await measure(vuswitch, small, options.seconds, false));
    runs["9 GiB"].push(await measure(vuswitch, large, options.seconds, false));
  }
  const pairs = runs["9 GiB"].map((value, i) => value / (runs["512 MiB"][i] ?? NaN));
  return {
    cell: "split 1500 B, 4 KiB pages, buffers beyond 8 GiB",
    runs,
    medians: { "9 GiB": median(runs["9 GiB"]), "512 MiB": median(runs["512 MiB"]) },
    ratios: { "512 MiB": median(pairs) },
  };
}

function print(rows: readonly Row[], about: Record<string, string | number>): void {
  console.log(Object.entries(about).map(([key, value]) => `${key}: ${value}`).join("\n"));
  for (const row of rows) {
    const medians = Object.entries(row.medians).map(([n, v]) => `${n} ${v.toFixed(2)} Mpps`);
    const ratios = Object.entries(row.ratios).map(([n, v]) => `${v.toFixed(2)} x ${n}`);
    console.log(`${row.cell}: ${medians.join(", ")}; median ratio ${ratios.join(", ")}`);
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  const kinds = [vuswitch, ovs, dpdkIo].filter((kind) => {
    if (kind.missing.length > 0) {
      console.error(`skipping ${kind.name}: apt-get install ${kind.missing.join(" ")}`);
    }
    return kind.missing.length === 0;
  });
  if (dpdkIo.missing.length > 0) {
    console.error(`Cannot bench without a generator: apt-get install ${dpdkIo.missing.join(" ")}`);
    Deno.exit(1);
  }
  const reserved = sysctl();
  const hugepages = sysctl(Math.max(reserved, HUGEPAGES)) >= HUGEPAGES;
  try {
    const rows: Row[] = [];
    for (const cell of CELLS) {
      console.error(`${cell.ring} ${cell.bytes} B`);
      rows.push(await runCell(cell, kinds, options, hugepages));
    }
    console.error("large guest");
    rows.push(await runLarge(options));
    const about = machine(hugepages);
    print(rows, about);
    await Deno.writeTextFile(options.json, `${JSON.stringify({ about, rows }, null, 2)}\n`);
  } finally {
    sysctl(reserved);
  }
}

if (import.meta.main) await main();
