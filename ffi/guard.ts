/**
 * The guard: a page of a tenant's file that cannot be had does not end the process.
 *
 * A file may be truncated, its file system full, the pool of huge pages empty: whoever touches a page
 * of it then gets SIGBUS, of which nothing but a signal handler can make something, and no handler can
 * be JavaScript. This one is machine code of our own (guard_code.ts). For ranges that are covered it
 * puts a page of zeros in the place of the missing one and counts; who reads the count ends whoever
 * brought the file. A page that was replaced is this process's alone, until the range is mapped anew.
 *
 * The code is written into a page of its own, which is made executable and read-only before it is
 * used, and stays until the process ends.
 *
 * @module
 */
import {
  BUS_ADRERR,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  SA_ONSTACK,
  SA_RESTART,
  SA_SIGINFO,
  SIGACTION_FLAGS,
  SIGBUS,
  SIGINFO_ADDR,
  SIGINFO_CODE,
  SIZEOF_SIGACTION,
  SIZEOF_SIGINFO,
} from "./abi.ts";
import { errno, SystemError } from "./errno.ts";
import { closeFd, truncateFd } from "./fd.ts";
import {
  GUARD_AARCH64,
  GUARD_TABLE_OFFSET,
  GUARD_X86_64,
  guardBytes,
  type GuardRow,
} from "./guard_code.ts";
import { createMemoryFile, MAP_FAILED, Mapping, viewMemory } from "./memory.ts";
import { libc } from "./symbols.ts";

/** Of the table, in 64-bit words; see guard_code.ts. */
const HELPED = 0;
const SEEN_TO = 1;
const RECORDS = 2;
const HANDLER_BEFORE = 3;
const HEADER_WORDS = 8;
const RECORD_WORDS = 8;
const START = 0;
const END = 1;
const PAGE_BITS = 2;
const FAULTS = 3;
const LAST = 4;
/** Ranges covered at once: as many mappings as a process may have. */
const RECORDS_MAX = 65536;
const TABLE_BYTES = 8 * (HEADER_WORDS + RECORDS_MAX * RECORD_WORDS);

const PAGE_BYTES = 4096;

/** Faults of one range. */
export interface RangeFaults {
  /** Of {@linkcode MemoryGuard.cover}. */
  readonly address: number;
  /** How many there were. */
  readonly count: number;
  /** Address of the last one. */
  readonly last: number;
}

/** The guard's table, read on any thread of the process. */
export class GuardTable {
  /** Where it is. */
  readonly address: number;
  /** Its words. */
  protected readonly words: BigUint64Array;
  readonly #halves: Uint32Array;

  /** The table of a guard. @param address of it, from {@linkcode MemoryGuard} */
  constructor(address: number) {
    const memory = viewMemory(address, TABLE_BYTES);
    this.address = address;
    this.words = new BigUint64Array(memory);
    this.#halves = new Uint32Array(memory, 0, 2);
  }

  /** Faults that were helped so far, free-running in 32 bits. Costs a load. */
  get helped(): number {
    return this.#halves[0] as number;
  }

  /**
   * Nobody touches any more what the faults so far were about: the next ones are others'. The
   * data-plane thread says it.
   */
  seenTo(): void {
    this.words[SEEN_TO] = Atomics.load(this.words, HELPED);
  }

  /** Faults that were not seen to yet. */
  get pending(): number {
    return Number(Atomics.load(this.words, HELPED) - (this.words[SEEN_TO] ?? 0n));
  }

  /** Ranges that had faults. */
  faulty(): RangeFaults[] {
    const list: RangeFaults[] = [];
    const records = Number(Atomics.load(this.words, RECORDS));
    for (let record = 0; record < records; record++) {
      const faults = this.faultsOf(record);
      if (faults.count > 0) list.push(faults);
    }
    return list;
  }

  /** Faults of one range. @param record as it was covered, or freed: none */
  faultsOf(record: number): RangeFaults {
    const at = HEADER_WORDS + record * RECORD_WORDS;
    const covered = Atomics.load(this.words, at + END) !== 0n;
    return {
      address: Number(this.words[at + START]),
      count: covered ? Number(this.words[at + FAULTS]) : 0,
      last: Number(this.words[at + LAST]),
    };
  }
}

/** The guard of this process. Control thread only. */
export class MemoryGuard extends GuardTable {
  /** Records that are free, below the highest in use. */
  readonly #free: number[] = [];

  /** @param address of its table, right behind its code */
  private constructor(address: number) {
    super(address);
  }

  /**
   * Puts the guard in force, for good. Try it with {@linkcode testGuard}.
   * @throws {Error} this processor has none, or the system does not allow it
   */
  static install(): MemoryGuard {
    const code = guardBytes(codeRows());
    const base = libc.mmap(
      0n,
      BigInt(GUARD_TABLE_OFFSET + TABLE_BYTES),
      PROT_READ | PROT_WRITE,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
      -1,
      0n,
    );
    if (base === MAP_FAILED) throw new SystemError("mmap", errno(), "for the guard");
    try {
      new Uint8Array(viewMemory(Number(base), code.length)).set(code);
      if (libc.mprotect(base, BigInt(GUARD_TABLE_OFFSET), PROT_READ | PROT_EXEC) !== 0) {
        throw new SystemError("mprotect", errno(), "to run the guard");
      }
      const guard = new MemoryGuard(Number(base) + GUARD_TABLE_OFFSET);
      guard.#takeSignal(base);
      return guard;
    } catch (error) {
      libc.munmap(base, BigInt(GUARD_TABLE_OFFSET + TABLE_BYTES));
      throw error;
    }
  }

