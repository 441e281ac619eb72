/**
 * Two guests that nobody attacks, in a thread of their own: what the attacker's thread does is in
 * none of their figures.
 *
 * @module
 */
import type { PairNews, PairStart } from "./far_pair_thread.ts";
import { until } from "./until.ts";

/** What they tell once a period. */
export type News = Exclude<PairNews, { error: string }>;

/** The thread, and all it told. */
export class FarPair implements Disposable {
  readonly #worker = new Worker(new URL("./far_pair_thread.ts", import.meta.url), {
    type: "module",
  });
  readonly #news: News[] = [];
  #error: string | null = null;

  /** Starts it. */
  constructor(start: PairStart) {
    this.#worker.onmessage = ({ data }: MessageEvent<PairNews>) => {
      if ("error" in data) this.#error ??= data.error;
      else this.#news.push(data);
    };
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#error ??= event.message;
    };
    this.#worker.postMessage(start);
  }

  /** What was told since the last time. @throws a frame was lost, changed or reordered */
  take(): News[] {
    if (this.#error !== null) throw new Error(this.#error);
    return this.#news.splice(0);
  }

  /** Waits until so many periods have been told, and takes them. */
  async wait(periods: number): Promise<News[]> {
    await until("the pair", () => {
      if (this.#error !== null) throw new Error(this.#error);
      return this.#news.length >= periods;
    });
    return this.take();
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
