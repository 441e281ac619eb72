/** Device status: what a driver may believe, and what its reset leaves as it was. */
import { strict as assert } from "node:assert";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { makeOffer } from "../../../../lib/vhost/offer.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import { accept, FakeHost, finish, message, words } from "../fake_host.ts";
import {
  getBase,
  getU64,
  QEMU_PACKED,
  QEMU_SPLIT,
  qemuConnect,
  qemuEnable,
  qemuStart,
} from "../front_ends.ts";

const FEATURES_OK = 0x8;
const VERSION_1 = 1n << 32n;

function status(session: Session): number {
  return Number(getU64(session, id.VHOST_USER_GET_STATUS));
}

Deno.test("FEATURES_OK stays only if the features go together", () => {
  const cases: [bigint | null, boolean][] = [
    [null, false],
    [QEMU_SPLIT, true],
    [QEMU_PACKED, true],
    [QEMU_SPLIT & ~VERSION_1, true],
    [QEMU_PACKED & ~VERSION_1, false],
    [(1n << 40n) | (QEMU_SPLIT & ~VERSION_1), false],
    [(1n << 40n) | QEMU_SPLIT, true],
  ];
  for (const [features, good] of cases) {
    const host = new FakeHost();
    const session = new Session(host, makeOffer({ offer: ["ring-reset"] }));
    qemuConnect(session, host);
    if (features !== null) accept(session, message(id.VHOST_USER_SET_FEATURES, words(features)));
    accept(session, message(id.VHOST_USER_SET_STATUS, words(0xb)));
    assert.equal(status(session), good ? 0xb : 0xb & ~FEATURES_OK, `${features?.toString(16)}`);
    finish(session, host);
  }
});

Deno.test("status is a byte, and 0 leaves rings running for who asks where they stand", () => {
  const host = new FakeHost();
  const session = new Session(host);
  qemuConnect(session, host);
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  accept(session, message(id.VHOST_USER_SET_STATUS, words(0xffff_ff4fn)));
  assert.equal(status(session), 0x4f);
  accept(session, message(id.VHOST_USER_SET_STATUS, words(0)));
  assert.equal(host.running.size, 2);
  assert.equal(status(session), 0);
  host.positions.set(1, { availIndex: 77, availWrap: 1, usedIndex: 77, usedWrap: 1 });
  assert.equal(getBase(session, 1), 77);
  finish(session, host);
});

Deno.test("RESET_OWNER changes nothing, RESET_DEVICE all but connection and memory", () => {
  const host = new FakeHost();
  const session = new Session(host);
  qemuConnect(session, host);
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  accept(session, message(id.VHOST_USER_RESET_OWNER));
  assert.equal(host.running.size, 2);
  assert.equal(host.link, true);
  assert.equal(session.device.suspended, false);
  accept(session, message(id.VHOST_USER_RESET_DEVICE));
  assert.equal(host.running.size, 0);
  assert.equal(session.device.suspended, true);
  assert.equal(status(session), 0);
  assert.equal(host.regions.length, 1);
  assert.equal(session.device.protocolFeatures, session.device.offer.protocolFeatures);
  // All over again, on the same connection.
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features: QEMU_PACKED });
  assert.equal(host.link, true);
  finish(session, host);
});
