/**
 * Tenants that do too much of what is allowed, or take from the switch what it needs: floods,
 * storms, holes in memory, descriptors that do not close, no descriptors at all.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { closeFd, createMemoryFile } from "../../ffi/mod.ts";
import { callSwitch } from "../../lib/cli/client.ts";
import { MESSAGES_BURST_MAX } from "../../lib/control/front_end/connection.ts";
import { RX, TX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { LingeringSocket } from "../harness/linger.ts";
import { bytesOf, closes, Siege, type Siege as Besieged, steps } from "../harness/siege.ts";
import { until } from "../harness/until.ts";
import { introduce, macOf, numberedFrame } from "../harness/traffic.ts";

const PLAIN = 1;
/** How long a storm lasts, ms. */
const STORM_MS = 400;
/** More than a front-end may send in a row; the rest takes the switch seconds. */
const FLOOD_MESSAGES = 2 * MESSAGES_BURST_MAX;
const F_SEAL_WRITE = 8;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
/** Longer than any machine needs for what must go on, seconds. */
const LINGER_SECONDS = 1000;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  fallocate: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
});

/** Does something over and over, others having their turns in between. */
async function storm(deed: () => void): Promise<void> {
  const end = performance.now() + STORM_MS;
  while (performance.now() < end) {
    for (let i = 0; i < 200; i++) deed();
    await delay(0);
  }
}

Deno.test("floods and storms cost the others nothing", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  await step("messages without end", null, async () => {
    using frontEnd = siege.frontEnd();
    const one = id.encodeMessage(id.VHOST_USER_SET_OWNER, PLAIN, new Uint8Array());
    const many = new Uint8Array(64 * one.length);
    for (let i = 0; i < 64; i++) many.set(one, i * one.length);
    let sent = 0;
    // What the socket takes of a message goes on where it ended.
    await storm(() => {
      if (sent >= FLOOD_MESSAGES * one.length) return;
      sent += Math.max(0, frontEnd.raw(many.slice(sent % one.length)));
    });
    assert(sent > MESSAGES_BURST_MAX * one.length, "more than may come in a row");
    await siege.bystanders.check();
    await until("the last message to be taken", () => {
      const rest = (one.length - sent % one.length) % one.length;
      if (rest > 0) sent += Math.max(0, frontEnd.raw(one.slice(one.length - rest)));
      return sent % one.length === 0;
    });
    // It waits behind all of these, first for room in the socket: the flood is its own affair.
    assert.notEqual(await frontEnd.ask(id.VHOST_USER_GET_FEATURES, undefined, [], PLAIN), 0n);
  });
  for (const packed of [false, true]) {
    await step(`kicks without end, ${packed ? "packed" : "split"}`, null, async () => {
      using guest = await siege.guest({ packed });
      await storm(() => guest.kick(TX));
      await siege.bystanders.check();
      await introduce(guest, siege.witness);
    });
  }
  await step("memory tables without end", null, async () => {
    using guest = await siege.guest();
    for (let i = 0; i < 300; i++) assert.equal(await guest.setMemory(), 0n);
    await siege.bystanders.check();
    await introduce(guest, siege.witness);
  });
});

Deno.test("what a tenant does to its own memory is its own affair", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  await step("holes punched under frames that are sent", null, async () => {
    using guest = await siege.guest();
    const bytes = 65536;
    const address = guest.ram.take(bytes, 4096);
    const dropped = async (): Promise<number> =>
      (await siege.port()).counters["rxDroppedBadSource"] ?? 0;
    const before = await dropped();
    let sent = 0;
    for (let i = 0; i < 200; i++) {
      const flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
      const offset = BigInt(guest.ram.at(address));
      assert.equal(libc.fallocate(guest.memoryFd, flags, offset, BigInt(bytes)), 0);
      if (guest.sendChain([{ address: address + 4096 * (i % 16), bytes: 100 }])) sent++;
      await until("the frame to come back", () => guest.reapTransmit() > 0);
    }
    // A hole reads as zeros, and a source address of zeros is nobody's.
    assert.equal(await dropped(), before + sent);
    await introduce(guest, siege.witness);
  });
  for (const packed of [false, true]) {
    const word = packed ? "packed" : "split";
    await step(`the device's part of a ring scribbled over, ${word}`, null, async () => {
      using guest = await siege.guest({ packed, eventIdx: false });
      await introduce(guest, siege.witness);
      const counters = async (): Promise<number> => (await siege.port()).counters["txFrames"] ?? 0;
      const before = await counters();
      const device = guest.ram.at(guest.rx.areas[2]);
      const frame = numberedFrame(guest.options.mac, siege.witness.options.mac, 1, 60);
      for (let i = 0; i < 50; i++) {
        for (let word = 0; word < (packed ? 2 : 16); word++) {
          guest.ram.view.setUint16(device + 2 * word, (i * 7919 + word * 104729) & 0xffff, true);
        }
        assert(siege.witness.send(frame));
        await until("the frame to be taken", () => {
          const { witness } = siege;
          return witness.reapTransmit() >= 0 && witness.tx.free === witness.tx.size;
        });
      }
      await until("the frames", async () => await counters() >= before + 50);
      assert.equal((await siege.vring(RX)).state, "running");
    });
  }
  await step("memory that must not be written to", "map-failed", async () => {
    const file = createMemoryFile("guest", 1 << 20, F_SEAL_WRITE);
    const table = bytesOf(1, 0, 1 << 20, 0, 0);
    await closes(siege, (f) => void f.message(id.VHOST_USER_SET_MEM_TABLE, table, [file]));
    closeFd(file);
  });
});

