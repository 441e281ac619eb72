/** Notifications in messages, addresses of the guest's, and what must not change while rings run. */
import { strict as assert } from "node:assert";
import {
  VHOST_USER_BACKEND_VRING_CALL,
  VHOST_USER_BACKEND_VRING_ERR,
} from "../../../../lib/vhost/wire/back_end_message.ts";
import { callInBand } from "../../../../lib/vhost/device/in_band.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import type { OfferWord } from "../../../../lib/vhost/features/rows.ts";
import { IN_BAND } from "../../../../lib/worker/wire.ts";
import { SessionBench } from "../session_bench.ts";
import { accept, message, replyPayload, state, table, words } from "../fake_host.ts";
import { acknowledged, QEMU_BYTES, QEMU_SPLIT, ringAddr, SPLIT_RINGS } from "../front_ends.ts";

const KICK = id.VHOST_USER_VRING_KICK;

class Bench extends SessionBench {
  /** User address of the guest's memory; 0: its guest address. */
  user = 0;

  constructor(...offer: OfferWord[]) {
    super({ offer });
    this.connect();
    accept(this.session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT)));
  }

  memory(): this {
    const regions = [{ sizeBytes: QEMU_BYTES, userAddr: this.user }];
    acknowledged(this.session, id.VHOST_USER_SET_MEM_TABLE, table(regions), [
      this.host.fd("other"),
    ]);
    return this;
  }

  /** Everything but what starts the rings. */
  configure(): this {
    this.memory();
    SPLIT_RINGS.forEach((ring, index) => {
      accept(this.session, message(id.VHOST_USER_SET_VRING_NUM, state(index, 256)));
      accept(this.session, message(id.VHOST_USER_SET_VRING_BASE, state(index, 0)));
      accept(this.session, ringAddr(index, ring, this.user));
      accept(this.session, message(id.VHOST_USER_SET_VRING_ENABLE, state(index, 1)));
    });
    return this;
  }

  kick(...vrings: number[]): this {
    for (const vring of vrings) acknowledged(this.session, KICK, state(vring, 0));
    return this;
  }

  /** Requests and virtqueues of what went out on the channel. */
  told(): [number, number][] {
    return this.host.told.map(({ message: { request, payload } }) => [request, payload[0] ?? -1]);
  }

  answer(index: number, value: bigint | null = 0n): void {
    this.host.told[index]?.answered?.(value);
  }
}

Deno.test("VRING_KICK starts a ring, and kicks one that runs", () => {
  const b = new Bench("inband").channel().configure();
  b.kick(0, 1);
  assert.deepEqual([...b.host.running.keys()], [0, 1]);
  assert.equal(b.host.link, true);
  assert.deepEqual([b.host.running.get(0)?.kickFd, b.host.running.get(0)?.callFd], [
    IN_BAND,
    IN_BAND,
  ]);
  assert.deepEqual(b.host.journal.filter((line) => line.startsWith("kick")), []);
  b.kick(1, 1, 0);
  assert.deepEqual(b.host.journal.filter((line) => line.startsWith("kick")), [
    "kick 1",
    "kick 1",
    "kick 0",
  ]);
  accept(b.session, message(id.VHOST_USER_SET_VRING_CALL, words(0), [b.host.fd()]));
  b.end();
});

Deno.test("VRING_KICK of a ring that cannot run yet starts it as soon as it can", () => {
  const b = new Bench("inband").channel().kick(0, 1);
  assert.equal(b.host.running.size, 0);
  assert.equal(b.session.device.suspended, false);
  b.configure();
  assert.equal(b.host.running.size, 2);
  b.end();
});

Deno.test("VRING_KICK of another ring, or with a value, ends the connection", () => {
  for (
    const [payload, code] of [[state(64, 0), "bad-index"], [state(0, 1), "bad-value"]] as const
  ) {
    const b = new Bench("inband").configure();
    assert.equal(b.session.handle(message(KICK, payload)).close?.code, code);
    b.end();
  }
});

