/**
 * Memory, ring states and switching, seen by TypeScript guests: where buffers may lie, what stops
 * and starts mean, and who gets a frame.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { arpRequest } from "../../lib/guest/frames.ts";
import { type NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { held } from "../harness/bystanders.ts";
import { meanwhile } from "../harness/meanwhile.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";
import { introduce, isNumbered, macOf, numberedFrame, transfer, turn } from "../harness/traffic.ts";

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const SIZES = [60, 100, 1500, 1514, 64, 2000];
const many = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => SIZES[i % SIZES.length] as number);

Deno.test("memory: 20 GiB in one region, buffers above 8 GiB and across 1 and 2 GiB borders", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(2);
    const small = await bed.guest(2);
    const options = { packed, memoryBytes: 20 * GIB, buffers: 64 };
    const large = await bed.guest(1, { ...options, dataStart: 9 * GIB });
    await introduce(large, small);
    await transfer(large, small, many(300), 32);
    await transfer(small, large, many(300), 32);
    for (const border of [10 * GIB, 11 * GIB, 12 * GIB, 16 * GIB, 18 * GIB]) {
      for (const before of [1, 5, 12, 20, 28, 100, 700]) {
        large.ram.moveTo(border - before);
        assert(large.sendPieces(numberedFrame(small.options.mac, macOf(1), before, 800), []));
        const got = await small.waitFor(isNumbered);
        assert.deepEqual(got, numberedFrame(small.options.mac, macOf(1), before, 800));
        await until("the buffer to come back", () => large.reapTransmit() > 0);
      }
    }
    large.close();
    await until("the port", async () => (await bed.port(1)).link === "wait");
    const receiver = await bed.guest(1, { ...options, buffers: 0, dataStart: 9 * GIB });
    for (const border of [10 * GIB, 11 * GIB, 16 * GIB]) {
      receiver.ram.moveTo(border - 700);
      receiver.offerBuffers([{ address: receiver.ram.take(2048, 1), bytes: 2048 }]);
      const frame = numberedFrame("ff:ff:ff:ff:ff:ff", small.options.mac, border / GIB, 1500);
      assert(small.send(frame));
      assert.deepEqual(await receiver.waitFor(isNumbered), frame);
      // What was received is offered again, and used up here.
      assert(small.send(frame));
      assert.deepEqual(await receiver.waitFor(isNumbered), frame);
    }
  }
});

Deno.test("memory: three regions, touching and apart, above 4 GiB", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(2);
    const regions = [
      { base: 0, bytes: MIB },
      { base: MIB, bytes: MIB },
      { base: 6 * GIB, bytes: MIB },
      { base: 300 * GIB, bytes: 4 * MIB },
    ];
    const one = await bed.guest(1, {
      packed,
      regions,
      bufferPieces: [12, 700, 1400],
      ringSize: 128,
    });
    const two = await bed.guest(2, { regions, dataStart: 2 * MIB, ringSize: 128 });
    await introduce(one, two);
    await transfer(one, two, many(1500), 16);
    await transfer(two, one, many(1500), 16);
    // A buffer across the border of two regions that touch.
    two.ram.moveTo(300 * GIB + 3 * MIB);
    one.ram.moveTo(MIB - 50);
    const frame = numberedFrame(two.options.mac, one.options.mac, 7, 500);
    assert(one.sendPieces(frame, []));
    assert.deepEqual(await two.waitFor(isNumbered), frame);
  }
});

/** Replaces a guest's memory table again and again while `work` goes on. @returns how often */
async function whileReplacing(guest: NetGuest, work: () => Promise<void>): Promise<number> {
  let replaced = 0;
  await meanwhile(async () => {
    assert.equal(await guest.setMemory(), 0n);
    replaced++;
    // A front-end may send 1,000 requests a second for ever.
    await delay(3);
  }, work);
  return replaced;
}

Deno.test("memory: the sender's table is replaced under traffic, nothing is lost", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(2);
    const one = await bed.guest(1, { packed });
    const two = await bed.guest(2, { packed });
    await introduce(one, two);
    const replaced = await whileReplacing(one, () => transfer(one, two, many(40_000), 64));
    // How often depends on the machine; that it happened in the middle of traffic does not.
    assert(replaced > 0, `replaced ${replaced} times`);
    await transfer(two, one, many(200), 64);
  }
});

