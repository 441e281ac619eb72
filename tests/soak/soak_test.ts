/**
 * A short siege: each deed at least once, in an order of its own.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { DEEDS } from "./deeds.ts";
import { soak } from "./soak.ts";

/** The first pass goes to its end, however long that takes. */
const SECONDS = 60;

Deno.test("a siege: one port after another attacked in every way, and nobody else notices", async () => {
  const seed = Date.now() % 2 ** 31;
  const report = await soak({ seconds: SECONDS, seed });
  const { deeds, frames, rate, gapMs } = report;
  const kept = Math.round(100 * rate.median);
  // What else this machine does shows in these two: they decide nothing.
  console.log(
    `    seed ${seed}: ${deeds} deeds in ${Math.round(report.seconds)} s, ${frames} frames of ` +
      `others, none lost, at ${kept} % of their rate, longest gap ${Math.round(gapMs.siege)} ms`,
  );
  assert(deeds >= DEEDS.length);
});
