/** A port whose guest sends chains without end costs the others no more than its share. */
import { makeDatapath } from "../../harness/datapath.ts";
import { strict as assert } from "node:assert";
import { pollSource } from "../../../lib/switch/datapath.ts";
import { Arena, type Kind, makePort, makeVring, regionOf, VRINGS } from "../../fuzz/arena.ts";

const SIZE = 256;
const VISITS = 1000;
const NEXT = 1;

Deno.test("a port's visits are left out for the descriptors it had read beyond its turns", () => {
  const arena = new Arena(1 << 20);
  const piece = arena.take(1 << 16);
  const port = makePort(0, [regionOf(arena, 0, piece)]);
  const path = makeDatapath([port], {
    vringsPerPort: VRINGS,
    host: { untranslated: () => false },
  });
  const kind: Kind = {
    ...{ packed: false, size: SIZE, mergeable: true, eventIdx: false, indirect: true },
    headerBytes: 12,
  };
  const avail = piece.offset + 16 * SIZE;
  const used = avail + 2 * SIZE + 8;
  const position = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };
  const areas = [piece.offset, avail, used] as const;
  const vring = port.vrings[1] = makeVring(arena, port, 1, kind, areas, position);
  path.refresh();
  // One chain of all descriptors, a byte each, is offered as often as the ring has entries.
  for (let i = 0; i < SIZE; i++) {
    arena.view.setBigUint64(piece.offset + 16 * i, 32768n, true);
    arena.view.setUint32(piece.offset + 16 * i + 8, 1, true);
    arena.view.setUint16(piece.offset + 16 * i + 12, i < SIZE - 1 ? NEXT : 0, true);
    arena.view.setUint16(piece.offset + 16 * i + 14, i + 1, true);
  }
  let chains = 0;
  let index = 0;
  let most = 0;
  for (let visit = 0; visit < VISITS; visit++) {
    arena.view.setUint16(avail + 2, (index + SIZE) & 0xffff, true);
    const taken = pollSource(path, vring);
    index += taken;
    chains += taken;
    most = Math.max(most, taken);
  }
  assert.equal(most, 128, "a burst is whole");
  const each = chains * SIZE / VISITS;
  assert(each > 3000 && each < 4500, `${each} descriptors a visit`);
  arena.release();
});
