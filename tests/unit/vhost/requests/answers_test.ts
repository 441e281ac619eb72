// deno-lint-ignore-file no-non-null-assertion
/**
 * Answers as a strict front-end reads them: exactly the bytes it expects, from one stream, so that
 * a byte too much or an acknowledgement too many puts every answer after it out of step.
 */
import { strict as assert } from "node:assert";
import { ACKNOWLEDGED } from "../../../../lib/vhost/requests/answers.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { makeOffer } from "../../../../lib/vhost/offer.ts";
import { REQUESTS } from "../../../../lib/vhost/requests/table.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import {
  addr,
  config,
  FakeHost,
  finish,
  message,
  NEED_REPLY,
  state,
  table,
  words,
} from "../fake_host.ts";
import { DPDK_SPLIT, QEMU_BYTES, QEMU_HVA, SPLIT_RINGS } from "../front_ends.ts";

const REPLY_FLAGS = 0x5;
const LOG_BYTES = 0x1800;
const LOG_ALL = 1n << 26n;

/** Reads answers off a stream by the sizes that rust-vmm's front-end has in its types. */
class StrictFrontEnd {
  readonly host = new FakeHost();
  readonly session = new Session(this.host, makeOffer({ offer: ["skip-drain"] }));
  /** Bytes and descriptors that the session has sent and nobody has read. */
  #stream: number[] = [];
  #fds = 0;

  say(
    request: number,
    payload?: Uint8Array,
    fds: readonly number[] = [],
    flags = NEED_REPLY,
  ): void {
    const outcome = this.session.handle(message(request, payload, fds, flags));
    assert.equal(outcome.close, undefined, `request ${request}`);
    this.#stream.push(...outcome.reply ?? []);
    this.#fds += outcome.fds?.length ?? 0;
    for (const fd of outcome.fds ?? []) this.host.closeFd(fd);
  }

