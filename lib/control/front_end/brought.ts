/**
 * Everything that is mapped of what a port's front-end brought: guest memory, dirty log, and the records
 * of its rings.
 *
 * @module
 */
import type { Budget } from "../config/budget_option.ts";
import type { PortPlane } from "../planes.ts";
import { PortDirtyLog } from "./dirty_log.ts";
import { PortMemory } from "./guest_memory.ts";
import type { MemoryAccount } from "./memory_shares.ts";
import { PortPool } from "./port_pool.ts";
import { type RecordsHost, RingRecords } from "./ring_records.ts";

/** What is mapped for one port. Control thread only. */
export class Brought {
  /** Guest memory. */
  readonly memory: PortMemory;
  /** The log of dirty pages. */
  readonly dirtyLog: PortDirtyLog;
  readonly #mappings: PortPool;

  /** Its own account of the arena, or null: another's pays. */
  readonly #own: MemoryAccount | null;
  /** The account that pays. */
  readonly account: MemoryAccount;

  /**
   * Nothing is mapped. @param number the port's, on that plane
   * @param payer account of the listener that it came from
   */
  constructor(
    { pool, thread: { commands } }: PortPlane,
    number: number,
    payer: MemoryAccount | null,
    { memory, addressSpace }: Pick<Budget, "memory" | "addressSpace">,
  ) {
    this.account = payer ?? pool.shares.open(1, addressSpace);
    this.#own = payer === null ? this.account : null;
    this.#mappings = new PortPool(pool, this.account);
    this.memory = new PortMemory(
      this.#mappings,
      (regions) => commands.setMemory({ port: number, regions }),
      memory,
    );
    this.dirtyLog = new PortDirtyLog(commands, this.#mappings, this.memory, number);
  }

  /** The records of a new front-end's rings; whatever one before it brought is forgotten. */
  records(host: Omit<RecordsHost, "pool" | "identify">): RingRecords {
    this.#mappings.forget();
    const identify = this.memory.identify.bind(this.memory);
    return new RingRecords({ ...host, pool: this.#mappings, identify });
  }

  /** A page of all this that could not be had, for people; or null. */
  lost(records: RingRecords): string | null {
    return this.memory.lost ?? this.dirtyLog.lost ?? records.lost ?? this.#mappings.lost;
  }

  /** Nothing is mapped any more, and nothing will be. */
  close(): void {
    this.#own?.close();
  }
}
