/** The back-end channel's messages as bytes, and what is no reply to one. */
import { strict as assert } from "node:assert";
import {
  configChangeMessage,
  decodeBackEndReply,
  decodeIotlb,
  encodeBackEnd,
  iotlbMessage,
  VHOST_ACCESS_WO,
  VHOST_IOTLB_MISS,
  VHOST_USER_BACKEND_CONFIG_CHANGE_MSG,
  VHOST_USER_BACKEND_IOTLB_MSG,
} from "../../../../lib/vhost/wire/back_end_message.ts";
import { encodeMessage, encodeU64 } from "../../../../lib/vhost/wire/message.ts";

const CHANGE = VHOST_USER_BACKEND_CONFIG_CHANGE_MSG;

Deno.test("encodeBackEnd() asks for a reply only where one is wanted", () => {
  const head = (
    needReply: boolean,
  ): number[] => [...encodeBackEnd(configChangeMessage(), needReply)];
  assert.deepEqual(head(false), [CHANGE, 0, 0, 0, 0x1, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(head(true), [CHANGE, 0, 0, 0, 0x9, 0, 0, 0, 0, 0, 0, 0]);
});

Deno.test("a missing translation is asked for by its address and the access it is for", () => {
  const { request, payload } = iotlbMessage(VHOST_IOTLB_MISS, 0x1_2345_6000, VHOST_ACCESS_WO);
  assert.equal(request, VHOST_USER_BACKEND_IOTLB_MSG);
  assert.deepEqual(decodeIotlb(new DataView(payload.buffer)), {
    ...{ iova: 0x1_2345_6000n, sizeBytes: 0n, userAddr: 0n },
    ...{ permission: VHOST_ACCESS_WO, type: VHOST_IOTLB_MISS },
  });
});

Deno.test("decodeBackEndReply() reads the reply to its request and nothing else", () => {
  const read = (request: number, flags: number, payload: Uint8Array): bigint | null => {
    const bytes = new Uint8Array([...encodeMessage(request, flags, payload), ...new Uint8Array(8)]);
    return decodeBackEndReply(new DataView(bytes.buffer), CHANGE);
  };
  assert.equal(read(CHANGE, 0x5, encodeU64(7n)), 7n);
  assert.equal(read(CHANGE + 1, 0x5, encodeU64(7n)), null, "to another request");
  assert.equal(read(CHANGE, 0x1, encodeU64(7n)), null, "no reply");
  assert.equal(read(CHANGE, 0x6, encodeU64(7n)), null, "of another version");
  assert.equal(read(CHANGE, 0x5, new Uint8Array(4)), null, "too short");
  assert.equal(read(CHANGE, 0x5, new Uint8Array(16)), null, "too long");
});
