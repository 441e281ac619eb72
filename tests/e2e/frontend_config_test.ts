/**
 * The configuration space, limits on frames, and features that are offered on request, seen by
 * TypeScript guests on a real switch.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, createMemoryFile } from "../../ffi/mod.ts";
import { callSwitch } from "../../lib/cli/client.ts";
import { FrontEnd, PLAIN } from "../../lib/guest/front_end.ts";
import { type NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { Bed } from "../harness/bed.ts";
import { until } from "../harness/until.ts";
import { introduce, isNumbered, macOf, numberedFrame, transfer } from "../harness/traffic.ts";

const SIZES = [60, 100, 1500, 64, 1400];
const many = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => SIZES[i % SIZES.length] as number);
const F_MTU = 3;
const F_STATUS = 16;
const F_RING_RESET = 40;
const PROTOCOL_F = { inBand: 14n, gpa: 21n };

/** Asks for bytes of the configuration space. */
async function readConfig(guest: NetGuest, offset: number, size: number): Promise<number[]> {
  const payload = new DataView(new ArrayBuffer(12 + size));
  payload.setUint32(0, offset, true);
  payload.setUint32(4, size, true);
  guest.frontEnd.message(id.VHOST_USER_GET_CONFIG, new Uint8Array(payload.buffer));
  const { payload: reply } = await guest.frontEnd.reply();
  return [...new Uint8Array(reply.buffer, reply.byteOffset, reply.byteLength)].slice(12);
}

Deno.test("config: what the operator gave a port is what its guest reads", async () => {
  await using bed = await Bed.make(["mac=52:54:00:00:00:07,mtu=1400,queues=2", ""]);
  const guest = await bed.guest(1, { features: [F_STATUS] });
  const space = await readConfig(guest, 0, 12);
  assert.deepEqual(space, [0x52, 0x54, 0, 0, 0, 7, 1, 0, 2, 0, 1400 & 255, 1400 >> 8]);
  const other = await bed.guest(2);
  assert.deepEqual(await readConfig(other, 0, 8), [0, 0, 0, 0, 0, 0, 1, 0]);
  assert.deepEqual(await readConfig(other, 250, 7), []);
});

Deno.test("config: longer frames than a port's MTU reach nobody and are counted, both ways", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(["mtu=1400", ""]);
    const small = await bed.guest(1, { packed });
    const large = await bed.guest(2, { packed });
    await introduce(small, large);
    // 14 bytes of header, 8 of two VLAN tags.
    const [fits, too] = [1400 + 22, 1400 + 23];
    const send = (from: NetGuest, to: NetGuest, number: number, bytes: number): boolean =>
      from.send(numberedFrame(to.options.mac, from.options.mac, number, bytes));
    for (const [from, to] of [[small, large], [large, small]] as const) {
      assert(send(from, to, 1, too));
      assert(send(from, to, 2, fits));
      const got = await to.waitFor(isNumbered);
      assert.deepEqual(got, numberedFrame(to.options.mac, from.options.mac, 2, fits));
    }
    const { counters } = await bed.port(1);
    assert.deepEqual([counters.rxDroppedOversize, counters.txDroppedOversize], [1, 1]);
    // The front-end names a smaller one at run time, and may not name a greater one.
    const say = (mtu: number): Promise<bigint> =>
      small.frontEnd.ask(id.VHOST_USER_NET_SET_MTU, id.encodeU64(BigInt(mtu)));
    assert.equal(await say(1000), 0n);
    assert.deepEqual(await readConfig(small, 10, 2), [1000 & 255, 1000 >> 8]);
    assert(send(large, small, 3, 1023));
    assert(send(large, small, 4, 1022));
    const got = await small.waitFor(isNumbered);
    assert.deepEqual(got, numberedFrame(small.options.mac, large.options.mac, 4, 1022));
    for (const refused of [9000, 1401, 67, 0, 65536]) {
      assert.equal(await say(refused), 1n);
      assert.equal((await bed.port(1)).mtu, 1000);
    }
    const { errors, lastError } = await bed.port(1);
    assert.deepEqual(errors, { "bad-mtu": 5 });
    assert.match(lastError?.detail ?? "", /^NET_SET_MTU refused: MTU 65536,/);
    assert.equal(await say(1400), 0n);
    // Nobody hears an answer: the operator is told once, and the port's own is in force.
    for (let pair = 0; pair < 3; pair++) {
      small.frontEnd.message(id.VHOST_USER_NET_SET_MTU, id.encodeU64(9000n));
    }
    await until("the log's line", () => /longer frames are dropped/.test(bed.process.log));
    const { mtu, link } = await bed.port(1);
    assert.deepEqual([mtu, link], [1400, "up"]);
    assert.equal([...bed.process.log.matchAll(/longer frames are dropped/g)].length, 1);
  }
});

