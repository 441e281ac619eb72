/**
 * Throughput beside OVS-DPDK and DPDK's own forwarding: `deno task bench`.
 *
 * One core for the switch, one for a generator that is the same for all. Switches take turns, run
 * by run, each started afresh: the machine is not the same for two minutes, so only neighbouring
 * runs are compared, and medians over the rounds are what counts.
 *
 * @module
 */
import { HugePages } from "../tests/harness/hugepages.ts";
import { dpdkIo } from "./dpdk_io.ts";
import { drive, type Figure, GENERATOR_CPU, type Load, type Window } from "./load.ts";
import { ovs } from "./ovs.ts";
import { describeMachine, formatTable, type Row, toJson } from "./report.ts";
import type { RivalKind } from "./rival.ts";
import { vuswitch } from "./vuswitch.ts";

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  /** Frames the generator takes and sends at once. */
  readonly burst: number;
  readonly json: string;
}

const USAGE =
  "usage: deno task bench [--rounds N] [--seconds N] [--quick] [--burst N] [--json PATH]";
const OPTIONS = ["--rounds", "--seconds", "--burst", "--json"];
const SWITCH_CPU = 1;
const WARM_UP_MS = 1000;
const SMALL_MIB = 512;
/** Buffers are taken from the end of it: beyond 8 GiB. */
const LARGE_MIB = 9216;
const LARGE_OFFSET = 8 * 2 ** 30;
/** The generator's 512 MiB, and 1.5 GiB for OVS or DPDK. */
const HUGE_MIB = 2048;

/** Set by a signal: the run in progress fails or is the last, and what was reserved is given back. */
let interrupted = false;

function fail(message: string): never {
  console.error(`${message}\n${USAGE}`);
  Deno.exit(2);
}

function readOptions(args: readonly string[]): Options {
  let rounds = 5;
  let seconds = 2;
  let burst = 64;
  let json = new URL("./results.json", import.meta.url).pathname;
  for (let i = 0; i < args.length; i++) {
    const name = args[i] ?? "";
    if (name === "--quick") {
      [rounds, seconds] = [1, 1];
      continue;
    }
    if (!OPTIONS.includes(name)) fail(`Unknown option: ${name}`);
    const value = args[++i];
    if (value === undefined) fail(`Missing value: ${name}`);
    if (name === "--json") json = value;
    else if (!/^[1-9]\d{0,3}$/.test(value)) fail(`Not a number from 1 to 9999: ${name} ${value}`);
    else if (name === "--rounds") rounds = Number(value);
    else if (name === "--seconds") seconds = Number(value);
    else if (name === "--burst" && Number(value) <= 512) burst = Number(value);
    else fail(`Not a number from 1 to 512: ${name} ${value}`);
  }
  return { rounds, seconds, burst, json };
}

/** One run of one switch under one load. */
async function run(kind: RivalKind, load: Load, options: Options): Promise<Figure> {
  const folder = await Deno.makeTempDir({ prefix: "vub-" });
  const window: Window = { warmUpMs: WARM_UP_MS, measureMs: options.seconds * 1000 };
  try {
    await using rival = await kind.start(folder, SWITCH_CPU, load.hugepages);
    return await drive(rival.sockets, load, window, options.burst);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Contender {
  readonly name: string;
  readonly kind: RivalKind;
  readonly load: Load;
}

/** Takes turns through the contenders; the first one is the subject. */
async function runCell(
  cell: string,
  contenders: readonly Contender[],
  options: Options,
): Promise<Row> {
  const runs: Record<string, number[]> = {};
  const notes: Record<string, string> = {};
  const lost: Record<string, number> = {};
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, kind, load } of contenders) {
      if (interrupted) throw new Error("Interrupted");
      const figure = await run(kind, load, options);
      (runs[name] ??= []).push(figure.mpps);
      const gib = (figure.bufferOffset / 2 ** 30).toFixed(2);
      lost[name] = (lost[name] ?? 0) + figure.lost;
      notes[name] = `${figure.path}, buffers from ${gib} GiB, ${lost[name]} frames lost`;
      if (load.memoryMib === LARGE_MIB && figure.bufferOffset < LARGE_OFFSET) {
        throw new Error(`The large guest's buffers start at ${gib} GiB: this run means nothing`);
      }
      console.error(`${cell}, round ${round + 1}: ${name} ${figure.mpps.toFixed(2)} Mpps`);
    }
  }
  return { cell, runs, notes, subject: contenders[0]?.name ?? "" };
}

async function runRivals(kinds: readonly RivalKind[], options: Options): Promise<Row[]> {
  using pages = HugePages.reserve(HUGE_MIB);
  const rows: Row[] = [];
  for (const ring of ["split", "packed"] as const) {
    for (const bytes of [64, 1500]) {
      const load = { ring, bytes, memoryMib: SMALL_MIB, hugepages: pages !== null };
      const contenders = kinds.map((kind) => ({ name: kind.name, kind, load }));
      const paged = pages === null ? "4 KiB pages" : "2 MiB pages";
      rows.push(await runCell(`${ring} ${bytes} B, ${paged}`, contenders, options));
    }
  }
  return rows;
}

/** vuswitch against itself: the same guest with little memory and with much. */
async function runLarge(options: Options): Promise<Row[]> {
  using pages = HugePages.reserve(LARGE_MIB + SMALL_MIB);
  const rows: Row[] = [];
  for (const [ring, bytes] of [["split", 64], ["packed", 1500]] as const) {
    const contenders = [LARGE_MIB, SMALL_MIB].map((memoryMib) => ({
      name: memoryMib === LARGE_MIB ? "9 GiB guest" : "512 MiB guest",
      kind: vuswitch,
      load: { ring, bytes, memoryMib, hugepages: pages !== null },
    }));
    const paged = pages === null ? "4 KiB pages" : "2 MiB pages";
    rows.push(await runCell(`${ring} ${bytes} B, large guest, ${paged}`, contenders, options));
  }
  return rows;
}

async function main(): Promise<void> {
  const options = readOptions(Deno.args);
  if (dpdkIo.missing.length > 0) {
    console.error(`Cannot bench without a generator: apt-get install ${dpdkIo.missing.join(" ")}`);
    Deno.exit(1);
  }
  if (navigator.hardwareConcurrency < 2) {
    console.error("Cannot bench on one core: the switch and the generator need one each");
    Deno.exit(1);
  }
  const kinds = [vuswitch, ovs, dpdkIo].filter(({ name, missing }) => {
    if (missing.length > 0) {
      console.error(`SKIPPED ${name}: apt-get install ${missing.join(" ")}`);
    }
    return missing.length === 0;
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted = true);
  }
  const { rounds, seconds, burst } = options;
  const about = {
    ...describeMachine(),
    load: `testpmd io on cpu ${GENERATOR_CPU}, switch on cpu ${SWITCH_CPU}, bursts of ${burst}`,
    runs: `${rounds} rounds of ${seconds} s after ${WARM_UP_MS / 1000} s`,
  };
  const rows = [...await runRivals(kinds, options), ...await runLarge(options)];
  console.log(Object.entries(about).map(([key, value]) => `${key}: ${value}`).join("\n"));
  console.log(`\n${formatTable(rows)}`);
  await Deno.writeTextFile(options.json, toJson(rows, about));
  console.log(`\nwritten to ${options.json}`);
}

if (import.meta.main) {
  try {
    await main();
    Deno.exit(0);
  } catch (error) {
    // Whatever failed then, failed because its processes got the same signal.
    if (!interrupted) throw error;
    console.error("interrupted");
    Deno.exit(130);
  }
}
