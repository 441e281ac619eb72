/**
 * What a hostile front-end may say on its socket: its own connection ends, with a reason, or its
 * request is refused, and nobody else notices.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, createEventFd, createMemoryFile, Mapping, socketPair } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { type FrontEnd, NEED_REPLY, PLAIN } from "../../lib/guest/front_end.ts";
import { type NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/message.ts";
import { REQUESTS } from "../../lib/vhost/requests.ts";
import { held } from "../harness/bystanders.ts";
import { Siege } from "../harness/siege.ts";
import { until } from "../harness/switch_process.ts";
import { introduce } from "../harness/traffic.ts";

type Step = (name: string, reason: string | null, run: () => Promise<void>) => Promise<boolean>;

/** Names steps and runs each as an attack. */
function steps(t: Deno.TestContext, siege: Siege): Step {
  return (name, reason, run) => t.step(name, () => siege.attack(reason, run));
}

/** Something said on a bare connection that makes the switch close it. */
async function closes(
  siege: Siege,
  say: (frontEnd: FrontEnd) => void | Promise<void>,
): Promise<void> {
  using frontEnd = siege.frontEnd();
  await say(frontEnd);
  assert.ok(await frontEnd.closedBySwitch(), "the switch closes the connection");
}

/** The same from a guest whose rings run. */
async function closesGuest(
  siege: Siege,
  say: (guest: NetGuest) => void | Promise<void>,
): Promise<void> {
  using guest = await siege.guest();
  await say(guest);
  assert.ok(await guest.frontEnd.closedBySwitch(), "the switch closes the connection");
}

