/**
 * Figures of this process, under the names that all exporters have for them.
 *
 * @module
 */

/** Of a Linux tick in /proc, s. */
const TICK_SECONDS = 0.01;
const PAGE_BYTES = 4096;

/** What the kernel tells of this process. */
export interface ProcessFigures {
  /** User and system time, s. */
  readonly cpuSeconds: number;
  /** Memory that is present, bytes; guests' memory that was touched counts. */
  readonly residentBytes: number;
  /** Address space, bytes: most of it is reserved, see docs/architecture.md. */
  readonly virtualBytes: number;
  /** When it was started, s since 1970. */
  readonly startSeconds: number;
  /** Its threads. */
  readonly threads: number;
  /** Descriptors it holds. */
  readonly openFds: number;
  /** Descriptors it may hold. */
  readonly maxFds: number;
  /** Memory of JavaScript objects of the control thread, bytes. */
  readonly heapUsedBytes: number;
  /** Memory that V8 has for them, bytes. */
  readonly heapSizeBytes: number;
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // Some sandbox hides /proc: its figures are left out.
    return "";
  }
}

/** Fields of /proc/PID/stat behind the name, which may have any character in it (proc(5)). */
function statFields(): number[] {
  const stat = read("/proc/self/stat");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
}

function openFds(): number {
  try {
    return Array.from(Deno.readDirSync("/proc/self/fd")).length;
  } catch {
    return NaN;
  }
}

let startSeconds = NaN;

/** When the process was started does not change; a clock that is set would make it so. */
function startedAt(startTicks: number): number {
  if (Number.isNaN(startSeconds)) {
    const boot = Number(/^btime (\d+)$/m.exec(read("/proc/stat"))?.[1] ?? NaN);
    startSeconds = boot + startTicks * TICK_SECONDS;
  }
  return startSeconds;
}

/** Reads them. What cannot be read is NaN. Never throws. */
export function processFigures(): ProcessFigures {
  const fields = statFields();
  // Numbered as proc(5) does, from 3 on behind the name.
  const field = (number: number): number => fields[number - 3] ?? NaN;
  const { heapUsed, heapTotal } = Deno.memoryUsage();
  return {
    cpuSeconds: (field(14) + field(15)) * TICK_SECONDS,
    residentBytes: field(24) * PAGE_BYTES,
    virtualBytes: field(23),
    startSeconds: startedAt(field(22)),
    threads: field(20),
    openFds: openFds(),
    maxFds: Number(/^Max open files +(\d+)/m.exec(read("/proc/self/limits"))?.[1] ?? NaN),
    heapUsedBytes: heapUsed,
    heapSizeBytes: heapTotal,
  };
}
