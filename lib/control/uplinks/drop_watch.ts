/**
 * Says that a device behind a port has no room for frames, or takes some of them not at all: looked
 * for once a second in counters that grow, for guests can cause it frame by frame.
 *
 * @module
 */
import type { PortProblem } from "../types.ts";
import type { UplinkReason } from "./reasons.ts";

/** Time between two looks, ms. */
const LOOK_MS = 1000;
/** Each has a line, and no other one in so long a time, ms. */
const LINE_MS = 60_000;

/** Counters that say so, and what they say. */
const DROPS: readonly { counter: string; code: UplinkReason; text: string }[] = [
  {
    counter: "txDroppedUplinkFull",
    code: "uplink-full",
    text: "what is behind the port has no room for frames",
  },
  {
    counter: "txDroppedUplinkRefused",
    code: "uplink-refused",
    text: "the kernel refuses frames of guests",
  },
];

/** What a watch needs of its port. */
export interface DropHost {
  /** The port's counters by name. */
  counters(): Readonly<Record<string, number>>;
  /** Something goes wrong, at most once a minute of each reason. */
  failed(code: UplinkReason, text: string): void;
}

/** Watches one port. Control thread only. */
export class DropWatch {
  readonly #host: DropHost;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #seen = new Map<string, number>();
  readonly #saidAt = new Map<string, number>();
  /** What went on between the last two looks. */
  problems: readonly PortProblem[] = [];

  /** Watches until {@linkcode close}. */
  constructor(host: DropHost) {
    this.#host = host;
    this.#timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** Looks at the counters. */
  look(): void {
    const counters = this.#host.counters();
    this.problems = DROPS.flatMap(({ counter, code, text }) => {
      const count = counters[counter] ?? 0;
      const more = count - (this.#seen.get(counter) ?? 0);
      this.#seen.set(counter, count);
      if (more <= 0) return [];
      this.#say(code, `${text}: ${more} dropped`);
      return [{ code, text, hint: `see ${counter}` }];
    });
  }

  #say(code: UplinkReason, text: string): void {
    const now = performance.now();
    if (now - (this.#saidAt.get(code) ?? -LINE_MS) < LINE_MS) return;
    this.#saidAt.set(code, now);
    this.#host.failed(code, text);
  }

  /** Looks no more. */
  close(): void {
    clearInterval(this.#timer);
  }
}
