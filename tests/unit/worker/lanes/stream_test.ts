/** Lanes over real sockets, with peers that keep to the framing and peers that do not. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  createEventFd,
  EAGAIN,
  fdKind,
  prepareFrameSocket,
  receive,
  send,
  socketPair,
  type UnixType,
} from "../../../../ffi/mod.ts";
import { PORT, type PORT_COUNTERS, portBase } from "../../../../lib/switch/counters.ts";
import { type Datapath, pollSource } from "../../../../lib/switch/datapath.ts";
import { type Lane, LanePort } from "../../../../lib/switch/ports/lane_port.ts";
import { STREAM_FRAME_BYTES_MAX } from "../../../../lib/switch/stream/inbox.ts";
import { STREAM_END } from "../../../../lib/switch/stream/stream_lane.ts";
import { makeStreamLane } from "../../../../lib/worker/lanes/stream.ts";
import { framed, patterned, unframe } from "../../../harness/burst_frames.ts";
import { makeDatapath } from "../../../harness/datapath.ts";

const MACS = [[2, 0, 0, 0, 0, 0xa0], [2, 0, 0, 0, 0, 0xb0]] as const;

/** Two ports, each with a socket, whose peers the test is. */
class Pair implements Disposable {
  readonly path: Datapath;
  readonly lanes: Lane[] = [];
  readonly peers: number[] = [];
  readonly #fds: number[] = [];
  /** Ends that were told: lane's port and reason. */
  readonly ends: [number, number][] = [];
  /** Whether room is watched for, by port. */
  readonly watching: boolean[] = [];
  mayTell = true;

  constructor(type: UnixType = "stream") {
    const ports = [0, 1].map((index) => new LanePort(index, portBase(index, 2), 2));
    for (const port of ports) {
      const [fd, peer] = socketPair(type);
      const watchRoom = (on: boolean): void => void (this.watching[port.index] = on);
      const start = { number: 1, fd, offloads: 0, watchRoom };
      const lane = makeStreamLane(port, start, type === "seqpacket");
      port.lanes[1] = lane;
      this.lanes.push(lane);
      this.peers.push(peer);
      this.#fds.push(fd);
    }
    const laneFailed = (lane: Lane, code: number): boolean => {
      if (this.mayTell) this.ends.push([lane.port.index, code]);
      return this.mayTell;
    };
    this.path = makeDatapath(ports, { host: { laneFailed } });
    for (const [index, mac] of MACS.entries()) {
      const [low, high] = [mac[0] | mac[1] << 8, mac[4] | mac[5] << 8];
      this.path.fdb.learn(low, high, index, 0);
    }
  }

  /** A frame from one port to the other. */
  frame(from: 0 | 1, length: number, seed = 0): Uint8Array<ArrayBuffer> {
    const frame = patterned(length, seed) as Uint8Array<ArrayBuffer>;
    frame.set([...MACS[from === 0 ? 1 : 0], ...MACS[from]]);
    return frame;
  }

  /** Sends all of it, polling the switch where there is no room. */
  write(from: 0 | 1, bytes: Uint8Array<ArrayBuffer>): void {
    for (let at = 0; at < bytes.length;) {
      const sent = send(this.peers[from] ?? -1, bytes.subarray(at));
      if (sent > 0) at += sent;
      else assert.equal(sent, -EAGAIN);
      this.poll();
    }
  }

  /** Rounds until nothing comes any more. */
  poll(): void {
    for (let quiet = 0; quiet < 3;) {
      const frames = this.path.sources.reduce((sum, each) => sum + pollSource(this.path, each), 0);
      quiet = frames > 0 ? 0 : quiet + 1;
    }
  }

  /** All a peer has got. */
  read(at: 0 | 1): Uint8Array {
    const all: number[] = [];
    const buffer = new Uint8Array(1 << 20);
    for (;;) {
      const { bytes } = receive(this.peers[at] ?? -1, buffer);
      if (bytes <= 0) return Uint8Array.from(all);
      for (const byte of buffer.subarray(0, bytes)) all.push(byte);
    }
  }

  count(port: number, name: (typeof PORT_COUNTERS)[number]): number {
    return this.path.counters[portBase(port, 2) + PORT[name]] ?? NaN;
  }

  hangUp(at: 0 | 1): void {
    closeFd(this.peers[at] ?? -1);
    this.peers[at] = -1;
  }