function bytesOf(...words: readonly (number | bigint)[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array(words.map(BigInt)).buffer);
}

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
  for (const request of [0, 46, 255, 2 ** 31]) {
    await step(
      `unknown request ${request}`,
      "unknown-request",
      () => closes(siege, (f) => void f.message(request)),
    );
  }
  await step("300 unknown requests that want an answer get one each", null, async () => {
    using frontEnd = siege.frontEnd();
    for (let request = 46; request < 346; request++) {
      assert.notEqual(await frontEnd.ask(request), 0n);
    }
    assert.notEqual(await frontEnd.ask(id.VHOST_USER_GET_FEATURES), 0n);
  });
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
      await new Promise((resolve) => setTimeout(resolve, 10));
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
    if (!request.handle || request.gate !== null) continue;
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
  for (const index of [2, 255, 65537, 0xffffffff]) {
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
  for (const value of [2n, 255n, 0x200n, 1n << 32n]) {
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
    () => closes(siege, (f) => void f.message(id.VHOST_USER_SET_FEATURES, bytesOf(1n << 11n))),
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

Deno.test("hostile descriptors", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  const [left, right] = socketPair();
  const wrong: Record<string, number> = {
    "a memory file": createMemoryFile("wrong", 4096),
    "an epoll instance": libc.epoll_create1(0),
    "a socket": left,
  };
  for (const number of [12, 13, 14]) {
    const name = REQUESTS.get(number)?.name ?? "";
    await step(
      `${name} without its descriptor`,
      "fd-count",
      () => closes(siege, (f) => void f.message(number, bytesOf(0))),
    );
    await step(
      `${name} that says none, with one`,
      "fd-count",
      () => closes(siege, (f) => void f.message(number, bytesOf(0x100), [right])),
    );
    for (const [kind, fd] of Object.entries(wrong)) {
      // User-Mode Linux is called through a socket.
      if (kind === "a socket" && number === id.VHOST_USER_SET_VRING_CALL) continue;
      await step(
        `${name} with ${kind}`,
        "not-eventfd",
        () => closes(siege, (f) => void f.message(number, bytesOf(0), [fd])),
      );
    }
  }
  await step("descriptors in the middle of a message", "fd-count", () =>
    closes(siege, (f) => {
      const bytes = id.encodeMessage(id.VHOST_USER_SET_VRING_KICK, PLAIN, bytesOf(0));
      f.raw(bytes.slice(0, 12));
      f.raw(bytes.slice(12), [right]);
    }));
  await step("descriptors with half a message, then goodbye", "peer-closed", async () => {
    using frontEnd = siege.frontEnd();
    const bytes = id.encodeMessage(id.VHOST_USER_SET_VRING_KICK, PLAIN, bytesOf(0));
    frontEnd.raw(bytes.slice(0, 5), [left, right]);
    await until("the connection", async () => (await siege.port()).link !== "wait");
  });
  await step("one eventfd for kick, call and err of both rings", null, async () => {
    using guest = await siege.guest({ ringSize: 8 });
    const fd = createEventFd();
    for (const index of [RX, TX]) {
      for (const number of [12, 13, 14]) {
        assert.equal(await guest.frontEnd.ask(number, bytesOf(index), [fd]), 0n);
      }
    }
    closeFd(fd);
    guest.setKick(TX);
    await introduce(guest, siege.witness);
  });
  await step("more descriptors than the switch may hold", "no-fds", async () => {
    using frontEnd = siege.frontEnd();
    await until("the connection", async () => (await siege.port()).link !== "wait");
    const pid = String(siege.process.pid);
    const limit = (value: string): Promise<Deno.CommandOutput> =>
      new Deno.Command("prlimit", { args: ["--pid", pid, `--nofile=${value}`] }).output();
    const before = await new Deno.Command("prlimit", {
      args: ["--pid", pid, "--nofile", "--output=SOFT,HARD", "--noheadings", "--raw"],
    }).output();
    const [soft = "", hard = ""] = new TextDecoder().decode(before.stdout).trim().split(/\s+/);
    assert.ok((await limit(`${held(siege.process.pid).fds + 2}:${hard}`)).success);
    try {
      frontEnd.message(id.VHOST_USER_SET_MEM_TABLE, bytesOf(8), Array<number>(8).fill(right));
      assert.ok(await frontEnd.closedBySwitch());
    } finally {
      assert.ok((await limit(`${soft}:${hard}`)).success);
    }
  });
  for (const fd of [...Object.values(wrong), right]) closeFd(fd);
});

/** A memory table of any regions: guest, size, user, offset. */
function table(...regions: readonly (readonly (number | bigint)[])[]): Uint8Array<ArrayBuffer> {
  return bytesOf(regions.length, ...regions.flat());
}

Deno.test("hostile memory tables", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  const MIB = 1 << 20;
  const fd = createMemoryFile("guest", 4 * MIB);
  const say = (payload: Uint8Array, count: number, file = fd) => () =>
    closes(
      siege,
      (f) => void f.message(id.VHOST_USER_SET_MEM_TABLE, payload, Array<number>(count).fill(file)),
    );
  const cases: readonly (readonly [string, string, Uint8Array, number])[] = [
    ["no region", "bad-region", bytesOf(0), 0],
    ["9 regions in room for 8", "bad-region", new Uint8Array([9, ...new Uint8Array(263)]), 8],
    ["10,000 regions", "bad-region", bytesOf(10_000, 0, MIB, 0, 0), 1],
    ["more regions than bytes", "bad-size", bytesOf(2, 0, MIB, 0, 0), 2],
    ["fewer descriptors", "fd-count", table([0, MIB, 0, 0], [MIB, MIB, MIB, MIB]), 1],
    ["more descriptors", "fd-count", table([0, MIB, 0, 0]), 2],
    ["overlapping guest ranges", "bad-region", table([0, MIB, 0, 0], [MIB - 1, MIB, MIB, MIB]), 2],
    ["overlapping user ranges", "bad-region", table([0, MIB, 0, 0], [MIB, MIB, MIB - 1, MIB]), 2],
    ["the same region twice", "bad-region", table([0, MIB, 0, 0], [0, MIB, 0, 0]), 2],
    ["0 bytes", "bad-region", table([0, 0, 0, 0]), 1],
    ["guest addresses that wrap", "bad-region", table([2n ** 64n - 4096n, MIB, 0, 0]), 1],
    ["user addresses that wrap", "bad-region", table([0, MIB, 2n ** 64n - 4096n, 0]), 1],
    ["offsets that wrap", "bad-region", table([0, MIB, 0, 2n ** 64n - 4096n]), 1],
    ["a size of 2^64 - 1", "bad-region", table([0, 2n ** 64n - 1n, 0, 0]), 1],
    ["a guest address of 2^53", "bad-region", table([2n ** 53n, MIB, 0, 0]), 1],
    ["past the end of the file", "region-past-eof", table([0, 4 * MIB + 4096, 0, 0]), 1],
    ["an offset past the end", "region-past-eof", table([0, MIB, 0, 4 * MIB]), 1],
    ["16 TiB of a small file", "memory-budget", table([0, 2 ** 44, 0, 0]), 1],
    ["an offset inside a page", "bad-region", table([0, MIB, 0, 512]), 1],
  ];
  for (const [name, reason, payload, count] of cases) {
    await step(name, reason, say(payload, count));
  }
  const [left, right] = socketPair();
  const eventFd = createEventFd();
  const good = table([0, MIB, 0, 0]);
  await step("a socket as memory", "bad-memory-kind", say(good, 1, left));
  await step("an eventfd as memory", "bad-memory-kind", say(good, 1, eventFd));
  for (const one of [left, right, eventFd, fd]) closeFd(one);
  await step(
    "rings fall out of the memory while they run",
    "bad-ring-address",
    () =>
      closesGuest(siege, (g) => {
        const payload = g.memoryTable();
        new DataView(payload.buffer).setBigUint64(24, 1n << 46n, true);
        g.frontEnd.message(id.VHOST_USER_SET_MEM_TABLE, payload, [g.memoryFd]);
      }),
  );
  await step("the switch forbids to shrink a file that allows it", "region-past-eof", async () => {
    const file = createMemoryFile("guest", MIB, 0);
    const mapping = Mapping.map(file, 0, MIB);
    await closes(siege, async (f) => {
      f.message(id.VHOST_USER_SET_PROTOCOL_FEATURES, bytesOf(1n << 3n));
      const answer = await f.ask(id.VHOST_USER_SET_MEM_TABLE, good, [file], NEED_REPLY);
      assert.equal(answer, 0n);
      assert.notEqual(libc.ftruncate(file, 0n), 0, "the file cannot shrink any more");
      f.message(id.VHOST_USER_SET_MEM_TABLE, table([0, 2 * MIB, 0, 0]), [file]);
    });
    mapping.unmap();
    closeFd(file);
  });
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
    assert.ok(await guest.frontEnd.closedBySwitch());
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
    assert.ok(await second.closedBySwitch());
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