Deno.test("descriptors go before messages; no descriptor at all means polling", () => {
  const b = new Bench("inband").channel().configure();
  accept(b.session, message(id.VHOST_USER_SET_VRING_CALL, words(0x100)));
  accept(b.session, message(id.VHOST_USER_SET_VRING_KICK, words(0x100)));
  const kick = b.host.fd();
  accept(b.session, message(id.VHOST_USER_SET_VRING_KICK, words(1), [kick]));
  assert.deepEqual([b.host.running.get(0)?.kickFd, b.host.running.get(0)?.callFd], [-1, -1]);
  assert.deepEqual([b.host.running.get(1)?.kickFd, b.host.running.get(1)?.callFd], [kick, IN_BAND]);
  callInBand(b.session.device, 0);
  assert.deepEqual(b.told(), [], "its driver polls");
  callInBand(b.session.device, 1);
  assert.deepEqual(b.told(), [[VHOST_USER_BACKEND_VRING_CALL, 1]]);
  b.end();
});

Deno.test("one call of a ring is under way at a time; more become one more", () => {
  const b = new Bench("inband").channel().configure().kick(0, 1);
  for (let i = 0; i < 1000; i++) callInBand(b.session.device, 0);
  callInBand(b.session.device, 1);
  assert.deepEqual(b.told(), [[VHOST_USER_BACKEND_VRING_CALL, 0], [
    VHOST_USER_BACKEND_VRING_CALL,
    1,
  ]]);
  b.answer(0);
  assert.equal(b.told().length, 3, "there was more after the first");
  b.answer(2);
  b.answer(1);
  assert.equal(b.told().length, 3);
  callInBand(b.session.device, 0);
  assert.equal(b.told().length, 4);
  b.end();
});

Deno.test("calls without a channel, or lost with one, are made up for by the next channel", () => {
  const b = new Bench("inband").configure().kick(0, 1);
  callInBand(b.session.device, 0);
  assert.deepEqual(b.told(), []);
  b.channel();
  assert.equal(b.told().length, 2, "one each: nobody knows what was lost");
  callInBand(b.session.device, 0);
  b.answer(0, null);
  assert.equal(b.told().length, 2, "the channel is gone: nothing is sent on it");
  b.channel();
  assert.deepEqual(
    b.told().slice(2),
    [[VHOST_USER_BACKEND_VRING_CALL, 0]],
    "1 has its call under way",
  );
  b.end();
});

Deno.test("no call of a stopped ring, and none while suspended", () => {
  const b = new Bench("inband").channel().configure().kick(0, 1);
  b.session.handle(message(id.VHOST_USER_GET_VRING_BASE, state(0, 0)));
  callInBand(b.session.device, 0);
  b.session.handle(message(id.VHOST_USER_GET_VRING_BASE, state(1, 0)));
  callInBand(b.session.device, 1);
  assert.deepEqual(b.told(), []);
  b.kick(0);
  callInBand(b.session.device, 0);
  assert.equal(b.told().length, 1);
  b.end();
});

Deno.test("a broken ring without err descriptor is told in a message", () => {
  const b = new Bench("inband").channel().configure().kick(0, 1);
  b.session.device.ringBroken(1, "chain-loop");
  assert.deepEqual(b.told(), [[VHOST_USER_BACKEND_VRING_ERR, 1]]);
  const err = b.host.fd();
  accept(b.session, message(id.VHOST_USER_SET_VRING_ERR, words(0), [err]));
  b.session.device.ringBroken(0, "chain-loop");
  assert.deepEqual([b.told().length, b.host.signalled], [1, [err]]);
  b.end();
  const plain = new Bench().channel().configure();
  for (const index of [0, 1]) {
    accept(plain.session, message(id.VHOST_USER_SET_VRING_KICK, words(index), [plain.host.fd()]));
  }
  plain.session.device.ringBroken(1, "chain-loop");
  assert.deepEqual(plain.told(), []);
  plain.end();
});

