// deno-lint-ignore-file no-non-null-assertion
/** The session against front-ends that are wrong: every request in every state, and random ones. */
import { strict as assert } from "node:assert";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { type Request, REQUESTS } from "../../../../lib/vhost/requests/table.ts";
import { type Outcome, Session } from "../../../../lib/vhost/session.ts";
import type { Message } from "../../../../lib/vhost/wire/message.ts";
import { DEFAULT_OFFER, makeOffer } from "../../../../lib/vhost/offer.ts";
import { hasFeature } from "../../../../lib/vhost/features/bits.ts";
import { VRINGS_PER_PORT } from "../../../../lib/base/limits.ts";
import {
  accept,
  addr,
  config,
  FakeHost,
  type FdKind,
  finish,
  message,
  NEED_REPLY,
  PLAIN,
  replyU64,
  state,
  table,
  words,
} from "../fake_host.ts";
import {
  QEMU_BYTES,
  QEMU_HVA,
  QEMU_PACKED,
  QEMU_SPLIT,
  qemuConnect,
  qemuEnable,
  qemuStart,
  ringAddr,
  SPLIT_RINGS,
} from "../front_ends.ts";

const LOG_ALL = 1n << 26n;

type State = "new" | "negotiated" | "running";
const STATES: readonly State[] = ["new", "negotiated", "running"];

function inState(which: State): { host: FakeHost; session: Session } {
  const host = new FakeHost();
  const session = new Session(host);
  if (which !== "new") qemuConnect(session, host);
  if (which === "running") {
    qemuEnable(session, 1, false);
    qemuStart(session, host, { features: QEMU_SPLIT });
  }
  return { host, session };
}

/** Checks that an outcome is one of those that are defined. */
function checkOutcome(given: Message, outcome: Outcome): void {
  assert(!(outcome.reply && outcome.close), "a connection to be closed gets no reply");
  if (outcome.close) assert(outcome.close.code.length > 0 && outcome.close.detail.length > 0);
  if (!outcome.reply) return;
  const view = new DataView(outcome.reply.buffer);
  assert.equal(view.getUint32(0, true), given.request);
  assert.equal(view.getUint32(4, true), 0x5);
  assert.equal(view.getUint32(8, true), outcome.reply.length - 12);
  const own: Readonly<Record<number, number>> = {
    [id.VHOST_USER_SET_LOG_BASE]: 8,
    [id.VHOST_USER_GET_CONFIG]: given.payload.byteLength,
    [id.VHOST_USER_GET_INFLIGHT_FD]: outcome.fds ? 24 : 8,
  };
  const bytes = outcome.reply.length - id.HEADER_BYTES;
  // Configuration that is not there is an empty reply.
  assert(
    bytes === (own[given.request] ?? 8) ||
      (given.request === id.VHOST_USER_GET_CONFIG && bytes === 0),
  );
}

/** One message to a session in a state: what comes of it, with nothing left behind. */
function probe(which: State, request: number, bytes: number, fds: number, flags: number): Outcome {
  const { host, session } = inState(which);
  const numbers = Array.from({ length: fds }, () => host.fd());
  const given = message(request, new Uint8Array(bytes), numbers, flags);
  const outcome = session.handle(given);
  checkOutcome(given, outcome);
  finish(session, host);
  return outcome;
}

function served(): [number, Request][] {
  return [...REQUESTS].filter(([, request]) => request.decode !== null);
}

Deno.test("REQUESTS has every number of the specification once, in order", () => {
  assert.deepEqual([...REQUESTS.keys()], Array.from({ length: REQUESTS.size }, (_, i) => i + 1));
  const constants = new Map<string, unknown>(Object.entries(id));
  for (const [number, request] of REQUESTS) {
    assert.equal(constants.get(`VHOST_USER_${request.name}`), number);
  }
});