  /** Reads a header and a body of this size. */
  read(request: number, bytes: number, fds = 0): DataView {
    const taken = new Uint8Array(this.#stream.splice(0, id.HEADER_BYTES + bytes));
    assert.equal(taken.length, id.HEADER_BYTES + bytes, `a whole answer to ${request}`);
    const view = new DataView(taken.buffer);
    const header = [0, 4, 8].map((at) => view.getUint32(at, true));
    assert.deepEqual(header, [request, REPLY_FLAGS, bytes]);
    assert.equal(this.#fds, fds);
    this.#fds = 0;
    return new DataView(taken.buffer, id.HEADER_BYTES);
  }

  /** A request that is acknowledged because it says so. */
  tell(request: number, payload?: Uint8Array, fds: readonly number[] = []): void {
    this.say(request, payload, fds);
    assert.equal(this.read(request, 8).getBigUint64(0, true), 0n);
  }

  askU64(request: number): bigint {
    this.say(request);
    return this.read(request, 8).getBigUint64(0, true);
  }

  get unread(): number {
    return this.#stream.length;
  }
}

/** rust-vmm and Cloud Hypervisor: every message of theirs carries NEED_REPLY once it may. */
Deno.test("a front-end that reads by fixed sizes is never out of step, NEED_REPLY on everything", () => {
  const front = new StrictFrontEnd();
  const { host } = front;
  front.say(id.VHOST_USER_SET_OWNER);
  assert.equal(front.unread, 0, "REPLY_ACK is not negotiated yet");
  front.askU64(id.VHOST_USER_GET_FEATURES);
  const protocol = front.askU64(id.VHOST_USER_GET_PROTOCOL_FEATURES);
  front.tell(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(protocol));
  assert(front.askU64(id.VHOST_USER_GET_QUEUE_NUM) > 0n);
  assert(front.askU64(id.VHOST_USER_GET_MAX_MEM_SLOTS) > 0n);
  front.tell(id.VHOST_USER_SET_FEATURES, words(DPDK_SPLIT));
  assert.equal(front.askU64(id.VHOST_USER_GET_STATUS), 0n);
  front.tell(id.VHOST_USER_SET_STATUS, words(0xf));
  const memory = new Uint8Array(40);
  const view = new DataView(memory.buffer);
  view.setBigUint64(16, BigInt(QEMU_BYTES), true);
  view.setBigUint64(24, BigInt(QEMU_HVA), true);
  front.tell(id.VHOST_USER_ADD_MEM_REG, memory, [host.fd("other")]);
  front.say(id.VHOST_USER_GET_CONFIG, config(0, 12, 0));
  assert.equal(front.read(id.VHOST_USER_GET_CONFIG, 24).getUint32(4, true), 12);
  const inflight = new Uint8Array(24);
  new DataView(inflight.buffer).setUint32(16, 2 | (256 << 16), true);
  front.say(id.VHOST_USER_GET_INFLIGHT_FD, inflight);
  front.read(id.VHOST_USER_GET_INFLIGHT_FD, 24, 1);
  for (const [index, { desc, used, avail }] of SPLIT_RINGS.entries()) {
    front.tell(id.VHOST_USER_SET_VRING_NUM, state(index, 256));
    const places = addr(index, QEMU_HVA + desc, QEMU_HVA + used, QEMU_HVA + avail);
    front.tell(id.VHOST_USER_SET_VRING_ADDR, places);
    front.tell(id.VHOST_USER_SET_VRING_BASE, state(index, 0));
    front.tell(id.VHOST_USER_SET_VRING_CALL, words(index), [host.fd()]);
    front.tell(id.VHOST_USER_SET_VRING_KICK, words(index), [host.fd()]);
    front.tell(id.VHOST_USER_SET_VRING_ENABLE, state(index, 1));
  }
  for (let round = 0; round < 3; round++) {
    front.tell(id.VHOST_USER_SET_LOG_BASE, words(LOG_BYTES, 0), [host.fd("other")]);
    front.tell(id.VHOST_USER_SET_FEATURES, words(DPDK_SPLIT | LOG_ALL));
    front.tell(id.VHOST_USER_SET_FEATURES, words(DPDK_SPLIT));
  }
  for (const index of [0, 1]) {
    front.say(id.VHOST_USER_GET_VRING_BASE, state(index, 0));
    assert.equal(front.read(id.VHOST_USER_GET_VRING_BASE, 8).getUint32(0, true), index);
    front.say(id.VHOST_USER_GET_VRING_BASE_SKIP_DRAIN, state(index, 0));
    front.read(id.VHOST_USER_GET_VRING_BASE_SKIP_DRAIN, 8);
  }
  front.tell(id.VHOST_USER_REM_MEM_REG, memory);
  front.tell(id.VHOST_USER_REM_MEM_REG, memory);
  front.askU64(id.VHOST_USER_GET_FEATURES);
  assert.equal(front.unread, 0);
  finish(front.session, host);
});

Deno.test("QEMU's SET_LOG_BASE carries no NEED_REPLY, and is answered all the same: byte by byte", () => {
  const host = new FakeHost();
  const session = new Session(host);
  const say = (request: number, payload: Uint8Array, fds: readonly number[] = []) =>
    session.handle(message(request, payload, fds));
  say(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(0b1011));
  const memory = table([{ sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA }]);
  say(id.VHOST_USER_SET_MEM_TABLE, memory, [host.fd("other")]);
  const { reply } = say(id.VHOST_USER_SET_LOG_BASE, words(LOG_BYTES, 0), [host.fd("other")]);
  assert.deepEqual([...reply!], [6, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  finish(session, host);
});

Deno.test("every message with an answer of its own says what front-ends expect of it", () => {
  for (const { name, decode, replies, about: { answer } } of REQUESTS.values()) {
    assert.equal(answer !== null, decode !== null, name);
    if (answer === null) continue;
    assert.equal(answer !== ACKNOWLEDGED, replies, name);
    for (const text of [answer.payload, answer.failure, answer.readers]) {
      assert(text.length > 0, name);
    }
  }
});
