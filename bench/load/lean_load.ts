/**
 * The other load: a process with two guests in TypeScript (`bench/lean/`), for what testpmd cannot
 * do: the time of one frame, a given rate, many stations.
 *
 * @module
 */
import { CoreMeter, judge, UNTOLD } from "../busy.ts";
import type { LeanLine, LeanResult, LeanTask } from "../lean/task.ts";
import type { Busy } from "../record.ts";
import type { Rival } from "../rivals/rival.ts";
import type { Bench, Sample } from "../suite.ts";

const MAIN = new URL("../lean/main.ts", import.meta.url).pathname;

/** What differs from task to task. */
export type LeanWish = Pick<LeanTask, "kind" | "ring" | "bytes"> & {
  readonly stations?: number;
  readonly known?: number;
  readonly restMs?: number;
  readonly receiver?: LeanTask["receiver"];
};

/** Reads lines as they come. */
async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

/** Runs a task beside a switch. @throws what the process says, or its last words */
export async function driveLean(
  rival: Pick<Rival, "sockets" | "pids">,
  wish: LeanWish,
  bench: Bench,
): Promise<Sample> {
  const [one = "", other = ""] = rival.sockets;
  const { cpus, seconds } = bench;
  const task: LeanTask = {
    ...{ stations: 2, known: wish.stations ?? 2, restMs: 5, receiver: "whole", ...wish },
    ...{ sockets: [one, other], cpu: cpus.generator, otherCpu: cpus.switch, seconds },
  };
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, JSON.stringify(task)],
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  const errors = new Response(child.stderr).text();
  let meters: [CoreMeter, CoreMeter] | null = null;
  let [generatorCore, switchCore]: [Busy | null, Busy | null] = [null, null];
  let result: LeanResult | null = null;
  let message = "";
  for await (const text of linesOf(child.stdout)) {
    const line = JSON.parse(text) as LeanLine;
    if (line.event === "begin") {
      meters = [
        new CoreMeter(cpus.generator, [child.pid]),
        new CoreMeter(cpus.switch, rival.pids),
      ];
    } else if (line.event === "end") {
      generatorCore = meters?.[0].read(UNTOLD) ?? null;
      switchCore = meters?.[1].read(UNTOLD) ?? null;
    } else if (line.event === "result") result = line.result;
    else message = line.message;
  }
  await child.status;
  if (result === null) throw new Error(message || (await errors).trim() || "the generator ended");
  const { value, more, quantilesUs, emptyPolls } = result;
  const generator = generatorCore === null ? null : { ...generatorCore, emptyPolls };
  const note = judge(generator, switchCore);
  return { value, more, quantilesUs, switchCore, generatorCore: generator, note };
}
