/**
 * What testpmd says of its own work: cycles in polls that found frames, and how many found none.
 *
 * @module
 */
import type { Testpmd } from "../../lib/demo/testpmd.ts";
import type { Work } from "../busy.ts";

/** Turns the counters on; at a prompt where nothing runs yet or something does. */
export async function recordWork(testpmd: Testpmd): Promise<void> {
  await testpmd.commands("set record-core-cycles on", "set record-burst-stats on");
}

/** Cycles a second and cycles spent, polls and empty polls, of `show fwd stats all`. */
export interface ForwardStats {
  readonly hz: number;
  readonly cycles: number;
  readonly polls: number;
  readonly emptyPolls: number;
}

/**
 * Reads what `show fwd stats all` or `stop` prints.
 * @returns null if the counters were off, or nothing was forwarded
 */
export function parseForwardStats(text: string): ForwardStats | null {
  const cycles = /total cycles=(\d+) .*\) at (\d+) MHz/.exec(text);
  const bursts = [...text.matchAll(/RX-bursts\s*:\s*(\d+) \[(?:(\d+)% of 0 pkts)?/g)];
  if (!cycles || bursts.length === 0) return null;
  let [polls, emptyPolls] = [0, 0];
  for (const [, count = "0", percent = "0"] of bursts) {
    polls += Number(count);
    emptyPolls += Number(count) * Number(percent) / 100;
  }
  return { hz: Number(cycles[2]) * 1e6, cycles: Number(cycles[1]), polls, emptyPolls };
}

/** Counts from now on. */
export class TestpmdWork {
  readonly #testpmd: Testpmd;
  #from = performance.now();

  constructor(testpmd: Testpmd) {
    this.#testpmd = testpmd;
  }

  async clear(): Promise<void> {
    await this.#testpmd.commands("clear fwd stats all");
    this.#from = performance.now();
  }

  async read(): Promise<Work> {
    const ms = performance.now() - this.#from;
    const stats = parseForwardStats(await this.#testpmd.command("show fwd stats all"));
    if (stats === null) return { worked: null, emptyPolls: null };
    return {
      worked: Math.min(1, stats.cycles / stats.hz / (ms / 1000)),
      emptyPolls: stats.polls === 0 ? null : stats.emptyPolls / stats.polls,
    };
  }
}
