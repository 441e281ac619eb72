/**
 * What a session needs of the machine, said before anything runs, with what mends it.
 *
 * @module
 */
import { freeHugePagesMib } from "../tests/harness/hugepages.ts";
import type { Cell } from "./suite.ts";

/** Somebody who asks for what is not there: one line, with what mends it. */
export class NeedError extends Error {
  override readonly name = "NeedError";
}

/** Cells without the contenders that cannot run, and a line for each that was left out. */
export function withoutMissing(
  cells: readonly Cell[],
): { readonly cells: Cell[]; readonly skipped: string[] } {
  const skipped = new Map<string, readonly string[]>();
  const left = cells.map((cell) => ({
    ...cell,
    contenders: cell.contenders.filter(({ name, missing }) => {
      if (missing.length > 0) skipped.set(name, missing);
      return missing.length === 0;
    }),
  })).filter(({ contenders }) => contenders.length > 0);
  return {
    cells: left,
    skipped: [...skipped].map(([name, packages]) =>
      `SKIPPED ${name}: apt-get install ${packages.join(" ")}`
    ),
  };
}

/** What the folder of each run begins with. */
export const RUN_PREFIX = "vub-";

/** Processes that work in the folder of a run: of another bench, or left behind by one. */
export function benchProcesses(): number[] {
  const pids: number[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const words = Deno.readTextFileSync(`/proc/${name}/cmdline`);
      if (words.includes(`/${RUN_PREFIX}`)) pids.push(Number(name));
    } catch {
      // It ended.
    }
  }
  return pids;
}

/** @throws {NeedError} if another bench runs, or one that was killed left something behind */
export function mustBeAlone(): void {
  const pids = benchProcesses();
  if (pids.length === 0) return;
  throw new NeedError(
    `Another bench runs, or one that was killed left its switches running: kill ${pids.join(" ")}`,
  );
}

/** Processes that hold huge pages, such as those that an interrupted bench left behind. */
export function hugePageHolders(): { readonly pid: number; readonly command: string }[] {
  const holders: { pid: number; command: string }[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const maps = Deno.readTextFileSync(`/proc/${name}/smaps_rollup`);
      const used = [...maps.matchAll(/^(?:Shared|Private)_Hugetlb:\s+(\d+)/gm)];
      if (used.every(([, kib]) => Number(kib) === 0)) continue;
      const command = Deno.readTextFileSync(`/proc/${name}/comm`).trim();
      holders.push({ pid: Number(name), command });
    } catch {
      // It ended, or is somebody else's.
    }
  }
  return holders;
}

/** Why there are not enough huge pages, and what helps. */
export function noHugePages(mib: number): NeedError {
  const holders = hugePageHolders().map(({ pid, command }) => `${command} (process ${pid})`);
  const held = holders.length > 0 ? `; ${holders.join(", ")} hold some: end them` : "";
  return new NeedError(
    `Cannot reserve ${mib} MiB of huge pages, ${freeHugePagesMib()} MiB are free${held}: ` +
      `as root, echo ${Math.ceil(mib / 2)} > /proc/sys/vm/nr_hugepages, or use --small-pages`,
  );
}
