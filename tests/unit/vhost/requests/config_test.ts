/** The device's configuration space: what front-ends read, what they may write, what they are told. */
import { strict as assert } from "node:assert";
import { VHOST_USER_BACKEND_CONFIG_CHANGE_MSG } from "../../../../lib/vhost/wire/back_end_message.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import type { Outcome } from "../../../../lib/vhost/session.ts";
import { BIT } from "../../../../lib/vhost/features/bits.ts";
import {
  accept,
  config,
  message,
  NEED_REPLY,
  replyPayload,
  replyU64,
  words,
} from "../fake_host.ts";
import { SessionBench } from "../session_bench.ts";
import {
  getBase,
  QEMU_MTU,
  QEMU_SPLIT,
  qemuConnect,
  qemuEnable,
  qemuStart,
} from "../front_ends.ts";

const MAC = [0x52, 0x54, 0, 0, 0, 7];
const F_STATUS = 1n << BigInt(BIT.VIRTIO_NET_F_STATUS);
const GET = id.VHOST_USER_GET_CONFIG;
const SET = id.VHOST_USER_SET_CONFIG;

class Bench extends SessionBench {
  read(offset: number, size: number, room = size): DataView {
    const request = message(GET, config(offset, size, 0).subarray(0, 12 + room));
    return replyPayload(this.session.handle(request), GET);
  }

  /** The space's bytes. */
  bytes(offset: number, size: number): number[] {
    const reply = this.read(offset, size);
    assert.deepEqual([reply.getUint32(0, true), reply.getUint32(4, true)], [offset, size]);
    return [...new Uint8Array(reply.buffer, reply.byteOffset + 12, size)];
  }

  mtu(): number {
    const [low = 0, high = 0] = this.bytes(10, 2);
    return low | (high << 8);
  }

  write(flags: number, offset: number, data: readonly number[]): Outcome {
    const payload = config(offset, data.length, flags);
    payload.set(data, 12);
    return this.session.handle(message(SET, payload, [], NEED_REPLY));
  }

  /** @returns what it was acknowledged with */
  wrote(flags: number, offset: number, data: readonly number[]): bigint {
    return replyU64(this.write(flags, offset, data), SET);
  }

  told(): number[] {
    return this.host.told.map(({ message }) => message.request);
  }
}

Deno.test("GET_CONFIG gives address, link, queue pairs and MTU where the specification has them", () => {
  const b = new Bench({ mac: "52:54:00:00:00:07", mtu: 9000, queuePairs: 4 }).connect();
  assert.deepEqual(b.bytes(0, 24), [
    ...MAC, // mac
    ...[1, 0], // status: VIRTIO_NET_S_LINK_UP
    ...[4, 0], // max_virtqueue_pairs
    ...[0x28, 0x23], // mtu
    ...[255, 255, 255, 255, 255], // speed and duplex: unknown
    ...[0, 0, 0, 0, 0, 0, 0],
  ]);
  assert.deepEqual(b.bytes(24, 232), new Array(232).fill(0));
  assert.deepEqual(b.bytes(2, 3), [0, 0, 0]);
  assert.deepEqual(b.bytes(5, 2), [7, 1]);
  assert.equal(b.session.device.offer.features & (1n << BigInt(BIT.VIRTIO_NET_F_MAC)), 32n);
  // Some front-ends leave the room for the data out.
  assert.equal(b.read(0, 24, 0).byteLength, 36);
  b.end();
});

Deno.test("GET_CONFIG without MAC or MTU of the operator's: none, and the MTU everybody assumes", () => {
  const b = new Bench().connect();
  assert.deepEqual(b.bytes(0, 6), [0, 0, 0, 0, 0, 0]);
  assert.equal(b.mtu(), 1500);
  assert.equal(b.session.device.offer.features & (1n << BigInt(BIT.VIRTIO_NET_F_MAC)), 0n);
  assert.equal(b.host.mtu, null);
  b.end();
});

Deno.test("GET_CONFIG of what is not in the space is an empty reply", () => {
  const b = new Bench().connect();
  for (const [offset, size, room] of [[256, 1, 1], [0, 257, 0], [250, 8, 8], [2 ** 32 - 1, 2, 2]]) {
    assert.equal(b.read(offset ?? 0, size ?? 0, room).byteLength, 0, `${size} bytes at ${offset}`);
  }
  // The room does not agree with the size.
  assert.equal(b.read(0, 8, 4).byteLength, 0);
  assert.equal(b.read(256, 0).byteLength, 12);
  b.end();
});