Deno.test("in-band and guest addresses are settled before the first ring starts", () => {
  const b = new Bench("inband", "gpa");
  const all = b.session.device.offer.protocolFeatures;
  const set = (features: bigint): string | undefined =>
    b.session.handle(message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(features))).close?.code;
  for (const bit of [14n, 21n]) assert.equal(set(all & ~(1n << bit)), undefined);
  assert.equal(set(all), undefined);
  for (const bit of [3n, 5n]) assert.equal(set(all & ~(1n << bit)), "bad-protocol-features");
  b.kick(0);
  assert.equal(set(all), undefined, "the same again");
  assert.equal(set(all & ~(1n << 13n)), undefined, "others may come and go");
  for (const bit of [14n, 21n]) assert.equal(set(all & ~(1n << bit)), "bad-protocol-features");
  b.end();
});

Deno.test("GET_VRING_BASE_SKIP_DRAIN stops a ring, and needs what it leaves frames in", () => {
  const b = new Bench("skip-drain").configure();
  for (const index of [0, 1]) {
    accept(b.session, message(id.VHOST_USER_SET_VRING_KICK, words(index), [b.host.fd()]));
  }
  b.host.positions.set(1, { availIndex: 77, availWrap: 1, usedIndex: 77, usedWrap: 1 });
  const SKIP = id.VHOST_USER_GET_VRING_BASE_SKIP_DRAIN;
  const reply = replyPayload(b.session.handle(message(SKIP, state(1, 0))), SKIP);
  assert.deepEqual([reply.getUint32(0, true), reply.getUint32(4, true)], [1, 77]);
  assert.deepEqual([...b.host.running.keys()], [0], "the other ring runs on");
  assert.equal(b.session.handle(message(SKIP, state(64, 0))).close?.code, "bad-index");
  b.end();
  const other = new Bench("skip-drain");
  const all = other.session.device.offer.protocolFeatures;
  const set = (features: bigint): string | undefined =>
    other.session.handle(message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(features))).close?.code;
  for (const bit of [12n, 20n]) assert.equal(set(all & ~(1n << bit)), "bad-protocol-features");
  assert.equal(set(all & ~(1n << 23n)), undefined);
  assert.equal(set(all & ~((1n << 23n) | (1n << 20n) | (1n << 12n))), undefined);
  other.end();
});

Deno.test("with guest addresses, a region has one address: by table, by slot, and later", () => {
  const b = new Bench("gpa");
  const fd = (): number => b.host.fd("other");
  const bad = table([{ sizeBytes: QEMU_BYTES }, { guestAddr: 2 ** 32, sizeBytes: 4096 }]);
  const given = message(id.VHOST_USER_SET_MEM_TABLE, bad, [fd(), fd()]);
  assert.equal(b.session.handle(given).close?.code, "bad-region");
  assert.equal(b.host.open.size, 0);
  b.configure();
  const slot = (user: number): Uint8Array => words(0, 2 ** 32, 4096, user, 0);
  const wrong = message(id.VHOST_USER_ADD_MEM_REG, slot(2 ** 33), [fd()]);
  assert.equal(b.session.handle(wrong).close?.code, "bad-region");
  acknowledged(b.session, id.VHOST_USER_ADD_MEM_REG, slot(2 ** 32), [fd()]);
  for (const index of [0, 1]) {
    accept(b.session, message(id.VHOST_USER_SET_VRING_KICK, words(index), [b.host.fd()]));
  }
  assert.equal(b.host.running.size, 2);
  b.end();
  // The table came first, the feature after it.
  const late = new Bench("gpa");
  const protocol = late.session.device.offer.protocolFeatures;
  const set = (features: bigint): string | undefined =>
    late.session.handle(message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(features))).close?.code;
  assert.equal(set(protocol & ~(1n << 21n)), undefined);
  late.user = 2 ** 40;
  late.memory();
  assert.equal(set(protocol), "bad-region");
  late.end();
});
