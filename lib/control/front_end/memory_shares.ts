/**
 * How the arena's granules are shared out: address space in which all guests' memory is mapped, however
 * little of it they use (guest_arena.ts). Each port, or listening socket for all its front-ends
 * together, has an account with a limit of its own. One half of the arena is shared out evenly, so that
 * every one finds its part whatever the others have taken; the other half is for whoever comes first.
 *
 * @module
 */
import { LIMITS } from "../../base/port_limits.ts";

/** For each further front-end of a listening socket, GiB. */
export const MEMBER_GRANULES = 64;

/** Granules of one port, or of one listening socket. Control thread only; close it. */
export class MemoryAccount {
  readonly #shares: MemoryShares;
  /** Most granules that it may take. */
  readonly limit: number;
  /** Front-ends it is for. */
  readonly members: number;
  #used = 0;

  /** Made by {@linkcode MemoryShares.open}. */
  constructor(shares: MemoryShares, limit: number, members: number) {
    this.#shares = shares;
    this.limit = limit;
    this.members = members;
  }

  /** Granules taken now. */
  get used(): number {
    return this.#used;
  }

  /** Granules that could be taken now. */
  get left(): number {
    return Math.max(0, Math.min(this.limit - this.#used, this.#shares.leftFor(this)));
  }

  /** Takes some. @returns why not, for people; or null */
  take(granules: number): string | null {
    if (this.#used + granules > this.limit) {
      return `${this.#used + granules} GiB of address space, of at most ${this.limit}`;
    }
    const left = this.#shares.leftFor(this);
    if (granules > left) {
      return `${granules} GiB of address space more, and the other ports leave ${
        Math.max(0, left)
      }`;
    }
    this.#used += granules;
    return null;
  }

  /** Gives some back. */
  give(granules: number): void {
    this.#used -= granules;
  }

  /** It needs none any more. */
  close(): void {
    this.#shares.close(this);
  }
}

/** The accounts of one arena. Control thread only. */
export class MemoryShares {
  readonly #granules: number;
  readonly #accounts = new Set<MemoryAccount>();

  /** Nobody has an account yet. @param granules of the arena */
  constructor(granules: number) {
    this.#granules = granules;
  }

  /** Opens an account. @param most granules for the first of the front-ends that it is for */
  open(members = 1, most: number = LIMITS["address-space"].most): MemoryAccount {
    const account = new MemoryAccount(this, most + MEMBER_GRANULES * (members - 1), members);
    this.#accounts.add(account);
    return account;
  }

  /** Granules that an account may take now: what is free, but for what others have a right to. */
  leftFor(account: MemoryAccount): number {
    let members = 0;
    for (const each of this.#accounts) members += each.members;
    const part = this.#granules / 2 / members;
    let left = this.#granules;
    for (const each of this.#accounts) {
      const right = Math.min(Math.floor(part * each.members), each.limit);
      left -= each === account ? each.used : Math.max(each.used, right);
    }
    return left;
  }

  /** Closes an account. */
  close(account: MemoryAccount): void {
    this.#accounts.delete(account);
  }
}
