// deno-lint-ignore-file no-non-null-assertion
/**
 * Live migration as a session sees it: the dirty log switched on and off while rings run, and the
 * announcement of a guest that has moved.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { DEFAULT_OFFER } from "../../../../lib/vhost/offer.ts";
import { type Outcome, Session } from "../../../../lib/vhost/session.ts";
import { LOG_BY_PLACE, LOG_OFF } from "../../../../lib/virtio/ring.ts";
import {
  accept,
  addr,
  FakeHost,
  finish,
  message,
  NEED_REPLY,
  replyU64,
  words,
} from "../fake_host.ts";
import {
  acknowledged,
  PACKED_RINGS,
  QEMU_BYTES,
  QEMU_HVA,
  QEMU_PACKED,
  QEMU_SPLIT,
  qemuConnect,
  qemuEnable,
  qemuStart,
  qemuStop,
  type RingPlace,
  SPLIT_RINGS,
} from "../front_ends.ts";

const LOG_ALL = 1n << 26n;
const LOG_BYTES = 0x1800;
const MAC = 0x0161_6100_5452n;
const MAC_WORDS = `${0x6100_5452} ${0x0161}`;

function started(features = QEMU_SPLIT): { host: FakeHost; session: Session } {
  const host = new FakeHost();
  const session = new Session(host);
  qemuConnect(session, host);
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features });
  host.journal.length = 0;
  return { host, session };
}

/** SET_LOG_BASE as QEMU sends it. */
function setLogBase(session: Session, host: FakeHost, bytes = LOG_BYTES, offset = 0): void {
  const payload = words(bytes, offset);
  const given = message(id.VHOST_USER_SET_LOG_BASE, payload, [host.fd("other")]);
  assert.equal(replyU64(session.handle(given), id.VHOST_USER_SET_LOG_BASE), 0n);
}

/** SET_VRING_ADDR of an unchanged ring, with its log address. */
function loggedAddr(index: number, ring: RingPlace, flags: number): Uint8Array {
  const { desc, used, avail } = ring;
  const bytes = addr(index, QEMU_HVA + desc, QEMU_HVA + used, QEMU_HVA + avail);
  const view = new DataView(bytes.buffer);
  view.setUint32(4, flags, true);
  view.setBigUint64(32, BigInt(used), true);
  return bytes;
}

for (const packed of [false, true]) {
  Deno.test(`session logs for QEMU, twice, and no ring stops, ${packed ? "packed" : "split"}`, () => {
    const features = packed ? QEMU_PACKED : QEMU_SPLIT;
    const { host, session } = started(features);
    const rings = packed ? PACKED_RINGS : SPLIT_RINGS;
    for (const bytes of [LOG_BYTES, 2 * LOG_BYTES]) {
      setLogBase(session, host, bytes);
      assert.deepEqual(host.logArea, { sizeBytes: bytes, mmapOffset: 0 });
      acknowledged(session, id.VHOST_USER_SET_FEATURES, words(features | LOG_ALL));
      rings.forEach((ring, index) => {
        acknowledged(session, id.VHOST_USER_SET_VRING_ADDR, loggedAddr(index, ring, 1));
        assert.equal(host.ringLogs.get(index), ring.used);
      });
      assert.equal(host.logAll, true);
      acknowledged(session, id.VHOST_USER_SET_FEATURES, words(features));
      rings.forEach((ring, index) => {
        acknowledged(session, id.VHOST_USER_SET_VRING_ADDR, loggedAddr(index, ring, 0));
        assert.equal(host.ringLogs.get(index), LOG_OFF);
      });
    }
    const once = [
      "log all on",
      ...rings.map(({ used }, index) => `log ${index} ${used}`),
      "log all off",
      ...rings.map((_, index) => `log ${index} off`),
    ];
    const journal = host.journal.filter((line) => line !== "log dirty-log");
    assert.deepEqual(journal, [...once, ...once]);
    finish(session, host);
  });
}

