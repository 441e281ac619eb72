/** A line of progress is for terminals alone, and no longer than one of their lines. */
import { strict as assert } from "node:assert";
import { StatusLine } from "../../harness/status_line.ts";

Deno.test("a status line says what is left, writes over itself, and goes away", () => {
  for (const isTerminal of [true, false]) {
    let written = "";
    const line = new StatusLine({
      isTerminal: () => isTerminal,
      writeSync: (bytes) => {
        written += new TextDecoder().decode(bytes);
        return bytes.length;
      },
    });
    line.end();
    assert.equal(written, "", "there was none");
    line.tell(125, "one\ntwo");
    line.tell(-1, "x".repeat(200));
    line.end();
    const wanted = `\r\x1b[K2m05s left: one two\r\x1b[K0s left: ${"x".repeat(70)}\r\x1b[K`;
    assert.equal(written, isTerminal ? wanted : "");
  }
});
