/**
 * Front-ends that cannot be taken now are held, unread, before they are turned away: one that
 * connects again at once comes once a second then, and not thousands of times. Whoever is held when
 * the port becomes free is taken at once, so that a VMM which replaces another one does not wait.
 *
 * @module
 */
import type { ReasonCode } from "../vhost/reasons.ts";
import { Knocks } from "./knocks.ts";
import type { SocketHost, TurnedAway } from "./port_socket.ts";

/** How long one is held, ms. */
const HOLD_MS = 1000;
/** Held at once by one socket; whoever comes after them waits in the kernel's queue. */
export const HELD_MAX = 8;

interface Held {
  readonly fd: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Those who are held at one socket, oldest first. Control thread only; clear it. */
export class Doorstep {
  readonly #host: SocketHost;
  readonly #hasRoom: () => void;
  readonly #knocks: Knocks;
  readonly #held: Held[] = [];

  /** @param hasRoom told when one more could be held */
  constructor(host: SocketHost, hasRoom: () => void) {
    this.#host = host;
    this.#hasRoom = hasRoom;
    this.#knocks = new Knocks((level, event, message) => host.log(level, event, message));
  }

  /** Nobody else can be held. */
  get isFull(): boolean {
    return this.#held.length >= HELD_MAX;
  }

  /** Holds a connection that its port did not take. */
  hold(fd: number, away: TurnedAway): void {
    this.#knocks.note(fd, away);
    this.#held.push({ fd, timer: setTimeout(() => this.#expire(fd), HOLD_MS) });
  }

  /** Its time is over, and the port was not free in between, or is since a moment ago. */
  #expire(fd: number): void {
    this.#held.splice(this.#held.findIndex((held) => held.fd === fd), 1);
    const code = this.#host.mayTake() ? this.#host.take(fd)?.code : "closing";
    if (code !== undefined) this.#host.refuse(fd, code);
    this.#hasRoom();
  }

  /** The port may be free: takes the one that waits longest. */
  admit(): void {
    const first = this.#held[0];
    if (!first || !this.#host.mayTake()) return;
    this.#held.shift();
    // What the port does may admit another one: this one is in nobody's list meanwhile.
    if (this.#host.take(first.fd)) this.#held.unshift(first);
    else {
      clearTimeout(first.timer);
      this.#hasRoom();
    }
  }

  /** Turns all away. */
  clear(code: ReasonCode): void {
    for (const { fd, timer } of this.#held.splice(0)) {
      clearTimeout(timer);
      this.#host.refuse(fd, code);
    }
    this.#knocks.close();
  }
}