Deno.test("config: two VLAN tags fit at any MTU, one byte more does not; on links too", async () => {
  for (const packed of [false, true]) {
    for (const link of [[], ["--link", "vm1:vm2"]]) {
      await using bed = await Bed.make(["mtu=1500", ""], ...link);
      const small = await bed.guest(1, { packed });
      const large = await bed.guest(2, { packed });
      await introduce(small, large);
      for (const [from, to] of [[small, large], [large, small]] as const) {
        for (const bytes of [1523, 1522]) {
          const frame = numberedFrame(to.options.mac, from.options.mac, bytes, bytes);
          frame.set([0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 0x88, 0xb5], 12);
          assert(from.send(frame));
        }
        const got = await to.waitFor((frame) => frame[12] === 0x88 && frame[13] === 0xa8);
        assert.equal(got?.length, 1522);
      }
      const { counters } = await bed.port(1);
      assert.deepEqual([counters.rxDroppedOversize, counters.txDroppedOversize], [1, 1]);
    }
  }
});

Deno.test("config: at the largest MTU a frame of all its bytes and two tags passes", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(["mtu=65535", ""]);
    const memory = { packed, memoryBytes: 64 * 2 ** 20 };
    const one = await bed.guest(1, memory);
    const two = await bed.guest(2, memory);
    await introduce(one, two);
    for (const [from, to] of [[one, two], [two, one]] as const) {
      await transfer(from, to, [65557, 60, 65557], 1);
      assert(from.send(numberedFrame(to.options.mac, from.options.mac, 9, 65558)));
      await transfer(from, to, [65557], 1);
    }
    const [first, second] = [await bed.port(1), await bed.port(2)];
    const dropped = [first, second].map(({ counters }) => counters.rxDroppedOversize);
    assert.deepEqual(dropped, [1, 1]);
  }
});

Deno.test("config: a driver told of an MTU that nobody named gets no longer frames", async () => {
  await using bed = await Bed.make(2);
  const guest = await bed.guest(1, { features: [F_MTU] });
  const other = await bed.guest(2);
  await introduce(guest, other);
  assert.deepEqual(await readConfig(guest, 10, 2), [1500 & 255, 1500 >> 8]);
  for (const bytes of [1523, 1522]) {
    assert(other.send(numberedFrame(guest.options.mac, other.options.mac, bytes, bytes)));
  }
  assert.equal((await guest.waitFor(isNumbered))?.length, 1522);
  assert.equal((await bed.port(1)).counters.txDroppedOversize, 1);
});

Deno.test("config: a port taken down is told, read as down, carries nothing, and comes back", async () => {
  await using bed = await Bed.make(2);
  const guest = await bed.guest(1, { features: [F_STATUS] });
  const other = await bed.guest(2);
  await introduce(guest, other);
  const take = (admin: string): Promise<unknown> =>
    callSwitch(bed.process.ctl, "POST", "/v1/ports/vm1/link", { admin });
  const changes = async (count: number): Promise<void> => {
    await until("the change to be told", () => {
      guest.notifications.read();
      return guest.notifications.configChanges === count;
    });
  };
  for (const round of [0, 2]) {
    await take("down");
    await changes(round + 1);
    assert.deepEqual(await readConfig(guest, 6, 2), [0, 0]);
    assert(guest.send(numberedFrame(other.options.mac, guest.options.mac, 7, 60)));
    await until("its frame to be taken", () => {
      guest.reapTransmit();
      return guest.tx.free === guest.tx.size;
    });
    assert.deepEqual(other.receive().filter(isNumbered), []);
    await take("up");
    await changes(round + 2);
    assert.deepEqual(await readConfig(guest, 6, 2), [1, 0]);
    await introduce(guest, other);
    await transfer(guest, other, many(50), 16);
  }
  assert.equal((await bed.port(1)).connects, 1, "it was never disconnected");
});

