/** Inflight messages: areas of the right size, regions for the right rings, nothing kept too long. */
import { strict as assert } from "node:assert";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import { BIT } from "../../../../lib/vhost/features/bits.ts";
import {
  accept,
  FakeHost,
  finish,
  message,
  PLAIN,
  replyPayload,
  state,
  words,
} from "../fake_host.ts";
import { QEMU_PACKED, QEMU_SPLIT, qemuConnect, qemuStart } from "../front_ends.ts";

/** The payload of both messages. */
function area(queues: number, entries: number, sizeBytes = 0n, offset = 0n): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, sizeBytes, true);
  view.setBigUint64(8, offset, true);
  view.setUint16(16, queues, true);
  view.setUint16(18, entries, true);
  return bytes;
}

function running(features: bigint): { session: Session; host: FakeHost } {
  const host = new FakeHost();
  const session = new Session(host);
  qemuConnect(session, host);
  qemuStart(session, host, { features });
  return { session, host };
}

/** Asks for an area. @returns its bytes as the reply says */
function get(session: Session, host: FakeHost, queues: number, entries: number): bigint {
  const outcome = session.handle(
    message(id.VHOST_USER_GET_INFLIGHT_FD, area(queues, entries, 99n, 98n)),
  );
  const reply = replyPayload(outcome, id.VHOST_USER_GET_INFLIGHT_FD);
  assert.equal(reply.byteLength, 24);
  assert.equal(reply.getBigUint64(8, true), 0n);
  assert.deepEqual([reply.getUint16(16, true), reply.getUint16(18, true)], [queues, entries]);
  assert.equal(outcome.fds?.length, 1);
  for (const fd of outcome.fds ?? []) host.closeFd(fd);
  return reply.getBigUint64(0, true);
}

function code(session: Session, host: FakeHost, request: number, payload: Uint8Array): string {
  const fds = request === id.VHOST_USER_SET_INFLIGHT_FD ? [host.fd("other")] : [];
  const { close } = session.handle(message(request, payload, fds, PLAIN));
  return close?.code ?? "";
}

Deno.test("an area has a region for each queue, of the ring's kind", () => {
  for (const [features, bytes] of [[QEMU_SPLIT, 4160n], [QEMU_PACKED, 8256n]] as const) {
    const { session, host } = running(features);
    assert.equal(get(session, host, 2, 256), 2n * bytes);
    assert.equal(get(session, host, 64, 256), 64n * bytes);
    finish(session, host);
  }
  // Before the kind of ring is known, either must fit.
  const host = new FakeHost();
  const session = new Session(host);
  qemuConnect(session, host);
  assert.equal(get(session, host, 1, 256), 8256n);
  finish(session, host);
});

Deno.test("who cannot be given an area is told why, and nothing is left of it", () => {
  const { session, host } = running(QEMU_SPLIT);
  const open = host.open.size;
  host.createInflight = () => ({ code: "bad-inflight", detail: "there is no memory" });
  assert.equal(code(session, host, id.VHOST_USER_GET_INFLIGHT_FD, area(2, 256)), "bad-inflight");
  assert.equal(host.open.size, open);
  finish(session, host);
});

Deno.test("an area that comes while rings run takes them over where they are", () => {
  const { session, host } = running(QEMU_SPLIT);
  host.positions.set(0, { availIndex: 9, availWrap: 1, usedIndex: 9, usedWrap: 1 });
  assert.equal(host.plans.get(0)?.region, null);
  const given = area(1, 256, 4160n, 64n);
  accept(session, message(id.VHOST_USER_SET_INFLIGHT_FD, given, [host.fd("other")]));
  assert.deepEqual(host.inflight, { offset: 64, sizeBytes: 4160 });
  assert.equal(host.running.size, 2);
  assert.deepEqual(host.plans.get(0)?.region, { offset: 0, entries: 256 });
  assert.equal(host.plans.get(0)?.exact, true);
  assert.equal(host.plans.get(0)?.position.usedIndex, 9);
  assert.equal(host.plans.get(1)?.region, null, "the area has one region only");
  finish(session, host);
});

Deno.test("a ring larger than its region cannot start", () => {
  const { session, host } = running(QEMU_SPLIT);
  assert.equal(
    code(session, host, id.VHOST_USER_SET_INFLIGHT_FD, area(2, 128, 65536n)),
    "bad-inflight",
  );
  finish(session, host);
});