Deno.test("memory: the receiver's table is replaced under traffic, what is lost is counted", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(2);
    const one = await bed.guest(1, { packed });
    const two = await bed.guest(2, { packed });
    await introduce(one, two);
    const FRAMES = 10_000;
    let next = 0;
    let arrived = 0;
    const take = (): void => {
      for (const got of two.receive()) {
        const number = new DataView(got.buffer, got.byteOffset).getUint32(14);
        assert(number >= next, "in order");
        next = number + 1;
        const expected = numberedFrame(two.options.mac, one.options.mac, number, 300);
        assert.deepEqual(got, expected);
        arrived++;
      }
    };
    await whileReplacing(two, async () => {
      for (let number = 0; number < FRAMES; number++) {
        const frame = numberedFrame(two.options.mac, one.options.mac, number, 300);
        while (!one.send(frame)) await turn();
        if (number % 16 === 0) await turn();
        take();
      }
      await until("transmit buffers", () => one.reapTransmit() >= 0 && one.tx.free === one.tx.size);
    });
    take();
    const { counters } = await bed.port(2);
    const lost = Object.entries(counters).filter(([name]) => name.startsWith("txDropped"))
      .reduce((sum, [, count]) => sum + count, 0);
    assert.equal(arrived + lost, FRAMES, JSON.stringify(counters));
    await transfer(one, two, many(200), 64);
  }
});

Deno.test("memory: two ports of one machine share one mapping", async () => {
  await using bed = await Bed.make(3);
  const before = held(bed.process.pid).memoryMaps;
  const one = await bed.guest(1, { memoryBytes: 32 * MIB });
  await until("a mapping", () => held(bed.process.pid).memoryMaps === before + 1);
  const two = await bed.guest(2, {
    memoryBytes: 32 * MIB,
    memoryFd: one.memoryFd,
    dataStart: 16 * MIB,
    packed: true,
  });
  assert.equal(held(bed.process.pid).memoryMaps, before + 1);
  await introduce(one, two);
  await transfer(one, two, many(500), 32);
  one.close();
  await until("the port", async () => (await bed.port(1)).link === "wait");
  assert.equal(held(bed.process.pid).memoryMaps, before + 1);
  const three = await bed.guest(3);
  await introduce(two, three);
  two.close();
  three.close();
  await until("no mapping", () => held(bed.process.pid).memoryMaps === before);
});

Deno.test("rings: GET_VRING_BASE is exact, and a ring goes on from there", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(2);
    const ringSize = 64;
    const one = await bed.guest(1, { packed, ringSize });
    const two = await bed.guest(2);
    await introduce(one, two);
    let frames = 1;
    for (const count of [0, 1, 63, 64, 65, 200, 1]) {
      await transfer(one, two, many(count), 16);
      frames += count;
      const position = frames % ringSize | (1 - Math.floor(frames / ringSize) % 2) << 15;
      const wanted = packed ? (position | position << 16) >>> 0 : frames;
      const bases = [await one.getBase(RX), await one.getBase(TX)] as const;
      assert.equal(bases[TX], wanted, `after ${frames} frames`);
      const vrings = await bed.vrings(1);
      assert.deepEqual(vrings.map((vring) => vring.state), ["stopped", "stopped"]);
      // Nothing may be touched until the kick message.
      assert(one.send(numberedFrame(two.options.mac, one.options.mac, 1, 60)));
      one.kick(TX);
      frames++;
      for (let i = 0; i < 20; i++) await turn();
      assert.equal(one.reapTransmit(), 0, "a stopped ring is not served");
      await one.startRings(bases);
      // It was published before the ring started: that is no reason to wait for a kick.
      assert(await two.waitFor(isNumbered), "what waited is sent");
      await until("its buffer", () => one.reapTransmit() === 1 || one.tx.free === ringSize);
    }
    await transfer(two, one, many(300), 16);
  }
});

Deno.test("rings: disabled means that frames are taken and thrown away", async () => {
  await using bed = await Bed.make(2);
  const one = await bed.guest(1);
  const two = await bed.guest(2, { packed: true });
  await introduce(one, two);
  await one.enable(TX, false);
  const dropped = async (): Promise<number> =>
    (await bed.port(1)).counters["rxDroppedDisabled"] ?? 0;
  for (let i = 0; i < 10; i++) {
    assert(one.send(numberedFrame(two.options.mac, one.options.mac, i, 60)));
  }
  await until("frames to be thrown away", async () => (await dropped()) === 10);
  await until("their buffers", () => one.reapTransmit() >= 0 && one.tx.free === one.tx.size);
  assert.deepEqual(two.receive(), []);
  await one.enable(TX, true);
  await transfer(one, two, many(100), 16);
  await two.enable(RX, false);
  assert.equal((await bed.port(2)).link, "down");
  for (let i = 0; i < 10; i++) {
    assert(one.send(numberedFrame(two.options.mac, one.options.mac, i, 60)));
  }
  await until("their buffers", () => one.reapTransmit() >= 0 && one.tx.free === one.tx.size);
  assert.deepEqual(two.receive(), []);
  await two.enable(RX, true);
  await introduce(one, two);
  await transfer(one, two, many(100), 16);
});