Deno.test("descriptors that do not close, and none to be had", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  const LINGERING: readonly [string, string, number][] = [
    ["with a message that takes none", "fd-count", PLAIN],
    // The first message ends the connection.
    ["never read from the connection", "bad-version", 0],
  ];
  for (const [name, reason, version] of LINGERING) {
    await step(`a socket that lingers, ${name}`, reason, async () => {
      using lingering = new LingeringSocket(LINGER_SECONDS);
      using frontEnd = siege.frontEnd();
      const { errors } = await siege.port();
      // Stopped: the switch has the last descriptor of it, and not this process.
      Deno.kill(siege.process.pid, "SIGSTOP");
      try {
        if (version !== PLAIN) frontEnd.message(id.VHOST_USER_GET_FEATURES, undefined, [], version);
        frontEnd.message(id.VHOST_USER_GET_FEATURES, undefined, [lingering.fd]);
        closeFd(lingering.fd);
      } finally {
        Deno.kill(siege.process.pid, "SIGCONT");
      }
      await until(
        "the connection to end",
        async () => ((await siege.port()).errors[reason] ?? 0) > (errors[reason] ?? 0),
      );
      await nobodyWaits(siege);
      lingering[Symbol.dispose]();
      assert(await frontEnd.closedBySwitch());
    });
  }
  await step("a connection comes when the switch may hold no more descriptors", null, async () => {
    const pid = siege.process.pid;
    const limits = await prlimit(pid, "--nofile", "--output=SOFT,HARD", "--noheadings", "--raw");
    const [soft = "", hard = ""] = limits.trim().split(/\s+/);
    const log = siege.process.log.length;
    // The limit is on numbers: none is to be had, whichever becomes free meanwhile.
    await prlimit(pid, `--nofile=3:${hard}`);
    using frontEnd = siege.frontEnd();
    let asked: Promise<unknown>;
    try {
      asked = callSwitch(siege.process.ctl, "GET", "/v1/switch").catch(() => {});
      await until(
        "an accept to fail",
        () => siege.process.log.slice(log).includes("cannot accept a front-end"),
      );
      await siege.bystanders.check();
    } finally {
      await prlimit(pid, `--nofile=${soft}:${hard}`);
    }
    await asked;
    await until(
      "the control API",
      () => callSwitch(siege.process.ctl, "GET", "/v1/switch").then(() => true, () => false),
    );
    // It waited, too.
    assert.notEqual(await frontEnd.ask(id.VHOST_USER_GET_FEATURES, undefined, [], PLAIN), 0n);
  });
});

async function prlimit(pid: number, ...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command("prlimit", {
    args: ["--pid", String(pid), ...args],
  }).output();
  assert(success);
  return new TextDecoder().decode(stdout);
}

/** The data plane and the control thread go on while something does not close. */
async function nobodyWaits(siege: Besieged): Promise<void> {
  const begin = performance.now();
  await siege.bystanders.check();
  await callSwitch(siege.process.ctl, "GET", "/v1/switch");
  using guest = await siege.guest({ mac: macOf(9) });
  await introduce(guest, siege.witness);
  const took = performance.now() - begin;
  assert(took < 1000 * LINGER_SECONDS, `they waited for ${Math.round(took)} ms`);
}
