/** Capture files to the byte, and what a reader makes of them in pieces of any size. */
import { strict as assert } from "node:assert";
import { PcapngReader } from "../../../../lib/cli/pcapng_reader.ts";
import {
  interfaceBlock,
  packetBlock,
  sectionBlock,
  statisticsBlock,
} from "../../../../lib/control/capture/pcapng.ts";
import { hex } from "../../switch/capture/frames.ts";

const WHEN_MS = 0x1_0000_0001 / 1000;

const PACKET = {
  ...{ interface: 1, whenMs: WHEN_MS, direction: 2, data: hex("0102030405"), original: 900 },
  ...{ lost: 3, comments: ["dropped: why"] },
};

Deno.test("blocks are those of the draft, byte for byte", () => {
  assert.deepEqual(
    sectionBlock("me", "so"),
    hex(`0a0d0d0a 30000000 4d3c2b1a 0100 0000 ffffffffffffffff
    0100 0200 736f0000 0400 0200 6d650000 0000 0000 30000000`),
  );
  assert.deepEqual(
    interfaceBlock("a", 64, "tcp"),
    hex(`01000000 40000000 0100 0000 40000000 0200 0100 61000000
    0300 1400 706f72742061206f662061207675737769746368 0b00 0400 00746370 0000 0000 40000000`),
  );
  assert.deepEqual(
    packetBlock(PACKET),
    hex(`06000000 50000000 01000000 01000000 01000000 05000000 84030000
    0102030405000000 0200 0400 02000000 0400 0800 0300000000000000
    0100 0c00 64726f707065643a20776879 0000 0000 50000000`),
  );
  assert.deepEqual(
    statisticsBlock(1, WHEN_MS, WHEN_MS, { seen: 9, matched: 8, lost: 2 }),
    hex(`05000000 64000000 01000000 01000000 01000000 0200 0800 01000000 01000000
    0300 0800 01000000 01000000 0400 0800 0900000000000000 0500 0800 0200000000000000
    0600 0800 0800000000000000 0800 0800 0600000000000000 0000 0000 64000000`),
  );
});

Deno.test("a reader puts pieces of any size together", () => {
  const parts = [
    ...[sectionBlock("me", ""), interfaceBlock("a", 0, ""), interfaceBlock("b", 0, "")],
    ...[packetBlock(PACKET), packetBlock({ ...PACKET, interface: 0, direction: 1, comments: [] })],
    ...[statisticsBlock(0, 1, 2, { seen: 5, matched: 4, lost: 1 })],
    ...[statisticsBlock(1, 1, 2, { seen: 5, matched: 4, lost: 2 })],
  ];
  const all = Uint8Array.from(parts.flatMap((part) => [...part]));
  for (const size of [1, 3, 64, all.length]) {
    const reader = new PcapngReader();
    const frames = [];
    for (let at = 0; at < all.length; at += size) {
      frames.push(...reader.push(all.slice(at, at + size)));
    }
    assert.equal(reader.frames, 2);
    assert.equal(reader.lost, 3);
    assert.deepEqual(
      frames.map(({ port, direction, bytes, comments, atUs }) => [
        ...[port, direction, bytes, comments, atUs],
      ]),
      [["b", "out", 900, ["dropped: why"], 0x1_0000_0001], ["a", "in", 900, [], 0x1_0000_0001]],
    );
    assert.deepEqual(frames[0]?.data, PACKET.data);
  }
  assert.throws(() => new PcapngReader().push(new Uint8Array(64)), /a block of 0 bytes/);
});