  [Symbol.dispose](): void {
    for (const lane of this.lanes) for (const fd of lane.release?.() ?? []) closeFd(fd);
    for (const fd of [...this.#fds, ...this.peers]) if (fd >= 0) closeFd(fd);
  }
}

Deno.test("frames pass from stream to stream, cut at any byte", () => {
  using pair = new Pair();
  const frames = [14, 15, 16, 60, 1514, 9014, STREAM_FRAME_BYTES_MAX]
    .map((length, i) => pair.frame(0, length, i));
  const stream = framed(frames);
  for (const cut of [1, 2, 3, 4, 5, 17, 18, 19, 40, 41, 42, 60, 100, 2000, stream.length - 1]) {
    pair.write(0, stream.subarray(0, cut));
    pair.write(0, stream.subarray(cut));
    const { frames: got, left } = unframe(pair.read(1));
    assert.equal(left, 0);
    assert.deepEqual(got, frames, `cut at ${cut}`);
  }
  assert.equal(pair.count(0, "rxFrames"), 15 * frames.length);
  assert.equal(pair.count(1, "txFrames"), 15 * frames.length);
  assert.equal(pair.count(1, "txBytes"), pair.count(0, "rxBytes"));
  assert.deepEqual(pair.ends, []);
});

Deno.test("frames pass as packets, many and of any length", () => {
  using pair = new Pair("seqpacket");
  const peer = pair.peers[1] ?? -1;
  const buffer = new Uint8Array(1 << 17);
  const lengths = [14, 15, 60, 1514, STREAM_FRAME_BYTES_MAX, ...new Array<number>(100).fill(70)];
  const got: number[] = [];
  for (const [i, length] of lengths.entries()) {
    const frame = pair.frame(0, length, i);
    assert.equal(send(pair.peers[0] ?? -1, frame), length);
    if (i % 10 === 9 || length > 2000) pair.poll();
    for (;;) {
      const { bytes } = receive(peer, buffer);
      if (bytes <= 0) break;
      const sent = pair.frame(0, bytes, got.length);
      assert.deepEqual(buffer.subarray(0, bytes), sent);
      got.push(bytes);
    }
  }
  assert.deepEqual(got, lengths.slice(0, got.length));
  assert(got.length > 95);
  assert.deepEqual(pair.ends, []);
});

Deno.test("a visit brings a burst at most, and the others have their turn", () => {
  using pair = new Pair();
  const stream = framed(Array.from({ length: 300 }, (_, i) => pair.frame(0, 60, i)));
  assert.equal(send(pair.peers[0] ?? -1, stream), stream.length);
  const [source] = pair.path.sources;
  assert(source);
  assert.deepEqual([1, 2, 3, 4].map(() => pollSource(pair.path, source)), [128, 128, 44, 0]);
});

Deno.test("a peer's nonsense ends its own connection, with a reason, and nothing else", () => {
  const length = (value: number): Uint8Array<ArrayBuffer> => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value);
    return bytes;
  };
  for (const bad of [0, 1, 13, 65_554, 2 ** 31, 2 ** 32 - 1]) {
    using pair = new Pair();
    const good = pair.frame(0, 60);
    pair.write(0, framed([good]));
    pair.write(0, length(bad));
    assert.deepEqual(pair.ends, [[0, STREAM_END.badLength]], `${bad}`);
    // What comes after that is not even read.
    send(pair.peers[0] ?? -1, framed([good]));
    pair.poll();
    assert.equal(pair.count(0, "rxFrames"), 1);
    assert.equal(pair.ends.length, 1);
    // Frames to it are dropped, the other port lives.
    pair.write(1, framed([pair.frame(1, 60)]));
    assert.equal(pair.count(0, "txDroppedUplinkDown"), 1);
    assert.equal(pair.count(1, "rxFrames"), 1);
    assert.deepEqual(unframe(pair.read(1)).frames, [good]);
  }
});

Deno.test("packets too short or too long end the connection", () => {
  for (const length of [1, 13, STREAM_FRAME_BYTES_MAX + 1, 100_000]) {
    using pair = new Pair("seqpacket");
    assert.equal(send(pair.peers[0] ?? -1, new Uint8Array(length)), length);
    pair.poll();
    assert.deepEqual(pair.ends, [[0, STREAM_END.badLength]], `${length}`);
  }
});

Deno.test("a peer that hangs up is told from one that does so inside of a frame", () => {
  for (const type of ["stream", "seqpacket"] as const) {
    using pair = new Pair(type);
    pair.hangUp(0);
    pair.poll();
    assert.deepEqual(pair.ends, [[0, STREAM_END.closed]]);
  }
  const stream = framed([patterned(60)]);
  for (let cut = 1; cut < stream.length; cut++) {
    using pair = new Pair();
    send(pair.peers[0] ?? -1, stream.subarray(0, cut));
    pair.hangUp(0);
    pair.poll();
    assert.deepEqual(pair.ends, [[0, STREAM_END.cut]], `after ${cut} bytes`);
  }
  // Whole frames that came before that are switched.
  using pair = new Pair();
  send(pair.peers[0] ?? -1, framed([pair.frame(0, 60), pair.frame(0, 61)]));
  pair.hangUp(0);
  pair.poll();
  assert.equal(pair.count(1, "txFrames"), 2);
});

