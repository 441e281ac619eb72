/**
 * Guests behind an IOMMU whose front-end is slow, wrong or hostile, on a real switch: it is that
 * guest that suffers, and nobody else.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { type NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import type { IommuMessage } from "../../lib/guest/notifications.ts";
import {
  encodeIotlb,
  type IotlbMessage,
  VHOST_ACCESS_RO,
  VHOST_ACCESS_RW,
  VHOST_ACCESS_WO,
  VHOST_IOTLB_ACCESS_FAIL,
  VHOST_IOTLB_INVALIDATE,
  VHOST_IOTLB_MISS,
  VHOST_IOTLB_UPDATE,
} from "../../lib/vhost/wire/back_end_message.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { BIT } from "../../lib/vhost/features/bits.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders, held, heldAsBefore } from "../harness/bystanders.ts";
import { meanwhile } from "../harness/meanwhile.ts";
import { until } from "../harness/until.ts";
import { introduce, isNumbered, macOf, numberedFrame, transfer, turn } from "../harness/traffic.ts";

const PAGE = 4096;
const MEMORY = 4 << 20;
// The last one sends to all as fast as it can.
const PORTS = ["offer=iommu", "", "", "storm=off"];

/** A guest whose I/O virtual addresses are its own, and user addresses for its rings. */
class Translated {
  readonly guest: NetGuest;

  constructor(guest: NetGuest) {
    this.guest = guest;
  }

  static async attach(bed: Bed, packed = false): Promise<Translated> {
    const features = [BIT.VIRTIO_F_ACCESS_PLATFORM];
    return new Translated(await bed.guest(1, { packed, features, memoryBytes: MEMORY }));
  }

  /** Sends an IOTLB message. @returns the answer */
  say(given: Partial<IotlbMessage>): Promise<bigint> {
    const payload = encodeIotlb({
      ...{ iova: 0n, sizeBytes: BigInt(PAGE), userAddr: 0n, permission: VHOST_ACCESS_RW },
      ...{ type: VHOST_IOTLB_UPDATE, ...given },
    });
    return this.guest.frontEnd.ask(id.VHOST_USER_IOTLB_MSG, payload);
  }

  /** Translates the rings, wherever they are. */
  async rings(): Promise<void> {
    const iova = this.guest.userAddress(0);
    assert.equal(await this.say({ iova, userAddr: iova, sizeBytes: BigInt(MEMORY) }), 0n);
  }

  /** Translates all buffers. */
  async buffers(permission = VHOST_ACCESS_RW): Promise<void> {
    const userAddr = this.guest.userAddress(0);
    assert.equal(await this.say({ userAddr, sizeBytes: BigInt(MEMORY), permission }), 0n);
  }

  async all(): Promise<void> {
    await this.rings();
    await this.buffers();
  }

  async nothing(): Promise<void> {
    assert.equal(await this.say({ type: VHOST_IOTLB_INVALIDATE, sizeBytes: 0n }), 0n);
  }

  /** Messages about the IOMMU since the last look. */
  told(): IommuMessage[] {
    this.guest.notifications.read();
    return this.guest.notifications.iotlb.splice(0);
  }

  /** Answers every question with the page it is about. */
  async answer(): Promise<void> {
    for (const { type, iova, permission } of this.told()) {
      assert.equal(type, VHOST_IOTLB_MISS);
      const ring = iova >= this.guest.userAddress(0);
      const userAddr = ring ? iova : this.guest.userAddress(Number(iova));
      assert.equal(await this.say({ iova, userAddr, permission }), 0n);
    }
  }
}

async function counter(bed: Bed, port: number, name: string): Promise<number> {
  return (await bed.port(port)).counters[name] ?? Number.NaN;
}

async function linkUp(bed: Bed): Promise<void> {
  await until("the link", async () => (await bed.port(1)).link === "up");
}

