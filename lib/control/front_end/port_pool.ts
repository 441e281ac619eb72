/**
 * The mappings of one port: those of the pool, and what is known of pages that they lost. A front-end
 * may take a file back, or send another one, before it is told of a page of it.
 *
 * @module
 */
import { isRefusal, type Refusal } from "../../vhost/reasons.ts";
import type { MappedRegion, MappingPool } from "./guest_memory.ts";
import type { MemoryAccount } from "./memory_shares.ts";

/** What the parts of a port need of the pool. */
export type Mappings = Pick<
  MappingPool,
  "acquire" | "acquireOwn" | "retain" | "release" | "lostPage"
>;

/** A port's way to the pool. Control thread only. */
export class PortPool implements Mappings {
  readonly #pool: Mappings;
  readonly #account: MemoryAccount | null;
  /** How often each mapping is used: it is paid for once. */
  readonly #users = new Map<string, number>();
  #lost: string | null = null;

  /** Nothing is mapped for the port. @param account pays for it; null: nobody does */
  constructor(pool: Mappings, account: MemoryAccount | null = null) {
    this.#pool = pool;
    this.#account = account;
  }

  /** A page that was lost before its mapping was given back, for people; or null. */
  get lost(): string | null {
    return this.#lost;
  }

  /** What an earlier front-end lost is not the next one's. */
  forget(): void {
    this.#lost = null;
  }

  /** As the pool's. */
  acquire(...given: Parameters<Mappings["acquire"]>): ReturnType<Mappings["acquire"]> {
    return this.#pay(this.#pool.acquire(...given));
  }

  /** As the pool's. */
  acquireOwn(...given: Parameters<Mappings["acquireOwn"]>): ReturnType<Mappings["acquireOwn"]> {
    return this.#pay(this.#pool.acquireOwn(...given));
  }

  #pay(region: MappedRegion | Refusal): MappedRegion | Refusal {
    if (isRefusal(region)) return region;
    const users = this.#users.get(region.key) ?? 0;
    const why = users > 0 ? null : this.#account?.take(region.granules) ?? null;
    if (why === null) {
      this.#users.set(region.key, users + 1);
      return region;
    }
    this.#pool.release(region);
    return { code: "memory-budget", detail: `its memory and logs need ${why}` };
  }

  /** As the pool's. */
  retain(region: MappedRegion): MappedRegion {
    this.#users.set(region.key, (this.#users.get(region.key) ?? 0) + 1);
    return this.#pool.retain(region);
  }

  /** As the pool's; a page that the region lost is kept in mind. */
  release(region: MappedRegion): void {
    const page = this.#pool.lostPage(region);
    if (page) this.#lost ??= `memory that it took back, at byte ${page.at}: ${page.why}`;
    this.#pool.release(region);
    const users = (this.#users.get(region.key) ?? 1) - 1;
    if (users > 0) this.#users.set(region.key, users);
    else {
      this.#users.delete(region.key);
      this.#account?.give(region.granules);
    }
  }

  /** As the pool's. */
  lostPage(region: MappedRegion): ReturnType<Mappings["lostPage"]> {
    return this.#pool.lostPage(region);
  }
}
