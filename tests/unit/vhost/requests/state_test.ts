/** Requests that move a port's state: when they may come, and what they answer. */
import { strict as assert } from "node:assert";
import type { Refusal } from "../../../../lib/vhost/reasons.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import { SessionBench } from "../session_bench.ts";
import { FakeHost, type FdKind, finish, message, replyU64, state, words } from "../fake_host.ts";
import { getBase, QEMU_SPLIT, qemuConnect, qemuEnable, qemuStart } from "../front_ends.ts";

const SET = id.VHOST_USER_SET_DEVICE_STATE_FD;
const CHECK = id.VHOST_USER_CHECK_DEVICE_STATE;
/** The front-end's own descriptor is used; and something was wrong. */
const OWN = 0x100n;
const FAILED = 0x101n;
const WHY: Refusal = { code: "state-corrupted", detail: "its checksum is wrong" };

class Bench extends SessionBench {
  constructor() {
    super();
    qemuConnect(this.session, this.host);
  }

  run(): this {
    qemuEnable(this.session, 1, false);
    qemuStart(this.session, this.host, { features: QEMU_SPLIT });
    return this;
  }

  set(direction: number, phase = 0, kinds: readonly FdKind[] = ["pipe"]): bigint {
    const fds = kinds.map((kind) => this.host.fd(kind));
    const answer = replyU64(this.session.handle(message(SET, state(direction, phase), fds)), SET);
    assert(
      fds.every((fd) => !this.host.open.has(fd)),
      "the descriptor went to the host, or is closed",
    );
    return answer;
  }

  check(): bigint {
    return replyU64(this.session.handle(message(CHECK)), CHECK);
  }

  transfers(): string[] {
    return this.host.journal.filter((line) => line === "save" || line === "load");
  }
}

Deno.test("state is saved and loaded while no ring is started", () => {
  const b = new Bench();
  assert.equal(b.set(0), OWN);
  assert.equal(b.check(), 0n);
  assert.equal(b.set(1), OWN);
  assert.equal(b.check(), 0n);
  b.run();
  getBase(b.session, 0);
  getBase(b.session, 1);
  assert.equal(b.set(0), OWN, "suspended after having run");
  assert.deepEqual(b.transfers(), ["save", "load", "save"]);
  b.end();
});

Deno.test("state of a port whose rings are started is neither saved nor loaded", () => {
  const b = new Bench().run();
  for (const direction of [0, 1]) assert.equal(b.set(direction), FAILED);
  getBase(b.session, 0);
  assert.equal(b.set(1), FAILED, "one ring is left");
  assert.equal(b.check(), 1n);
  getBase(b.session, 1);
  assert.equal(b.check(), 0n);
  assert.deepEqual(b.transfers(), []);
  assert.equal(b.host.journal.filter((line) => line === "log not-suspended").length, 4);
  b.end();
});

Deno.test("a transfer begun before the rings started is not in force after it", () => {
  const b = new Bench();
  assert.equal(b.set(1), OWN);
  b.run();
  assert.equal(b.check(), 1n);
  b.end();
});

Deno.test("directions, phases and descriptors that are none are refused in the reply", () => {
  const b = new Bench();
  for (const direction of [2, 0xffff_ffff]) assert.equal(b.set(direction), FAILED);
  for (const phase of [1, 0xffff_ffff]) assert.equal(b.set(0, phase), FAILED);
  assert.equal(b.set(0, 0, []), FAILED);
  assert.deepEqual(b.transfers(), []);
  b.host.refuseTransfer = { code: "not-pipe", detail: "neither pipe nor socket" };
  assert.equal(b.set(0, 0, ["other"]), FAILED);
  assert.equal(b.set(1), FAILED);
  b.end();
});

Deno.test("what was wrong with a state is said by CHECK_DEVICE_STATE, and the session goes on", () => {
  const b = new Bench();
  b.host.transfer = WHY;
  assert.equal(b.check(), 1n);
  assert(b.host.journal.includes("log state-corrupted"));
  b.host.transfer = null;
  assert.equal(b.check(), 0n);
  assert.equal(b.run().host.link, true);
  b.end();
});

Deno.test("an answer may be late; it is made then", async () => {
  for (const [outcome, expected] of [[null, 0n], [WHY, 1n]] as const) {
    const b = new Bench();
    b.host.transfer = Promise.resolve(outcome);
    const { later, reply, close } = b.session.handle(message(CHECK));
    assert.deepEqual([reply, close], [undefined, undefined]);
    assert(later);
    assert.equal(replyU64(await later, CHECK), expected);
    b.end();
  }
});

Deno.test("state is not moved by who did not negotiate it", () => {
  const host = new FakeHost();
  const session = new Session(host);
  const given = message(SET, words(0), [host.fd("pipe")]);
  assert.equal(session.handle(given).close?.code, "not-negotiated");
  finish(session, host);
});
