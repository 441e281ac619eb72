/** Which sources a round leaves out: the silent ones, in turn. */
import { strict as assert } from "node:assert";
import { Rota, SILENT_LOOKS, SILENT_ROUNDS } from "../../../lib/worker/rota.ts";

const PLACES = 20;

function looks(rota: Rota, round: number): number[] {
  return Array.from({ length: PLACES }, (_, place) => place)
    .filter((place) => !rota.leavesOut(place, round, 0));
}

Deno.test("a source is left out once it has been silent for long, and has its turn in eight rounds", () => {
  const rota = new Rota();
  for (let look = 0; look < SILENT_LOOKS; look++) {
    assert.equal(looks(rota, look).length, PLACES);
    for (let place = 0; place < PLACES; place++) rota.note(place, place === 7 ? 1 : 0);
  }
  const seen = new Map<number, number>();
  for (let round = 1000; round < 1000 + SILENT_ROUNDS; round++) {
    const now = looks(rota, round);
    assert(now.length < PLACES / 2, "they share the rounds");
    for (const place of now) seen.set(place, (seen.get(place) ?? 0) + 1);
  }
  for (let place = 0; place < PLACES; place++) {
    assert.equal(seen.get(place), place === 7 ? SILENT_ROUNDS : 1);
  }
  rota.note(3, 1);
  for (let round = 0; round < SILENT_ROUNDS; round++) {
    assert.equal(rota.leavesOut(3, round, 0), false);
    assert.equal(rota.leavesOut(4, round, 1), false, "its port has a deficit to work off");
  }
});
