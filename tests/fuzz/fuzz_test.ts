/**
 * A short run of every fuzzer, always of the same cases; VUSWITCH_FUZZ_SECONDS=N makes it N seconds
 * each, of new ones. And the proof that they find something: faults are planted in a copy of the
 * code, among them such as were really there.
 */
import { strict as assert } from "node:assert";
import { fuzz, FUZZERS } from "./fuzzers.ts";
import { MUTANTS, plant } from "./mutants.ts";

const SEED = 20261121;
const seconds = Number(Deno.env.get("VUSWITCH_FUZZ_SECONDS") ?? 0);

for (const [name, { about, shortCases }] of Object.entries(FUZZERS)) {
  Deno.test(`fuzz ${name}: ${about}`, async () => {
    const bounds = seconds > 0
      ? { seed: Date.now() % 2 ** 31, cases: 2 ** 31 - 1, seconds }
      : { seed: SEED, cases: shortCases };
    const { cases, tally, fault } = await fuzz(name, bounds);
    console.log(`seed ${bounds.seed}, ${cases} cases, ${JSON.stringify(tally)}`);
    assert(fault === null, fault ?? "");
    assert(cases >= (seconds > 0 ? 1 : shortCases));
  });
}

Deno.test("every fuzzer finds faults that are planted", async (t) => {
  const tried = MUTANTS.filter(({ quick }) => quick || seconds > 0);
  for (const name of Object.keys(FUZZERS)) assert(tried.some(({ by }) => by === name));
  await plant(async (tryMutant) => {
    for (const mutant of tried) {
      await t.step(`${mutant.by}: ${mutant.name}`, async () => {
        const { code, output } = await tryMutant(mutant);
        const found = FUZZERS[mutant.by] ? /see it again with/ : /^FAILED \| \d+ passed/m;
        assert(code === 1 && found.test(output), `it was not found:\n${output}`);
      });
    }
  });
});

Deno.test("every fault to plant has its place in the code, those that are seldom tried too", async () => {
  for (const { file, from, name } of MUTANTS) {
    const source = await Deno.readTextFile(new URL(`../../${file}`, import.meta.url));
    assert.equal(source.split(from).length, 2, name);
  }
});
