/** Requests about memory: which region is meant, and how many a port may have. */
import { strict as assert } from "node:assert";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { makeOffer } from "../../../../lib/vhost/offer.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import { FakeHost, finish, message, NEED_REPLY, replyU64, table, words } from "../fake_host.ts";
import { acknowledged, qemuConnect } from "../front_ends.ts";

interface Region {
  readonly guestAddr: number;
  readonly sizeBytes: number;
  readonly userAddr: number;
}

const MIB = 2 ** 20;
const A: Region = { guestAddr: 0, sizeBytes: 16 * MIB, userAddr: 2 ** 40 };
const B: Region = { guestAddr: 64 * MIB, sizeBytes: 16 * MIB, userAddr: 2 ** 41 };

function connect(regions = 8): { host: FakeHost; session: Session } {
  const host = new FakeHost();
  const session = new Session(host, makeOffer({ budget: { regions } }));
  qemuConnect(session, host);
  return { host, session };
}

function slot({ guestAddr, sizeBytes, userAddr }: Region): Uint8Array {
  return words(0, guestAddr, sizeBytes, userAddr, 0);
}

/** Adds a region. @returns what the front-end is told: 0, it is there */
function add(session: Session, host: FakeHost, region: Region): bigint {
  const request = id.VHOST_USER_ADD_MEM_REG;
  const given = message(request, slot(region), [host.fd("other")], NEED_REPLY);
  return replyU64(session.handle(given), request);
}

function places({ regions }: FakeHost): number[] {
  return regions.map(({ guestAddr }) => guestAddr);
}

Deno.test("a region that is there is the one with the same address here and there, and size", () => {
  const { host, session } = connect();
  assert.equal(add(session, host, A), 0n);
  for (
    const other of [
      { ...A, guestAddr: 32 * MIB },
      { ...A, userAddr: 2 ** 42 },
      { ...A, sizeBytes: 8 * MIB },
    ]
  ) {
    assert.equal(add(session, host, other), 1n, "it overlaps the one that is there");
    acknowledged(session, id.VHOST_USER_REM_MEM_REG, slot(other));
    assert.deepEqual(places(host), [A.guestAddr], "and is not it");
  }
  assert.equal(add(session, host, B), 0n);
  assert.equal(add(session, host, A), 0n, "the same again");
  assert.deepEqual(places(host).sort((a, b) => a - b), [A.guestAddr, B.guestAddr]);
  acknowledged(session, id.VHOST_USER_REM_MEM_REG, slot(A));
  assert.deepEqual(places(host), [B.guestAddr]);
  finish(session, host);
});

Deno.test("a port has no more regions than it may have, one by one or as a table", () => {
  const { host, session } = connect(1);
  assert.equal(add(session, host, A), 0n);
  assert.equal(add(session, host, B), 1n);
  assert.deepEqual(places(host), [A.guestAddr]);
  const fds = [host.fd("other"), host.fd("other")];
  const given = message(id.VHOST_USER_SET_MEM_TABLE, table([A, B]), fds);
  assert.equal(session.handle(given).close?.code, "too-many-regions");
  finish(session, host);
});

Deno.test("a region without its file ends the connection", () => {
  const { host, session } = connect();
  const { close } = session.handle(message(id.VHOST_USER_ADD_MEM_REG, slot(A)));
  assert.equal(close?.code, "fd-count");
  finish(session, host);
});