/** Sends numbered frames to the translated guest, slowly enough for everybody's buffers. */
async function sendFrames(from: NetGuest, to: string, first: number, count: number): Promise<void> {
  for (let number = first; number < first + count; number++) {
    const frame = numberedFrame(to, from.options.mac, number, 60 + number % 1400);
    await until("room to send", () => from.send(frame));
    if (number % 16 === 0) await turn();
  }
}

Deno.test("IOMMU: misses are answered page by page, in any order, and nothing is lost", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(PORTS);
    const front = await Translated.attach(bed, packed);
    const other = await bed.guest(2, { packed });
    await meanwhile(() => front.answer(), async () => {
      await linkUp(bed);
      await introduce(front.guest, other);
      const sizes = Array.from({ length: 1500 }, (_, i) => 60 + (i * 37) % 1440);
      await transfer(other, front.guest, sizes, 32);
      await transfer(front.guest, other, sizes, 32);
    });
    assert((await counter(bed, 1, "iotlbMisses")) > 50);
    assert.equal(await counter(bed, 1, "txDroppedUntranslated"), 0);
  }
});

Deno.test("IOMMU: misses that are not answered cost that guest its frames after a second", async () => {
  await using bed = await Bed.make(PORTS);
  using bystanders = await Bystanders.attach(bed.socket(2), bed.socket(3));
  const front = await Translated.attach(bed);
  await front.rings();
  await linkUp(bed);
  front.told();
  const sender = await bed.guest(4);
  await sendFrames(sender, "ff:ff:ff:ff:ff:ff", 0, 700);
  const dropped = (): Promise<number> => counter(bed, 1, "txDroppedUntranslated");
  await until("all frames to be given up", async () => await dropped() >= 700);
  await bystanders.check();
  const told = front.told();
  assert(told.length > 0 && told.length < 100, `${told.length} questions`);
  for (const { type, permission, iova, sizeBytes } of told) {
    assert.deepEqual([type, permission, sizeBytes], [VHOST_IOTLB_MISS, VHOST_ACCESS_WO, 0n]);
    assert.equal(iova % BigInt(PAGE), 0n);
  }
  // Who is asked once more is asked for a reply, too, and for no other one until it came.
  const pages = told.map(({ iova }) => iova);
  const wanted = told.findIndex(({ needReply }) => needReply);
  assert.equal(wanted, pages.findIndex((page, i) => pages.indexOf(page) < i));
  assert.equal(told.filter(({ needReply }) => needReply).length, 1);
  assert.equal(await counter(bed, 1, "txFrames"), 0);
  // It is never too late to answer.
  await front.buffers();
  await sendFrames(sender, front.guest.options.mac, 1000, 1);
  const got = await front.guest.waitFor(isNumbered);
  assert.deepEqual(got, numberedFrame(front.guest.options.mac, macOf(4), 1000, 60 + 1000));
});

Deno.test("IOMMU: an invalidation is in effect before it is acknowledged, also for the rings", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make(PORTS);
    const front = await Translated.attach(bed, packed);
    const { guest } = front;
    await front.all();
    await linkUp(bed);
    const sender = await bed.guest(2);
    await introduce(guest, sender);
    const got: Uint8Array[] = [];
    let next = 0;
    for (let round = 0; round < 40; round++) {
      // Some are on their way when the invalidation comes, some come after it.
      await sendFrames(sender, guest.options.mac, next, 8);
      await front.nothing();
      const before = guest.ram.bytes.slice();
      await sendFrames(sender, guest.options.mac, next + 8, 8);
      const there = async (): Promise<boolean> => {
        const frames = await counter(bed, 2, "rxFrames");
        return frames >= next + 16 + 1;
      };
      await until("the switch has every frame", there);
      assert.equal(Buffer.compare(guest.ram.bytes, before), 0, "no byte of the guest is written");
      await front.all();
      // On a machine that stood still for a second meanwhile some were given up.
      await until("each frame to arrive or be given up", async () => {
        got.push(...guest.receive().filter(isNumbered));
        return got.length + await counter(bed, 1, "txDroppedUntranslated") === next + 16;
      });
      next += 16;
    }
    let last = -1;
    for (const frame of got) {
      const number = new DataView(frame.buffer, frame.byteOffset).getUint32(14);
      assert(number > last, "in order");
      last = number;
      const bytes = 60 + number % 1400;
      assert.deepEqual(frame, numberedFrame(guest.options.mac, macOf(2), number, bytes));
    }
    assert(got.length > 16 * 40 / 2, `${got.length} frames arrived`);
  }
});