Deno.test("switching: learning, flooding, and what is never forwarded", async () => {
  await using bed = await Bed.make(4);
  const guests = await Promise.all([1, 2, 3, 4].map((n) => bed.guest(n, { packed: n % 2 === 0 })));
  const [one, two] = guests as [NetGuest, NetGuest];
  const unknown = "52:54:00:ff:ff:ff";
  let number = 100;
  /** Sends from guest one. @returns which guests got the frame, after a later one came everywhere */
  const heardBy = async (to: string, from = one.options.mac): Promise<number[]> => {
    const frame = numberedFrame(to, from, number++, 80);
    const end = numberedFrame("ff:ff:ff:ff:ff:ff", one.options.mac, number++, 90);
    assert(one.send(frame));
    assert(one.send(end));
    const heard: number[] = [];
    for (const [i, guest] of guests.entries()) {
      if (guest === one) continue;
      await guest.waitFor((got) => {
        if (got.length === 80) heard.push(i + 1);
        return got.length === 90;
      });
      for (const got of guest.receive()) if (got.length === 80) heard.push(i + 1);
    }
    assert.deepEqual(one.receive(), [], "nothing comes back out of its own port");
    return heard;
  };
  assert.deepEqual(await heardBy(unknown), [2, 3, 4]);
  assert.deepEqual(await heardBy(two.options.mac), [2, 3, 4]);
  assert(two.send(numberedFrame(one.options.mac, two.options.mac, 1, 60)));
  assert(await one.waitFor(isNumbered));
  assert.deepEqual(await heardBy(two.options.mac), [2], "learned");
  assert.deepEqual(await heardBy("ff:ff:ff:ff:ff:ff"), [2, 3, 4]);
  assert.deepEqual(await heardBy("33:33:00:00:00:01"), [2, 3, 4]);
  for (const last of ["00", "02", "0e", "0f"]) {
    assert.deepEqual(await heardBy(`01:80:c2:00:00:${last}`), [], "reserved");
  }
  assert.deepEqual(await heardBy("01:80:c2:00:00:10"), [2, 3, 4]);
  assert.deepEqual(await heardBy(one.options.mac), [], "its own address");
  assert.deepEqual(await heardBy(two.options.mac, "01:00:00:00:00:01"), [], "group source");
  assert.deepEqual(await heardBy(two.options.mac, "00:00:00:00:00:00"), [], "zero source");
  const { counters } = await bed.port(1);
  assert.equal(counters["rxDroppedReserved"], 4);
  assert.equal(counters["rxDroppedSamePort"], 1);
  assert.equal(counters["rxDroppedBadSource"], 2);
  // An address moves with its owner, who says so: see mac_hold_test.ts.
  assert(guests[2]?.send(arpRequest({ mac: two.options.mac, ip: "10.0.0.2" }, "10.0.0.2")));
  await until(
    "the address to move",
    async () =>
      (await bed.process.fdb()).some(({ mac, port }) => mac === two.options.mac && port === "vm3"),
  );
  one.receive();
  assert.deepEqual(await heardBy(two.options.mac), [3], "moved");
});

Deno.test("switching: a full receiver drops alone", async () => {
  await using bed = await Bed.make(3);
  const sender = await bed.guest(1);
  const full = await bed.guest(2, { buffers: 10, packed: true });
  const good = await bed.guest(3);
  await introduce(sender, full, good);
  const FRAMES = 300;
  const frame = (number: number): Uint8Array =>
    numberedFrame("ff:ff:ff:ff:ff:ff", sender.options.mac, number, 100);
  let arrived = 0;
  for (let i = 0; i < FRAMES; i++) {
    assert(sender.send(frame(i)));
    assert.deepEqual(await good.waitFor(isNumbered), frame(i));
    arrived++;
  }
  assert.equal(arrived, FRAMES);
  const { counters } = await bed.port(2);
  assert.equal(counters["txDroppedNoBuffer"], FRAMES - 10);
  assert.equal((await bed.port(3)).counters["txDroppedNoBuffer"], 0);
  assert.equal(full.receive().length, 10);
  await introduce(sender, full, good);
});

Deno.test("sleeping: no wake-up is lost in 20,000 ping-pongs with pauses of any length", async () => {
  await using bed = await Bed.make(2);
  for (const [packed, eventIdx] of [[false, true], [true, false], [false, false]] as const) {
    const one = await bed.guest(1, { packed, eventIdx });
    const two = await bed.guest(2, { packed: !packed, eventIdx });
    await introduce(one, two);
    let seed = 1;
    for (let i = 0; i < 6_667; i++) {
      const [from, to] = i % 2 === 0 ? [one, two] : [two, one];
      const frame = numberedFrame(to.options.mac, from.options.mac, i, 60);
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      // Around the 100 us after which the data plane goes to sleep.
      const end = performance.now() + (seed >>> 16) % 250 / 1000;
      while (performance.now() < end);
      assert(from.send(frame));
      const limit = performance.now() + WAIT_MS_MAX;
      let got = to.receive();
      while (got.length === 0) {
        assert(performance.now() < limit, `frame ${i} arrives`);
        got = to.receive();
      }
      assert.deepEqual(got, [frame]);
    }
    one.close();
    two.close();
    await until("both ports", async () => {
      const { ports } = await bed.status();
      return ports.every((port) => port.link === "wait");
    });
  }
  const { worker } = await bed.status();
  assert((worker["sleeps"] ?? 0) > 100, `slept ${worker["sleeps"]} times`);
});