for (const which of STATES) {
  Deno.test(`session closes on a wrong size of any request, ${which}`, () => {
    for (const [number, request] of served()) {
      const wrong = [request.bytesMin - 1, request.bytesMax + 1, 4096];
      for (const bytes of wrong.filter((count) => count >= 0)) {
        assert.equal(probe(which, number, bytes, 0, PLAIN).close?.code, "bad-size", request.name);
      }
    }
  });

  Deno.test(`session closes on too many descriptors with any request, ${which}`, () => {
    for (const [number, request] of served()) {
      for (const fds of [request.fdsMax + 1, 253]) {
        const { close } = probe(which, number, request.bytesMax, fds, NEED_REPLY);
        assert.equal(close?.code, "fd-count", request.name);
      }
    }
  });

  Deno.test(`session has an outcome for every number, size and descriptor count, ${which}`, () => {
    const numbers = [...Array.from({ length: 301 }, (_, i) => i), 2 ** 31, 2 ** 32 - 1];
    for (const number of numbers) {
      for (const bytes of [0, 1, 8, 12, 40, 72, 264, 4096]) {
        for (const fds of [0, 1, 2, 8]) {
          for (const flags of [PLAIN, NEED_REPLY]) probe(which, number, bytes, fds, flags);
        }
      }
    }
  });

  Deno.test(`session refuses unknown requests, ${which}`, () => {
    for (const number of [0, REQUESTS.size + 1, 255, 2 ** 31]) {
      assert.equal(probe(which, number, 8, 1, PLAIN).close?.code, "unknown-request");
      const answer = probe(which, number, 8, 1, NEED_REPLY);
      assert.equal(replyU64(answer, number), 1n);
    }
    assert.equal(
      probe(which, id.VHOST_USER_GPU_SET_SOCKET, 0, 1, PLAIN).close?.code,
      "not-negotiated",
    );
    assert.equal(replyU64(probe(which, 33, 0, 1, NEED_REPLY), 33), 1n);
    // No error can be said in a reply of its own kind.
    for (const own of [26, 28, 41, 44]) {
      assert.equal(probe(which, own, 16, 0, NEED_REPLY).close?.code, "not-negotiated");
    }
  });
}

Deno.test("session refuses requests whose protocol feature was not negotiated", () => {
  for (const [number, request] of served().filter(([, { gate }]) => gate !== null)) {
    const { close } = probe("new", number, request.bytesMax, 0, PLAIN);
    assert.equal(close?.code, "not-negotiated", request.name);
    assert.match(close?.detail ?? "", new RegExp(`^request ${number} \\(${request.name}\\)`));
  }
});

Deno.test("session refuses another version and replies", () => {
  for (const flags of [0, 2, 3, 0xfffffff0]) {
    assert.equal(probe("negotiated", 1, 0, 0, flags).close?.code, "bad-version");
  }
  assert.equal(probe("negotiated", 1, 0, 0, 0x5).close?.code, "unexpected-reply");
});

Deno.test("session acknowledges only once REPLY_ACK was negotiated", () => {
  const { host, session } = inState("new");
  assert.deepEqual(session.handle(message(id.VHOST_USER_SET_OWNER, words(), [], NEED_REPLY)), {});
  // This very message negotiates it.
  const protocol = message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(8), [], NEED_REPLY);
  assert.equal(replyU64(session.handle(protocol), protocol.request), 0n);
  const owner = message(id.VHOST_USER_SET_OWNER, words(), [], NEED_REPLY);
  assert.equal(replyU64(session.handle(owner), owner.request), 0n);
  // A request with a reply of its own has that and no other.
  const features = message(id.VHOST_USER_GET_FEATURES, words(), [], NEED_REPLY);
  assert(replyU64(session.handle(features), features.request) > 1n);
  finish(session, host);
});

/** Sends one message to a session of three states and expects the same reason to close. */
function closes(code: string, request: number, payload: Uint8Array, fds: FdKind[] = []): void {
  for (const which of STATES) {
    const { host, session } = inState(which);
    const numbers = fds.map((kind) => host.fd(kind));
    const outcome = session.handle(message(request, payload, numbers, NEED_REPLY));
    assert.equal(outcome.close?.code, code, `${which}: ${JSON.stringify(outcome.close)}`);
    assert.equal(outcome.reply, undefined);
    finish(session, host);
  }
}

Deno.test("session refuses features that were not offered", () => {
  const missing = (offered: bigint): bigint[] =>
    Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit)).filter((bit) => !(offered & bit));
  for (const bit of missing(DEFAULT_OFFER.features)) {
    closes("bad-features", id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT | bit));
  }
  for (const bit of missing(DEFAULT_OFFER.protocolFeatures)) {
    closes("bad-protocol-features", id.VHOST_USER_SET_PROTOCOL_FEATURES, words(bit));
  }
});

Deno.test("session refuses other features while rings are in use, and takes the same again", () => {
  const { host, session } = inState("running");
  accept(session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT)));
  assert.equal(host.link, true);
  const { close } = session.handle(message(id.VHOST_USER_SET_FEATURES, words(QEMU_PACKED)));
  assert.equal(close?.code, "features-while-running");
  finish(session, host);
});

