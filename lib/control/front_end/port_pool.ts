/**
 * The mappings of one port: those of the pool, and what is known of pages that they lost. A front-end
 * may take a file back, or send another one, before it is told of a page of it.
 *
 * @module
 */
import type { MappedRegion, MappingPool } from "./guest_memory.ts";

/** What the parts of a port need of the pool. */
export type Mappings = Pick<
  MappingPool,
  "acquire" | "acquireOwn" | "retain" | "release" | "lostPage"
>;

/** A port's way to the pool. Control thread only. */
export class PortPool implements Mappings {
  readonly #pool: Mappings;
  #lost: string | null = null;

  /** Nothing is mapped for the port. */
  constructor(pool: Mappings) {
    this.#pool = pool;
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
    return this.#pool.acquire(...given);
  }

  /** As the pool's. */
  acquireOwn(...given: Parameters<Mappings["acquireOwn"]>): ReturnType<Mappings["acquireOwn"]> {
    return this.#pool.acquireOwn(...given);
  }

  /** As the pool's. */
  retain(region: MappedRegion): MappedRegion {
    return this.#pool.retain(region);
  }

  /** As the pool's; a page that the region lost is kept in mind. */
  release(region: MappedRegion): void {
    const page = this.#pool.lostPage(region);
    if (page) this.#lost ??= `memory that it took back, at byte ${page.at}: ${page.why}`;
    this.#pool.release(region);
  }

  /** As the pool's. */
  lostPage(region: MappedRegion): ReturnType<Mappings["lostPage"]> {
    return this.#pool.lostPage(region);
  }
}
