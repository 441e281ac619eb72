/**
 * Front-ends that cannot be taken now are held, unread, before they are turned away: one that
 * connects again at once comes once a second then, and not thousands of times. Whoever is held when
 * the port becomes free is taken at once, so that a VMM which replaces another one does not wait.
 * One that was thrown out too often is held as well, and gets its try after that.
 *
 * @module
 */
import { LIMITS } from "../../base/port_limits.ts";
import type { ReasonCode } from "../../vhost/reasons.ts";
import { Knocks } from "./knocks.ts";
import type { SocketHost, TurnedAway } from "./port_socket.ts";

/** How long one is held, ms; together with others that came shortly before, a little less. */
const HOLD_MS = 1000;
const TOGETHER_MS = 100;
/** Held at once by one socket; whoever comes after them waits in the kernel's queue. */
export const HELD_MAX: number = LIMITS.held.most;
/** Of these, such as are not taken when the port becomes free: others need not wait for a place. */
export const SLOWED_MAX = 4;
/** Why a front-end is held that could be taken. */
export const TOO_OFTEN: TurnedAway = {
  code: "too-often",
  why: "and was thrown out so often that each try waits a second",
};

/** Whom a port that becomes free takes no sooner: too often thrown out, or not let in at all. */
const NOT_SOONER: readonly ReasonCode[] = [TOO_OFTEN.code, "peer-uid"];

/** What a doorstep needs of its socket. */
export interface DoorstepHost extends Pick<SocketHost, "mayTake" | "refuse" | "log"> {
  /**
   * Takes a connected front-end over, or says why not. @param waited it was held for its time
   * already
   */
  take(fd: number, waited: boolean): TurnedAway | null;
}

interface Held {
  readonly fd: number;
  readonly slowed: boolean;
  readonly untilMs: number;
}

/** Those who are held at one socket, oldest first. Control thread only; clear it. */
export class Doorstep {
  readonly #host: DoorstepHost;
  readonly #hasRoom: () => void;
  readonly #knocks: Knocks;
  readonly #held: Held[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Nobody is held. @param hasRoom told when one more could be held */
  constructor(host: DoorstepHost, hasRoom: () => void) {
    this.#host = host;
    this.#hasRoom = hasRoom;
    this.#knocks = new Knocks((level, event, message) => host.log(level, event, message));
  }

  /** Those who are held. */
  get count(): number {
    return this.#held.length;
  }

  /** Nobody else can be held. */
  get isFull(): boolean {
    return this.#held.length >= HELD_MAX;
  }

  /**
   * Holds a connection that its port did not take, or turns it away if there is no place for it.
   * @returns whether it is held
   */
  hold(fd: number, away: TurnedAway): boolean {
    this.#knocks.note(fd, away);
    const slowed = NOT_SOONER.includes(away.code);
    if (slowed && this.#held.filter((held) => held.slowed).length >= SLOWED_MAX) {
      this.#host.refuse(fd, away.code);
      return false;
    }
    this.#held.push({ fd, slowed, untilMs: performance.now() + HOLD_MS });
    this.#timer ??= setTimeout(() => this.#expire(), HOLD_MS);
    return true;
  }

  /**
   * Some have been held long enough: each gets a try, and is turned away if it is not taken then.
   */
  #expire(): void {
    this.#timer = undefined;
    const due = performance.now() + TOGETHER_MS;
    while (this.#held[0] && this.#held[0].untilMs <= due) {
      const { fd } = this.#held.shift() as Held;
      const code = this.#host.mayTake() ? this.#host.take(fd, true)?.code : "closing";
      if (code !== undefined) this.#host.refuse(fd, code);
    }
    const next = this.#held[0];
    // What the port did may have had somebody held meanwhile.
    clearTimeout(this.#timer);
    this.#timer = next && setTimeout(() => this.#expire(), next.untilMs - performance.now());
    this.#hasRoom();
  }

  /** The port may be free: takes the one held longest of those that are not slowed down. */
  admit(): void {
    for (let i = 0; i < this.#held.length && this.#host.mayTake(); i++) {
      const held = this.#held[i] as Held;
      if (held.slowed) continue;
      // Off the list meanwhile: what the port does may call this function again.
      this.#held.splice(i, 1);
      const away = this.#host.take(held.fd, false);
      if (away === null) {
        this.#hasRoom();
        return;
      }
      this.#held.splice(i, 0, held);
      if (away.code !== TOO_OFTEN.code) return;
    }
  }

  /** Turns all away. */
  clear(code: ReasonCode): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { fd } of this.#held.splice(0)) this.#host.refuse(fd, code);
    this.#knocks.close();
  }
}
