/**
 * The calling thread's name and processors, and the process's descriptor limit.
 *
 * @module
 */
import {
  _SC_NPROCESSORS_ONLN,
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
import { closeFd } from "./fd.ts";
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

/** Processors of the machine that are online, whichever of them this process may use. */
export function processorsOnline(): number {
  return Number(libc.sysconf(_SC_NPROCESSORS_ONLN));
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

/** Words of it; seconds are zero. */
const pause = new Uint32Array(SIZEOF_TIMESPEC / 4);

/** Has the calling thread stand still. @param us below a million; a signal ends it earlier */
export function rest(us: number): void {
  pause[2] = 1000 * us;
  libc.nanosleep(pause, 0n);
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

const DIGIT_0 = 48;
const SPACE = 32;

/** A file of proc(5) that is one line of numbers, read anew each time; a system call. */
class ProcLine {
  #fd: number;
  readonly #text = new Uint8Array(new ArrayBuffer(LINE_BYTES));
  readonly #bytes = BigInt(LINE_BYTES);

  /** Opened until it is closed. @param path ends with a zero byte */
  constructor(path: string) {
    this.#fd = libc.open(new TextEncoder().encode(path), O_CLOEXEC);
  }

  /** The whole number at the beginning of word `index`; 0 where there is none. Allocates little. */
  readWord(index: number): number {
    if (this.#fd < 0) return 0;
    const bytes = Number(libc.pread(this.#fd, this.#text, this.#bytes, 0n));
    let at = 0;
    for (let words = 0; words < index && at < bytes; at++) {
      if (this.#text[at] === SPACE) words++;
    }
    let value = 0;
    for (; at < bytes; at++) {
      const digit = (this.#text[at] as number) - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = 10 * value + digit;
    }
    return value;
  }

  /** There are no numbers from now on. */
  close(): void {
    if (this.#fd >= 0) closeFd(this.#fd);
    this.#fd = -1;
  }
}

const LINE_BYTES = 96;

/**
 * How long a thread has been ready to run while others had the processors (proc(5): the second number
 * of `schedstat`). Belongs to the thread that made it, which closes it.
 */
export class ReadyTime {
  readonly #line = new ProcLine("/proc/thread-self/schedstat\0");

  /** Until now, ms and fractions; 0 where the kernel does not tell. A system call; allocates little. */
  readMs(): number {
    return this.#line.readWord(1) / 1e6;
  }

  /** It reads 0 from now on. */
  close(): void {
    this.#line.close();
  }
}

/** Threads of the whole machine that run or are ready to (proc(5): the fourth word of `loadavg`). */
export class RunningThreads {
  readonly #line = new ProcLine("/proc/loadavg\0");

  /** At this moment, this thread among them; 0 where the kernel does not tell. A system call. */
  read(): number {
    return this.#line.readWord(3);
  }

  /** It reads 0 from now on. */
  close(): void {
    this.#line.close();
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
