/** Lengths of time as they are said. */
import { strict as assert } from "node:assert";
import { spanSeconds, spanWords } from "../../harness/span.ts";

Deno.test("spanSeconds() takes whole seconds, minutes and hours, and nothing else", () => {
  for (const [text, seconds] of [["90s", 90], ["5m", 300], ["1h", 3600], ["45", 45]] as const) {
    assert.equal(spanSeconds(text), seconds);
  }
  for (const text of ["", "0s", "-1s", "1.5h", "1d", "h", "1 h", "1e3", "12345678"]) {
    assert.equal(spanSeconds(text), null, text);
  }
});

Deno.test("spanWords() says at most two units", () => {
  const said = [0, 40.4, 65, 3599.6, 3725].map(spanWords);
  assert.deepEqual(said, ["0s", "40s", "1m05s", "1h00m", "1h02m"]);
});
