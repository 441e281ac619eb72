/** A state on its way through real pipes and sockets, and other ends that do not do their part. */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import {
  closeFd,
  createPipe,
  dupFd,
  fdKind,
  readTenantFd,
  send,
  socketPair,
  writeTenantFd,
} from "../../../../ffi/mod.ts";
import { libc } from "../../../../ffi/symbols.ts";
import type { Reactor } from "../../../../lib/control/reactor.ts";
import { StateTransfer } from "../../../../lib/control/front_end/state_transfer.ts";
import { BlockingPool, TenantFds } from "../../../../lib/control/front_end/tenant_fds.ts";
import type { Refusal } from "../../../../lib/vhost/reasons.ts";
import { onReactor } from "../on_reactor.ts";
import { untilIdle } from "../support.ts";
import { until } from "../../../harness/until.ts";

const MIB = 2 ** 20;
const LONG_MS = 60_000;

function pattern(bytes: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(new ArrayBuffer(bytes));
  for (let i = 0; i < bytes; i++) all[i] = (i * 31 + (i >> 8)) & 0xff;
  return all;
}

class Bench {
  readonly reactor: Reactor;
  readonly blocking = new BlockingPool();
  readonly fds = new TenantFds(this.blocking);

  constructor(reactor: Reactor) {
    this.reactor = reactor;
  }

  save(fd: number, bytes: Uint8Array<ArrayBuffer>): StateTransfer {
    return new StateTransfer(fd, bytes, this.reactor, this.fds);
  }

  load(fd: number, room = MIB): StateTransfer {
    return new StateTransfer(fd, room, this.reactor, this.fds);
  }
}

function bench(run: (bench: Bench) => Promise<void>): Promise<void> {
  return onReactor((reactor) => new Bench(reactor), run, ({ blocking }) => untilIdle(blocking));
}

async function readAll(fd: number): Promise<Uint8Array> {
  const all: number[] = [];
  const piece = new Uint8Array(new ArrayBuffer(100_000));
  for (;;) {
    const got = await readTenantFd(fd, piece);
    assert(got >= 0);
    if (got === 0) return new Uint8Array(all);
    for (const byte of piece.subarray(0, got)) all.push(byte);
  }
}

async function writeAll(fd: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const count = await writeTenantFd(fd, bytes.subarray(at, at + 30_000));
    assert(count > 0);
    at += count;
  }
}

for (const bytes of [1, 65536, MIB]) {
  Deno.test(`StateTransfer saves ${bytes} bytes and ends the file`, () =>
    bench(async (b) => {
      const [out, into] = createPipe();
      const transfer = b.save(into, pattern(bytes));
      assert.deepEqual(await readAll(out), pattern(bytes));
      assert.equal(await transfer.over(LONG_MS), null);
      closeFd(out);
    }));

  Deno.test(`StateTransfer loads ${bytes} bytes up to the file's end`, () =>
    bench(async (b) => {
      const [out, into] = createPipe();
      const transfer = b.load(out);
      await writeAll(into, pattern(bytes));
      assert.equal(transfer.outcome, undefined, "there may be more");
      const over = transfer.over(LONG_MS);
      closeFd(into);
      assert.equal(await over, null);
      assert.deepEqual(transfer.bytes, pattern(bytes));
    }));
}

Deno.test("StateTransfer loads nothing at all", () =>
  bench(async (b) => {
    const [out, into] = createPipe();
    const transfer = b.load(out);
    closeFd(into);
    assert.equal(await transfer.over(LONG_MS), null);
    assert.equal(transfer.bytes.length, 0);
  }));

Deno.test("StateTransfer takes sockets for pipes", () =>
  bench(async (b) => {
    const [near, far] = socketPair();
    const saving = b.save(near, pattern(5000));
    const [left, right] = socketPair();
    const loading = b.load(left);
    assert.equal(await saving.over(LONG_MS), null);
    assert.equal(send(right, pattern(5000)), 5000);
    closeFd(right);
    assert.equal(await loading.over(LONG_MS), null);
    assert.deepEqual(loading.bytes, pattern(5000));
    closeFd(far);
  }));

