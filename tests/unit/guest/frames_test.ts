/** Frames that guests of the demo make and answer, by what is on the wire. */
import { strict as assert } from "node:assert";
import { encodeHex } from "@std/encoding/hex";
import {
  answer,
  arpReplyFrom,
  arpRequest,
  echoRequest,
  ethernet,
  type Host,
  internetChecksum,
  isEchoReply,
} from "../../../lib/guest/frames.ts";

const ONE: Host = { mac: "52:54:00:00:00:01", ip: "10.0.0.1" };
const TWO: Host = { mac: "52:54:00:00:00:02", ip: "10.0.0.200" };

Deno.test("the checksum is that of RFC 1071's example, and 0 over what carries its own", () => {
  assert.equal(internetChecksum(Uint8Array.of(0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7)), 0x220d);
  // An odd byte is the upper half of a word; carries are added until there are none.
  assert.equal(internetChecksum(Uint8Array.of(1)), 0xfeff);
  assert.equal(internetChecksum(new Uint8Array(70_000).fill(0xff)), 0);
});

Deno.test("who asks for an address hears who has it, and nobody else answers", () => {
  const question = arpRequest(ONE, TWO.ip);
  const ethernetHead = "ffffffffffff" + "525400000001" + "0806";
  const arp = "0001080006040001" + "525400000001" + "0a000001" + "000000000000" + "0a0000c8";
  assert.equal(encodeHex(question), ethernetHead + arp);
  assert.equal(answer(ONE, question), null);
  const reply = answer(TWO, question) ?? assert.fail("it is asked");
  const head = "525400000001" + "525400000002" + "0806" + "0001080006040002";
  assert.equal(
    encodeHex(reply),
    head + "525400000002" + "0a0000c8" + "525400000001" + "0a000001",
  );
  assert.equal(arpReplyFrom(reply, TWO.ip), TWO.mac);
  assert.equal(arpReplyFrom(reply, ONE.ip), null);
  assert.equal(arpReplyFrom(question, ONE.ip), null, "a question is no reply");
  assert.equal(answer(ONE, reply), null, "a reply is not answered");
});

Deno.test("an echo comes back with its bytes and sequence, both checksums right", () => {
  for (const bytes of [0, 1, 56, 1400, 8972]) {
    const request = echoRequest(ONE, TWO, 0x1234, bytes);
    assert.equal(answer(ONE, request), null, "it is for another");
    const reply = answer(TWO, request) ?? assert.fail("it is asked");
    for (const frame of [request, reply]) {
      assert.equal(frame.length, 14 + 20 + 8 + bytes);
      assert.equal(internetChecksum(frame.subarray(14, 34)), 0, "the header's checksum");
      assert.equal(internetChecksum(frame.subarray(34)), 0, "the message's checksum");
      assert.equal((frame[16] ?? 0) << 8 | (frame[17] ?? 0), frame.length - 14);
    }
    assert.deepEqual(reply.subarray(38), request.subarray(38));
    assert.equal(encodeHex(reply.subarray(26, 34)), "0a0000c8" + "0a000001");
    assert.equal(encodeHex(reply.subarray(0, 12)), "525400000001" + "525400000002");
    assert(isEchoReply(reply, 0x1234));
    assert(!isEchoReply(reply, 0x1235) && !isEchoReply(request, 0x1234));
    assert.equal(answer(ONE, reply), null);
  }
});

Deno.test("what is neither ARP nor an echo is not answered, however short it is", () => {
  const other = ethernet(TWO.mac, ONE.mac, 0x86dd, new Uint8Array(60));
  const udp = echoRequest(ONE, TWO, 1, 8);
  udp[23] = 17;
  for (const frame of [other, udp, new Uint8Array(), new Uint8Array(14), udp.subarray(0, 20)]) {
    assert.equal(answer(TWO, frame), null);
    assert(!isEchoReply(frame, 1) && arpReplyFrom(frame, TWO.ip) === null);
  }
});
