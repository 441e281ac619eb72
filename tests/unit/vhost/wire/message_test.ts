/** Bytes of messages. */
import { strict as assert } from "node:assert";
import { encodeHex } from "@std/encoding/hex";
import {
  decodeHeader,
  encodeMessage,
  encodeU64,
  encodeVringState,
  exactU64,
} from "../../../../lib/vhost/wire/message.ts";
import { words } from "../fake_host.ts";

Deno.test("encodeMessage() lays a reply out as on the wire", () => {
  const bytes = encodeMessage(17, 0x5, encodeU64(0x0102030405060708n));
  const expected = "11000000" + "05000000" + "08000000" + "0807060504030201";
  assert.equal(encodeHex(bytes), expected);
  const header = { request: 17, flags: 5, sizeBytes: 8 };
  assert.deepEqual(decodeHeader(new DataView(bytes.buffer)), header);
});

Deno.test("encodeVringState() keeps 32 bits", () => {
  const view = new DataView(encodeVringState(1, 0x80008000).buffer);
  assert.deepEqual([view.getUint32(0, true), view.getUint32(4, true)], [1, 0x80008000]);
});

Deno.test("exactU64() gives a Number only where it is exact", () => {
  const view = new DataView(words(2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n, 0).buffer);
  assert.equal(exactU64(view, 0), 2 ** 53 - 1);
  assert.equal(exactU64(view, 8), null);
  assert.equal(exactU64(view, 16), null);
  assert.equal(exactU64(view, 24), 0);
});
