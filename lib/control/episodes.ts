/**
 * What a port does wrong for a while, as operators hear of it: the data plane tells once a second as
 * long as it goes on, the log says so once a minute at most, and `port show` knows of it until it ends.
 * How many frames there were is counted.
 *
 * @module
 */
import type { ProblemCode } from "./vhost_port/problem_codes.ts";
import type { PortProblem } from "./types.ts";

/** One line of a port and kind in so long, ms. */
const WINDOW_MS = 60_000;
/** It goes on if it was told of so lately, ms. */
const LASTING_MS = 5_000;

interface Episode extends PortProblem {
  readonly atMs: number;
  readonly saidMs: number;
}

/** The episodes of all ports. Control thread only. */
export class Episodes {
  readonly #clock: () => number;
  readonly #ports = new Map<string, Map<string, Episode>>();

  /** There are none. @param clock monotonic, ms */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** One goes on, or begins. @returns whether it is to be said */
  goesOn(port: string, code: ProblemCode, text: string, hint: string): boolean {
    const now = this.#clock();
    const episodes = this.#ports.get(port) ?? new Map<string, Episode>();
    this.#ports.set(port, episodes);
    const before = episodes.get(code);
    const says = before === undefined || now - before.saidMs >= WINDOW_MS;
    episodes.set(code, { code, text, hint, atMs: now, saidMs: says ? now : before.saidMs });
    return says;
  }

  /** What is wrong with a port for as long as it goes on. */
  problems(port: string): PortProblem[] {
    const now = this.#clock();
    return [...this.#ports.get(port)?.values() ?? []].filter(({ atMs }) => now - atMs <= LASTING_MS)
      .map(({ code, text, hint }) => ({ code, text, hint }));
  }

  /** A port is removed: another may have its name. */
  forget(port: string): void {
    this.#ports.delete(port);
  }
}
