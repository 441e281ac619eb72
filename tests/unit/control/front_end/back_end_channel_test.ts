/** The back-end channel over real sockets: order, replies, hang-ups, and peers that misbehave. */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { closeFd, createEventFd, receive, send, socketPair } from "../../../../ffi/mod.ts";
import {
  BackEndChannel,
  REPLIES_DUE_MAX,
} from "../../../../lib/control/front_end/back_end_channel.ts";
import type { Reactor } from "../../../../lib/control/reactor.ts";
import {
  configChangeMessage,
  iotlbMessage,
  VHOST_ACCESS_RO,
  VHOST_IOTLB_MISS,
  VHOST_USER_BACKEND_CONFIG_CHANGE_MSG,
  VHOST_USER_BACKEND_IOTLB_MSG,
  VHOST_USER_BACKEND_VRING_CALL,
  vringMessage,
} from "../../../../lib/vhost/wire/back_end_message.ts";
import type { Refusal } from "../../../../lib/vhost/reasons.ts";
import { encodeMessage, encodeU64 } from "../../../../lib/vhost/wire/message.ts";
import { onReactor } from "../on_reactor.ts";
import { until } from "../../../harness/until.ts";

const CONFIG = configChangeMessage();
const REPLY = 0x5;

class Bench {
  readonly reactor: Reactor;
  readonly channel: BackEndChannel;
  readonly peer: number;
  readonly news: string[] = [];
  refusal: Refusal | null = null;

  constructor(reactor: Reactor) {
    this.reactor = reactor;
    const [near, far] = socketPair();
    this.peer = far;
    this.channel = new BackEndChannel(near, reactor, {
      gone: () => this.news.push("gone"),
      failed: (refusal) => {
        this.news.push("failed");
        this.refusal = refusal;
      },
      closeFd,
    });
  }

  /** Everything the peer can read now. */
  read(): Uint8Array {
    const parts: Uint8Array[] = [];
    for (;;) {
      const bytes = new Uint8Array(new ArrayBuffer(65536));
      const got = receive(this.peer, bytes);
      if (got.bytes <= 0) break;
      parts.push(bytes.subarray(0, got.bytes));
    }
    return new Uint8Array(parts.flatMap((part) => [...part]));
  }

  reply(request: number, value: bigint, flags = REPLY): void {
    send(this.peer, encodeMessage(request, flags, encodeU64(value)));
  }

  async failed(code: string): Promise<void> {
    await until(`the channel fails with ${code}`, () => this.news.length > 0);
    assert.deepEqual([this.news, this.refusal?.code], [["failed"], code]);
    assert.equal(this.channel.send(CONFIG), false);
  }
}

function bench(run: (bench: Bench) => Promise<void> | void): Promise<void> {
  return onReactor((reactor) => new Bench(reactor), run, ({ channel, peer }) => {
    channel.close();
    closeFd(peer);
  });
}

Deno.test("the channel sends what the specification lays out", () =>
  bench((b) => {
    assert(b.channel.send(iotlbMessage(VHOST_IOTLB_MISS, 0x1_2345_6000, VHOST_ACCESS_RO)));
    assert(b.channel.send(CONFIG));
    assert(b.channel.send(vringMessage(VHOST_USER_BACKEND_VRING_CALL, 3)));
    const bytes = b.read();
    const view = new DataView(bytes.buffer);
    assert.equal(bytes.length, 12 + 32 + 12 + 12 + 8);
    assert.deepEqual([0, 4, 8].map((at) => view.getUint32(at, true)), [1, 1, 32]);
    assert.equal(view.getBigUint64(12, true), 0x1_2345_6000n);
    assert.deepEqual([view.getUint8(36), view.getUint8(37)], [1, 1]);
    assert.deepEqual([44, 48, 52].map((at) => view.getUint32(at, true)), [2, 1, 0]);
    assert.deepEqual([56, 60, 64, 68, 72].map((at) => view.getUint32(at, true)), [4, 1, 8, 3, 0]);
  }));

