/**
 * The process of the lean guests: `deno run -A bench/lean/main.ts TASK`, where TASK is JSON
 * ({@linkcode LeanTask}). It prints JSON lines ({@linkcode LeanLine}).
 *
 * @module
 */
import { setThreadCpus } from "../../ffi/mod.ts";
import { digits, quantile, QUANTILES } from "../statistics.ts";
import { wakeAlone } from "./eventfd_alone.ts";
import { LeanGuest } from "./guest.ts";
import { floodLarge, writeLarge } from "./large.ts";
import { awaitSwitch, flood, type Pair, ping, rate, wake } from "./loads.ts";
import { confirmRate, searchRate, type Trial } from "./search.ts";
import type { LeanLine, LeanResult, LeanTask } from "./task.ts";

const RING_SIZE = 1024;
const WARM_UP_SECONDS = 0.5;
const RESOLUTION = 0.02;
const CONFIRM = { step: 0.05, tries: 6 };
/** What is called a partial drop rate elsewhere: half a percent may be lost. */
const SOME_LOSS = 0.005;

function tell(line: LeanLine): void {
  console.log(JSON.stringify(line));
}

/** A distribution; its median is what counts. */
function times(sorted: Float64Array): LeanResult {
  const at = (share: number): number => digits(quantile(sorted, share));
  return {
    value: at(0.5),
    more: {
      ...{ p99Us: at(0.99), p999Us: at(0.999), maxUs: at(1), count: sorted.length },
    },
    quantilesUs: QUANTILES.map(at),
    emptyPolls: null,
  };
}

async function measured<T>(work: () => Promise<T> | T): Promise<T> {
  tell({ event: "begin" });
  const result = await work();
  tell({ event: "end" });
  return result;
}

async function zeroLoss(pair: Pair, seconds: number): Promise<LeanResult> {
  const most = await flood(pair, WARM_UP_SECONDS, 2);
  // What goes through when it is full, and some: above it no rate passes.
  const ppsMax = 1.2 * most.received / most.seconds;
  let [stallMs, count] = [0, 0];
  const trialOf = (length: number) => async (pps: number): Promise<number> => {
    const result = await rate(pair, pps, length);
    stallMs = Math.max(stallMs, result.stallMs);
    count++;
    return Math.max(0, result.offered - result.received) / Math.max(1, result.offered);
  };
  const short = trialOf(Math.min(seconds, 0.5));
  const search = { ppsMax, resolution: RESOLUTION };
  return await measured(async () => {
    const strict = await searchRate(short, { ...search, lossMax: 0 });
    const known: readonly Trial[] = strict.trials;
    const lax = await searchRate(short, { ...search, lossMax: SOME_LOSS, known });
    const zero = await confirmRate(trialOf(seconds), strict.pps, 0, CONFIRM);
    return {
      value: digits(zero / 1e6),
      more: {
        halfPercentMpps: digits(lax.pps / 1e6),
        fullMpps: digits(most.received / most.seconds / 1e6),
        trials: count,
        generatorStallMs: digits(stallMs, 3),
      },
      quantilesUs: null,
      emptyPolls: null,
    };
  });
}

async function flooded(pair: Pair, { seconds, stations, known }: LeanTask): Promise<LeanResult> {
  // Every station has talked twice: a table that has room for it has learned it.
  for (let sent = 0; sent < 2 * known;) {
    sent += (await flood(pair, WARM_UP_SECONDS, known)).offered;
  }
  await flood(pair, WARM_UP_SECONDS, stations);
  const { offered, received, seconds: took, emptyPolls } = await measured(() =>
    flood(pair, seconds, stations)
  );
  const mpps = received / took / 1e6;
  return {
    value: digits(mpps),
    more: { sentMpps: digits(offered / took / 1e6) },
    quantilesUs: null,
    emptyPolls: digits(emptyPolls, 3),
  };
}

async function run(task: LeanTask): Promise<LeanResult> {
  setThreadCpus([task.cpu]);
  if (task.kind === "eventfd") {
    return times(await measured(() => wakeAlone(task.otherCpu, task.seconds, task.restMs)));
  }
  if (task.kind === "large") return await floodLarge(task, measured);
  if (task.kind === "writev") return await writeLarge(task, measured);
  const shape = { packed: task.ring === "packed", bytes: task.bytes, ringSize: RING_SIZE };
  using one = await LeanGuest.start(task.sockets[0], 0, shape);
  using other = await LeanGuest.start(task.sockets[1], 1, shape);
  const pair: Pair = [one, other];
  await awaitSwitch(pair);
  let result: LeanResult;
  if (task.kind === "ping") {
    ping(pair, WARM_UP_SECONDS);
    result = times(await measured(() => ping(pair, task.seconds)));
  } else if (task.kind === "wake") {
    // Code that has run a few times only is interpreted, on either side: 100 us and more a frame.
    await flood(pair, WARM_UP_SECONDS, 2);
    result = times(await measured(() => wake(pair, task.seconds, task.restMs)));
  } else if (task.kind === "zero-loss") result = await zeroLoss(pair, task.seconds);
  else result = await flooded(pair, task);
  for (const { rx, tx } of pair) {
    rx.check();
    tx.check();
  }
  return result;
}

if (import.meta.main) {
  try {
    tell({ event: "result", result: await run(JSON.parse(Deno.args[0] ?? "")) });
  } catch (error) {
    tell({ event: "error", message: error instanceof Error ? error.message : `${error}` });
    Deno.exit(1);
  }
  Deno.exit(0);
}