Deno.test("in-band: kicks and calls as messages carry every frame, split and packed", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(["offer=inband", "offer=inband"], "--idle", "sleep");
    // Without event indices the driver asks for a call after every burst.
    const one = await bed.guest(1, { packed, inBand: true, eventIdx: false });
    const two = await bed.guest(2, { packed });
    await introduce(one, two);
    await transfer(two, one, many(300), 32);
    await transfer(one, two, many(300), 32);
    // Every frame to a driver that looks at nothing else leads to a call.
    for (let frame = 0; frame < 50; frame++) {
      one.takeCalls(RX);
      two.send(numberedFrame(one.options.mac, two.options.mac, frame, 60));
      let calls = 0;
      let frames = 0;
      await until("a frame and its call", () => {
        calls += one.takeCalls(RX);
        if (calls > 0) frames += one.receive().filter(isNumbered).length;
        return frames === 1;
      });
    }
    assert(one.notifications.messages >= 50);
    const { protocolFeatureNames } = await bed.port(1);
    assert(protocolFeatureNames.includes("INBAND_NOTIFICATIONS"));
    assert((await bed.vrings(1))[TX]?.counters.kicks ?? 0 > 0, "kicks are counted");
  }
});

Deno.test("in-band: a driver that breaks its ring is told in a message", async () => {
  await using bed = await Bed.make(["offer=inband", ""]);
  const guest = await bed.guest(1, { inBand: true });
  const bystander = await bed.guest(2);
  await introduce(guest, bystander);
  guest.sendChain([{ address: 2 ** 50, bytes: 100 }]);
  await until("the error to be told", () => guest.notifications.takeError(TX));
  assert.equal(guest.notifications.takeError(RX), false);
  assert.equal((await bed.vrings(1))[TX]?.state, "broken");
  await bed.guest(1).catch(() => null);
  assert((await bed.port(2)).link === "up");
});

Deno.test("in-band without what it needs ends the connection", async () => {
  await using bed = await Bed.make(["offer=inband"]);
  for (const without of [3n, 5n]) {
    using frontEnd = new FrontEnd(bed.socket(1));
    const offered = await frontEnd.ask(id.VHOST_USER_GET_PROTOCOL_FEATURES, undefined, [], PLAIN);
    assert.equal((offered >> PROTOCOL_F.inBand) & 1n, 1n);
    const wanted = id.encodeU64(offered & ~(1n << without));
    frontEnd.message(id.VHOST_USER_SET_PROTOCOL_FEATURES, wanted);
    assert(await frontEnd.closedBySwitch());
  }
  await until("the count", async () => (await bed.port(1)).errors["bad-protocol-features"] === 2);
});

Deno.test("guest addresses: rings and memory named by them, in three regions", async () => {
  const regions = [
    { base: 0, bytes: 2 ** 20 },
    { base: 2 ** 33, bytes: 2 ** 20 },
    { base: 2 ** 35, bytes: 2 ** 22 },
  ];
  for (const packed of [false, true]) {
    await using bed = await Bed.make(["offer=gpa", ""]);
    const one = await bed.guest(1, { packed, regions, ringSize: 128, guestAddresses: true });
    const two = await bed.guest(2);
    assert((await bed.port(1)).protocolFeatureNames.includes("GPA_ADDRESSES"));
    await introduce(one, two);
    await transfer(one, two, many(300), 16);
    await transfer(two, one, many(300), 16);
    assert.equal(await one.setMemory(), 0n, "the table may be replaced while rings run");
    await transfer(two, one, many(50), 16);
  }
});

Deno.test("guest addresses: a table that names others ends the connection", async () => {
  await using bed = await Bed.make(["offer=gpa", ""]);
  const guest = await bed.guest(1, { guestAddresses: true });
  const table = guest.memoryTable();
  new DataView(table.buffer).setBigUint64(24, 2n ** 44n, true);
  guest.frontEnd.message(id.VHOST_USER_SET_MEM_TABLE, table, [guest.memoryFd]);
  assert(await guest.frontEnd.closedBySwitch());
  await until("the count", async () => (await bed.port(1)).errors["bad-region"] === 1);
});