Deno.test("IOMMU: an access that is refused breaks that ring, and the front-end is told", async () => {
  await using bed = await Bed.make(PORTS);
  const front = await Translated.attach(bed);
  const { guest } = front;
  await front.rings();
  await front.buffers(VHOST_ACCESS_RO);
  await linkUp(bed);
  const other = await bed.guest(2);
  // Sending works: it only reads.
  assert(guest.send(numberedFrame(other.options.mac, guest.options.mac, 7, 100)));
  assert(await other.waitFor(isNumbered));
  await sendFrames(other, guest.options.mac, 0, 1);
  const failure = { type: VHOST_IOTLB_ACCESS_FAIL, permission: VHOST_ACCESS_WO };
  const told: IommuMessage[] = [];
  await until("the refusal to be told", async () => {
    for (const one of front.told()) {
      told.push(one);
      if (one.type === VHOST_IOTLB_MISS) await front.buffers(VHOST_ACCESS_RO);
    }
    return told.some(({ type }) => type === failure.type);
  });
  assert.deepEqual([told.at(-1)?.permission, told.at(-1)?.needReply], [failure.permission, true]);
  assert.equal(told.filter(({ type }) => type === failure.type).length, 1);
  await until("the ring's error", () => guest.takeError(RX));
  assert.equal(guest.takeError(TX), false);
  const { state, error } = (await bed.vrings(1))[RX] ?? {};
  assert.deepEqual([state, error], ["broken", "iotlb-access"]);
  // Anew, and with the permission.
  await guest.getBase(RX);
  await front.buffers();
  guest.setKick(RX);
  await linkUp(bed);
});

Deno.test("IOMMU: a flood of translations is bounded, and hinders nobody", async () => {
  await using bed = await Bed.make(PORTS);
  using bystanders = await Bystanders.attach(bed.socket(2), bed.socket(3));
  const front = await Translated.attach(bed);
  await front.all();
  await linkUp(bed);
  const { frontEnd } = front.guest;
  const base = Number(front.guest.userAddress(0));
  const flood = async (count: number): Promise<void> => {
    let answers = 0;
    for (let n = 0; n < count; n++) {
      // No entry continues another one.
      const payload = encodeIotlb({
        iova: BigInt(2 ** 40 + 3 * n * PAGE),
        sizeBytes: BigInt(PAGE),
        userAddr: BigInt(base + (n * 7 % 1024) * PAGE),
        permission: 1 + n % 3,
        type: VHOST_IOTLB_UPDATE,
      });
      frontEnd.message(id.VHOST_USER_IOTLB_MSG, payload);
      if (n % 50 < 49) continue;
      for (; answers <= n; answers++) {
        assert.equal((await frontEnd.reply()).payload.getBigUint64(0, true), 0n);
      }
    }
  };
  // Several times what is kept.
  await flood(15_000);
  await bystanders.check();
  await front.nothing();
  await front.all();
  const other = await bed.guest(4);
  await introduce(other, front.guest);
});

Deno.test("IOMMU: a front-end that leaves in the middle leaves nothing behind", async () => {
  await using bed = await Bed.make(PORTS);
  const sender = await bed.guest(2);
  const before = held(bed.process.pid);
  for (let round = 0; round < 10; round++) {
    const front = await Translated.attach(bed, round % 2 === 1);
    await front.rings();
    await linkUp(bed);
    await sendFrames(sender, "ff:ff:ff:ff:ff:ff", 0, 20);
    await until(
      "frames to wait",
      async () => await counter(bed, 1, "txParked") >= 20 * (round + 1),
    );
    front.guest.close();
    await heldAsBefore(bed.process.pid, before);
  }
});