Deno.test("session logs a ring from its start when the front-end says so before", () => {
  const { host, session } = started();
  setLogBase(session, host);
  qemuStop(session);
  accept(session, message(id.VHOST_USER_SET_VRING_ADDR, loggedAddr(0, SPLIT_RINGS[0]!, 1)));
  assert.equal(host.running.size, 0);
  accept(session, message(id.VHOST_USER_SET_VRING_KICK, words(0), [host.fd()]));
  assert.equal(host.running.get(0)?.logGuestAddr, SPLIT_RINGS[0]!.used);
  finish(session, host);
});

Deno.test("session counts no memory as written for a ring that is to be logged and did not run", () => {
  const { host, session } = started();
  qemuStop(session);
  accept(session, message(id.VHOST_USER_SET_VRING_ADDR, loggedAddr(0, SPLIT_RINGS[0]!, 1)));
  host.journal.length = 0;
  setLogBase(session, host);
  assert.deepEqual(host.journal.filter((line) => line === "all dirty"), []);
  finish(session, host);
});

Deno.test("session moves a running ring whose address changes, its log too", () => {
  const { host, session } = started();
  const moved = { ...SPLIT_RINGS[0]!, used: SPLIT_RINGS[0]!.used + 0x1000 };
  accept(session, message(id.VHOST_USER_SET_VRING_ADDR, loggedAddr(0, moved, 1)));
  assert.deepEqual(host.journal, ["stop 0", "start 0"]);
  assert.equal(host.running.get(0)?.logGuestAddr, moved.used);
  finish(session, host);
});

Deno.test("session stops logging when the device is reset", () => {
  const { host, session } = started();
  setLogBase(session, host);
  accept(session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT | LOG_ALL)));
  accept(session, message(id.VHOST_USER_RESET_DEVICE));
  assert.equal(host.logAll, false);
  assert.equal(session.device.vring(0).logGuestAddr, null);
  finish(session, host);
});

Deno.test("session ignores the log address of a ring that is not to be logged", () => {
  const { host, session } = started();
  const bytes = loggedAddr(0, SPLIT_RINGS[0]!, 0);
  new DataView(bytes.buffer).setBigUint64(32, ~0n, true);
  accept(session, message(id.VHOST_USER_SET_VRING_ADDR, bytes));
  assert.equal(host.ringLogs.get(0), LOG_OFF);
  new DataView(bytes.buffer).setUint32(4, 1, true);
  const { close } = session.handle(message(id.VHOST_USER_SET_VRING_ADDR, bytes));
  assert.equal(close?.code, "bad-log-address");
  finish(session, host);
});

/** Sizes and offsets that no log has. */
const BAD_AREAS: readonly (readonly (number | bigint)[])[] = [
  [0, 0],
  [2 ** 30 + 1, 0],
  [~0n & 0xffff_ffff_ffff_ffffn, 0],
  [4096, 2n ** 53n - 4096n],
  [4096, ~0n & 0xffff_ffff_ffff_ffffn],
];

Deno.test("a log that cannot be one is refused to who asks for an answer, and nothing of it stays", () => {
  for (const area of BAD_AREAS) {
    const { host, session } = started();
    const give = (flags?: number): Outcome => {
      const fds = [host.fd("other")];
      return session.handle(message(id.VHOST_USER_SET_LOG_BASE, words(...area), fds, flags));
    };
    const { close, reply } = give(NEED_REPLY);
    assert.equal(close, undefined);
    assert.deepEqual(reply, id.encodeMessage(id.VHOST_USER_SET_LOG_BASE, 5, id.encodeU64(1n)));
    assert.equal(host.running.size, 2, "the rings run on");
    setLogBase(session, host);
    // QEMU takes any answer for success: it is better off without a back-end.
    assert.equal(give().close?.code, "bad-log");
    finish(session, host);
  }
});

Deno.test("session closes on a SET_LOG_BASE that is no such message, and holds nothing of it", () => {
  const bad: readonly [string, number[], number][] = [
    ["bad-size", [4096], 1],
    ["fd-count", [4096, 0], 0],
    ["fd-count", [4096, 0], 2],
  ];
  for (const [code, payload, fds] of bad) {
    const { host, session } = started();
    const numbers = Array.from({ length: fds }, () => host.fd("other"));
    const given = message(id.VHOST_USER_SET_LOG_BASE, words(...payload), numbers, NEED_REPLY);
    assert.equal(session.handle(given).close?.code, code);
    finish(session, host);
  }
  const { host, session } = started();
  host.refuseLog = { code: "bad-memory-kind", detail: "no memory" };
  const given = message(id.VHOST_USER_SET_LOG_BASE, words(LOG_BYTES, 0), [host.fd("other")]);
  assert.equal(session.handle(given).close?.code, "bad-memory-kind");
  finish(session, host);
});

