/** Queues of TAP devices, whose part a socket that keeps packets apart takes. */
import { strict as assert } from "node:assert";
import {
  addressOf,
  closeFd,
  copyMemory,
  createMemoryFile,
  Mapping,
  prepareFrameSocket,
  send,
  socketPair,
  truncateFd,
  viewMemory,
} from "../../../../ffi/mod.ts";
import { PORTS_MAX, QUEUE_PAIRS_MAX } from "../../../../lib/base/limits.ts";
import { PORT, portBase } from "../../../../lib/switch/counters.ts";
import { pollSource } from "../../../../lib/switch/datapath.ts";
import {
  type Lane,
  type LaneKind,
  LanePort,
  TAP_HEADER_BYTES,
} from "../../../../lib/switch/ports/lane_port.ts";
import {
  beginBurst,
  frameBytes,
  frameSegment,
  frameSegmentEnd,
  TAKEN_SEGMENTS,
} from "../../../../lib/virtio/burst.ts";
import {
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../../../lib/virtio/memory/guest_memory.ts";
import { useHostAddress, useHostCopy, WindowSet } from "../../../../lib/virtio/memory/window.ts";
import { ALL_OFFLOADS, NO_OFFLOADS } from "../../../../lib/virtio/offloads.ts";
import { makeLane } from "../../../../lib/worker/lanes/mod.ts";
import { makeDatapath } from "../../../harness/datapath.ts";
import { askingHeader, frameOf, type Packet } from "../../../model/packets.ts";

useHostAddress(addressOf);
useHostCopy(copyMemory);

const PACKET: Packet = {
  ...{ tags: [], version: 4, extra: [], identification: 1, protocol: "tcp", sequence: 1 },
  ...{ flags: 0x10, tcpOptions: new Uint8Array(), payload: new Uint8Array(60_000) },
  ...{ to: 0xb0, from: 0xa0 },
};

/** What a kernel hands over for a packet that is to be cut. @param size bytes of a segment */
function handed(packet: Packet, size: number): Uint8Array<ArrayBuffer> {
  const frame = frameOf(packet, "begun");
  const bytes = new Uint8Array(TAP_HEADER_BYTES + frame.length);
  bytes.set(askingHeader(packet, size));
  bytes.set(frame, TAP_HEADER_BYTES);
  return bytes;
}

/** A port with one lane, and who is at the other end of that. */
interface Served {
  readonly port: LanePort;
  readonly lane: Lane;
  readonly fd: number;
  readonly peer: number;
}

function makePort(kind: LaneKind, index: number, offloads: number): Served {
  const port = new LanePort(index, portBase(index, 2), 2);
  const [fd, peer] = socketPair("seqpacket");
  prepareFrameSocket(fd);
  const lane = makeLane(kind, port, { number: 0, fd, offloads, watchRoom: () => {} });
  port.lanes[0] = lane;
  return { port, lane, fd, peer };
}

Deno.test("a queue whose frames are much work to cut is left alone for as many turns", () => {
  const from = makePort("tap", 0, ALL_OFFLOADS);
  const to = makePort("seqpacket", 1, NO_OFFLOADS);
  const path = makeDatapath([from.port, to.port]);
  const turns = (): number => {
    for (let turns = 0;; turns++) {
      assert(turns < 1000, "the frame is taken");
      if (pollSource(path, from.lane) > 0) return turns;
    }
  };
  const rests = (size: number): number => {
    const cut = path.counters[to.port.counterBase + PORT.txCut] ?? 0;
    assert.equal(send(from.peer, handed(PACKET, size)), 60_000 + 54 + TAP_HEADER_BYTES);
    turns();
    assert.equal(path.counters[to.port.counterBase + PORT.txCut], cut + 1);
    assert(send(from.peer, handed({ ...PACKET, payload: new Uint8Array(100) }, 0)) > 0);
    return turns();
  };
  // 42 segments are within a turn; 1200 and 600 are each what several turns may do.
  assert.equal(rests(1448), 0);
  const [many, half] = [rests(50), rests(100)];
  assert(half >= 2 && many >= 2 * half - 1, `${many} and ${half} turns`);
  for (const { lane, fd, peer } of [from, to]) {
    lane.release?.();
    [fd, peer].forEach(closeFd);
  }
});

Deno.test("a device pays for what is made of its frames as a whole, however many queues it has", () => {
  const from = makePort("tap", 0, ALL_OFFLOADS);
  const to = makePort("seqpacket", 1, NO_OFFLOADS);
  const [fd, peer] = socketPair("seqpacket");
  const start = { number: 1, fd, offloads: ALL_OFFLOADS, watchRoom: () => {} };
  const second = makeLane("tap", from.port, start);
  from.port.lanes[1] = second;
  const other = { lane: second, fd, peer };
  const path = makeDatapath([from.port, to.port]);
  const small = handed({ ...PACKET, payload: new Uint8Array(100) }, 0);
  assert(send(from.peer, handed(PACKET, 50)) > 0);
  assert(send(peer, small) > 0);
  assert.equal(pollSource(path, from.lane), 1);
  assert.equal(pollSource(path, second), 0, "the other queue waits as well");
  let rounds = 0;
  for (let taken = 0; taken === 0; rounds++) {
    assert(rounds < 100);
    pollSource(path, from.lane);
    taken = pollSource(path, second);
  }
  // 1200 segments are 6 turns: a turn is paid a round, not one by each queue.
  assert(rounds >= 5, `${rounds} rounds`);
  for (const { lane, fd, peer } of [from, to, other]) {
    lane.release?.();
    [fd, peer].forEach(closeFd);
  }
});

Deno.test("a frame whose memory the kernel does not find is its sender's fault", () => {
  const [from, to] = [makePort("tap", 0, NO_OFFLOADS), makePort("tap", 1, NO_OFFLOADS)];
  const path = makeDatapath([from.port, to.port]);
  const file = createMemoryFile("guest", 8192, 0);
  const mapping = Mapping.map(file, 0, 8192);
  const windows = WindowSet.over(viewMemory(mapping.address, 8192));
  truncateFd(file, 4096);
  let lost = 0;
  path.sender = Object.assign(from.lane, { losePage: () => void lost++ });
  const list = Uint16Array.of(0);
  for (const offset of [0, 4096]) {
    beginBurst();
    frameBytes[0] = 116;
    frameSegment[0] = TAKEN_SEGMENTS;
    frameSegmentEnd[0] = TAKEN_SEGMENTS + 1;
    segmentWindow[TAKEN_SEGMENTS] = windows.window(offset);
    segmentOffset[TAKEN_SEGMENTS] = offset;
    segmentBytes[TAKEN_SEGMENTS] = 100;
    to.lane.deliver(path, list, 0, 1);
    assert.equal(lost, offset === 0 ? 0 : 1);
  }
  const count = (name: keyof typeof PORT): number | undefined =>
    path.counters[to.port.counterBase + PORT[name]];
  assert.deepEqual([count("txFrames"), count("txDroppedUplinkRefused")], [1, 1]);
  windows.release();
  mapping.unmap();
  for (const fd of [file, from.fd, from.peer, to.fd, to.peer]) closeFd(fd);
});

Deno.test("there are windows for lanes where every receive queue there can be has one", () => {
  const parked = Array.from(
    { length: PORTS_MAX * QUEUE_PAIRS_MAX },
    () => WindowSet.over(new ArrayBuffer(0)),
  );
  const kinds = ["tap", ...new Array<LaneKind>(PORTS_MAX).fill("stream")] as const;
  try {
    const ports = kinds.map((kind) => makePort(kind, 0, NO_OFFLOADS));
    for (const { lane, fd, peer } of ports) {
      lane.release?.();
      [fd, peer].forEach(closeFd);
    }
  } finally {
    for (const windows of parked) windows.release();
  }
});