Deno.test("an end that finds no room among the events is told later", () => {
  using pair = new Pair();
  pair.mayTell = false;
  pair.hangUp(0);
  pair.poll();
  assert.deepEqual(pair.ends, []);
  assert(pair.lanes[0]?.setKicks(true), "the thread does not sleep on it");
  pair.mayTell = true;
  pair.poll();
  assert.deepEqual(pair.ends, [[0, STREAM_END.closed]]);
  assert(!pair.lanes[0]?.setKicks(true));
});

Deno.test("descriptors that come along end the connection and are handed over, all of them", () => {
  for (const type of ["stream", "seqpacket"] as const) {
    using pair = new Pair(type);
    const fds = Array.from({ length: 253 }, () => createEventFd());
    const frame = pair.frame(0, 60);
    const sent = send(pair.peers[0] ?? -1, type === "stream" ? framed([frame]) : frame, fds);
    assert(sent > 0);
    pair.poll();
    assert.deepEqual(pair.ends, [[0, STREAM_END.descriptors]]);
    const got = pair.lanes[0]?.release?.() ?? [];
    assert.equal(got.length, fds.length);
    for (const fd of got) assert.equal(fdKind(fd), "eventfd");
    for (const fd of [...got, ...fds]) closeFd(fd);
    pair.lanes.shift();
  }
});

Deno.test("a socket that is prepared takes no descriptors where the kernel knows how", () => {
  const [ours, theirs] = socketPair();
  prepareFrameSocket(ours);
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
  if (major > 6 || (major === 6 && minor >= 16)) {
    assert.equal(send(theirs, new Uint8Array(1), [ours]), -1, "EPERM");
  }
  assert.equal(send(theirs, new Uint8Array(1)), 1);
  closeFd(ours);
  closeFd(theirs);
});

Deno.test("a peer that does not read loses frames, and gets the others whole once it reads", () => {
  for (const type of ["stream", "seqpacket"] as const) {
    using pair = new Pair(type);
    const most = 600;
    for (let i = 0; i < most; i++) {
      const frame = pair.frame(0, 9000, i);
      pair.write(0, type === "stream" ? framed([frame]) : frame);
    }
    const dropped = pair.count(1, "txDroppedUplinkFull");
    assert(dropped > 0, "it is full at some time");
    assert.equal(pair.count(1, "txFrames") + dropped, most);
    assert.equal(pair.count(0, "rxFrames"), most, "the sender does not wait");
    if (type === "seqpacket") continue;
    // The rest of a frame that was cut goes as soon as there is room, without anybody's sending.
    pair.lanes[1]?.setKicks(true);
    const { left } = unframe(pair.read(1));
    if (left > 0) assert(pair.watching[1], "the thread is woken when there is room");
    pair.lanes[1]?.wake();
    pair.poll();
    const rest = unframe(pair.read(1));
    assert.equal(left === 0 ? 0 : rest.left, left === 0 ? 0 : 9004 - left);
    if (left > 0) assert.equal(pair.watching[1], false);
  }
});

Deno.test("a peer that hangs up while frames go to it ends its connection alone", () => {
  using pair = new Pair();
  pair.hangUp(1);
  pair.write(0, framed([pair.frame(0, 60), pair.frame(0, 60)]));
  assert.equal(pair.ends.length, 1);
  assert.equal(pair.ends[0]?.[0], 1);
  assert.equal(pair.count(1, "txDroppedUplinkDown"), 2);
  assert.equal(pair.count(0, "rxFrames"), 2);
});

Deno.test("a silent socket is looked at less and less, a woken one at once", () => {
  using pair = new Pair();
  pair.path.idleRounds = 4;
  const [source] = pair.path.sources;
  assert(source);
  for (let i = 0; i < 400; i++) pollSource(pair.path, source);
  send(pair.peers[0] ?? -1, framed([pair.frame(0, 60)]));
  let rounds = 0;
  while (pollSource(pair.path, source) === 0) assert(++rounds <= 64);
  send(pair.peers[0] ?? -1, framed([pair.frame(0, 60)]));
  while (pollSource(pair.path, source) === 0) {
    assert(++rounds <= 64 + 8, "it is not silent any more");
  }
  for (let i = 0; i < 400; i++) pollSource(pair.path, source);
  assert(!source.setKicks(true), "all was taken: the thread may sleep");
  source.setKicks(false);
  send(pair.peers[0] ?? -1, framed([pair.frame(0, 60)]));
  pair.lanes[0]?.wake();
  assert.equal(pollSource(pair.path, source), 1);
});