Deno.test("session refuses vring numbers it has not", () => {
  const fd: FdKind[] = ["eventfd"];
  for (const index of [VRINGS_PER_PORT, 255, 65536, 2 ** 32 - 1]) {
    closes("bad-index", id.VHOST_USER_SET_VRING_NUM, state(index, 256));
    closes("bad-index", id.VHOST_USER_SET_VRING_BASE, state(index, 0));
    closes("bad-index", id.VHOST_USER_GET_VRING_BASE, state(index, 0));
    closes("bad-index", id.VHOST_USER_SET_VRING_ENABLE, state(index, 1));
    closes("bad-index", id.VHOST_USER_SET_VRING_ADDR, addr(index, 0, 0, 0));
    closes("bad-index", id.VHOST_USER_SET_VRING_ADDR, addr(index, 0, 0, 0));
  }
  for (const value of [BigInt(VRINGS_PER_PORT), 255n, 0x200n, 65536n, 1n << 32n, 1n << 63n]) {
    closes("bad-index", id.VHOST_USER_SET_VRING_KICK, words(value), fd);
    closes("bad-index", id.VHOST_USER_SET_VRING_CALL, words(value), fd);
    closes("bad-index", id.VHOST_USER_SET_VRING_ERR, words(value), fd);
  }
});

Deno.test("session refuses descriptors of the wrong kind and number", () => {
  for (const request of [12, 13, 14]) {
    closes("not-eventfd", request, words(1), ["other"]);
    closes("fd-count", request, words(1), []);
    closes("fd-count", request, words(0x101), ["eventfd"]);
    closes("fd-count", request, words(1), ["eventfd", "eventfd"]);
  }
  closes("not-eventfd", id.VHOST_USER_SET_VRING_KICK, words(0), ["socket"]);
  closes("not-eventfd", id.VHOST_USER_SET_VRING_ERR, words(0), ["socket"]);
});

Deno.test("what is wrong with a descriptor of a ring is said in words that help", () => {
  const said = (request: number, kind: FdKind): string => {
    const { host, session } = inState("negotiated");
    const { close } = session.handle(message(request, words(0), [host.fd(kind)]));
    finish(session, host);
    return close?.detail ?? "";
  };
  const { VHOST_USER_SET_VRING_KICK: kick, VHOST_USER_SET_VRING_CALL: call } = id;
  assert.match(said(kick, "other"), /is no eventfd$/);
  assert.match(said(call, "other"), /is no eventfd, nor a unix socket$/);
  for (const request of [kick, call]) assert.match(said(request, "own-end"), /this switch$/);
});

Deno.test("a front-end is told of all virtqueues of a port that has few", () => {
  const host = new FakeHost();
  const session = new Session(host, makeOffer({ queuePairs: 1 }));
  accept(session, message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(1)));
  assert.equal(replyU64(session.handle(message(17)), id.VHOST_USER_GET_QUEUE_NUM), 2n);
  finish(session, host);
});

Deno.test("session refuses ring sizes and values out of range", () => {
  for (const size of [0, 32769, 65536, 2 ** 32 - 1]) {
    closes("bad-ring-size", id.VHOST_USER_SET_VRING_NUM, state(0, size));
  }
  closes("bad-value", id.VHOST_USER_SET_VRING_ENABLE, state(0, 2));
  closes("bad-ring-address", id.VHOST_USER_SET_VRING_ADDR, addr(0, 2n ** 53n, 0, 0));
  closes("bad-ring-address", id.VHOST_USER_SET_VRING_ADDR, addr(0, 0, 0, 2n ** 64n - 1n));
});

Deno.test("session refuses another size of a ring in use, and takes the same again", () => {
  const { host, session } = inState("running");
  accept(session, message(id.VHOST_USER_SET_VRING_NUM, state(0, 256)));
  assert.equal(host.link, true);
  const { close } = session.handle(message(id.VHOST_USER_SET_VRING_NUM, state(0, 512)));
  assert.equal(close?.code, "ring-running");
  finish(session, host);
});

/** A ring whose memory, size and address are as given: what its kick message leads to. */
function kick(
  size: number,
  ring: { desc: number; used: number; avail: number },
  features = QEMU_SPLIT,
  base = 0,
): Outcome {
  const { host, session } = inState("negotiated");
  accept(session, message(id.VHOST_USER_SET_FEATURES, words(features)));
  const region = { sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA };
  accept(session, message(id.VHOST_USER_SET_MEM_TABLE, table([region]), [host.fd("other")]));
  accept(session, message(id.VHOST_USER_SET_VRING_NUM, state(0, size)));
  accept(session, message(id.VHOST_USER_SET_VRING_BASE, state(0, base)));
  accept(session, ringAddr(0, ring, QEMU_HVA));
  const outcome = session.handle(message(id.VHOST_USER_SET_VRING_KICK, words(0), [host.fd()]));
  assert.equal(host.running.size, outcome.close ? 0 : 1);
  finish(session, host);
  return outcome;
}

