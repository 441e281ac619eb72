/** The session of a guest behind an IOMMU: rings that come and go with their translations. */
import { strict as assert } from "node:assert";
import {
  decodeIotlb,
  encodeIotlb,
  type IotlbMessage,
  VHOST_ACCESS_RO,
  VHOST_ACCESS_WO,
  VHOST_IOTLB_ACCESS_FAIL,
  VHOST_IOTLB_INVALIDATE,
  VHOST_IOTLB_MISS,
} from "../../../../lib/vhost/wire/back_end_message.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { DEFAULT_OFFER, makeOffer } from "../../../../lib/vhost/offer.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import {
  accept,
  addr,
  FakeHost,
  finish,
  HOST_BASE,
  message,
  NEED_REPLY,
  PLAIN,
  state,
  table,
  words,
} from "../fake_host.ts";
import {
  acknowledged,
  PACKED_RINGS,
  QEMU_BYTES,
  QEMU_HVA,
  QEMU_PACKED,
  QEMU_SPLIT,
  qemuStart,
  qemuStop,
  SPLIT_RINGS,
} from "../front_ends.ts";
import {
  connect,
  deeds,
  invalidate,
  IOMMU,
  PAGE,
  page,
  ringPages,
  say,
  translateRings,
} from "../iommu_front_end.ts";

Deno.test("an IOMMU is offered only where the operator says so", () => {
  assert.equal(DEFAULT_OFFER.features & IOMMU, 0n);
  assert.equal(makeOffer({ offer: ["iommu"] }).features, DEFAULT_OFFER.features | IOMMU);
  const host = new FakeHost();
  const session = new Session(host);
  assert.equal(say({ host, session }, {}), 1n);
  assert(!session.handle(message(id.VHOST_USER_GET_FEATURES)).close);
  finish(session, host);
});

for (const packed of [false, true]) {
  Deno.test(`${packed ? "packed" : "split"} rings start when their areas are translated`, () => {
    const features = (packed ? QEMU_PACKED : QEMU_SPLIT) | IOMMU;
    const front = connect(features);
    const { host, session } = front;
    const pages = ringPages(packed);
    const asked = deeds(front).filter((line) => line.startsWith("ask "));
    assert.deepEqual(new Set(asked), new Set(pages.map((at) => `ask ${at.toString(16)}`)));
    for (const [index, at] of pages.entries()) {
      assert.equal(host.running.size, index < pages.length / 2 ? 0 : 1);
      page(front, at);
    }
    assert.equal(host.running.size, 2);
    assert(host.link);
    const place = (packed ? PACKED_RINGS : SPLIT_RINGS)[1];
    assert.equal(host.running.get(1)?.descAddress, HOST_BASE + (place?.desc ?? 0));
    assert.equal(host.running.get(1)?.deviceAddress, HOST_BASE + (place?.used ?? 0));
    finish(session, host);
  });
}

Deno.test("a ring lies where its translation leads, also when that moves", () => {
  const front = connect();
  const { host, session } = front;
  const moved = 0x100000;
  for (const at of ringPages()) page(front, at, at + moved);
  assert.equal(host.running.get(0)?.descAddress, HOST_BASE + (SPLIT_RINGS[0]?.desc ?? 0) + moved);
  host.positions.set(0, { availIndex: 7, availWrap: 1, usedIndex: 5, usedWrap: 1 });
  translateRings(front);
  assert.equal(host.running.get(0)?.descAddress, HOST_BASE + (SPLIT_RINGS[0]?.desc ?? 0));
  assert.equal(host.running.get(0)?.position.availIndex, 7, "it goes on where it was");
  assert.equal(host.running.size, 2);
  finish(session, host);
});

Deno.test("a ring is held before the invalidation of one of its pages is answered", () => {
  const front = connect();
  translateRings(front);
  for (const at of ringPages()) {
    deeds(front);
    invalidate(front, at);
    const [first, second, third] = deeds(front);
    assert(first?.startsWith("invalidate "), first);
    const vring = ringPages().indexOf(at) < 2 ? 0 : 1;
    assert.equal(second, `hold ${vring}`);
    assert.equal(third, `ask ${at.toString(16)}`);
    page(front, at);
    assert.deepEqual(deeds(front).slice(1), [`release ${vring}`]);
  }
  deeds(front);
  invalidate(front, QEMU_HVA, PAGE);
  assert.deepEqual(deeds(front), [`invalidate ${QEMU_HVA.toString(16)} 1000`], "no ring was there");
  finish(front.session, front.host);
});

