/** Bytes of messages and of vring positions. */
import { strict as assert } from "node:assert";
import { encodeHex } from "@std/encoding/hex";
import {
  decodeHeader,
  encodeMessage,
  encodeU64,
  encodeVringState,
  exactU64,
} from "../../../../lib/vhost/wire/message.ts";
import { decodePacked, encodePosition } from "../../../../lib/vhost/device/vring.ts";
import { DEFAULT_OFFER } from "../../../../lib/vhost/offer.ts";
import {
  featureNames,
  hasFeature,
  protocolFeatureNames,
} from "../../../../lib/vhost/features/bits.ts";
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

Deno.test("encodePosition() and decodePacked() are inverse, 0 apart", () => {
  for (const availIndex of [0, 1, 255, 32767]) {
    for (const usedIndex of [0, 7, 32767]) {
      for (const wraps of [0, 1, 2, 3]) {
        const position = { availIndex, availWrap: wraps & 1, usedIndex, usedWrap: wraps >> 1 };
        const wire = encodePosition(true, position);
        if (wire >>> 16 === 0) continue;
        assert.deepEqual(decodePacked(wire, false), position);
        assert.deepEqual(decodePacked(wire, true), position);
      }
    }
  }
});

Deno.test("encodePosition() says the next available index of a split ring, upper half 0", () => {
  const position = { availIndex: 65535, availWrap: 1, usedIndex: 3, usedWrap: 1 };
  assert.equal(encodePosition(false, position), 65535);
});

Deno.test("decodePacked() takes used for available where the upper half is 0", () => {
  const at = (index: number, wrap: number): unknown => ({
    availIndex: index,
    availWrap: wrap,
    usedIndex: index,
    usedWrap: wrap,
  });
  assert.deepEqual(decodePacked(0x8000, false), at(0, 1));
  assert.deepEqual(decodePacked(0x8005, false), at(5, 1));
  assert.deepEqual(decodePacked(0x0005, true), at(5, 0));
});

Deno.test("offered features are what they were: a front-end must find all it once had", () => {
  assert.deepEqual(featureNames(DEFAULT_OFFER.features), [
    "MTU",
    "MRG_RXBUF",
    "STATUS",
    "GUEST_ANNOUNCE",
    "MQ",
    "LOG_ALL",
    "ANY_LAYOUT",
    "INDIRECT_DESC",
    "EVENT_IDX",
    "PROTOCOL_FEATURES",
    "VERSION_1",
    "RING_PACKED",
    "IN_ORDER",
  ]);
  assert.deepEqual(protocolFeatureNames(DEFAULT_OFFER.protocolFeatures), [
    "MQ",
    "LOG_SHMFD",
    "RARP",
    "REPLY_ACK",
    "NET_MTU",
    "BACKEND_REQ",
    "CONFIG",
    "INFLIGHT_SHMFD",
    "RESET_DEVICE",
    "CONFIGURE_MEM_SLOTS",
    "STATUS",
    "DEVICE_STATE",
  ]);
  assert.equal(DEFAULT_OFFER.features, 0xd_7c61_8008n);
  assert.equal(DEFAULT_OFFER.protocolFeatures, 0x9_b23fn);
});

Deno.test("hasFeature() looks at bits beyond 32", () => {
  assert.equal(hasFeature(1n << 63n, 63), true);
  assert.equal(hasFeature(1n << 63n, 62), false);
  assert.deepEqual(featureNames(1n << 58n), ["bit 58"]);
});
