/**
 * Lays siege to a switch: `deno task soak [--time 1h] [--seed N] [--min-rate 95]`. Ends with 1 if
 * somebody lost a frame, a deed ended otherwise than it should, the switch kept something, or the
 * pair's rate fell below what was asked for, which takes a machine with nothing else to do.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { spanSeconds } from "../harness/span.ts";
import { StatusLine } from "../harness/status_line.ts";
import { soak } from "./soak.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    time: { type: "string", default: "5m" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    "min-rate": { type: "string", default: "0" },
  },
});
const seconds = spanSeconds(values.time);
const seed = Number(values.seed);
const rateMin = Number(values["min-rate"]) / 100;
if (seconds === null || !Number.isSafeInteger(seed) || !(rateMin >= 0 && rateMin <= 1)) {
  console.error(
    `--time ${values.time} must be such as 90s, 5m or 1h, --seed a whole number, --min-rate per cent`,
  );
  Deno.exit(2);
}
const status = new StatusLine();
const report = await soak({
  seconds,
  seed,
  tell: (name, passed, deeds) => status.tell(seconds - passed, `${deeds} deeds, now ${name}`),
}).catch((error) => {
  console.error(`\n${error.message}`);
  Deno.exit(1);
});
status.end();
console.log(JSON.stringify({ seed, ...report }, null, 2));
if (report.rate.median < rateMin) {
  console.error(`the pair kept ${Math.round(100 * report.rate.median)} % of its rate`);
  Deno.exit(1);
}
Deno.exit(0);
