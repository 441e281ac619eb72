/**
 * Traffic of every kind at full speed in one thread: after warming up, V8 collects nothing, throws
 * no optimised code away, and its heap does not grow by what frames could cost.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { Pass } from "../harness/steady_traffic.ts";
import { collections, deoptimisations, TRACE_FLAGS } from "../harness/v8_trace.ts";

const TRAFFIC = new URL("../harness/steady_traffic.ts", import.meta.url).pathname;
/** Passes in a row that must be without. */
const SILENT = 10;
/** Passes in which they must come. */
const PASSES_MAX = 80;
/** What saying so takes, a pass. A frame that cost one byte would take 600,000. */
const BYTES_MAX = 8192;

/** What V8 said, and the traffic of itself, since the pass before. */
interface Said {
  readonly pass: Pass;
  readonly said: readonly string[];
}

async function* passes(stream: ReadableStream<Uint8Array>): AsyncGenerator<Said> {
  let text = "";
  let said: string[] = [];
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (text + part).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("PASS ")) said.push(line);
      else {
        yield { pass: JSON.parse(line.slice(5)) as Pass, said };
        said = [];
      }
    }
  }
}

Deno.test("steady traffic of every kind makes no garbage and keeps its code", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", TRACE_FLAGS, TRAFFIC],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let silent = 0;
  let count = 0;
  let before: Pass | null = null;
  let last = "";
  let traced = 0;
  for await (const { pass, said } of passes(child.stdout)) {
    const text = said.join("\n");
    const news = [...collections(text).map(({ line }) => line), ...deoptimisations(text)];
    traced += news.length;
    if (news.length === 0 && pass.more <= BYTES_MAX) silent++;
    else {
      silent = 0;
      last = `${pass.more} bytes more, ${news.join("\n")}`;
    }
    for (const [kind, arrived] of pass.arrived.entries()) {
      const sent = pass.frames[kind] ?? 0;
      assert(sent > 0 && arrived - (before?.arrived[kind] ?? 0) >= 0.9 * sent, `kind ${kind}`);
    }
    before = pass;
    if (++count === PASSES_MAX || silent === SILENT) break;
  }
  child.kill();
  await child.status;
  assert(traced > 0, "V8 tells of warming up");
  assert.equal(silent, SILENT, `after ${count} passes: ${last}`);
});