Deno.test("a held ring that comes back elsewhere goes on there", () => {
  const front = connect();
  translateRings(front);
  const [first = 0, second = 0] = ringPages();
  invalidate(front, 0, 0);
  deeds(front);
  page(front, first, first + 0x200000);
  page(front, second, second + 0x200000);
  const done = deeds(front).filter((line) => !line.startsWith("update") && !/^ask/.test(line));
  assert.deepEqual(done, ["stop 0", "start 0"]);
  finish(front.session, front.host);
});

Deno.test("a ring whose page may only be read is not run", () => {
  const front = connect();
  for (const at of ringPages()) page(front, at, at, VHOST_ACCESS_RO);
  assert.equal(front.host.running.size, 0);
  translateRings(front);
  assert.equal(front.host.running.size, 2);
  page(front, ringPages()[0] ?? 0, ringPages()[0], VHOST_ACCESS_WO);
  assert.equal(front.host.running.has(0), false);
  finish(front.session, front.host);
});

Deno.test("translations of a device that stands still are forgotten", () => {
  const front = connect();
  translateRings(front);
  deeds(front);
  qemuStop(front.session);
  assert.deepEqual(deeds(front), ["stop 0", "link down", "stop 1", "iotlb true"]);
  qemuStart(front.session, front.host, { features: QEMU_SPLIT | IOMMU, status: false });
  assert.equal(front.host.running.size, 0, "the rings wait for new translations");
  translateRings(front);
  assert.equal(front.host.running.size, 2);
  finish(front.session, front.host);
});

Deno.test("another memory table: rings go on where they are, or wait", () => {
  const front = connect();
  const { host, session } = front;
  translateRings(front);
  const region = { guestAddr: 0, sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA, mmapOffset: 0 };
  const more = { ...region, guestAddr: QEMU_BYTES, userAddr: QEMU_HVA + QEMU_BYTES };
  deeds(front);
  const fds = [host.fd("other"), host.fd("other")];
  acknowledged(session, id.VHOST_USER_SET_MEM_TABLE, table([region, more]), fds);
  assert.deepEqual(deeds(front), ["memory 2"]);
  // The same translations lead to memory that is elsewhere in the guest now.
  const shifted = { ...region, guestAddr: QEMU_BYTES };
  acknowledged(session, id.VHOST_USER_SET_MEM_TABLE, table([shifted]), [host.fd("other")]);
  const place = SPLIT_RINGS[0]?.desc ?? 0;
  assert.equal(host.running.get(0)?.descAddress, HOST_BASE + QEMU_BYTES + place);
  finish(session, host);
});

Deno.test("a range over two regions is entered piece by piece", () => {
  const front = connect();
  const { host, session } = front;
  const half = QEMU_BYTES / 2;
  const first = { guestAddr: 2 ** 32, sizeBytes: half, userAddr: QEMU_HVA, mmapOffset: 0 };
  const second = { ...first, guestAddr: 0, userAddr: QEMU_HVA + half };
  const fds = [host.fd("other"), host.fd("other")];
  acknowledged(session, id.VHOST_USER_SET_MEM_TABLE, table([first, second]), fds);
  deeds(front);
  const userAddr = BigInt(QEMU_HVA + half - PAGE);
  assert.equal(say(front, { iova: 0x10000n, sizeBytes: BigInt(3 * PAGE), userAddr }), 0n);
  assert.deepEqual(deeds(front), [
    `update 10000 1000 ${(2 ** 32 + half - PAGE).toString(16)} 3`,
    "update 11000 2000 0 3",
  ]);
  finish(session, host);
});

Deno.test("IOTLB messages that cannot be right are refused, change nothing, and the session goes on", () => {
  const front = connect();
  translateRings(front);
  deeds(front);
  const good = { iova: 0x1000n, userAddr: BigInt(QEMU_HVA) };
  const top = 2n ** 64n;
  const bad: Partial<IotlbMessage>[] = [
    ...[0, VHOST_IOTLB_MISS, VHOST_IOTLB_ACCESS_FAIL, 5, 6, 255].map((type) => ({ type })),
    ...[0, 4, 255].map((permission) => ({ permission })),
    { sizeBytes: 0n },
    { sizeBytes: top - 1n },
    { sizeBytes: top - 0x1000n },
    { sizeBytes: 2n ** 53n },
    { iova: top - 1n },
    { iova: top - 0x1000n },
    { iova: 2n ** 52n },
    { iova: 2n ** 53n - 1n },
    { userAddr: 0n },
    { userAddr: BigInt(QEMU_HVA - 1) },
    { userAddr: BigInt(QEMU_HVA + QEMU_BYTES - PAGE + 1) },
    { userAddr: BigInt(QEMU_HVA + QEMU_BYTES) },
    { userAddr: top - 0x1000n },
    { userAddr: top - 1n, sizeBytes: top - 1n, iova: top - 1n },
    { sizeBytes: BigInt(QEMU_BYTES + 1) },
  ];
  for (const part of bad) {
    for (const flags of [PLAIN, NEED_REPLY]) {
      assert.equal(
        say(front, { ...good, ...part }, flags),
        1n,
        JSON.stringify(part, (_, v) => `${v}`),
      );
    }
  }
  assert.deepEqual(deeds(front), []);
  assert.equal(say(front, { ...good, iova: 2n ** 52n - 4096n }), 0n, "the last page there can be");
  assert.equal(say(front, { ...good, sizeBytes: BigInt(QEMU_BYTES) }), 0n, "all there is");
  assert.equal(say(front, { ...good, sizeBytes: 1n }), 0n, "one byte");
  assert.equal(front.host.running.size, 2);
  finish(front.session, front.host);
});