  #takeSignal(handler: bigint): void {
    const action = new DataView(new ArrayBuffer(SIZEOF_SIGACTION));
    if (libc.sigaction(SIGBUS, null, action.buffer) !== 0) {
      throw new SystemError("sigaction", errno());
    }
    this.words[HANDLER_BEFORE] = action.getBigUint64(0, true);
    const ours = new DataView(new ArrayBuffer(SIZEOF_SIGACTION));
    ours.setBigUint64(0, handler, true);
    ours.setInt32(SIGACTION_FLAGS, SA_SIGINFO | SA_ONSTACK | SA_RESTART, true);
    if (libc.sigaction(SIGBUS, ours.buffer, null) !== 0) {
      throw new SystemError("sigaction", errno());
    }
  }

  /** Calls the handler as a function. For tests. @param context goes to the handler before, if any */
  call(signal: number, info: Uint8Array<ArrayBuffer>, context: bigint): void {
    const code = Deno.UnsafePointer.create(BigInt(this.address - GUARD_TABLE_OFFSET));
    if (code === null) throw new Error("Cannot call the guard: it is nowhere");
    const handler = new Deno.UnsafeFnPointer(code as Deno.PointerObject<typeof HANDLER>, HANDLER);
    handler.call(signal, info, context);
  }

  /**
   * Covers a range from now on. Pages of a file must be mapped there, and nobody may touch it yet.
   * @param pageBytes page size of the file, a power of two
   * @returns its record, to be given to {@linkcode uncover}; null: there are too many
   */
  cover(address: number, sizeBytes: number, pageBytes: number): number | null {
    const { words } = this;
    const used = Number(words[RECORDS]);
    const record = this.#free.pop() ?? used;
    if (record >= RECORDS_MAX) return null;
    const at = HEADER_WORDS + record * RECORD_WORDS;
    words[at + START] = BigInt(address);
    words[at + PAGE_BITS] = BigInt(Math.round(Math.log2(pageBytes)));
    words[at + FAULTS] = 0n;
    words[at + LAST] = 0n;
    // A fault of another thread may be looking through the records.
    Atomics.store(words, at + END, BigInt(address + sizeBytes));
    if (record === used) Atomics.store(words, RECORDS, BigInt(used + 1));
    return record;
  }

  /** Covers a range no more. Nobody may touch it any more. */
  uncover(record: number): void {
    Atomics.store(this.words, HEADER_WORDS + record * RECORD_WORDS + END, 0n);
    this.#free.push(record);
  }
}

/** The handler as a function: `void handler(int, siginfo_t *, void *)`. */
const HANDLER = { parameters: ["i32", "buffer", "u64"], result: "void" } as const;

function codeRows(): readonly GuardRow[] {
  return Deno.build.arch === "x86_64" ? GUARD_X86_64 : GUARD_AARCH64;
}

/** What a handler of SIGBUS is told: `siginfo_t`. */
export function signalInfo(address: number, code: number = BUS_ADRERR): Uint8Array<ArrayBuffer> {
  const info = new DataView(new ArrayBuffer(SIZEOF_SIGINFO));
  info.setInt32(0, SIGBUS, true);
  info.setInt32(SIGINFO_CODE, code, true);
  info.setBigUint64(SIGINFO_ADDR, BigInt(address), true);
  return new Uint8Array(info.buffer);
}

/**
 * Tries a guard that is in force, on a file of our own: first called as a function, then by a page
 * that is not there, which ends a process whose guard is none.
 * @throws {Error} it does not do what it should
 */
export function testGuard(guard: MemoryGuard): void {
  const fd = createMemoryFile("vuswitch-guard", 2 * PAGE_BYTES, 0);
  const mapping = Mapping.map(fd, 0, 2 * PAGE_BYTES);
  const record = guard.cover(mapping.address, mapping.sizeBytes, PAGE_BYTES);
  try {
    if (record === null) throw new Error("it has no room");
    const bytes = new Uint8Array(viewMemory(mapping.address, mapping.sizeBytes)).fill(1);
    guard.call(SIGBUS, signalInfo(mapping.address + 8), 0n);
    if (bytes[0] !== 0 || guard.faultsOf(record).last !== mapping.address + 8) {
      throw new Error("it replaces no page");
    }
    truncateFd(fd, 0);
    if (bytes[PAGE_BYTES] !== 0 || guard.faultsOf(record).count !== 2) {
      throw new Error("it is not asked when a page is missing");
    }
  } finally {
    if (record !== null) guard.uncover(record);
    mapping.unmap();
    closeFd(fd);
  }
}

let installed: MemoryGuard | null = null;

/**
 * The guard of this process, put in force and tried when it is first asked for.
 * @throws {Error} there can be none here
 */
export function memoryGuard(): MemoryGuard {
  if (installed !== null) return installed;
  const guard = MemoryGuard.install();
  testGuard(guard);
  guard.seenTo();
  return installed = guard;
}
