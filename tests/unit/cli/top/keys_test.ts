/** Keys of `top`, as terminals send them, whole and in pieces. */
import { strict as assert } from "node:assert";
import { KeyReader } from "../../../../lib/cli/top/keys.ts";

function keysOf(...pieces: readonly string[]): string[] {
  const reader = new KeyReader();
  return pieces.flatMap((piece) => reader.take(new TextEncoder().encode(piece)));
}

Deno.test("keys are told apart, however many come at once and wherever they are cut", () => {
  assert.deepEqual(keysOf("q"), ["q"]);
  assert.deepEqual(keysOf("\x1b[A\x1b[B\x1bOA\x1bOB"), ["up", "down", "up", "down"]);
  assert.deepEqual(keysOf("\x1b[5~\x1b[6~\x1b[H\x1b[4~"), ["page-up", "page-down", "home", "end"]);
  assert.deepEqual(keysOf("\x1b"), ["escape"]);
  assert.deepEqual(keysOf("\x1bq"), ["escape", "q"]);
  assert.deepEqual(keysOf("\x1b[", "A", "j"), ["up", "j"]);
  assert.deepEqual(keysOf("\x1b[5", "~"), ["page-up"]);
  assert.deepEqual(keysOf("\r\n\x7f\b\t"), ["enter", "enter", "backspace", "backspace", "tab"]);
  assert.deepEqual(keysOf("\x03\x04\x1c\x1a\x0c"), [
    ...["ctrl-c", "ctrl-c", "ctrl-c", "ctrl-z", "ctrl-l"],
  ]);
});

Deno.test("what is no key of ours does nothing: mouse, function keys, broken characters, floods", () => {
  assert.deepEqual(keysOf("\x1b[<0;10;20M\x1b[15~\x1bOP\x01\x02"), []);
  assert.deepEqual(keysOf("ä"), ["ä"]);
  const [first = 0, second = 0] = new TextEncoder().encode("ä");
  const reader = new KeyReader();
  assert.deepEqual(reader.take(new Uint8Array([first])), []);
  assert.deepEqual(reader.take(new Uint8Array([second])), ["ä"]);
  // A sequence without an end is forgotten, and keys behind it are heard.
  assert.deepEqual(keysOf(`\x1b[${"1;".repeat(100)}`, "q").at(-1), "q");
  assert.deepEqual(keysOf("\x1b[1;5", "\x1b[A").at(-1), "up");
});