Deno.test("numbers that no area has end the connection", () => {
  const cases: readonly [number, Uint8Array][] = [
    [id.VHOST_USER_GET_INFLIGHT_FD, area(0, 256)],
    [id.VHOST_USER_GET_INFLIGHT_FD, area(65, 256)],
    [id.VHOST_USER_GET_INFLIGHT_FD, area(65535, 256)],
    [id.VHOST_USER_GET_INFLIGHT_FD, area(2, 0)],
    [id.VHOST_USER_GET_INFLIGHT_FD, area(2, 32769)],
    [id.VHOST_USER_SET_INFLIGHT_FD, area(0, 256, 65536n)],
    [id.VHOST_USER_SET_INFLIGHT_FD, area(65, 256, 2n ** 30n)],
    [id.VHOST_USER_SET_INFLIGHT_FD, area(2, 0, 65536n)],
    [id.VHOST_USER_SET_INFLIGHT_FD, area(2, 256, 8319n)],
    [id.VHOST_USER_SET_INFLIGHT_FD, area(2, 256, 2n ** 63n)],
    // Address space is everybody's: one area may not have all of it.
    [id.VHOST_USER_SET_INFLIGHT_FD, area(2, 256, 2n ** 30n + 1n)],
    [id.VHOST_USER_SET_INFLIGHT_FD, area(1, 1, 2n ** 44n)],
    [id.VHOST_USER_SET_INFLIGHT_FD, area(2, 256, 65536n, 8n)],
    [id.VHOST_USER_SET_INFLIGHT_FD, area(2, 256, 65536n, 2n ** 60n)],
  ];
  for (const [request, payload] of cases) {
    const { session, host } = running(QEMU_SPLIT);
    const before = host.running.size;
    assert.equal(code(session, host, request, payload), "bad-inflight");
    assert.equal(host.running.size, before);
    finish(session, host);
  }
});

Deno.test("an area may be rounded up to huge pages", () => {
  const { session, host } = running(QEMU_SPLIT);
  const given = area(2, 256, 2n ** 30n);
  accept(session, message(id.VHOST_USER_SET_INFLIGHT_FD, given, [host.fd("other")]));
  assert.equal(host.inflight?.sizeBytes, 2 ** 30);
  finish(session, host);
});

Deno.test("what the host refuses is refused, and the old area stays", () => {
  const { session, host } = running(QEMU_SPLIT);
  host.refuseMemory = { code: "region-past-eof", detail: "too short" };
  const given = area(2, 256, 65536n);
  assert.equal(code(session, host, id.VHOST_USER_SET_INFLIGHT_FD, given), "region-past-eof");
  assert.equal(session.device.inflight, null);
  finish(session, host);
});

Deno.test("without the protocol feature there is no tracking", () => {
  const { session, host } = running(QEMU_SPLIT);
  session.device.protocolFeatures &= ~(1n << BigInt(BIT.VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD));
  assert.equal(code(session, host, id.VHOST_USER_GET_INFLIGHT_FD, area(2, 256)), "not-negotiated");
  assert.equal(
    code(session, host, id.VHOST_USER_SET_INFLIGHT_FD, area(2, 256, 65536n)),
    "not-negotiated",
  );
  finish(session, host);
});

Deno.test("a front-end that says new may have lost its back-end, unless it was told before", () => {
  const { session, host } = running(QEMU_PACKED);
  assert.equal(host.plans.get(0)?.claimedNew, true);
  session.handle(message(id.VHOST_USER_GET_VRING_BASE, state(0, 0)));
  accept(session, message(id.VHOST_USER_SET_VRING_BASE, state(0, 0x80008000)));
  accept(session, message(id.VHOST_USER_SET_VRING_KICK, words(0), [host.fd()]));
  assert.equal(host.running.has(0), true);
  assert.equal(host.plans.get(0)?.claimedNew, false);
  finish(session, host);
});

Deno.test("a front-end that asks where a ring stands, or resets it, ends its record", () => {
  const { session, host } = running(QEMU_PACKED);
  const reply = session.handle(message(id.VHOST_USER_GET_VRING_BASE, state(1, 0)));
  assert(reply.reply);
  assert.deepEqual(host.forgotten, [1]);
  accept(session, message(id.VHOST_USER_RESET_DEVICE));
  assert(host.forgotten.includes(0));
  const { session: lost, host: other } = running(QEMU_PACKED);
  finish(lost, other);
  assert.deepEqual(other.forgotten, [], "a lost connection does not");
  finish(session, host);
});
