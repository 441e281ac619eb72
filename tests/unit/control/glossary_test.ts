/** What words mean: every one that an operator meets is explained, however it is written. */
import { strict as assert } from "node:assert";
import { explain, glossary, glossaryWords } from "../../../lib/control/glossary.ts";
import { DROP_REASONS, METRICS } from "../../../lib/control/metrics/families.ts";
import { PROBLEM_CODES } from "../../../lib/control/vhost_port/problem_codes.ts";
import { WORD_KINDS } from "../../../lib/control/word_kinds.ts";
import { PORT_COUNTERS, VRING_COUNTERS, WORKER_COUNTERS } from "../../../lib/switch/counters.ts";
import { FDB_COUNTERS } from "../../../lib/switch/fdb.ts";
import { CHAIN_REASON_ROWS } from "../../../lib/virtio/bad_chain.ts";
import { RING_REASONS } from "../../../lib/virtio/ring.ts";
import { eventNames, reasonCodes } from "../../docs/named.ts";
import { controlError } from "./support.ts";

function kindsOf(word: string): string[] {
  return explain(word).map(({ kind }) => kind);
}

Deno.test("every counter, reason, problem, event and metric is explained", () => {
  const counters = [...PORT_COUNTERS, ...VRING_COUNTERS, ...WORKER_COUNTERS, ...FDB_COUNTERS];
  for (const name of counters) {
    assert(kindsOf(name).includes(/xDropped/.test(name) ? "drop" : "counter"), name);
  }
  for (const code of reasonCodes()) assert(kindsOf(code).includes("reason"), code);
  for (const code of RING_REASONS.slice(1)) assert(kindsOf(code).includes("ring-reason"), code);
  for (const [code] of CHAIN_REASON_ROWS) assert(kindsOf(code).includes("chain-reason"), code);
  for (const code of PROBLEM_CODES) assert(kindsOf(code).includes("problem"), code);
  for (const event of eventNames()) assert(kindsOf(event).includes("event"), event);
  for (const { name } of METRICS) assert(kindsOf(name).includes("metric"), name);
  for (const [reason, , counter] of DROP_REASONS) {
    assert(explain(reason).some(({ word }) => word === counter), reason);
  }
  for (const { word, kind, meaning, seenIn } of glossary()) {
    assert(kind in WORD_KINDS && meaning.length > 5 && seenIn.length > 4, word);
    assert(!/[\n\r]|\]\(/.test(meaning), `${word}: a line for a terminal`);
  }
});

Deno.test("a word is found in camel case, with hyphens or underscores, in any case of letters", () => {
  const [one] = explain("txDroppedNoBuffer");
  for (
    const word of ["tx-dropped-no-buffer", "no_buffer", "no-buffer", "NO_BUFFER", " noBuffer "]
  ) {
    assert(explain(word).some(({ word: found }) => found === one?.word), word);
  }
  assert.deepEqual(
    new Set(kindsOf("bad-index")),
    new Set(["reason", "ring-reason"]),
    "all that it means",
  );
  assert(explain("vlan").length === 2, "both ways");
});

Deno.test("what nobody says is told so in one line, with what may be meant", () => {
  for (
    const [word, hint] of [
      ["no_bufer", /^did you mean no_buffer\?$/],
      ["rxDropedVlan", /^did you mean rxDroppedVlan/],
      ["bad-sise", /^did you mean bad-size/],
      ["xyzzy-nothing-like-it", /^vuswitch explain lists all words$/],
      ["", /^vuswitch explain lists all words$/],
      ["a\n".repeat(5000), /^vuswitch explain lists all words$/],
    ] as const
  ) {
    assert.throws(() => explain(word), (error) => {
      controlError("not-found", /^Nothing is called /)(error);
      assert.match(String((error as { hint: string }).hint), hint);
      return true;
    });
  }
  assert.equal(new Set(glossaryWords()).size, glossaryWords().length);
});
