/**
 * A port's state on its way through a front-end's pipe or socket. The reactor says when the other
 * end is ready, and the blocking pool then reads or writes: the open file is the tenant's too, who
 * can make it blocking again at any moment. Whatever it does, nobody waits for it but its own port.
 *
 * @module
 */
import {
  EPOLLERR,
  EPOLLIN,
  EPOLLOUT,
  readTenantFd,
  setNonBlocking,
  writeTenantFd,
} from "../../../ffi/mod.ts";
import type { Refusal } from "../../vhost/reasons.ts";
import type { Reactor } from "../reactor.ts";
import type { TenantFds } from "./tenant_fds.ts";

/** Bytes read or written at once. */
const PIECE_BYTES = 65536;
/** Room that a state to be read begins with: few are longer. */
const ROOM_BYTES = 4096;
/** Times in a row that a ready descriptor may have nothing to give or no room. */
const FAILURES_MAX = 16;

/** One transfer. Control thread only. */
export class StateTransfer {
  /** `save`: bytes are written into the descriptor; `load`: read from it. */
  readonly direction: "save" | "load";
  readonly #fd: number;
  readonly #reactor: Reactor;
  readonly #fds: TenantFds;
  /** Room for what is read, or what is to be written. */
  #bytes: Uint8Array<ArrayBuffer>;
  /** Bytes that may be read. */
  readonly #most: number;
  #have = 0;
  #failures = 0;
  /** Undefined while it goes on; null: all went through. */
  #outcome: Refusal | null | undefined;
  #told: ((outcome: Refusal | null) => void) | null = null;

  /** Bytes that went through so far. */
  get transferred(): number {
    return this.#have;
  }

  /**
   * Takes a pipe or socket over.
   * @param what bytes to be written into it, or how many may come out of it
   */
  constructor(
    fd: number,
    what: Uint8Array<ArrayBuffer> | number,
    reactor: Reactor,
    fds: TenantFds,
  ) {
    const saving = typeof what !== "number";
    this.direction = saving ? "save" : "load";
    this.#fd = fd;
    this.#reactor = reactor;
    this.#fds = fds;
    this.#bytes = saving ? what : new Uint8Array(new ArrayBuffer(Math.min(ROOM_BYTES, what)));
    this.#most = saving ? what.length : what;
    setNonBlocking(fd);
    this.#watch();
  }

  /** What was read; once it is over. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#have);
  }

  /** Undefined while it goes on, null when all went through, or why not. */
  get outcome(): Refusal | null | undefined {
    return this.#outcome;
  }

  /** Tells what came of it, as soon as that is known, or in time. @param timeoutMs */
  over(timeoutMs: number): Promise<Refusal | null> {
    if (this.#outcome !== undefined) return Promise.resolve(this.#outcome);
    const timer = setTimeout(() => {
      this.#end({ code: "state-timeout", detail: `the other end did not finish: ${this.#far()}` });
    }, timeoutMs);
    return new Promise((resolve) => {
      this.#told = (outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      };
    });
  }

  #far(): string {
    return this.direction === "save"
      ? `${this.#have} of ${this.#bytes.length} bytes read`
      : `${this.#have} bytes and no end`;
  }

  #watch(): void {
    const wanted = this.direction === "save" ? EPOLLOUT : EPOLLIN;
    this.#reactor.add(this.#fd, (events) => this.#ready(events), wanted);
  }

  #ready(events: number): void {
    this.#reactor.remove(this.#fd);
    if (this.direction === "save" && (events & EPOLLERR) !== 0) {
      this.#end({ code: "state-unread", detail: `the other end is closed: ${this.#far()}` });
      return;
    }
    if (this.#have === this.#bytes.length) this.#grow();
    const piece = this.#bytes.subarray(this.#have, this.#have + PIECE_BYTES);
    // One byte more than there is room for: it would be too many.
    const into = piece.length > 0 ? piece : new Uint8Array(new ArrayBuffer(1));
    const call = this.direction === "save" ? writeTenantFd : readTenantFd;
    this.#fds.run(async () => this.#moved(await call(this.#fd, into)));
  }

  #grow(): void {
    const more = new Uint8Array(new ArrayBuffer(Math.min(2 * this.#bytes.length, this.#most)));
    more.set(this.#bytes);
    this.#bytes = more;
  }

  #moved(count: number): void {
    if (this.#outcome !== undefined) return;
    if (count < 0 && ++this.#failures >= FAILURES_MAX) {
      this.#end({ code: "state-io", detail: `it cannot be used: ${this.#far()}` });
    } else if (count > 0 && this.#have === this.#bytes.length) {
      this.#end({ code: "state-too-long", detail: `more than ${this.#have} bytes` });
    } else if (count >= 0) {
      this.#failures = 0;
      this.#have += count;
      const written = this.direction === "save" && this.#have === this.#bytes.length;
      if (written || (this.direction === "load" && count === 0)) this.#end(null);
    }
    if (this.#outcome === undefined) this.#watch();
  }

  #end(outcome: Refusal | null): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#reactor.remove(this.#fd);
    // Whoever reads a state waits for the end of the file.
    this.#fds.close(this.#fd);
    this.#told?.(outcome);
  }

  /** Gives it up, if it is not over. */
  close(): void {
    this.#end({ code: "state-given-up", detail: `it was given up: ${this.#far()}` });
  }
}
