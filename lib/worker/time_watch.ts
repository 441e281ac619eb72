// deno-lint-ignore-file no-non-null-assertion
/**
 * Whose time it was: pages that take long to come, and calls that take long, are charged to the port
 * whose memory or descriptor it is, and a port that has taken too much is parted with.
 *
 * Nothing is measured until something has taken long: a stretch of rounds (work_meter.ts) in which the
 * thread ran for {@linkcode LONG_MS}, or stood still in the kernel. From then on, and for longer each
 * time, visits are watched part by part: what is taken and read of the sender, what is written to each
 * receiver, each call. That costs about 1 us a visit.
 *
 * A part counts if it is long and there is evidence that it was its owner's doing: pages came in, for
 * which the thread ran, or waited of its own accord. Without a page a wait is for a lock of our own
 * process, such as V8's. A call needs no such evidence. Time in which others had the processor counts
 * for nobody.
 *
 * @module
 */
import type { ThreadUse } from "../../ffi/mod.ts";
import { PORTS_MAX } from "../base/limits.ts";
import { KNOWN_MS_MAX, VISIT_MS_MAX, type VisitWatch } from "../switch/closely.ts";
import { EVENT, type EventWriter } from "./events.ts";

/** A stretch in which the thread ran for as long begins a watch, ms. */
export const LONG_MS = 2;
/** A part that is shorter is nobody's fault, ms. */
export const PART_MS_MIN = 1;
/** What a port may take in a row, ms: a page of 1 GiB, zeroed, is 100 to 250. */
export const PORT_MS_MAX = 500;
/** Of a second that it may take on and on, ms. */
export const PORT_MS_PER_SECOND = 100;
/** How long a watch lasts, ms: at first, and at most. It doubles with each. */
const WATCH_MS = 10_000;
const WATCH_MS_MAX = 600_000;
/** A port is not told of again so soon, ms. */
const TOLD_MS = 1000;
/** Without a reason for so long, watches are short again, ms. */
const CALM_MS = 1_200_000;

/** What the watch reads; each is a system call, or nearly. */
export interface WatchClocks {
  /** ms, from any moment on, without the time in which others had the processor. */
  now(): number;
  /** How long the thread ran, ms. */
  ranMs(): number;
  /** Writes what it has done into `use`. */
  readUse(use: ThreadUse): void;
}

/** The watch. Data-plane thread only; allocates nothing. */
export class TimeWatch implements VisitWatch {
  readonly #clocks: WatchClocks;
  readonly #events: Pick<EventWriter, "write">;
  /** What is left to each port, ms, as of `#leftAt`. */
  readonly #left = new Float64Array(PORTS_MAX).fill(PORT_MS_MAX);
  readonly #leftAt = new Float64Array(PORTS_MAX);
  /** When each was told of last, ms: its connection ends soon. */
  readonly #toldAt = new Float64Array(PORTS_MAX).fill(-Infinity);
  /** At the last boundary between two parts. */
  #nowMs = 0;
  #ranMs = 0;
  #use: ThreadUse = { faults: 0, waits: 0 };
  #before: ThreadUse = { faults: 0, waits: 0 };
  /** At the last stretch that was looked at. */
  #stretchWaits: number;
  #stretchSleeps = 0;
  readonly #lookUse: ThreadUse = { faults: 0, waits: 0 };
  #untilMs = -Infinity;
  #watchMs = WATCH_MS;

  /** Watches nothing yet. */
  constructor(clocks: WatchClocks, events: Pick<EventWriter, "write">) {
    this.#clocks = clocks;
    this.#events = events;
    clocks.readUse(this.#lookUse);
    this.#stretchWaits = this.#lookUse.waits;
  }

  /**
   * A stretch has taken 1 ms or longer. @param ranMs of it, that the thread ran
   * @param sleeps times that the thread slept so far
   */
  longStretch(now: number, ranMs: number, sleeps: number): void {
    const use = this.#lookUse;
    this.#clocks.readUse(use);
    // Each sleep is one of the waits, or none.
    const stood = use.waits - this.#stretchWaits > sleeps - this.#stretchSleeps;
    this.#stretchWaits = use.waits;
    this.#stretchSleeps = sleeps;
    if (ranMs < LONG_MS && !stood) return;
    const calm = now - this.#untilMs > CALM_MS;
    if (calm) this.#watchMs = WATCH_MS;
    else if (now > this.#untilMs - this.#watchMs / 2) {
      this.#watchMs = Math.min(2 * this.#watchMs, WATCH_MS_MAX);
    }
    this.#untilMs = now + this.#watchMs;
  }

  /** Whether visits are to be watched now. */
  isOn(now: number): boolean {
    return now < this.#untilMs;
  }

  begin(): void {
    this.#nowMs = this.#clocks.now();
    this.#ranMs = this.#clocks.ranMs();
    this.#clocks.readUse(this.#use);
  }

  shareMs(port: number): number {
    return this.#left[port]! < PORT_MS_MAX / 2 ? KNOWN_MS_MAX : VISIT_MS_MAX;
  }

  isOver(port: number): boolean {
    const most = this.shareMs(port);
    const tookMs = this.#clocks.now() - this.#nowMs;
    if (tookMs < most) return false;
    this.#clocks.readUse(this.#before);
    if (this.#before.faults === this.#use.faults) return false;
    return this.#before.waits > this.#use.waits || this.#clocks.ranMs() - this.#ranMs >= most;
  }

  endPart(port: number): number {
    const before = this.#use;
    this.#use = this.#before;
    this.#before = before;
    const nowMs = this.#clocks.now();
    this.#clocks.readUse(this.#use);
    const ranMs = this.#clocks.ranMs();
    const waited = this.#use.waits > before.waits;
    const faulted = this.#use.faults > before.faults;
    const tookMs = waited ? nowMs - this.#nowMs : ranMs - this.#ranMs;
    this.#nowMs = nowMs;
    this.#ranMs = ranMs;
    if (tookMs < PART_MS_MIN || !faulted) return 0;
    this.#charge(port, tookMs, nowMs);
    return tookMs;
  }

  endCall(port: number): void {
    const ranMs = this.#clocks.ranMs();
    const tookMs = ranMs - this.#ranMs;
    this.#nowMs = this.#clocks.now();
    this.#ranMs = ranMs;
    if (tookMs >= PART_MS_MIN) this.#charge(port, tookMs, this.#nowMs);
  }

  #charge(port: number, tookMs: number, nowMs: number): void {
    const earned = (nowMs - this.#leftAt[port]!) * PORT_MS_PER_SECOND / 1000;
    this.#leftAt[port] = nowMs;
    this.#left[port] = Math.min(PORT_MS_MAX, this.#left[port]! + earned) - tookMs;
    if (this.#left[port]! >= 0 || nowMs - this.#toldAt[port]! < TOLD_MS) return;
    this.#left[port] = 0;
    if (this.#events.write(EVENT.tooSlow, port, 0, 0)) this.#toldAt[port] = nowMs;
  }

  /** A port is somebody else's. That of one socket keeps what its front-ends took, one by one. */
  forget(port: number): void {
    this.#left[port] = PORT_MS_MAX;
    this.#toldAt[port] = -Infinity;
  }
}