Deno.test("session refuses split rings that are no power of two", () => {
  for (const size of [3, 255, 32767]) {
    assert.equal(kick(size, SPLIT_RINGS[0]!).close?.code, "bad-ring-size");
    assert.equal(
      kick(size, { desc: 0, used: 2 ** 20, avail: 2 ** 21 }, QEMU_PACKED).close,
      undefined,
    );
  }
  assert.equal(kick(32768, { desc: 0, used: 2 ** 20, avail: 2 ** 21 }).close, undefined);
});

Deno.test("session refuses ring areas that are unaligned, outside memory or one over another", () => {
  const good = { desc: 0x1000, avail: 0x2000, used: 0x3000 };
  assert.equal(kick(256, good).close, undefined);
  const last = QEMU_BYTES - 256 * 16;
  const bad = [
    { ...good, desc: 0x1008 },
    { ...good, avail: 0x2001 },
    { ...good, used: 0x3002 },
    { ...good, desc: QEMU_BYTES },
    { ...good, desc: -0x1000 },
    { ...good, desc: last + 16 },
    { ...good, used: QEMU_BYTES - 2048 },
    { ...good, avail: good.desc },
    { ...good, avail: good.desc + 0xffe },
    { ...good, used: good.avail + 0x200 },
    { ...good, desc: good.used + 2048 },
  ];
  for (const ring of bad) {
    assert.equal(kick(256, ring).close?.code, "bad-ring-address", `${ring.desc}`);
  }
  assert.equal(kick(256, { ...good, desc: last }).close, undefined);
  // The legacy layout without event indices: used right behind avail.
  assert.equal(kick(256, { ...good, used: good.avail + 4 + 512 }).close, undefined);
});

Deno.test("session refuses packed positions beyond the ring", () => {
  const ring = { desc: 0x1000, avail: 0x9000, used: 0xa000 };
  assert.equal(kick(100, ring, QEMU_PACKED, 0x8063_8063).close, undefined);
  assert.equal(kick(100, ring, QEMU_PACKED, 0x8000_8064).close?.code, "bad-ring-base");
  assert.equal(kick(100, ring, QEMU_PACKED, 0x8064_8000).close?.code, "bad-ring-base");
  assert.equal(kick(100, ring, QEMU_PACKED, 0x7fff).close?.code, "bad-ring-base");
});

Deno.test("session refuses a memory table that leaves a running ring outside", () => {
  const { host, session } = inState("running");
  const region = { sizeBytes: 2 ** 20, userAddr: QEMU_HVA };
  const given = message(id.VHOST_USER_SET_MEM_TABLE, table([region]), [host.fd("other")]);
  assert.equal(session.handle(given).close?.code, "bad-ring-address");
  finish(session, host);
});

Deno.test("session passes the host's refusal of memory on", () => {
  const { host, session } = inState("running");
  host.refuseMemory = { code: "bad-memory-kind", detail: "no memory" };
  const region = { sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA };
  const given = message(id.VHOST_USER_SET_MEM_TABLE, table([region]), [host.fd("other")]);
  assert.equal(session.handle(given).close?.code, "bad-memory-kind");
  finish(session, host);
});

/** Deterministic 32-bit numbers (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** The payload of ADD_MEM_REG and REM_MEM_REG for a region behind the first. */
function region(offset: number): Uint8Array {
  return words(0, offset, QEMU_BYTES, QEMU_HVA + offset, 0);
}

/** What a front-end may send that negotiated everything. */
const OFFERED = served().filter(([, { gate }]) =>
  gate === null || hasFeature(DEFAULT_OFFER.protocolFeatures, gate)
);

/** The payload of the inflight messages, now and then with a number that is none. */
function inflight(next: () => number): Uint8Array {
  const bytes = words(2 * 8256, next() % 100 === 0 ? next() : 0, 0);
  const queues = next() % 100 === 0 ? next() & 0xffff : 2;
  new DataView(bytes.buffer).setUint32(16, queues | (256 << 16), true);
  return bytes;
}

