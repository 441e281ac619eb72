/**
 * The bench: `deno task bench`. `--help` says what it can do, docs/performance.md how to read it.
 *
 * One core for the switch, one for a generator that is the same for all. Contenders take turns, run
 * by run, each started afresh: the machine is not the same for two minutes, so only neighbouring
 * runs are compared, and medians over the rounds are what counts.
 *
 * @module
 */
import { hasTestpmd } from "../lib/demo/testpmd.ts";
import { HugePages } from "../tests/harness/hugepages.ts";
import { HELP, readOptions, type ReportOptions, type RunOptions, UsageError } from "./cli.ts";
import { chooseCpus, type Cpus, describeMachine, memoryNodes, readTopology } from "./machine.ts";
import { mustBeAlone, NeedError, noHugePages, withoutMissing } from "./needs.ts";
import { chooseCells, expectedSeconds } from "./plan.ts";
import { sayTime } from "./progress.ts";
import {
  type CellRecord,
  historyOf,
  readSession,
  RECORD_VERSION,
  type Session,
  writeSession,
} from "./record.ts";
import { formatTable } from "./report/table.ts";
import { runCells } from "./runner.ts";
import { QUANTILES } from "./statistics.ts";
import type { Cell } from "./suite.ts";
import { SUITES } from "./suites/mod.ts";

/** More than this before anything ran: something else is measured as well. */
const LOAD_MAX = 0.5;

/** Set by a signal: the run in progress fails or is the last, and what was reserved is given back. */
let interrupted = false;

function warn(line: string): void {
  console.error(line);
}

/** The processors to use. @throws {NeedError} */
function cpusFor(options: RunOptions): Cpus {
  const topology = readTopology();
  const cpus = options.cpus ?? chooseCpus(topology);
  if (cpus === null) {
    throw new NeedError("One processor is not enough: the switch and the generator need one each");
  }
  for (const cpu of [cpus.switch, cpus.generator]) {
    if (!topology.some((one) => one.cpu === cpu)) {
      throw new NeedError(`--cpus: this process may not use processor ${cpu}`);
    }
  }
  if (topology.find(({ cpu }) => cpu === cpus.switch)?.siblings.includes(cpus.generator)) {
    warn(`Processors ${cpus.switch} and ${cpus.generator} are threads of one core: slow for all`);
  }
  return cpus;
}

function list(cells: readonly Cell[], options: RunOptions): void {
  let total = 0;
  for (const cell of cells) {
    const seconds = expectedSeconds(cell, options.seconds) * cell.contenders.length *
      options.rounds;
    total += seconds;
    const names = cell.contenders.map(({ name }) => name).join(", ");
    console.log(`${cell.suite.padEnd(11)} ${cell.cell.padEnd(34)} ${names}`);
  }
  console.log(`\n${cells.length} cells, ${options.rounds} rounds: about ${sayTime(total)}`);
  for (const { name, about } of SUITES) console.log(`${name}: ${about}`);
}

/** Makes the record of a session that begins now. */
function sessionMaker(
  machine: Session["machine"],
  { quick }: RunOptions,
): (cells: readonly CellRecord[], complete: boolean) => Session {
  const [started, from] = [new Date().toISOString(), performance.now()];
  const command = ["deno task bench", ...Deno.args].join(" ");
  return (cells, complete) => ({
    ...{ version: RECORD_VERSION, started, seconds: Math.round((performance.now() - from) / 1000) },
    ...{ command, quick, complete, machine, quantiles: QUANTILES, cells },
  });
}

/** Cells that need more are left out where it cannot be had. MiB */
const COMMON_MIB = 4096;

