/** Frames through sockets by address: what the kernel answers, with nothing thrown and nobody waiting. */
import { strict as assert } from "node:assert";
import {
  addressOf,
  cameWithControl,
  closeFd,
  EAGAIN,
  EFAULT,
  EPIPE,
  receiveAt,
  send,
  sendPackets,
  sendVectors,
  socketPair,
  takeControlFds,
} from "../../../ffi/mod.ts";

/** Memory, a list of vectors over it, and how to fill that. */
function memory(): {
  bytes: Uint8Array;
  address: number;
  list: number;
  set: (...at: number[][]) => void;
} {
  const buffer = new ArrayBuffer(8192);
  const address = addressOf(buffer);
  const words = new BigUint64Array(buffer, 4096);
  return {
    bytes: new Uint8Array(buffer),
    address,
    list: address + 4096,
    set: (...vectors) => {
      for (const [i, [from = 0, size = 0]] of vectors.entries()) {
        words[2 * i] = BigInt(from);
        words[2 * i + 1] = BigInt(size);
      }
    },
  };
}

Deno.test("vectors leave in a row, and what came stands where it was wanted", () => {
  const [a, b] = socketPair();
  const { bytes, address, list, set } = memory();
  bytes.set([1, 2, 3, 4, 5, 6, 7, 8]);
  set([address, 2], [address + 5, 3]);
  assert.equal(receiveAt(b, address + 100, 50), -EAGAIN);
  assert.equal(sendVectors(a, list, 2), 5);
  assert.equal(receiveAt(b, address + 100, 4), 4);
  assert(!cameWithControl());
  assert.equal(receiveAt(b, address + 104, 50), 1);
  assert.deepEqual([...bytes.subarray(99, 106)], [0, 1, 2, 6, 7, 8, 0]);
  closeFd(a);
  assert.equal(receiveAt(b, address + 100, 50), 0, "the end");
  assert.equal(sendVectors(b, list, 2), -EPIPE, "and no signal");
  closeFd(b);
});

Deno.test("memory that is not there is an answer, and the next call works", () => {
  for (const type of ["stream", "seqpacket"] as const) {
    const [a, b] = socketPair(type);
    const { address, list, set } = memory();
    set([address, 60], [4096, 60]);
    const starts = Int32Array.of(0, 2);
    const sent = type === "stream" ? sendVectors(a, list, 2) : sendPackets(a, list, starts, 0, 1);
    assert.equal(sent, -EFAULT);
    assert.equal(receiveAt(b, address + 100, 200), -EAGAIN, "nothing of it has gone");
    set([address, 60]);
    assert.equal(sendVectors(a, list, 1), 60);
    assert.equal(receiveAt(b, address + 100, 200), 60);
    closeFd(a);
    closeFd(b);
  }
});

Deno.test("packets go one by one until there is no room", () => {
  const [a, b] = socketPair("seqpacket");
  const { bytes, address, list, set } = memory();
  for (let i = 0; i < 6; i++) bytes[i] = i;
  set([address, 1], [address + 1, 2], [address + 3, 3]);
  assert.equal(sendPackets(a, list, Int32Array.of(9, 0, 2, 3), 1, 2), 2);
  const got = [1, 2].map(() => {
    const size = receiveAt(b, address + 100, 50);
    return [...bytes.subarray(100, 100 + size)];
  });
  assert.deepEqual(got, [[0, 1, 2], [3, 4, 5]]);
  let packets = 0;
  for (;;) {
    const sent = sendPackets(a, list, Int32Array.of(0, 1, 2, 3), 0, 3);
    if (sent === -EAGAIN) break;
    packets += sent;
  }
  assert(packets > 3, "there is some room");
  while (receiveAt(b, address + 100, 50) > 0) packets--;
  assert.equal(packets, 0, "all that were taken have come, and no other one");
  closeFd(a);
  closeFd(b);
});

Deno.test("descriptors that come along are all handed over", () => {
  const [a, b] = socketPair();
  const { address } = memory();
  assert.equal(send(a, new Uint8Array(4), [a, b, a]), 4);
  assert.equal(receiveAt(b, address, 50), 4);
  assert(cameWithControl());
  const fds = takeControlFds();
  assert.equal(fds.length, 3);
  for (const fd of [...fds, a, b]) closeFd(fd);
});