/** What comes of a transfer whose other end does `what`. */
async function outcome(
  b: Bench,
  transfer: StateTransfer,
  what: () => void | Promise<void>,
  timeoutMs: number,
): Promise<Refusal | null> {
  await what();
  const result = await transfer.over(timeoutMs);
  await until("its descriptor is closed", () => b.fds.waiting === 0);
  return result;
}

Deno.test("StateTransfer ends in time when nobody reads, writes, or ever ends", () =>
  bench(async (b) => {
    const [unread, into] = createPipe();
    const full = await outcome(b, b.save(into, pattern(MIB)), () => {}, 50);
    assert.equal(full?.code, "state-timeout");
    const [out, silent] = createPipe();
    const nothing = await outcome(b, b.load(out), () => {}, 50);
    assert.equal(nothing?.code, "state-timeout");
    const [half, endless] = createPipe();
    const write = (): Promise<void> => writeAll(endless, pattern(100));
    assert.equal((await outcome(b, b.load(half), write, 50))?.code, "state-timeout");
    for (const fd of [unread, silent, endless]) closeFd(fd);
  }));

Deno.test("StateTransfer refuses what is longer than its room, at once", () =>
  bench(async (b) => {
    const [out, into] = createPipe();
    const transfer = b.load(out, 1000);
    await writeAll(into, pattern(1000));
    await writeAll(into, pattern(1));
    await until("the byte too many", () => transfer.outcome !== undefined);
    assert.equal(transfer.outcome?.code, "state-too-long");
    closeFd(into);
    const [exact, end] = createPipe();
    const fits = b.load(exact, 1000);
    await writeAll(end, pattern(1000));
    closeFd(end);
    assert.equal(await fits.over(LONG_MS), null);
  }));

Deno.test("StateTransfer says that the other end closed before all was read", () =>
  bench(async (b) => {
    const [out, into] = createPipe();
    const transfer = b.save(into, pattern(MIB));
    await readTenantFd(out, new Uint8Array(new ArrayBuffer(1000)));
    closeFd(out);
    assert.equal((await transfer.over(LONG_MS))?.code, "state-unread");
    const [near, far] = socketPair();
    const hungUp = b.save(near, pattern(MIB));
    closeFd(far);
    assert(["state-unread", "state-io"].includes((await hungUp.over(LONG_MS))?.code ?? ""));
  }));

Deno.test("StateTransfer through the wrong end of a pipe never begins, and ends in time", () =>
  bench(async (b) => {
    const [out, into] = createPipe();
    // Epoll never calls these ends ready, or at once for what they cannot do.
    const saved = await b.save(out, pattern(10)).over(50);
    assert(["state-timeout", "state-unread", "state-io"].includes(saved?.code ?? ""), saved?.code);
    const loaded = await b.load(into).over(50);
    assert(["state-timeout", "state-io"].includes(loaded?.code ?? ""), loaded?.code);
  }));

Deno.test("StateTransfer is not held up by a pipe that is made blocking again", () =>
  bench(async (b) => {
    const [out, into] = createPipe();
    const again = dupFd(into);
    const transfer = b.save(into, pattern(MIB));
    for (let i = 0; i < 2000; i++) libc.fcntl(again, 4, 0);
    // A write that blocked would never let this thread come here: nobody reads yet.
    await delay(1);
    const over = transfer.over(LONG_MS);
    closeFd(again);
    assert.deepEqual(await readAll(out), pattern(MIB));
    assert.equal(await over, null);
    closeFd(out);
  }));

Deno.test("StateTransfer that is given up closes its descriptor and tells who asked", () =>
  bench(async (b) => {
    const [out, into] = createPipe();
    const transfer = b.load(out);
    const over = transfer.over(LONG_MS);
    transfer.close();
    assert.equal((await over)?.code, "state-given-up");
    await until("the descriptor is closed", () => fdKind(out) === "other");
    transfer.close();
    closeFd(into);
  }));
