/**
 * A siege that lasts: one port after another is attacked in every way there is, again and again, and
 * two guests that nobody attacks lose no frame and keep their rate, while the switch holds no more
 * than at the start.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { type Held, held } from "../harness/bystanders.ts";
import { FarPair, type News } from "../harness/far_pair.ts";
import { Siege } from "../harness/siege.ts";
import { until } from "../harness/until.ts";
import { DEEDS } from "./deeds.ts";

/** How long the pair is left alone at the start, seconds: that is the rate it has to keep. */
const QUIET_SECONDS = 5;
/** Of the switch's log, said with a fault. */
const LOG_LINES = 12;
/** A heap may grow by a step or two of 12 MB. */
const PRIVATE_GROWTH_KB_MAX = 40_000;
const SHARED_GROWTH_KB_MAX = 4_000;

/** What a siege came to. */
export interface SoakReport {
  readonly seconds: number;
  readonly deeds: number;
  /** How often all deeds were done. */
  readonly passes: number;
  /** Frames of the pair that were measured. */
  readonly frames: number;
  /** Of a quiet second, per second of the siege: median and lowest of half seconds. */
  readonly rate: { readonly quiet: number; readonly median: number; readonly lowest: number };
  /** Longest time in which the pair heard nothing, ms: quiet, and under siege. */
  readonly gapMs: { readonly quiet: number; readonly siege: number };
  /** The same without time in which others had the processors, and the deed of the longest. */
  readonly ownGapMs: { readonly quiet: number; readonly siege: number; readonly deed: string };
  readonly before: Held;
  readonly after: Held;
}

/** What a siege is to be. */
export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Told after each deed. */
  readonly tell?: (name: string, seconds: number, deeds: number) => void;
}

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), 1 | state);
    word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** All ports as they stand, without counters of nothing, for who looks into a fault. */
async function state(siege: Siege): Promise<string> {
  try {
    const ports = await callSwitch(siege.process.ctl, "GET", "/v1/ports") as PortStatus[];
    const rings = [await siege.vring(0), await siege.vring(1)].filter((ring) => ring !== undefined);
    const lines = [...ports, ...rings].map((each) =>
      JSON.stringify(each, (_, value) => value === 0 || value === null ? undefined : value)
    );
    return lines.join("\n");
  } catch (error) {
    return `${error}`;
  }
}

/** Lays siege. @throws if somebody lost a frame, a deed ended otherwise, or something was kept */
export async function soak({ seconds, seed, tell }: SoakOptions): Promise<SoakReport> {
  const random = randomOf(seed);
  await using siege = await Siege.lay(2);
  using pair = new FarPair({ sockets: [siege.spare(0), siege.spare(1)], pid: siege.process.pid });
  const perSecond = (news: { frames: number; seconds: number }): number =>
    news.frames / news.seconds;
  await pair.wait(2);
  siege.recount();
  const quiet = await pair.wait(2 * QUIET_SECONDS);
  const rate = median(quiet.map(perSecond));
  // Code that runs for the first time makes heaps grow: each deed once before it is counted.
  let before: Held | null = null;
  const begin = performance.now();
  const passed = (): number => (performance.now() - begin) / 1000;
  const news: News[] = [];
  let deeds = 0;
  let longest = { gapMs: 0, name: "" };
  while (before === null || passed() < seconds) {
    for (const { name, reason, rests, run } of DEEDS.toSorted(() => random() - 0.5)) {
      if (passed() >= seconds && before !== null) break;
      try {
        const deed = (): Promise<void> => run(siege, random);
        await (rests ? siege.attackAlone(reason, deed) : siege.attack(reason, deed));
        const latest = pair.take();
        news.push(...latest);
        const gapMs = Math.max(0, ...latest.map(({ ownMs }) => ownMs));
        if (gapMs > longest.gapMs) longest = { gapMs, name };
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        const log = siege.process.log.trimEnd().split("\n").slice(-LOG_LINES).join("\n");
        const text = `seed ${seed}, deed ${deeds}, ${name}: ${why}\n${log}\n${await state(siege)}`;
        throw new Error(text, { cause: error });
      }
      deeds++;
      tell?.(name, passed(), deeds);
    }
    before ??= held(siege.process.pid);
  }
  news.push(...await pair.wait(2));
  const threads = before.threads;
  await until("threads to end", () => held(siege.process.pid).threads <= threads);
  const after = held(siege.process.pid);
  checkHeld(before, after);
  const rates = news.map(perSecond);
  const longestOf = (gaps: readonly number[]): number => Math.max(...gaps);
  return {
    ...{ seconds: passed(), deeds, before, after },
    passes: Math.floor(deeds / DEEDS.length),
    frames: news.reduce((sum, { frames }) => sum + frames, 0),
    rate: { quiet: rate, median: median(rates) / rate, lowest: Math.min(...rates) / rate },
    gapMs: {
      quiet: longestOf(quiet.map(({ gapMs }) => gapMs)),
      siege: longestOf(news.map(({ gapMs }) => gapMs)),
    },
    ownGapMs: {
      quiet: longestOf(quiet.map(({ ownMs }) => ownMs)),
      ...{ siege: longest.gapMs, deed: longest.name },
    },
  };
}

/** Descriptors and mappings are looked at after each deed. */
function checkHeld(before: Held, after: Held): void {
  const grown = after.privateKb - before.privateKb;
  assert(grown < PRIVATE_GROWTH_KB_MAX, `private memory grew by ${grown} kB`);
  const shared = after.sharedKb - before.sharedKb;
  assert(shared < SHARED_GROWTH_KB_MAX, `shared memory grew by ${shared} kB`);
}
