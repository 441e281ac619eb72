/**
 * Runs fuzzers: `deno task fuzz [NAME…] [--time 1h] [--seed N] [--cases N] [--path P]`. Without a name
 * all of them, which share the time; without a seed one of this moment; without a bound for a minute
 * each. Tells now and then how far it is. A fault comes with the command that shows it again.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { spanSeconds, spanWords } from "../harness/span.ts";
import { StatusLine } from "../harness/status_line.ts";
import { fuzz, FUZZERS, type FuzzReport } from "./fuzzers.ts";
import { addTally } from "./tally.ts";

/** Cases that come from one seed; the next ones from the seed after it. */
const CASES_PER_SEED = 250;
/** Progress is told so often, ms, where there is no terminal for a status line. */
const TELL_MS = 10_000;

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    time: { type: "string" },
    seed: { type: "string" },
    path: { type: "string" },
    cases: { type: "string" },
    patience: { type: "string" },
    "as-found": { type: "boolean", default: false },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(FUZZERS);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const cases = Number(values.cases ?? (values.path === undefined ? Infinity : 1));
const seconds = values.time === undefined ? 60 * names.length : spanSeconds(values.time);
if (seconds === null || !Number.isInteger(seed) || Number.isNaN(cases)) {
  console.error("--time must be such as 90s, 5m or 1h, --seed and --cases whole numbers");
  Deno.exit(2);
}
const secondsEach = cases < Infinity && values.time === undefined
  ? Infinity
  : seconds / names.length;

const status = new StatusLine();

/** Runs one until its time or its cases are over, or it finds a fault. */
async function run(name: string): Promise<FuzzReport> {
  const begin = performance.now();
  let told = begin;
  let done = 0;
  let tally: object = {};
  for (let round = 0;; round++) {
    const spent = (performance.now() - begin) / 1000;
    const report = await fuzz(name, {
      seed: seed + round,
      path: values.path,
      asFound: values["as-found"],
      cases: Math.min(CASES_PER_SEED, cases - done),
      seconds: secondsEach === Infinity ? undefined : Math.max(0.001, secondsEach - spent),
      ...(values.patience === undefined ? {} : { patienceMs: 1000 * Number(values.patience) }),
    });
    done += report.cases;
    tally = addTally(tally, report.tally);
    const now = (performance.now() - begin) / 1000;
    const isOver = done >= cases || now >= secondsEach;
    const left = Math.min(secondsEach - now, now / done * (cases - done));
    status.tell(left, `${name}, ${done} cases`);
    if (report.fault !== null || isOver) {
      status.end();
      return { cases: done, tally, fault: report.fault };
    }
    if (Deno.stderr.isTerminal() || performance.now() - told < TELL_MS) continue;
    told = performance.now();
    console.error(`${name}: ${done} cases, ${spanWords(left)} left`);
  }
}

let failed = false;
for (const name of names) {
  const begin = performance.now();
  const { cases, tally, fault } = await run(name);
  const took = spanWords((performance.now() - begin) / 1000);
  console.log(`${name}: seed ${seed}, ${cases} cases in ${took}, ${JSON.stringify(tally)}`);
  if (fault === null) continue;
  failed = true;
  console.error(fault);
}
// A fault may have left something running.
Deno.exit(failed ? 1 : 0);
