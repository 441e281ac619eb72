/**
 * What an address costs in the switch's forwarding database: memory, and time to learn it and to
 * look it up, by how many there are. `deno run -A bench/micro/main.ts fdb`.
 *
 * @module
 */
import { Fdb } from "../../lib/switch/fdb.ts";

const SIZES = [1024, 16384, 131072, 1048576];
/** Operations for each figure at least, in rounds. */
const OPERATIONS = 4 << 20;
/** Odd: a walk by it visits all addresses of a power of two, in no order that a cache knows. */
const STRIDE = 40503;

/** The least of some rounds, ns each. @param prepare is not measured */
function best(count: number, prepare: () => void, run: () => void): number {
  let least = Infinity;
  for (let round = 0; round < Math.max(5, OPERATIONS / count); round++) {
    prepare();
    const begin = performance.now();
    run();
    least = Math.min(least, performance.now() - begin);
  }
  return (least * 1e6) / count;
}

for (const entriesMax of SIZES) {
  const bytes = Fdb.bytesFor(entriesMax);
  const options = { entriesMax, portEntriesMax: entriesMax, ageSeconds: 300, seed: 7 };
  const fdb = new Fdb(new SharedArrayBuffer(bytes), options);
  const learn = best(entriesMax, () => fdb.removePort(1), () => {
    for (let i = 0; i < entriesMax; i++) fdb.learn(i, 0x5254, 1, 1);
  });
  let lost = 0;
  const lookUp = best(entriesMax, () => {}, () => {
    for (let i = 0; i < entriesMax; i++) {
      if (fdb.lookup((i * STRIDE) & (entriesMax - 1), 0x5254, 1) !== 1) lost++;
    }
  });
  if (lost > 0) throw new Error(`${lost} were not found`);
  console.log(
    `${entriesMax} addresses: ${(bytes / entriesMax).toFixed(0)} B each, ` +
      `learned in ${learn.toFixed(0)} ns, found in ${lookUp.toFixed(0)} ns`,
  );
}