Deno.test("a ring is held once, and what it lacks is asked for once a translation", () => {
  const front = connect();
  const [first = 0, second = 0] = ringPages();
  deeds(front);
  page(front, first);
  const asked = deeds(front).filter((line) => line === `ask ${second.toString(16)}`);
  assert.equal(asked.length, 2, "two areas lie there");
  translateRings(front);
  deeds(front);
  invalidate(front, first);
  invalidate(front, second);
  assert.deepEqual(deeds(front).filter((line) => line.startsWith("hold")), ["hold 0"]);
  finish(front.session, front.host);
});

Deno.test("every form of «everything» is invalidated", () => {
  const top = 2n ** 64n;
  const high = BigInt(QEMU_HVA + QEMU_BYTES);
  const ranges: [bigint, bigint][] = [[0n, 0n], [high, 0n], [0n, top - 1n], [1n, top - 1n], [
    0n,
    2n ** 63n,
  ]];
  for (const [iova, sizeBytes] of ranges) {
    const front = connect();
    translateRings(front);
    deeds(front);
    assert.equal(say(front, { iova, sizeBytes, type: VHOST_IOTLB_INVALIDATE }), 0n);
    const held = deeds(front).filter((line) => line.startsWith("hold"));
    assert.deepEqual(held, ["hold 0", "hold 1"]);
    finish(front.session, front.host);
  }
});

Deno.test("a front-end that withdraws the feature runs as before", () => {
  const front = connect();
  translateRings(front);
  qemuStop(front.session);
  deeds(front);
  qemuStart(front.session, front.host, { features: QEMU_SPLIT, status: false });
  assert(deeds(front).includes("iotlb false"));
  assert.equal(front.host.running.size, 2);
  assert.equal(say(front, {}), 1n);
  finish(front.session, front.host);
});

Deno.test("IOTLB payloads are read as they are written", () => {
  const given = {
    ...{ iova: 2n ** 64n - 1n, sizeBytes: 3n, userAddr: 0x7fff_0000_1000n },
    ...{ permission: VHOST_ACCESS_WO, type: VHOST_IOTLB_INVALIDATE },
  };
  const bytes = encodeIotlb(given);
  assert.equal(bytes.length, 32);
  assert.deepEqual(decodeIotlb(new DataView(bytes.buffer)), given);
  assert.deepEqual([...words(2n ** 64n - 1n, 3, 0x7fff_0000_1000)], [...bytes.subarray(0, 24)]);
  assert.deepEqual([...bytes.subarray(24)], [2, 3, 0, 0, 0, 0, 0, 0]);
});

Deno.test("a ring whose pages do not lie side by side is not run, and the session goes on", () => {
  const front = connect();
  const { host, session } = front;
  qemuStop(session);
  const desc = QEMU_HVA;
  const avail = QEMU_HVA + 0x10000;
  const used = QEMU_HVA + 0x20000;
  const send = (request: number, payload: Uint8Array, fds: number[] = []): void =>
    accept(session, message(request, payload, fds));
  // 512 descriptors are two pages.
  send(id.VHOST_USER_SET_VRING_NUM, state(0, 512));
  send(id.VHOST_USER_SET_VRING_ADDR, addr(0, desc, used, avail));
  send(id.VHOST_USER_SET_VRING_KICK, words(0), [host.fd()]);
  const others = [avail, used, used + PAGE];
  for (const at of [desc, ...others]) page(front, at);
  page(front, desc + PAGE, desc + 2 * PAGE);
  assert.equal(host.running.size, 0);
  assert.equal(session.device.vring(0).broken, "bad-ring-address");
  assert.equal(host.signalled.length > 0, true, "the front-end is told on the err descriptor");
  page(front, desc + PAGE);
  assert.equal(host.running.get(0)?.descAddress, HOST_BASE);
  assert.equal(session.device.vring(0).broken, null);

  finish(session, host);
});
