/**
 * Lays siege to a switch: `deno task soak [--time 1h] [--seed N]`. Ends with 1 if somebody lost a
 * frame, the switch kept something, or the pair's rate fell.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { soak } from "./soak.ts";

/** Median rate under siege, of the quiet one. */
const RATE_MIN = 0.95;
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

const { values } = parseArgs({
  args: Deno.args,
  options: {
    time: { type: "string", default: "5m" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
  },
});
const [, number, unit = "s"] = /^([1-9][0-9]{0,5})([smh])?$/.exec(values.time) ?? [];
const seed = Number(values.seed);
if (number === undefined || !Number.isSafeInteger(seed)) {
  console.error(`--time ${values.time} must be such as 90s, 5m or 1h; --seed a whole number`);
  Deno.exit(2);
}
const seconds = Number(number) * (UNITS[unit] as number);
const isTerminal = Deno.stderr.isTerminal();
const report = await soak({
  seconds,
  seed,
  tell: (name, passed, deeds) => {
    if (!isTerminal) return;
    const line = `${Math.round(passed)} of ${seconds} s, ${deeds} deeds: ${name}`;
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${line.slice(0, 79)}`));
  },
}).catch((error) => {
  console.error(`\n${error.message}`);
  Deno.exit(1);
});
if (isTerminal) console.error();
console.log(JSON.stringify({ seed, ...report }, null, 2));
if (report.rate.median < RATE_MIN) {
  console.error(`the pair kept ${Math.round(100 * report.rate.median)} % of its rate`);
  Deno.exit(1);
}
Deno.exit(0);
