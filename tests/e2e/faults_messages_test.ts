/**
 * What a hostile front-end may say on its socket: its own connection ends, with a reason, or its
 * request is refused, and nobody else notices.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { closeFd, createEventFd } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { PLAIN } from "../../lib/guest/front_end.ts";
import { type NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import { BIT } from "../../lib/vhost/features/bits.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { REQUESTS } from "../../lib/vhost/requests/table.ts";
import { VRINGS_PER_PORT } from "../../lib/base/limits.ts";
import { bytesOf, closes, closesGuest, Siege, steps } from "../harness/siege.ts";
import { until } from "../harness/until.ts";
import { introduce } from "../harness/traffic.ts";

Deno.test("hostile bytes", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  for (const version of [0, 2, 3]) {
    await step(
      `version ${version}`,
      "bad-version",
      () =>
        closes(siege, (f) => void f.message(id.VHOST_USER_GET_FEATURES, undefined, [], version)),
    );
  }
  await step(
    "a reply nobody asked for",
    "unexpected-reply",
    () => closes(siege, (f) => void f.message(id.VHOST_USER_GET_FEATURES, undefined, [], 5)),
  );
  for (const request of [0, REQUESTS.size + 1, 255, 2 ** 31]) {
    await step(
      `unknown request ${request}`,
      "unknown-request",
      () => closes(siege, (f) => void f.message(request)),
    );
  }
  await step(
    "300 unknown requests that want an answer get one each",
    "unknown-request",
    async () => {
      using frontEnd = siege.frontEnd();
      for (let request = REQUESTS.size + 1; request <= REQUESTS.size + 300; request++) {
        assert.notEqual(await frontEnd.ask(request), 0n);
      }
      assert.notEqual(await frontEnd.ask(id.VHOST_USER_GET_FEATURES), 0n);
    },
    300,
  );
  for (const size of [0xffffffff, 0x80000000, 4097]) {
    await step(
      `a payload of ${size} bytes is announced`,
      "too-long",
      () => closes(siege, (f) => void f.raw(new Uint8Array(new Uint32Array([1, 1, size]).buffer))),
    );
  }
  await step("a header byte by byte is a header", null, async () => {
    using frontEnd = siege.frontEnd();
    for (const byte of id.encodeMessage(id.VHOST_USER_GET_FEATURES, PLAIN, new Uint8Array())) {
      frontEnd.raw(new Uint8Array([byte]));
      await delay(10);
    }
    assert.notEqual((await frontEnd.reply()).payload.getBigUint64(0, true), 0n);
  });
  await step(
    "half a header and silence",
    "timeout",
    () => closes(siege, (f) => void f.raw(new Uint8Array(7))),
  );
  await step(
    "half a payload and silence",
    "timeout",
    () =>
      closes(siege, (f) =>
        void f.raw(
          id.encodeMessage(id.VHOST_USER_SET_FEATURES, 1, new Uint8Array(8)).slice(0, 15),
        )),
  );
  await step("half a message and goodbye", "peer-closed", async () => {
    using frontEnd = siege.frontEnd();
    frontEnd.raw(new Uint8Array(7));
    await until("the connection", async () => (await siege.port()).link !== "wait");
  });
  await step("1,000 messages in one write are answered in order", null, async () => {
    using frontEnd = siege.frontEnd();
    const one = id.encodeMessage(id.VHOST_USER_GET_FEATURES, PLAIN, new Uint8Array());
    const other = id.encodeMessage(id.VHOST_USER_GET_PROTOCOL_FEATURES, PLAIN, new Uint8Array());
    const all = new Uint8Array(1000 * one.length);
    for (let i = 0; i < 1000; i++) all.set(i % 3 === 0 ? other : one, i * one.length);
    assert.equal(frontEnd.raw(all), all.length);
    for (let i = 0; i < 1000; i++) {
      const wanted = i % 3 === 0 ? id.VHOST_USER_GET_PROTOCOL_FEATURES : id.VHOST_USER_GET_FEATURES;
      assert.equal((await frontEnd.reply()).request, wanted, `reply ${i}`);
    }
  });
  await step("replies that are never read", "slow-peer", async () => {
    using frontEnd = siege.frontEnd();
    const { errors } = await siege.port();
    const before = errors["slow-peer"] ?? 0;
    await until("the switch to lose patience", async () => {
      for (let i = 0; i < 500; i++) frontEnd.message(id.VHOST_USER_GET_FEATURES);
      return ((await siege.port()).errors["slow-peer"] ?? 0) > before;
    });
  });
});

Deno.test("wrong sizes, descriptors and values in every request", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  for (const [number, request] of REQUESTS) {
    if (!request.decode || request.gate !== null) continue;
    const sizes = [request.bytesMax + 1, ...(request.bytesMin > 0 ? [request.bytesMin - 1] : [])];
    for (const size of sizes) {
      await step(
        `${request.name} with ${size} bytes`,
        "bad-size",
        () => closes(siege, (f) => void f.message(number, new Uint8Array(size))),
      );
    }
    for (const count of [request.fdsMax + 1, 253]) {
      await step(`${request.name} with ${count} descriptors`, "fd-count", async () => {
        const fds = Array.from({ length: count }, () => createEventFd());
        await closes(siege, (f) => void f.message(number, new Uint8Array(request.bytesMin), fds))
          .finally(() => fds.forEach(closeFd));
      });
    }
  }
  const vring = [
    id.VHOST_USER_SET_VRING_NUM,
    id.VHOST_USER_SET_VRING_BASE,
    id.VHOST_USER_GET_VRING_BASE,
    id.VHOST_USER_SET_VRING_ENABLE,
    id.VHOST_USER_SET_VRING_ADDR,
  ];
  for (const index of [VRINGS_PER_PORT, 255, 65537, 0xffffffff]) {
    for (const number of vring) {
      const size = number === id.VHOST_USER_SET_VRING_ADDR ? 40 : 8;
      const payload = new Uint8Array(size);
      new DataView(payload.buffer).setUint32(0, index, true);
      await step(
        `${REQUESTS.get(number)?.name} of vring ${index}`,
        "bad-index",
        () => closes(siege, (f) => void f.message(number, payload)),
      );
    }
  }
  for (const value of [BigInt(VRINGS_PER_PORT), 255n, 0x200n, 1n << 32n]) {
    await step(`SET_VRING_KICK ${value}`, "bad-index", async () => {
      const fd = createEventFd();
      await closes(
        siege,
        (f) => void f.message(id.VHOST_USER_SET_VRING_KICK, bytesOf(value), [fd]),
      );
      closeFd(fd);
    });
  }
  for (const size of [0, 32769, 65536, 0xffffffff]) {
    await step(
      `a ring of ${size}`,
      "bad-ring-size",
      () =>
        closes(
          siege,
          (f) => void f.message(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(0, size)),
        ),
    );
  }
  await step(
    "enabled 2",
    "bad-value",
    () =>
      closes(
        siege,
        (f) => void f.message(id.VHOST_USER_SET_VRING_ENABLE, id.encodeVringState(0, 2)),
      ),
  );
  await step(
    "features that were not offered",
    "bad-features",
    () =>
      closes(siege, (f) => {
        f.message(id.VHOST_USER_SET_FEATURES, bytesOf(1n << BigInt(BIT.VIRTIO_NET_F_HOST_UFO)));
      }),
  );
  await step(
    "protocol features that were not offered",
    "bad-protocol-features",
    () =>
      closes(siege, (f) => void f.message(id.VHOST_USER_SET_PROTOCOL_FEATURES, bytesOf(1n << 14n))),
  );
  await step(
    "a reply-less request that was not negotiated",
    "not-negotiated",
    () => closes(siege, (f) => void f.message(id.VHOST_USER_GET_QUEUE_NUM)),
  );
});

Deno.test("wrong moments", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  await step(
    "features change while rings run",
    "features-while-running",
    () =>
      closesGuest(
        siege,
        (g) =>
          void g.frontEnd.message(id.VHOST_USER_SET_FEATURES, bytesOf(g.features ^ (1n << 34n))),
      ),
  );
  await step(
    "a ring's size changes while it runs",
    "ring-running",
    () =>
      closesGuest(
        siege,
        (g) => void g.frontEnd.message(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(TX, 128)),
      ),
  );
  const places: Record<string, (g: NetGuest) => [number, number, number]> = {
    "unaligned": ({ tx: { areas: [a, b, c] } }) => [a + 8, b, c],
    "with an unaligned available ring": ({ tx: { areas: [a, b, c] } }) => [a, b + 1, c],
    "with an unaligned used ring": ({ tx: { areas: [a, b, c] } }) => [a, b, c + 2],
    "across the end of memory": ({ tx: { areas: [, b, c] } }) => [(16 << 20) - 16, b, c],
    "with areas in one place": ({ tx: { areas: [a, , c] } }) => [a, a, c],
    "with overlapping areas": ({ tx: { areas: [a, b] } }) => [a, b, b + 4],
  };
  for (const [name, place] of Object.entries(places)) {
    await step(
      `a ring ${name}`,
      "bad-ring-address",
      () => closesGuest(siege, (g) => g.setRingAddress(TX, place(g))),
    );
  }
  await step("a split ring of 3", "bad-ring-size", () =>
    closesGuest(siege, async (g) => {
      await g.getBase(TX);
      g.frontEnd.message(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(TX, 3));
      g.setKick(TX);
    }));
  await step("a packed ring's base beyond it", "bad-ring-base", async () => {
    using guest = await siege.guest({ packed: true, ringSize: 100 });
    await guest.getBase(TX);
    const base = id.encodeVringState(TX, 0x80648064);
    guest.frontEnd.message(id.VHOST_USER_SET_VRING_BASE, base);
    guest.setKick(TX);
    assert(await guest.frontEnd.closedBySwitch());
  });
  await step("kicks before anything else", null, async () => {
    using frontEnd = siege.frontEnd();
    const fd = createEventFd();
    for (const index of [RX, TX]) {
      frontEnd.message(id.VHOST_USER_SET_VRING_KICK, bytesOf(index), [fd]);
      frontEnd.message(id.VHOST_USER_SET_VRING_ENABLE, id.encodeVringState(index, 1));
    }
    libc.eventfd_write(fd, 1n);
    assert.notEqual(await frontEnd.ask(id.VHOST_USER_GET_FEATURES), 0n);
    assert.equal((await siege.port()).link, "down");
    closeFd(fd);
  });
  await step("a second front-end is refused, the first goes on", "busy", async () => {
    using guest = await siege.guest();
    using second = siege.frontEnd();
    assert(await second.closedBySwitch());
    await introduce(guest, siege.witness);
  });
  await step("rings switched on and off 500 times under traffic", null, async () => {
    using guest = await siege.guest();
    for (let i = 0; i < 500; i++) await guest.enable(i & 1, i % 4 >= 2);
    await guest.enable(RX, true);
    await guest.enable(TX, true);
    await introduce(guest, siege.witness);
  });
  await step("a guest that goes without a word, rings running", null, async () => {
    using guest = await siege.guest();
    await introduce(guest, siege.witness);
  });
});
