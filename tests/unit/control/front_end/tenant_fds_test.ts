/** Descriptors whose owner makes a call on them block: nobody else waits for that. */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import {
  createEventFd,
  drainEventFd,
  drainTenantEventFd,
  fdKind,
  signalEventFd,
  socketPair,
} from "../../../../ffi/mod.ts";
import { Reactor } from "../../../../lib/control/reactor.ts";
import {
  BlockingPool,
  CALLS_MAX,
  OWN_THREADS_MAX,
  POOL_CLOSES_MAX,
  TenantFds,
} from "../../../../lib/control/front_end/tenant_fds.ts";
import { WAIT_MS_MAX } from "../../../harness/until.ts";
import { held, untilHeld, untilIdle } from "../support.ts";
import { LingeringSocket } from "../../../harness/linger.ts";
import { fullEventFd } from "../../../harness/fds.ts";
import { until } from "../../../harness/until.ts";

Deno.test("TenantFds closes eventfds at once and other descriptors soon", async () => {
  const before = held();
  const pool = new BlockingPool();
  const fds = new TenantFds(pool);
  const eventFd = createEventFd();
  fds.close(eventFd);
  assert.equal(fdKind(eventFd), "other", "it is closed");
  for (const fd of socketPair()) fds.close(fd);
  assert.equal(fds.waiting, 2);
  await untilIdle(pool);
  assert.equal(fds.waiting, 0);
  await untilHeld(before);
});

Deno.test("TenantFds signals an eventfd before it closes it", async () => {
  const order: string[] = [];
  const releases: (() => void)[] = [];
  const call = (what: string) => (fd: number): Promise<void> => {
    order.push(`${what} ${fd}`);
    return new Promise((resolve) => releases.push(resolve));
  };
  const pool = new BlockingPool({
    close: call("close"),
    closeAlone: () => null,
    signal: call("signal"),
  });
  const fds = new TenantFds(pool);
  fds.signal(1001);
  fds.close(1001);
  fds.close(1002);
  assert.deepEqual(order, ["signal 1001"]);
  for (const expected of [2, 3, 3]) {
    releases.shift()?.();
    await until("the next call is made", () => order.length === expected);
  }
  assert.deepEqual(order, ["signal 1001", "close 1001", "close 1002"]);
  await until("nothing waits", () => fds.waiting === 0);
});

Deno.test("BlockingPool bounds calls under way and gives ports turns", async () => {
  const calls: number[] = [];
  const releases: (() => void)[] = [];
  const pool = new BlockingPool({
    close: (fd) => {
      calls.push(fd);
      return new Promise((resolve) => releases.push(resolve));
    },
    closeAlone: () => null,
    signal: () => Promise.resolve(),
  });
  // No descriptors of this process: numbers far beyond them.
  const ports = Array.from({ length: CALLS_MAX + 5 }, () => new TenantFds(pool));
  for (let round = 0; round < 3; round++) {
    ports.forEach((port, i) => port.close(10_000 + 100 * i + round));
  }
  assert.equal(pool.running, POOL_CLOSES_MAX);
  assert.equal(
    new Set(calls.map((fd) => Math.floor(fd / 100))).size,
    POOL_CLOSES_MAX,
    "one call per port",
  );
  while (releases.length > 0) {
    releases.shift()?.();
    await delay(0);
    assert(pool.running <= POOL_CLOSES_MAX);
  }
  assert.equal(calls.length, 3 * ports.length);
  for (const [i, port] of ports.entries()) {
    assert.equal(port.waiting, 0);
    const mine = calls.filter((fd) => Math.floor((fd - 10_000) / 100) === i);
    assert.deepEqual(
      mine,
      [0, 1, 2].map((round) => 10_000 + 100 * i + round),
      "first in, first out",
    );
  }
});

