/**
 * A thread with two guests that nobody attacks: what reaches them is measured apart from the thread
 * that attacks.
 *
 * @module
 */
import { Bystanders, type Gap } from "./bystanders.ts";
import { ownClock } from "./own_time.ts";

/** What the pair is asked to do first. */
export interface PairStart {
  readonly sockets: readonly [string, string];
  /** Process of the switch. */
  readonly pid: number;
}

/** What it tells, once a period. */
export type PairNews =
  | (Gap & { readonly frames: number; readonly seconds: number })
  | { readonly error: string };

const PERIOD_MS = 500;
/** Addresses of nobody else. */
const MACS = [0xc1, 0xc2] as const;

function firstLine(error: unknown): string {
  return String(error).split("\n")[0] as string;
}

const thread = self as unknown as {
  onmessage: ((event: MessageEvent<PairStart>) => void) | null;
  postMessage(news: PairNews): void;
};

thread.onmessage = async ({ data: { sockets, pid } }) => {
  try {
    const pair = await Bystanders.attach(sockets[0], sockets[1], MACS, ownClock(pid));
    let [before, at] = [pair.arrived, performance.now()];
    pair.takeGap();
    setInterval(() => {
      try {
        const [now, arrived] = [performance.now(), pair.arrived];
        const seconds = (now - at) / 1000;
        thread.postMessage({ frames: arrived - before, seconds, ...pair.takeGap() });
        [before, at] = [arrived, now];
      } catch (error) {
        thread.postMessage({ error: `the pair: ${firstLine(error)}` });
      }
    }, PERIOD_MS);
  } catch (error) {
    thread.postMessage({ error: String(error) });
  }
};
