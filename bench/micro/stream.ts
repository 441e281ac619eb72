/**
 * What a frame costs the data plane between two streams, or two sockets of packets: one system call
 * that brings many, the switch, one that takes many away. `deno run -A bench/micro/stream.ts`: ns a
 * frame, the best and the median of the rounds, without what the peers at both ends cost.
 *
 * @module
 */
import {
  addressOf,
  copyMemory,
  prepareFrameSocket,
  receive,
  send,
  socketPair,
  type UnixType,
} from "../../ffi/mod.ts";
import { present } from "../../lib/base/assert.ts";
import { counterBytes, portBase } from "../../lib/switch/counters.ts";
import { Datapath, pollSource } from "../../lib/switch/datapath.ts";
import { Fdb } from "../../lib/switch/fdb.ts";
import { LanePort } from "../../lib/switch/ports/lane_port.ts";
import { useHostAddress, useHostCopy } from "../../lib/virtio/memory/window.ts";
import { makeStreamLane } from "../../lib/worker/lanes/stream.ts";

const ROUNDS = 2000;
const WARM_UP = 500;
/** Length and frames sent in a round, as many as a peer has room for. */
const LOADS = [[60, 128], [1514, 128], [9014, 20], [65_000, 3]] as const;
/** Addresses of the two sides: to the second, from the first. */
const ADDRESSES = [2, 0, 0, 0, 0, 0xb0, 2, 0, 0, 0, 0, 0xa0];
const FDB_OPTIONS = { entriesMax: 64, portEntriesMax: 64, ageSeconds: 0, seed: 7 };
const buffer = new Uint8Array(1 << 20);

useHostCopy(copyMemory);
useHostAddress(addressOf);

/** A switch with two such ports, and their peers' ends. */
function makeSwitch(type: UnixType): { path: Datapath; peers: number[] } {
  const fdb = new Fdb(new ArrayBuffer(Fdb.bytesFor(FDB_OPTIONS.entriesMax)), FDB_OPTIONS);
  const path = new Datapath(2, fdb, new Float64Array(counterBytes(2, 2) / 8), {
    call: () => {},
    ringBroken: () => {},
    badChain: () => true,
    untranslated: () => true,
    accessFailed: () => {},
    laneFailed: () => true,
  });
  const peers = [0, 1].map((index) => {
    const [fd, peer] = socketPair(type);
    prepareFrameSocket(fd);
    prepareFrameSocket(peer);
    const port = new LanePort(index, portBase(index, 2), 2);
    const start = { number: 0, fd, offloads: 0, watchRoom: () => {} };
    port.lanes[0] = makeStreamLane(port, start, type === "seqpacket");
    path.ports[index] = port;
    return peer;
  });
  path.refresh();
  fdb.learn(0x02, 0xb000, 1, 0);
  return { path, peers };
}

/** The load of one round, as its socket carries it. */
function makeLoad(type: UnixType, bytes: number, count: number): Uint8Array<ArrayBuffer>[] {
  const skip = type === "stream" ? 4 : 0;
  const all = new Uint8Array(count * (skip + bytes));
  const view = new DataView(all.buffer);
  for (let at = 0; at < all.length; at += skip + bytes) {
    if (skip > 0) view.setUint32(at, bytes);
    all.set(ADDRESSES, at + skip);
  }
  if (type === "stream") return [all];
  return Array.from({ length: count }, (_, i) => all.subarray(i * bytes, (i + 1) * bytes));
}

for (const type of ["stream", "seqpacket"] as const) {
  const { path, peers } = makeSwitch(type);
  const source = present(path.sources[0], "the first port's lane");
  const [from, to] = [present(peers[0], "a peer"), present(peers[1], "the other")];
  for (const [bytes, most] of LOADS) {
    const load = makeLoad(type, bytes, type === "stream" ? most : Math.min(most, 32));
    const times: number[] = [];
    for (let round = 0; round < ROUNDS + WARM_UP; round++) {
      for (const part of load) send(from, part);
      let frames = 0;
      const start = performance.now();
      for (let more = pollSource(path, source); more > 0; more = pollSource(path, source)) {
        frames += more;
      }
      const ns = (performance.now() - start) * 1e6 / Math.max(1, frames);
      if (round >= WARM_UP && frames > 0) times.push(ns);
      while (receive(to, buffer).bytes > 0);
    }
    times.sort((a, b) => a - b);
    const at = (part: number): string => (times[Math.floor(part * times.length)] ?? NaN).toFixed(0);
    console.log(`${type} ${bytes} bytes: ${at(0)} best, ${at(0.5)} median of ${times.length}`);
  }
}
