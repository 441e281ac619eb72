/**
 * Descriptors and memory tables of a hostile front-end: what comes is closed or refused, nothing of
 * it stays, and nobody else notices.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, createEventFd, createMemoryFile, Mapping, socketPair } from "../../ffi/mod.ts";
import { O_CLOEXEC, O_PATH } from "../../ffi/abi.ts";
import { libc } from "../../ffi/symbols.ts";
import { NEED_REPLY, PLAIN } from "../../lib/guest/front_end.ts";
import { RX, TX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { BIT } from "../../lib/vhost/features/bits.ts";
import { REQUESTS } from "../../lib/vhost/requests/table.ts";
import { held } from "../harness/bystanders.ts";
import { bytesOf, closes, closesGuest, Siege, steps } from "../harness/siege.ts";
import { until } from "../harness/until.ts";
import { introduce } from "../harness/traffic.ts";

/** A descriptor of O_PATH: it looks like the other one and can be used for nothing. */
function nameOf(fd: number): number {
  const name = libc.open(new TextEncoder().encode(`/proc/self/fd/${fd}\0`), O_PATH | O_CLOEXEC);
  assert(name >= 0);
  closeFd(fd);
  return name;
}

Deno.test("hostile descriptors", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  const [left, right] = socketPair();
  const wrong: Record<string, number> = {
    "a memory file": createMemoryFile("wrong", 4096),
    "an epoll instance": libc.epoll_create1(0),
    "a socket": left,
    "an eventfd's name alone": nameOf(createEventFd()),
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
  await step(
    "a back-end channel that is a socket's name alone",
    "not-socket",
    () =>
      closes(siege, (f) => {
        const bits = BIT.VHOST_USER_F_PROTOCOL_FEATURES;
        f.message(id.VHOST_USER_SET_FEATURES, bytesOf(1n << BigInt(bits)));
        const protocol = 1n << BigInt(BIT.VHOST_USER_PROTOCOL_F_BACKEND_REQ);
        f.message(id.VHOST_USER_SET_PROTOCOL_FEATURES, bytesOf(protocol));
        const [mine, theirs] = socketPair();
        f.message(id.VHOST_USER_SET_BACKEND_REQ_FD, new Uint8Array(), [nameOf(theirs)]);
        closeFd(mine);
      }),
  );
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
    assert((await limit(`${held(siege.process.pid).fds + 2}:${hard}`)).success);
    try {
      frontEnd.message(id.VHOST_USER_SET_MEM_TABLE, bytesOf(8), Array<number>(8).fill(right));
      assert(await frontEnd.closedBySwitch());
    } finally {
      assert((await limit(`${soft}:${hard}`)).success);
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
