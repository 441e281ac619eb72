/**
 * What the log says of front-ends that come and are gone again. One that is restarted all the time,
 * or says nonsense and connects again, would fill it: the first few of a minute get their lines, the
 * others are counted and share one line a minute. One that stays gets its line late, but gets it.
 *
 * @module
 */
import type { Refusal } from "../../vhost/reasons.ts";
import { peerName } from "./peer.ts";
import type { SocketHost } from "./port_socket.ts";
import type { PortStatus } from "../types.ts";

type Log = SocketHost["log"];

/** Front-ends of a minute that get their lines. */
export const TOLD_MAX = 5;
const MINUTE_MS = 60_000;

/** Who comes and goes at one socket. Control thread only; close it. */
export class Visits {
  readonly #log: Log;
  readonly #now: () => number;
  /** What the log calls who comes. */
  readonly who: string;
  /** Front-ends that got lines in the minute that began at `#beganMs`. */
  #told = 0;
  #beganMs = -Infinity;
  /** Front-ends of this minute without lines. */
  #untold = 0;
  #last = "";
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Nobody came yet. @param now ms, from any moment on @param who what the log calls one */
  constructor(log: Log, now: () => number = () => performance.now(), who = "front-end") {
    this.#log = log;
    this.#now = now;
    this.who = who;
  }

  /** A front-end comes. @returns whether the log is told of it */
  come(): boolean {
    // While some go untold, the minutes are those of the timer.
    if (this.#timer === undefined && this.#now() - this.#beganMs >= MINUTE_MS) {
      this.#told = 0;
      this.#beganMs = this.#now();
    }
    if (this.#told >= TOLD_MAX) return false;
    this.#told++;
    return true;
  }

  /** One that the log was told of has stayed. */
  stayed(): void {
    if (this.#timer === undefined && this.#told > 0) this.#told--;
  }

  /** One is gone that has no line of its own. @param what who it was and how it went */
  wentUntold(what: string): void {
    this.#untold++;
    this.#last = what;
    this.#timer ??= setInterval(() => this.minute(), MINUTE_MS);
  }

  /** Logs how many went without a line in the last minute. Called by the timer. */
  minute(): void {
    const ends = this.#untold <= TOLD_MAX;
    this.#say();
    if (ends) this.close();
  }

  #say(): void {
    if (this.#untold === 0) return;
    const more = `${this.#untold} more ${this.who}${this.#untold === 1 ? "" : "s"}`;
    this.#log("warn", "visits", `${more} came and left in the last 60 s, at last ${this.#last}`);
    this.#untold = 0;
  }

  /** Says what is left to say, and no more. */
  close(): void {
    this.#say();
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#told = 0;
  }
}

/** One front-end's coming and going, for the log. */
export class Visit {
  readonly #visits: Visits;
  readonly #write: Visit["log"];
  readonly #peer: PortStatus["peer"];
  #told = true;

  /** Nothing is logged yet. @param write the log of its port */
  constructor(visits: Visits, write: Visit["log"], peer: PortStatus["peer"]) {
    this.#visits = visits;
    this.#write = write;
    this.#peer = peer;
  }

  /** Logs what it causes: nothing but debug lines if it has none of its own. */
  log(
    level: "debug" | "info" | "warn",
    event: string,
    message: string,
    fields: Record<string, string | number> = {},
  ): void {
    this.#write(this.#told ? level : "debug", event, message, fields);
  }

  /** The connection counts as a front-end. */
  come(): void {
    this.#told = this.#visits.come();
    this.#logConnected();
  }

  #logConnected(): void {
    const uid: Record<string, number> = this.#peer ? { uid: this.#peer.uid } : {};
    this.log("info", "connected", `${this.#visits.who} connected (${peerName(this.#peer)})`, uid);
  }

  /** It stays. @returns whether the log hears of it only now */
  stay(): boolean {
    const late = !this.#told;
    this.#told = true;
    if (late) this.#logConnected();
    else this.#visits.stayed();
    return late;
  }

  /** It is gone. @param refusal why it was closed, or null */
  leave(refusal: Refusal | null): void {
    if (refusal === null) this.log("info", "disconnected", `${this.#visits.who} disconnected`);
    else {
      const reason = { reason: refusal.code };
      this.log("warn", "closed", `connection closed: ${refusal.detail}`, reason);
    }
    if (this.#told) return;
    const how = refusal === null ? "which left by itself" : `closed: ${refusal.detail}`;
    this.#visits.wentUntold(`${peerName(this.#peer)}, ${how}`);
  }
}