/** A message that is mostly well-formed, so that sequences get far. */
function anyMessage(next: () => number, host: FakeHost): Message {
  const pick = <T>(list: readonly T[]): T => list[next() % list.length]!;
  const [number, request] = pick(OFFERED);
  const index = next() % 100 === 0 ? next() % 5 : next() % 2;
  const flags = pick([PLAIN, NEED_REPLY]);
  const bytes = next() % 100 === 0 ? next() % 300 : request.bytesMax;
  const payloads: Record<number, () => Uint8Array> = {
    [id.VHOST_USER_SET_FEATURES]: () =>
      words(next() % 8 ? pick([QEMU_SPLIT, QEMU_SPLIT | LOG_ALL]) : pick([QEMU_PACKED, 0n])),
    [id.VHOST_USER_SET_PROTOCOL_FEATURES]: () =>
      words(pick([DEFAULT_OFFER.protocolFeatures, 0x1_020fn, 0n])),
    [id.VHOST_USER_SET_MEM_TABLE]: () =>
      table([{ sizeBytes: next() % 20 ? QEMU_BYTES : 2 ** 20, userAddr: QEMU_HVA }]),
    [id.VHOST_USER_ADD_MEM_REG]: () => region(pick([0, 1, 2]) * QEMU_BYTES),
    [id.VHOST_USER_REM_MEM_REG]: () => region(pick([1, 2]) * QEMU_BYTES),
    [id.VHOST_USER_SET_VRING_NUM]: () => state(index, next() % 50 === 0 ? 300 : 256),
    [id.VHOST_USER_SET_VRING_BASE]: () => state(index, pick([0, 0x8000, 0x80008000, 17])),
    [id.VHOST_USER_GET_VRING_BASE]: () => state(index, 0),
    [id.VHOST_USER_SET_VRING_ENABLE]: () => state(index, next() % 2),
    [id.VHOST_USER_SET_VRING_ADDR]: () =>
      new Uint8Array(ringAddr(index, pick(SPLIT_RINGS), QEMU_HVA).payload.buffer as ArrayBuffer),
    [id.VHOST_USER_SET_LOG_BASE]: () => words(next() % 20 ? 0x4000 : 1, 0),
    [id.VHOST_USER_SET_LOG_FD]: () => new Uint8Array(),
    [id.VHOST_USER_SEND_RARP]: () => words(pick([0x0161_6100_5452n, 0n])),
    [id.VHOST_USER_NET_SET_MTU]: () => words(pick([1500, 9000, 5])),
    [id.VHOST_USER_SET_STATUS]: () => words(pick([0, 8, 15])),
    [id.VHOST_USER_SET_CONFIG]: () => config(10, 2, pick([0, 1, 2]), pick([1400, 3])),
    [id.VHOST_USER_GET_INFLIGHT_FD]: () => inflight(next),
    [id.VHOST_USER_SET_INFLIGHT_FD]: () => inflight(next),
  };
  const ringFd = number >= 12 && number <= 14;
  const withFd = request.fdsMax > 0 && next() % (ringFd ? 4 : 100) !== 0;
  const payload = payloads[number]?.() ??
    (ringFd ? words(withFd ? index : 0x100 + index) : new Uint8Array(bytes));
  const memory = [
    id.VHOST_USER_SET_MEM_TABLE,
    id.VHOST_USER_ADD_MEM_REG,
    id.VHOST_USER_SET_LOG_BASE,
    id.VHOST_USER_SET_INFLIGHT_FD,
  ];
  let kind: FdKind = memory.includes(number) ? "other" : "eventfd";
  if (number === id.VHOST_USER_SET_BACKEND_REQ_FD) kind = "socket";
  return message(number, payload, withFd ? [host.fd(kind)] : [], flags);
}

Deno.test("session survives 2,000 random conversations without leaking or throwing", () => {
  let started = 0;
  for (let seed = 1; seed <= 2000; seed++) {
    const { host, session } = inState(STATES[seed % STATES.length]!);
    const next = random(seed);
    try {
      for (let i = 0; i < 150; i++) {
        const given = anyMessage(next, host);
        const outcome = session.handle(given);
        checkOutcome(given, outcome);
        for (const fd of outcome.fds ?? []) host.closeFd(fd);
        if (host.running.size > 0) started++;
        if (next() % 40 === 0) session.device.ringBroken(next() % 2, "bad-index");
        if (outcome.close) break;
      }
      finish(session, host);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  assert(started > 5000, `rings ran after ${started} messages only: the test does not get far`);
});