Deno.test("SET_CONFIG by the driver: nothing but the address of an old device", () => {
  const b = new Bench({ mac: "52:54:00:00:00:07" }).connect();
  const mac = [2, 0, 0, 0, 0, 9];
  assert.equal(b.wrote(0, 0, mac), 1n, "before the features are known");
  accept(b.session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT)));
  assert.equal(b.wrote(0, 0, mac), 1n, "a device of version 1");
  accept(b.session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT & ~(1n << 32n))));
  assert.equal(b.wrote(0, 0, mac), 0n);
  assert.deepEqual(b.bytes(0, 6), mac);
  assert.equal(b.wrote(0, 4, [3]), 0n, "a part of it");
  assert.deepEqual(b.bytes(0, 6), [2, 0, 0, 0, 3, 9]);
  assert.equal(b.wrote(0, 6, [0, 0]), 1n, "the link's state");
  assert.equal(b.wrote(0, 5, [1, 0]), 1n, "a part of the link's state");
  assert.equal(b.wrote(0, 0, [1]), 1n, "a group's address");
  assert.equal(b.wrote(2, 0, mac), 1n, "for no known reason");
  assert.deepEqual(b.bytes(0, 8), [2, 0, 0, 0, 3, 9, 1, 0]);
  accept(b.session, message(id.VHOST_USER_RESET_DEVICE));
  assert.deepEqual(b.bytes(0, 6), MAC, "a reset device has its own address again");
  b.end();
});

Deno.test("SET_CONFIG after a migration: the driver goes on with what it had, or nothing changes", () => {
  const b = new Bench({ mac: "52:54:00:00:00:07", mtu: 9000, queuePairs: 2 }).connect();
  const [low, high] = [1400 & 255, 1400 >> 8];
  const space = [2, 0, 0, 0, 0, 9, 0, 0, 2, 0, low, high];
  assert.equal(b.wrote(1, 0, space), 0n);
  assert.deepEqual(
    b.bytes(0, 12),
    [2, 0, 0, 0, 0, 9, 1, 0, 2, 0, low, high],
    "the link is this port's",
  );
  assert.equal(b.host.mtu, 1400);
  const before = b.bytes(0, 256);
  const refused: [number, number[]][] = [
    [8, [3, 0]], // more queue pairs than there are
    [10, [67, 0]],
    [10, [0x29, 0x23]], // above the operator's
    [0, [3]],
    [40, [1]],
    [0, [...space.slice(0, 8), 9, 0]],
  ];
  for (const [offset, data] of refused) {
    assert.equal(b.wrote(1, offset, data), 1n);
    assert.deepEqual(b.bytes(0, 256), before);
  }
  assert.equal(b.wrote(1, 250, [0, 0, 0, 0, 0, 0, 0]), 1n, "beyond the end");
  assert.equal(b.host.mtu, 1400);
  b.host.mtu = null;
  assert.equal(b.wrote(1, 10, [low, high]), 0n);
  assert.equal(b.host.mtu, null, "what is so already is not put in force again");
  b.end();
});

Deno.test("SET_CONFIG whose size is not that of its data ends the connection", () => {
  const b = new Bench().connect();
  const payload = config(0, 8, 1);
  new DataView(payload.buffer).setUint32(4, 7, true);
  assert.equal(b.session.handle(message(SET, payload)).close?.code, "bad-size");
  b.end();
});

const SET_MTU = id.VHOST_USER_NET_SET_MTU;

/** What the log says of an MTU. */
function mtuLines(b: Bench): string[] {
  return b.host.said.filter((line) => line.includes("MTU"));
}

Deno.test("NET_SET_MTU is in force and can be read; one above the operator's is refused", () => {
  const b = new Bench({ mtu: 4000 }).connect();
  const ask = (mtu: number | bigint): bigint =>
    replyU64(b.session.handle(message(SET_MTU, words(mtu), [], NEED_REPLY)), SET_MTU);
  const steps = [[1400, 0n, 1400], [9000, 1n, 1400], [4000, 0n, 4000], [4001, 1n, 4000]] as const;
  for (const [asked, answer, mtu] of [...steps, [68, 0n, 68], [65535, 1n, 68]] as const) {
    assert.equal(ask(asked), answer, `${asked}`);
    assert.deepEqual([b.mtu(), b.host.mtu], [mtu, mtu]);
  }
  for (const asked of [0, 67, 65536, 2n ** 63n]) {
    assert.equal(ask(asked), 1n);
    assert.equal(b.mtu(), 68);
  }
  assert.match(mtuLines(b)[0] ?? "", /9000 on a port of 4000/);
  b.end();
});