Deno.test("a tenant that blocks every call on its descriptors keeps the reactor going", async () => {
  const before = held();
  const pool = new BlockingPool();
  const ports = Array.from({ length: 40 }, () => new TenantFds(pool));
  const full = ports.map((port) => {
    const fd = fullEventFd();
    port.signal(fd);
    return fd;
  });
  await until("as many calls as may block do", () => pool.running === CALLS_MAX);
  // The reactor waits on the same pool of threads.
  const reactor = new Reactor((error) => {
    throw error;
  });
  const fd = createEventFd();
  let turns = 0;
  reactor.add(fd, () => {
    drainEventFd(fd);
    if (++turns < 100) signalEventFd(fd);
  });
  signalEventFd(fd);
  await until("the reactor made its turns", () => turns === 100);
  reactor.remove(fd);
  await reactor.close();
  full.forEach((eventFd, i) => {
    drainTenantEventFd(eventFd);
    ports[i]?.close(eventFd);
  });
  new TenantFds(pool).close(fd);
  // Emptied, each takes its signal and is closed.
  await untilIdle(pool);
  assert(ports.every((port) => port.waiting === 0));
  await untilHeld(before);
});

Deno.test("BlockingPool tells when the last call has ended, and waits no longer than is allowed", async () => {
  const releases: (() => void)[] = [];
  const blocked = (): Promise<void> => new Promise((resolve) => releases.push(resolve));
  const pool = new BlockingPool({ close: blocked, closeAlone: () => null, signal: blocked });
  assert.equal(await pool.idle(0), true, "nothing was begun");
  const [one, two] = [new TenantFds(pool), new TenantFds(pool)];
  for (const fds of [one, one, two]) fds.signal(10_000);
  assert.equal(await pool.idle(1), false, "a tenant blocks them");
  let idle = false;
  const over = pool.idle(WAIT_MS_MAX).then((is) => idle = is);
  for (let ended = 0; ended < 3; ended++) {
    assert.equal(idle, false, `${ended} of three calls have ended`);
    await until("a call is under way", () => releases.length > 0);
    releases.shift()?.();
    await delay(0);
  }
  await over;
  assert.deepEqual([idle, one.waiting, two.waiting], [true, 0, 0]);
});

Deno.test("however many ports have closes that block, others close and signal at once", async () => {
  const before = held();
  const pool = new BlockingPool();
  const lingering = Array.from({ length: 40 }, () => new LingeringSocket(600));
  const hostile = lingering.map(({ fd }) => {
    const fds = new TenantFds(pool);
    fds.close(fd);
    return fds;
  });
  try {
    assert.equal(pool.running, 40, "each has a place of its own");
    const honest = new TenantFds(pool);
    for (const fd of socketPair()) honest.close(fd);
    const eventFd = createEventFd();
    honest.signal(eventFd);
    honest.close(eventFd);
    await until("another port's are closed", () => honest.waiting === 0);
    assert.deepEqual(hostile.map(({ waiting }) => waiting), hostile.map(() => 1));
  } finally {
    for (const each of lingering) each[Symbol.dispose]();
  }
  await untilIdle(pool);
  await untilHeld(before);
});

Deno.test("where no thread is to be had a close waits for a place, and what is no close does not", async () => {
  const releases: (() => void)[] = [];
  const blocked = (): Promise<void> => new Promise((resolve) => releases.push(resolve));
  let alone = 0;
  const pool = new BlockingPool({
    close: blocked,
    closeAlone: () => ++alone <= 3 ? blocked() : null,
    signal: () => Promise.resolve(),
  });
  const ports = Array.from({ length: POOL_CLOSES_MAX + 4 }, () => new TenantFds(pool));
  // No descriptors of this process.
  ports.forEach((port, i) => port.close(100_000 + i));
  assert.equal(pool.running, POOL_CLOSES_MAX + 3);
  const other = new TenantFds(pool);
  other.signal(100_100);
  await until("the signal went out", () => other.waiting === 0);
  releases.shift()?.();
  await until("the last close has the place", () => releases.length === POOL_CLOSES_MAX + 3);
  while (releases.length > 0) {
    releases.shift()?.();
    await delay(0);
  }
  await until("all are closed", () => ports.every((port) => port.waiting === 0));
  assert(OWN_THREADS_MAX >= 256 + 8);
});