/** Huge pages for all cells, or for all but the hungriest. @throws {NeedError} */
function reservePages(cells: readonly Cell[]): { pages: HugePages; cells: readonly Cell[] } {
  const need = (some: readonly Cell[]): number =>
    memoryNodes() * Math.max(...some.map((cell) => cell.memoryMib));
  const pages = HugePages.reserve(need(cells));
  if (pages !== null) return { pages, cells };
  const modest = cells.filter((cell) => cell.memoryMib <= COMMON_MIB);
  const fewer = modest.length === 0 ? null : HugePages.reserve(need(modest));
  if (fewer === null) throw noHugePages(need(modest.length === 0 ? cells : modest));
  for (const cell of cells.filter((one) => !modest.includes(one))) {
    warn(`SKIPPED ${cell.suite}, ${cell.cell}: needs ${cell.memoryMib} MiB of huge pages`);
  }
  return { pages: fewer, cells: modest };
}

/** Runs what was chosen. @returns the exit code */
async function run(options: RunOptions, chosen: readonly Cell[]): Promise<number> {
  if (!hasTestpmd()) {
    throw new NeedError("There is no dpdk-testpmd, the generator: apt-get install dpdk dpdk-dev");
  }
  mustBeAlone();
  const { cells: able, skipped } = withoutMissing(chosen);
  skipped.forEach(warn);
  const cpus = cpusFor(options);
  const load = Deno.loadavg()[0] ?? 0;
  if (load > LOAD_MAX) {
    warn(`The load average is ${load.toFixed(1)}: measure with nothing else running`);
  }
  const reserved = options.smallPages ? { pages: null, cells: able } : reservePages(able);
  using pages = reserved.pages;
  const { cells } = reserved;
  const { seconds, burst } = options;
  const bench = { cpus, hugepages: pages !== null, seconds, burst };
  const sessionOf = sessionMaker(
    describeMachine(cpus, pages === null ? "4 KiB" : "2 MiB"),
    options,
  );
  const keep = (done: readonly CellRecord[]): Promise<string> =>
    writeSession(options.out, sessionOf(done, false));
  // Whether it can be kept shows now, and not after an hour.
  const path = await keep([]).catch(toNeed);
  const hooks = { interrupted: (): boolean => interrupted, say: warn, keep };
  const outcome = await runCells(cells, options.rounds, bench, hooks);
  if (outcome.cells.length === 0) {
    await Deno.remove(path);
    return 130;
  }
  const session = sessionOf(outcome.cells, outcome.complete);
  await writeSession(options.out, session);
  console.log(`${formatTable(session)}\n\nwritten to ${path}`);
  await writeReport(session, options.out, options.html).catch(toNeed);
  for (const line of outcome.failures) warn(line);
  if (interrupted) return 130;
  return outcome.failures.length > 0 ? 1 : 0;
}

/** Writes the report of a session, and of the history around it. */
async function writeReport(session: Session, folder: string, path: string): Promise<void> {
  const { formatHtml } = await import("./report/html.ts");
  const history = await Promise.all(historyOf(folder).map((file) => readSession(file)));
  await Deno.writeTextFile(path, formatHtml(session, history));
  console.log(`report: ${path}`);
}

/** Shows a session again. @returns the exit code */
async function report(options: ReportOptions): Promise<number> {
  const path = options.from ?? historyOf(options.out).at(-1);
  if (path === undefined) throw new NeedError(`No session in ${options.out}: deno task bench`);
  const session = await readSession(path).catch(toNeed);
  console.log(formatTable(session));
  await writeReport(session, options.out, options.html).catch(toNeed);
  if (options.picture === null) return 0;
  const { formatPicture } = await import("./report/html.ts");
  await Deno.writeTextFile(options.picture, formatPicture(session)).catch(toNeed);
  console.log(`picture: ${options.picture}`);
  return 0;
}

/** A file that cannot be read is somebody's matter, not ours. */
function toNeed(error: unknown): never {
  throw new NeedError(error instanceof Error ? error.message : `${error}`);
}

/** Runs a command line. @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options.action === "help") {
    console.log(HELP);
    return 0;
  }
  if (options.action === "report") return await report(options);
  const cells = chooseCells(SUITES, options);
  if (options.action === "list") {
    list(cells, options);
    return 0;
  }
  return await run(options, cells);
}

if (import.meta.main) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted = true);
  }
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof NeedError)) throw error;
    console.error(error.message);
    if (error instanceof UsageError) console.error("Try: deno task bench --help");
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}