Deno.test("NET_SET_MTU above the operator's that waits for no reply is said once and held", () => {
  for (const without of [0n, 1n << BigInt(BIT.VHOST_USER_PROTOCOL_F_REPLY_ACK)]) {
    // Without REPLY_ACK the flag means nothing.
    const flags = without === 0n ? undefined : NEED_REPLY;
    const b = new Bench({ mtu: 4000 }).connect(without);
    const tell = (mtu: number): void => {
      assert.deepEqual(b.session.handle(message(SET_MTU, words(mtu), [], flags)), {});
    };
    // QEMU says it for every queue pair.
    for (let pair = 0; pair < 4; pair++) tell(9000);
    assert.deepEqual([b.mtu(), b.host.mtu], [4000, null]);
    tell(1400);
    assert.deepEqual([b.mtu(), b.host.mtu], [1400, 1400]);
    tell(65535);
    assert.deepEqual([b.mtu(), b.host.mtu], [4000, 4000]);
    assert.equal(mtuLines(b).length, 1, mtuLines(b).join());
    assert.match(mtuLines(b)[0] ?? "", /9000 on a port of 4000/);
    b.end();
  }
});

Deno.test("a driver that reads an MTU nobody named gets no longer frames", () => {
  for (
    const [features, without, mtu] of [
      [QEMU_MTU, 0n, 1500],
      [QEMU_SPLIT, 0n, null],
      [QEMU_MTU, 1n << BigInt(BIT.VHOST_USER_PROTOCOL_F_CONFIG), null],
    ] as const
  ) {
    const b = new Bench().connect(without);
    accept(b.session, message(id.VHOST_USER_SET_FEATURES, words(features)));
    assert.equal(b.host.mtu, mtu);
    b.end();
  }
  const named = new Bench({ mtu: 9000 }).connect();
  accept(named.session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_MTU)));
  assert.deepEqual([named.host.mtu, named.mtu()], [null, 9000]);
  named.end();
});

/** A front-end whose guest has traffic. */
function started(features: bigint): Bench {
  const b = new Bench();
  qemuConnect(b.session, b.host);
  b.channel();
  qemuEnable(b.session, 1, false);
  qemuStart(b.session, b.host, { features });
  return b;
}

Deno.test("a link taken down is told on the back-end channel and read as down", () => {
  const b = started(QEMU_SPLIT | F_STATUS);
  assert.deepEqual(b.bytes(6, 2), [1, 0]);
  assert.equal(b.session.device.setLinkStatus(false), true);
  assert.deepEqual(b.told(), [VHOST_USER_BACKEND_CONFIG_CHANGE_MSG]);
  assert.equal(b.host.told[0]?.message.payload.length, 0);
  assert.equal(b.host.told[0]?.answered, null, "nobody waits for an answer");
  assert.deepEqual(b.bytes(6, 2), [0, 0]);
  assert.equal(b.session.device.setLinkStatus(true), true);
  assert.deepEqual([b.bytes(6, 2), b.told().length], [[1, 0], 2]);
  b.end();
});

Deno.test("a link taken down while suspended is told when the first ring starts", () => {
  const b = started(QEMU_SPLIT | F_STATUS);
  getBase(b.session, 0);
  getBase(b.session, 1);
  assert.equal(b.session.device.setLinkStatus(false), true);
  assert.deepEqual(b.told(), [], "a suspended back-end keeps silent");
  assert.deepEqual(b.bytes(6, 2), [0, 0]);
  accept(b.session, message(id.VHOST_USER_SET_VRING_KICK, words(0), [b.host.fd()]));
  assert.deepEqual(b.told(), [VHOST_USER_BACKEND_CONFIG_CHANGE_MSG]);
  accept(b.session, message(id.VHOST_USER_SET_VRING_KICK, words(1), [b.host.fd()]));
  assert.equal(b.told().length, 1, "once");
  b.end();
});

Deno.test("a front-end that cannot be told of its link is not said to be", () => {
  const without = (bit: number): Bench => {
    const b = new Bench().connect(1n << BigInt(bit));
    accept(b.session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT | F_STATUS)));
    return b;
  };
  const plain = started(QEMU_SPLIT);
  assert.equal(plain.session.device.setLinkStatus(false), false, "the driver has no status field");
  const silent = [
    plain,
    without(BIT.VHOST_USER_PROTOCOL_F_CONFIG),
    without(BIT.VHOST_USER_PROTOCOL_F_BACKEND_REQ),
  ];
  for (const b of silent) {
    assert.equal(b.session.device.setLinkStatus(false), false);
    assert.deepEqual(b.told(), []);
    b.end();
  }
  const hungUp = started(QEMU_SPLIT | F_STATUS);
  hungUp.host.closeFd(hungUp.host.backEnd);
  hungUp.host.backEnd = -1;
  assert.equal(hungUp.session.device.setLinkStatus(false), false, "it closed its channel");
  assert(hungUp.host.link, "frames go on: what to do is the port's decision");
  hungUp.end();
});
