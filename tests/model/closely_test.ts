/**
 * The limits of a visit (lib/switch/closely.ts), by a watch whose verdicts are the test's: what is cut
 * is dropped, counted and given back, what was in time arrives unchanged and in order, and nobody else
 * loses a frame.
 */
import { strict as assert } from "node:assert";
import { KNOWN_MS_MAX, type VisitWatch } from "../../lib/switch/closely.ts";
import { PORT } from "../../lib/switch/counters.ts";
import type { Datapath } from "../../lib/switch/datapath.ts";
import { Bench, frameOf, makePath, poll } from "./two_ports.ts";

/** As many as a visit takes, of rings of either kind. */
const FRAMES = 16;
const BYTES = 400;
/** Each frame is eight buffers, each of which may be a page. */
const CUTS = [50, 100, 150, 200, 250, 300, 350];
const PARTS = 8;
/** Between two looks at the clock, pages. */
const PAGES_A_LOOK = 64;
/** Frames that a receiver is handed at once. */
const FRAMES_A_PART = 8;

/** Says who takes long. */
class Verdicts implements VisitWatch {
  looks = 0;
  /** The look from which on a port's pages do not come. */
  overAt = Infinity;
  /** What each part of a port takes, ms. */
  readonly partMs = new Map<number, number>();
  readonly parts: number[] = [];

  begin(): void {}

  isOver(port: number): boolean {
    return port === 0 && ++this.looks >= this.overAt;
  }

  shareMs(): number {
    return KNOWN_MS_MAX;
  }

  endPart(port: number): number {
    this.parts.push(port);
    return this.partMs.get(port) ?? 0;
  }

  endCall(): void {}
}

interface Bed {
  readonly path: Datapath;
  readonly watch: Verdicts;
  /** The sender, two receivers, and somebody who sends as well. */
  readonly benches: readonly [Bench, Bench, Bench, Bench];
  readonly frames: readonly Uint8Array[];
  count(bench: Bench, name: keyof typeof PORT): number;
}

/** A sender whose frames go to everybody. */
function lay(packed: boolean): Bed {
  const shape = { packed, size: 256, mergeable: true, eventIdx: false, start: 0 };
  const benches = [0, 1, 2, 3].map((i) => new Bench(i, shape, 0)) as unknown as Bed["benches"];
  const path = makePath(benches);
  const watch = new Verdicts();
  path.watch = watch;
  path.isWatched = true;
  for (const bench of benches) {
    for (let i = 0; i < 2 * FRAMES; i++) assert(bench.offer([BYTES + 100], false));
  }
  const frames = Array.from({ length: FRAMES }, (_, i) => frameOf(BYTES, i, true));
  for (const frame of frames) assert(benches[0].send(frame, CUTS, false));
  const count: Bed["count"] = ({ port }, name) =>
    path.counters[port.counterBase + PORT[name]] ?? NaN;
  return { path, watch, benches, frames, count };
}

/** Whoever else sends is heard by all others, whole. */
function checkOther({ path, benches: [culprit, one, two, other] }: Bed): void {
  const frame = frameOf(BYTES, 99, true);
  assert(other.send(frame, [], false));
  poll(path, other);
  for (const bench of [culprit, one, two]) assert.deepEqual(bench.received(), [frame]);
}

for (const packed of [false, true]) {
  const word = packed ? "packed" : "split";

  Deno.test(`a sender whose pages do not come loses the rest of its burst alone: ${word}`, () => {
    for (const overAt of [1, 2, Infinity]) {
      const bed = lay(packed);
      const { path, watch, benches: [culprit, one, two, other], frames } = bed;
      watch.overAt = overAt;
      // Reading its pages took so long.
      if (overAt < Infinity) watch.partMs.set(0, 5);
      assert.equal(poll(path, culprit), FRAMES);
      const dropped = bed.count(culprit, "rxDroppedSlow");
      const passed = FRAMES - dropped;
      // Not a page is read behind the look that says so, in the last part of a frame.
      const whole = overAt * PAGES_A_LOOK / PARTS - 1;
      assert.equal(passed, Math.min(FRAMES, whole), `at look ${overAt}`);
      if (overAt < Infinity) assert.equal(watch.looks, overAt);
      for (const bench of [one, two, other]) {
        assert.deepEqual(bench.received(), frames.slice(0, passed));
      }
      assert.equal(bed.count(culprit, "rxFrames"), passed);
      assert.equal(culprit.tx.takeUsed().length, FRAMES, "all buffers come back");
      checkOther(bed);
      // It has to leave out visits, and is served again.
      assert(culprit.send(frames[0] as Uint8Array, [], false));
      watch.overAt = Infinity;
      watch.partMs.clear();
      let rounds = 0;
      for (; bed.count(culprit, "rxFrames") === passed; rounds++) {
        assert(rounds < 1_000_000, "it is served again");
        poll(path, culprit);
      }
      assert.equal(rounds > 1, overAt < Infinity, `${rounds} rounds`);
      for (const bench of [one, two, other]) assert.deepEqual(bench.received(), [frames[0]]);
    }
  });

  Deno.test(`a receiver whose pages do not come loses frames alone: ${word}`, () => {
    for (const [ms, parts] of [[3, 2], [4, 1], [1000, 1]] as const) {
      const bed = lay(packed);
      const { path, watch, benches: [sender, slow, good, other], frames } = bed;
      watch.partMs.set(1, ms);
      assert.equal(poll(path, sender), FRAMES);
      const got = parts * FRAMES_A_PART;
      assert.deepEqual(slow.received(), frames.slice(0, got), `${ms} ms a part`);
      assert.equal(bed.count(slow, "txDroppedSlow"), FRAMES - got);
      assert.equal(bed.count(slow, "txFrames"), got);
      for (const bench of [good, other]) {
        assert.deepEqual(bench.received(), frames);
        assert.equal(bed.count(bench, "txDroppedSlow"), 0);
      }
      assert.equal(bed.count(sender, "rxDroppedSlow"), 0);
      assert.equal(sender.tx.takeUsed().length, FRAMES, "its sender has all buffers back");
      // Each part was put to the account of whose memory it was.
      const whole = Math.ceil(FRAMES / FRAMES_A_PART);
      const sum = (port: number): number => watch.parts.filter((each) => each === port).length;
      assert.deepEqual([sum(1), sum(2), sum(3)], [parts, whole, whole]);
      checkOther({ ...bed, benches: [sender, slow, good, other] });
    }
  });
}