Deno.test("replies go to who asked, in order and in any pieces", () =>
  bench(async (b) => {
    const answers: string[] = [];
    b.channel.send(CONFIG, (value) => answers.push(`config ${value}`));
    const miss = iotlbMessage(VHOST_IOTLB_MISS, 0x1000, 1);
    b.channel.send(miss, (value) => answers.push(`miss ${value}`));
    const view = new DataView(b.read().buffer);
    assert.equal(view.getUint32(4, true), 0x9, "NEED_REPLY");
    b.reply(VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, 0n);
    await until("the first reply", () => answers.length === 1);
    const reply = encodeMessage(VHOST_USER_BACKEND_IOTLB_MSG, REPLY, encodeU64(7n));
    for (let i = 0; i < reply.length; i++) {
      send(b.peer, reply.subarray(i, i + 1));
      if (i % 6 === 0) await delay(1);
    }
    await until("the second reply", () => answers.length === 2);
    assert.deepEqual(answers, ["config 0", "miss 7"]);
  }));

Deno.test("a peer that hangs up only loses the channel", () =>
  bench(async (b) => {
    let answer: bigint | null | undefined;
    b.channel.send(CONFIG, (value) => answer = value);
    const [other, far] = socketPair();
    closeFd(other);
    const second = new BackEndChannel(far, b.reactor, {
      gone: () => b.news.push("gone"),
      failed: () => b.news.push("failed"),
      closeFd,
    });
    await until("the hang-up is noticed", () => b.news.length > 0);
    assert.deepEqual(b.news, ["gone"]);
    assert.equal(second.send(CONFIG), false);
    b.channel.close();
    assert.equal(answer, null, "a channel that closes answers nobody");
  }));

Deno.test("bytes that answer nothing, other ids, other flags, other sizes fail the channel", async () => {
  const unasked: ((b: Bench) => void)[] = [
    (b) => b.reply(VHOST_USER_BACKEND_CONFIG_CHANGE_MSG, 0n),
    (b) => send(b.peer, new Uint8Array(1)),
  ];
  for (const say of unasked) {
    await bench(async (b) => {
      say(b);
      await b.failed("bad-back-end-reply");
    });
  }
  for (const [request, flags] of [[1, REPLY], [2, 0x1], [2, 0xd], [2, 0x6]] as const) {
    await bench(async (b) => {
      const answers: (bigint | null)[] = [];
      b.channel.send(CONFIG, (value) => answers.push(value));
      b.reply(request, 0n, flags);
      await b.failed("bad-back-end-reply");
      assert.deepEqual(answers, [null]);
    });
  }
});

Deno.test("descriptors on the channel fail it and are closed", () =>
  bench(async (b) => {
    const fd = createEventFd();
    b.channel.send(CONFIG, () => {});
    send(b.peer, encodeMessage(2, REPLY, encodeU64(0n)), [fd, fd, fd]);
    closeFd(fd);
    await b.failed("fd-count");
  }));

Deno.test("a peer that does not read, or never answers, fails the channel and blocks nobody", async () => {
  await bench(async (b) => {
    let sent = 0;
    while (b.channel.send(iotlbMessage(VHOST_IOTLB_MISS, 4096 * sent, 1))) {
      assert(++sent < 1_000_000, "the backlog is bounded");
    }
    assert(sent > 1000, "a socket holds some");
    await b.failed("slow-peer");
  });
  await bench(async (b) => {
    for (let i = 0; i < REPLIES_DUE_MAX; i++) assert(b.channel.send(CONFIG, () => {}));
    assert.equal(b.channel.send(CONFIG, () => {}), false);
    await b.failed("slow-peer");
  });
});

Deno.test("what a slow peer left unread arrives whole and in order", () =>
  bench(async (b) => {
    const count = 6000;
    const got: number[] = [];
    let have = new Uint8Array();
    const take = (): void => {
      have = new Uint8Array([...have, ...b.read()]);
      while (have.length >= 44) {
        got.push(Number(new DataView(have.buffer, have.byteOffset).getBigUint64(12, true)) / 4096);
        have = have.subarray(44);
      }
    };
    for (let i = 0; i < count; i++) {
      assert(b.channel.send(iotlbMessage(VHOST_IOTLB_MISS, 4096 * i, 1)));
      if (i % 1000 === 999) await until("the peer reads", () => (take(), got.length > i - 300));
    }
    await until("all messages", () => (take(), got.length === count));
    assert.deepEqual(got, Array.from({ length: count }, (_, i) => i));
  }));
