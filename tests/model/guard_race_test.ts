/**
 * A sender that changes its frames while they are looked at: another thread makes an honest message of
 * a DHCP client into a server's and back, as fast as it can, in memory that the switch takes frames
 * from. None that arrives is a server's.
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { PORT, portBase } from "../../lib/switch/counters.ts";
import { pollSource } from "../../lib/switch/datapath.ts";
import {
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../lib/virtio/memory/guest_memory.ts";
import { WindowSet } from "../../lib/virtio/memory/window.ts";
import {
  beginBurst,
  frameBytes,
  frameSegment,
  frameSegmentEnd,
  openFrames,
  spacedSegment,
} from "../../lib/virtio/burst.ts";
import { makeDatapath } from "../harness/datapath.ts";
import { ethernet, ipv4, udp } from "../harness/lan_packets.ts";
import { ScriptPort } from "../harness/script_port.ts";
import { WAIT_MS_MAX } from "../harness/until.ts";

const PORTS_OFFSET = 34;
const FRAMES = 32;
/** Of each outcome, before it is enough. */
const ENOUGH = 300;

/** Writes both ports over and over. */
const WRITER = `onmessage = ({ data }) => {
  const view = new DataView(data);
  const stop = new Int32Array(data, 4000, 1);
  postMessage(null);
  while (Atomics.load(stop, 0) === 0) {
    for (let i = 0; i < 100; i++) {
      view.setUint32(${PORTS_OFFSET}, 67 * 65536 + 68);
      view.setUint32(${PORTS_OFFSET}, 68 * 65536 + 67);
    }
  }
};`;

/** All its frames are one, in memory that somebody else writes to. */
class RacedPort extends ScriptPort {
  readonly #windows: WindowSet;

  constructor(index: number, memory: SharedArrayBuffer, readonly length: number) {
    super(index);
    this.#windows = WindowSet.over(memory as unknown as ArrayBuffer);
  }

  override take(): number {
    beginBurst();
    for (let frame = 0; frame < FRAMES; frame++) {
      const segment = spacedSegment(frame);
      segmentWindow[segment] = this.#windows.window(0);
      segmentOffset[segment] = 0;
      segmentBytes[segment] = frameBytes[frame] = this.length;
      frameSegment[frame] = segment;
      frameSegmentEnd[frame] = segment + 1;
    }
    openFrames(FRAMES, 0);
    return FRAMES;
  }

  override release(): void {
    this.#windows.release();
    super.release();
  }
}

Deno.test("a message that its sender changes while it is judged is never a server's", async () => {
  const frame = ethernet(0x0800, ipv4("0.0.0.0", 17, udp(68, 67, new Uint8Array(240))));
  const memory = new SharedArrayBuffer(4096);
  new Uint8Array(memory).set(frame);
  const sender = new RacedPort(0, memory, frame.length);
  const receiver = new ScriptPort(1);
  const path = makeDatapath([sender, receiver]);
  sender.guard = { dhcp: true, ra: false, addresses: null };
  const url = URL.createObjectURL(new Blob([WRITER], { type: "text/javascript" }));
  const writer = new Worker(url, { type: "module" });
  try {
    const ready = new Promise((resolve) => writer.onmessage = resolve);
    writer.postMessage(memory);
    await ready;
    const counter = sender.counterBase + PORT.rxDroppedDhcp;
    const end = Date.now() + WAIT_MS_MAX;
    let passed = 0;
    for (let round = 0; passed < ENOUGH || (path.counters[counter] ?? 0) < ENOUGH; round++) {
      assert(Date.now() < end, `both happen: ${passed} passed, ${path.counters[counter]} dropped`);
      pollSource(path, sender);
      for (const got of receiver.got.splice(0)) {
        assert.deepEqual(Array.from(got.subarray(PORTS_OFFSET, PORTS_OFFSET + 4)), [0, 68, 0, 67]);
        passed++;
      }
      // Where there is one processor, the other thread must have it now and then.
      if (round % 1000 === 999) await delay(1);
    }
    assert.equal(portBase(1, 2), receiver.counterBase);
  } finally {
    Atomics.store(new Int32Array(memory, 4000, 1), 0, 1);
    writer.terminate();
    URL.revokeObjectURL(url);
    sender.release();
    receiver.release();
  }
});