Deno.test("a log that cannot be had is an error to who asked for a number, and the rest goes on", () => {
  const { host, session } = started();
  const give = (): Uint8Array | undefined => {
    const payload = words(LOG_BYTES, 0);
    const fds = [host.fd("other")];
    return session.handle(message(id.VHOST_USER_SET_LOG_BASE, payload, fds, NEED_REPLY)).reply;
  };
  host.refuseLog = { code: "map-failed", detail: "no memory" };
  assert.deepEqual(give(), id.encodeMessage(id.VHOST_USER_SET_LOG_BASE, 5, id.encodeU64(1n)));
  assert.equal(host.running.size, 2);
  host.refuseLog = null;
  assert.deepEqual(give(), id.encodeMessage(id.VHOST_USER_SET_LOG_BASE, 5, id.encodeU64(0n)));
  finish(session, host);
});

Deno.test("session refuses a log that is too short for guest memory", () => {
  for (const [bytes, code] of [[LOG_BYTES - 1, "log-too-short"], [LOG_BYTES, undefined]] as const) {
    const { host, session } = started();
    const given = message(id.VHOST_USER_SET_LOG_BASE, words(bytes, 0), [host.fd("other")]);
    assert.equal(session.handle(given).close?.code, code);
    finish(session, host);
  }
});

Deno.test("session refuses a log that is far longer than guest memory needs, with and without memory", () => {
  const most = 2 * LOG_BYTES + 2 ** 21;
  for (const [bytes, code] of [[most, undefined], [most + 1, "bad-log"]] as const) {
    const { host, session } = started();
    const given = message(id.VHOST_USER_SET_LOG_BASE, words(bytes, 0), [host.fd("other")]);
    assert.equal(session.handle(given).close?.code, code);
    finish(session, host);
  }
  // A TiB may come.
  const first = 2 * 2 ** 25 + 2 ** 21;
  for (const [bytes, code] of [[first, undefined], [first + 1, "bad-log"]] as const) {
    const host = new FakeHost();
    const session = new Session(host);
    qemuConnect(session, host);
    const given = message(id.VHOST_USER_SET_LOG_BASE, words(bytes, 0), [host.fd("other")]);
    assert.equal(session.handle(given).close?.code, code);
    finish(session, host);
  }
});

Deno.test("session takes no memory that its log is too short for, while it logs", () => {
  const more = words(0, QEMU_BYTES, 4096, QEMU_HVA + QEMU_BYTES, QEMU_BYTES);
  for (const logging of [true, false]) {
    const { host, session } = started();
    setLogBase(session, host);
    const features = logging ? QEMU_SPLIT | LOG_ALL : QEMU_SPLIT;
    accept(session, message(id.VHOST_USER_SET_FEATURES, words(features)));
    const given = message(id.VHOST_USER_ADD_MEM_REG, more, [host.fd("other")], NEED_REPLY);
    assert.equal(replyU64(session.handle(given), id.VHOST_USER_ADD_MEM_REG), logging ? 1n : 0n);
    // A log that is left from an earlier migration is given up.
    assert.equal(host.logArea === null, !logging);
    assert.equal(host.running.size, 2);
    if (logging) {
      setLogBase(session, host, LOG_BYTES + 1);
      acknowledged(session, id.VHOST_USER_ADD_MEM_REG, more, [host.fd("other")]);
    }
    finish(session, host);
  }
});