Deno.test("what is off unless asked for is not offered, and ring reset is when asked for", async () => {
  await using bed = await Bed.make(["", "offer=inband+gpa+ring-reset"]);
  for (const [port, expected] of [[1, 0n], [2, 1n]] as const) {
    using frontEnd = new FrontEnd(bed.socket(port));
    const features = await frontEnd.ask(id.VHOST_USER_GET_FEATURES, undefined, [], PLAIN);
    const protocol = await frontEnd.ask(id.VHOST_USER_GET_PROTOCOL_FEATURES, undefined, [], PLAIN);
    assert.equal((features >> BigInt(F_RING_RESET)) & 1n, expected);
    for (const bit of Object.values(PROTOCOL_F)) assert.equal((protocol >> bit) & 1n, expected);
  }
});

Deno.test("skip-drain: rings stop at once and go on where they stood, tracked, under traffic", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(["offer=skip-drain", ""]);
    const one = await bed.guest(1, { packed, buffers: 128 });
    const two = await bed.guest(2);
    const { frontEnd } = one;
    const area = new DataView(new ArrayBuffer(24));
    area.setUint16(16, 2, true);
    area.setUint16(18, 256, true);
    frontEnd.message(id.VHOST_USER_GET_INFLIGHT_FD, new Uint8Array(area.buffer));
    const bytes = (await frontEnd.reply()).payload.getBigUint64(0, true);
    area.setBigUint64(0, bytes, true);
    const memory = createMemoryFile("inflight", Number(bytes));
    const set = new Uint8Array(area.buffer);
    assert.equal(await frontEnd.ask(id.VHOST_USER_SET_INFLIGHT_FD, set, [memory]), 0n);
    closeFd(memory);
    await introduce(one, two);
    const stop = async (ring: number): Promise<number> => {
      const payload = id.encodeVringState(ring, 0);
      frontEnd.message(id.VHOST_USER_GET_VRING_BASE_SKIP_DRAIN, payload);
      return (await frontEnd.reply()).payload.getUint32(4, true);
    };
    for (let round = 0; round < 10; round++) {
      await transfer(one, two, many(40), 16);
      await transfer(two, one, many(40), 16);
      // Frames are under way to and from the rings when they stop.
      for (let i = 0; i < 8; i++) {
        assert(one.send(numberedFrame(two.options.mac, one.options.mac, i, 60)));
        assert(two.send(numberedFrame(one.options.mac, two.options.mac, i, 60)));
      }
      const bases: [number, number] = [await stop(RX), await stop(TX)];
      assert.notEqual((await bed.port(1)).link, "up");
      await one.startRings(bases);
      // What was in the ring is sent now, once; what came to a stopped ring was dropped.
      let numbers = 0;
      await until("the frames under way", () => {
        for (const frame of two.receive().filter(isNumbered)) {
          const expected = numberedFrame(two.options.mac, one.options.mac, numbers++, 60);
          assert.deepEqual(frame, expected);
        }
        return numbers === 8;
      });
      await until("the other's frames to be taken", () => {
        two.reapTransmit();
        one.receive();
        return two.tx.free === two.tx.size;
      });
      one.receive();
    }
  }
});

Deno.test("ring reset: one ring stops and starts anew elsewhere while the other carries frames", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(["offer=ring-reset", ""]);
    const one = await bed.guest(1, { packed, features: [F_RING_RESET], buffers: 128 });
    const two = await bed.guest(2);
    await introduce(one, two);
    await transfer(one, two, many(130), 16);
    await transfer(two, one, many(70), 16);
    for (const ring of [TX, RX]) {
      const base = await one.resetRing(ring);
      assert.equal(packed ? base & 0x7fff : base, 131, "it stands behind the last frame");
      // The other ring did not notice.
      if (ring === TX) await transfer(two, one, many(60), 16);
      await transfer(one, two, many(60), 16);
      if (ring === RX) await transfer(two, one, many(60), 16);
      assert.equal((await bed.port(1)).link, "up");
    }
  }
});

Deno.test("ring reset: a hundred of each ring under traffic of the other", async () => {
  await using bed = await Bed.make(["offer=ring-reset", ""]);
  const one = await bed.guest(1, { features: [F_RING_RESET], ringSize: 64, buffers: 32 });
  const two = await bed.guest(2);
  await introduce(one, two);
  for (let round = 0; round < 100; round++) {
    await one.resetRing(round % 2 === 0 ? TX : RX);
    const [from, to] = round % 2 === 0 ? [one, two] : [two, one];
    await transfer(from, to, many(5), 4);
    await transfer(to, from, many(5), 4);
  }
  const errors = Object.keys((await bed.port(1)).errors);
  assert.deepEqual([errors, macOf(1)], [[], one.options.mac]);
});
