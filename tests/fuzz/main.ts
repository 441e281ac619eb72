/**
 * Runs fuzzers: `deno task fuzz [NAME…] [--seed N] [--path P] [--cases N] [--seconds S]`. Without
 * a name all of them, without a seed one of this moment, without a bound for a minute each.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { fuzz, FUZZERS } from "./fuzzers.ts";

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    seed: { type: "string" },
    path: { type: "string" },
    cases: { type: "string" },
    seconds: { type: "string" },
    patience: { type: "string" },
    "as-found": { type: "boolean", default: false },
  },
});
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const bounded = values.cases !== undefined || values.path !== undefined;
let failed = false;
for (const name of positionals.length > 0 ? positionals : Object.keys(FUZZERS)) {
  const { cases, tally, fault } = await fuzz(name, {
    seed,
    path: values.path,
    asFound: values["as-found"],
    cases: Number(values.cases ?? (values.path === undefined ? 2 ** 31 - 1 : 1)),
    seconds: bounded ? undefined : Number(values.seconds ?? 60),
    ...(values.patience === undefined ? {} : { patienceMs: 1000 * Number(values.patience) }),
  });
  console.log(`${name}: seed ${seed}, ${cases} cases, ${JSON.stringify(tally)}`);
  if (fault === null) continue;
  failed = true;
  console.error(fault);
}
// A fault may have left something running.
Deno.exit(failed ? 1 : 0);
