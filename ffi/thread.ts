/**
 * The calling thread's name and processors, and the process's descriptor limit.
 *
 * @module
 */
import {
  CLOCK_THREAD_CPUTIME_ID,
  O_CLOEXEC,
  PR_SET_NAME,
  RLIMIT_NOFILE,
  RUSAGE_MAJFLT,
  RUSAGE_MINFLT,
  RUSAGE_NVCSW,
  RUSAGE_THREAD,
  SIZEOF_CPU_SET,
  SIZEOF_RUSAGE,
  SIZEOF_TIMESPEC,
} from "./abi.ts";
import { errno, SystemError } from "./errno.ts";
import { libc } from "./symbols.ts";

/** The same on x86-64 and arm64. */
const SYS_PIDFD_OPEN = 434n;

/**
 * Lets the calling thread run on these processors only.
 * @param cpus processor numbers, 0-1023, at least one
 * @throws {SystemError} EINVAL: none of them exists or is allowed here
 */
export function setThreadCpus(cpus: readonly number[]): void {
  const mask = new Uint8Array(SIZEOF_CPU_SET);
  for (const cpu of cpus) mask[cpu >> 3] = (mask[cpu >> 3] as number) | (1 << (cpu & 7));
  if (libc.sched_setaffinity(0, BigInt(SIZEOF_CPU_SET), mask) !== 0) {
    throw new SystemError("sched_setaffinity", errno(), `processors ${cpus.join(",")}`);
  }
}

/** Names the calling thread, as `top -H` shows it; 15 bytes are kept. */
export function setThreadName(name: string): void {
  libc.prctl(PR_SET_NAME, new TextEncoder().encode(`${name.slice(0, 15)}\0`), 0n, 0n, 0n);
}

/** Words of it. Both numbers are small enough for their lower halves. */
const timespec = new Uint32Array(SIZEOF_TIMESPEC / 4);

/** How long the calling thread has run on a processor, ms and fractions; a system call. */
export function threadRanMs(): number {
  libc.clock_gettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  return 1000 * (timespec[0] as number) + (timespec[2] as number) / 1e6;
}

/** Words of it; all numbers are small enough for their lower halves. */
const usage = new Uint32Array(SIZEOF_RUSAGE / 4);

/** What a thread has done: pages that came in for it, and times it waited of its own accord. */
export interface ThreadUse {
  /** Minor and major faults. */
  faults: number;
  /** Voluntary context switches. */
  waits: number;
}

/** Writes what the calling thread has done so far into `use`; a system call. */
export function readThreadUse(use: ThreadUse): void {
  libc.getrusage(RUSAGE_THREAD, usage);
  use.faults = (usage[RUSAGE_MINFLT / 4] as number) + (usage[RUSAGE_MAJFLT / 4] as number);
  use.waits = usage[RUSAGE_NVCSW / 4] as number;
}

const SCHEDSTAT = new TextEncoder().encode("/proc/thread-self/schedstat\0");
const SCHEDSTAT_BYTES = 96;
const DIGIT_0 = 48;
const SPACE = 32;

/**
 * How long a thread has been ready to run while others had the processors (proc(5): the second number
 * of `schedstat`). Belongs to the thread that made it; lives as long.
 */
export class ReadyTime {
  readonly #fd = libc.open(SCHEDSTAT, O_CLOEXEC);
  readonly #text = new Uint8Array(new ArrayBuffer(SCHEDSTAT_BYTES));
  readonly #bytes = BigInt(SCHEDSTAT_BYTES);

  /** Until now, ms and fractions; 0 where the kernel does not tell. A system call; allocates little. */
  readMs(): number {
    if (this.#fd < 0) return 0;
    const bytes = Number(libc.pread(this.#fd, this.#text, this.#bytes, 0n));
    let at = 0;
    while (at < bytes && this.#text[at] !== SPACE) at++;
    let ns = 0;
    for (at++; at < bytes; at++) {
      const digit = (this.#text[at] as number) - DIGIT_0;
      if (digit < 0) break;
      ns = 10 * ns + digit;
    }
    return ns / 1e6;
  }
}

/**
 * A descriptor that is readable when a process has ended (pidfd_open(2)), close-on-exec. The caller
 * owns it. @returns -errno: ESRCH if there is no such process, ENOSYS before Linux 5.3
 */
export function openProcess(pid: number): number {
  const fd = Number(libc.syscall(SYS_PIDFD_OPEN, BigInt(pid), 0n));
  return fd >= 0 ? fd : -errno();
}

/** Raises the soft limit of open descriptors to the hard one. @returns the limit now in force. */
export function raiseFdLimit(): number {
  const limit = new BigUint64Array(2);
  if (libc.getrlimit(RLIMIT_NOFILE, limit) !== 0) return 0;
  if (limit[0] !== limit[1]) {
    limit[0] = limit[1] as bigint;
    libc.setrlimit(RLIMIT_NOFILE, limit);
    libc.getrlimit(RLIMIT_NOFILE, limit);
  }
  return Number(limit[0]);
}
