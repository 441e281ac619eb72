/** A stream of events is taken apart, however it is cut. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { EventReader } from "../../../lib/cli/event_stream.ts";

const TEXT = ':\n\nid: a-1\ndata: {"x":1}\n\nevent: lost\ndata: {"lost":3}\n\n:\n\n' +
  'data: one\ndata: two\n\nnonsense\n\nid: a-2\ndata:{"y":": "}\n\n';
const ITEMS = [
  { word: "message", data: '{"x":1}' },
  { word: "lost", data: '{"lost":3}' },
  { word: "message", data: "one\ntwo" },
  { word: "message", data: '{"y":": "}' },
];

Deno.test("a stream is the same in one piece and in any other", () => {
  assert.deepEqual(new EventReader().take(TEXT), ITEMS);
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: TEXT.length })), (places) => {
    const cuts = [0, ...places.sort((a, b) => a - b), TEXT.length];
    const reader = new EventReader();
    const items = cuts.slice(1).flatMap((to, i) => reader.take(TEXT.slice(cuts[i], to)));
    assert.deepEqual(items, ITEMS);
  }));
});

Deno.test("what never ends is not kept", () => {
  const reader = new EventReader();
  for (let i = 0; i < 100; i++) reader.take("x".repeat(1 << 16));
  assert.deepEqual(reader.take('\n\ndata: {"x":1}\n\n').at(-1), ITEMS[0]);
});