Deno.test("session counts all memory as written where a ring to be logged ran without a log", () => {
  const host = new FakeHost();
  const session = new Session(host);
  qemuConnect(session, host);
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features: QEMU_SPLIT | LOG_ALL });
  // Cloud Hypervisor has LOG_ALL on for ever, and no log before it migrates.
  setLogBase(session, host);
  assert.equal(host.journal.includes("all dirty"), false);
  accept(session, message(id.VHOST_USER_SET_VRING_ADDR, loggedAddr(0, SPLIT_RINGS[0]!, 1)));
  setLogBase(session, host);
  assert.equal(host.journal.includes("all dirty"), false, "there was a log");
  finish(session, host);

  // QEMU finds its back-end anew in the middle of a migration: rings first, log afterwards.
  const again = started();
  accept(again.session, message(id.VHOST_USER_SET_VRING_ADDR, loggedAddr(0, SPLIT_RINGS[0]!, 1)));
  setLogBase(again.session, again.host);
  assert.equal(again.host.journal.includes("all dirty"), true);
  finish(again.session, again.host);
});

Deno.test("session has a ring behind an IOMMU logged by its place: its log address is an IOVA", () => {
  const host = new FakeHost();
  const all = DEFAULT_OFFER.features | (1n << 33n);
  const session = new Session(host, { ...DEFAULT_OFFER, features: all });
  qemuConnect(session, host);
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  session.device.features |= 1n << 33n;
  accept(session, message(id.VHOST_USER_SET_VRING_ADDR, loggedAddr(0, SPLIT_RINGS[0]!, 1)));
  assert.equal(host.ringLogs.get(0), LOG_BY_PLACE);
  finish(session, host);
});

Deno.test("session refuses a log without LOG_SHMFD: it could not be written", () => {
  const host = new FakeHost();
  const session = new Session(host);
  accept(session, message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(1n << 3n)));
  const given = message(id.VHOST_USER_SET_LOG_BASE, words(LOG_BYTES, 0), [host.fd("other")]);
  assert.equal(session.handle(given).close?.code, "not-negotiated");
  finish(session, host);
});

Deno.test("session keeps one log descriptor, an eventfd", () => {
  const { host, session } = started();
  for (let i = 0; i < 3; i++) {
    acknowledged(session, id.VHOST_USER_SET_LOG_FD, new Uint8Array(), [host.fd()]);
  }
  const none = session.handle(message(id.VHOST_USER_SET_LOG_FD, new Uint8Array(), []));
  assert.equal(none.close?.code, "fd-count");
  const other = message(id.VHOST_USER_SET_LOG_FD, new Uint8Array(), [host.fd("other")]);
  assert.equal(session.handle(other).close?.code, "not-eventfd");
  finish(session, host);
});

Deno.test("session announces a guest at once, to the others once the link is up", () => {
  const host = new FakeHost();
  const session = new Session(host);
  qemuConnect(session, host);
  // QEMU sends the first one before the device is started, and four more while it runs.
  accept(session, message(id.VHOST_USER_SEND_RARP, words(MAC)));
  accept(session, message(id.VHOST_USER_SEND_RARP, words(MAC)));
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  acknowledged(session, id.VHOST_USER_SEND_RARP, words(MAC));
  const told = host.journal.filter((line) => /^(learn|announce|link)/.test(line));
  const announce = `announce ${MAC_WORDS}`;
  assert.deepEqual(told, [
    `learn ${MAC_WORDS}`,
    `learn ${MAC_WORDS}`,
    "link up",
    announce,
    announce,
  ]);
  finish(session, host);
});

Deno.test("session announces nobody with a group or zero address, and goes on", () => {
  const { host, session } = started();
  for (const mac of [0n, 1n, 0xffff_ffff_ffffn, 0xffff_0000_0000_0000n]) {
    const given = message(id.VHOST_USER_SEND_RARP, words(mac), [], NEED_REPLY);
    assert.equal(replyU64(session.handle(given), id.VHOST_USER_SEND_RARP), 1n);
    accept(session, message(id.VHOST_USER_SEND_RARP, words(mac)));
  }
  assert.deepEqual(host.journal.filter((line) => !line.startsWith("log")), []);
  // Of these one half is zero, and all are somebody's.
  for (const mac of [0x0700_0000_0000n, 0x5452n]) {
    acknowledged(session, id.VHOST_USER_SEND_RARP, words(mac));
  }
  finish(session, host);
});
