// deno-lint-ignore-file no-non-null-assertion
/** The session against what QEMU, DPDK virtio-user and User-Mode Linux send in normal life. */
import { strict as assert } from "node:assert";
import * as id from "../../../lib/vhost/wire/message.ts";
import { MEM_SLOTS_MAX } from "../../../lib/base/limits.ts";
import { Session } from "../../../lib/vhost/session.ts";
import type { VringStart } from "../../../lib/worker/wire.ts";
import {
  accept,
  FakeHost,
  finish,
  HOST_BASE,
  message,
  NEED_REPLY,
  state,
  table,
  words,
} from "./fake_host.ts";
import {
  acknowledged,
  DPDK_PACKED,
  DPDK_SPLIT,
  dpdkStart,
  getBase,
  getU64,
  PACKED_RINGS,
  QEMU_BYTES,
  QEMU_HVA,
  QEMU_MTU,
  QEMU_PACKED,
  QEMU_PLAIN,
  QEMU_SPLIT,
  qemuConnect,
  qemuEnable,
  qemuStart,
  qemuStop,
  ringAddr,
  SPLIT_RINGS,
  umlStart,
} from "./front_ends.ts";

function connect(): { host: FakeHost; session: Session } {
  const host = new FakeHost();
  return { host, session: new Session(host) };
}

function running(host: FakeHost, vring: number): VringStart {
  const start = host.running.get(vring);
  if (!start) throw new Error(`vring ${vring} does not run`);
  return start;
}

const SPLIT_AT_0 = { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 };

Deno.test("session starts split rings of QEMU 7.2, enabled before they are set up", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  assert.equal(host.running.size, 0);
  qemuStart(session, host, { features: QEMU_SPLIT });
  const rings = [running(host, 0), running(host, 1)];
  rings.forEach((ring, index) => {
    const place = SPLIT_RINGS[index]!;
    assert.equal(ring.size, 256);
    assert.equal(ring.packed, false);
    assert.equal(ring.eventIdx, true);
    assert.equal(ring.indirect, true);
    assert.equal(ring.mergeable, true);
    assert.equal(ring.headerBytes, 12);
    assert.equal(ring.enabled, true);
    assert.equal(ring.descAddress, HOST_BASE + place.desc);
    assert.equal(ring.driverAddress, HOST_BASE + place.avail);
    assert.equal(ring.deviceAddress, HOST_BASE + place.used);
    assert.deepEqual(ring.position, SPLIT_AT_0);
  });
  assert.equal(host.link, true);
  // The call descriptor that came after the start is the one in use, and was signalled once.
  for (const [vring, call] of host.calls) {
    assert.equal(session.device.vring(vring).callFd, call);
    assert.equal(host.signalled.includes(call), true);
  }
  finish(session, host);
});

Deno.test("session starts packed rings of QEMU at the wrap counters it says", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_PACKED });
  const ring = running(host, 1);
  assert.equal(ring.packed, true);
  assert.equal(ring.descAddress, HOST_BASE + PACKED_RINGS[1]!.desc);
  assert.equal(ring.driverAddress, HOST_BASE + PACKED_RINGS[1]!.avail);
  assert.equal(ring.deviceAddress, HOST_BASE + PACKED_RINGS[1]!.used);
  assert.deepEqual(ring.position, { availIndex: 0, availWrap: 1, usedIndex: 0, usedWrap: 1 });
  finish(session, host);
});

Deno.test("session acknowledges every SET_VRING_ENABLE of QEMU 10.0", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, true);
  qemuStart(session, host, { features: QEMU_SPLIT });
  assert.equal(host.link, true);
  finish(session, host);
});

Deno.test("session takes QEMU's mrg_rxbuf=off, indirect_desc=off, event_idx=off", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_PLAIN });
  const ring = running(host, 0);
  assert.deepEqual(
    [ring.eventIdx, ring.indirect, ring.mergeable, ring.headerBytes],
    [false, false, false, 12],
  );
  finish(session, host);
});

for (const status of [true, false]) {
  const how = status ? "a status of 0" : "GET_VRING_BASE alone";
  Deno.test(`session restarts after a guest's reboot announced by ${how}`, () => {
    const { host, session } = connect();
    qemuConnect(session, host);
    qemuEnable(session, 5, false);
    for (let boot = 0; boot < 3; boot++) {
      qemuStart(session, host, { features: QEMU_SPLIT, status });
      assert.equal(host.link, true);
      host.positions.set(0, { availIndex: 11 + boot, availWrap: 1, usedIndex: 7, usedWrap: 1 });
      host.positions.set(1, { ...SPLIT_AT_0, availIndex: 65535 });
      assert.deepEqual(qemuStop(session, status), [11 + boot, 65535]);
      assert.equal(host.link, false);
      assert.equal(host.running.size, 0);
      // Asked again, a stopped ring stands where it stood.
      assert.deepEqual([getBase(session, 0), getBase(session, 1)], [11 + boot, 65535]);
      qemuEnable(session, 6, false);
    }
    finish(session, host);
  });
}

Deno.test("session takes rings of another size and kind after a driver's reload", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  qemuStop(session);
  qemuStart(session, host, { features: QEMU_PACKED, size: 1024 });
  assert.equal(running(host, 0).packed, true);
  assert.equal(running(host, 0).size, 1024);
  finish(session, host);
});

Deno.test("session starts split rings where they are, when QEMU connects again", () => {
  const { host, session } = connect();
  host.words.set(HOST_BASE + SPLIT_RINGS[0]!.used + 2, 15);
  host.words.set(HOST_BASE + SPLIT_RINGS[1]!.used + 2, 18);
  qemuConnect(session, host);
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features: QEMU_SPLIT, base: 18 });
  // The used index is read from guest memory: buffers 15 to 17 were taken and never given back, so
  // they are taken again, whatever the base says.
  assert.deepEqual(running(host, 0).position, { ...SPLIT_AT_0, availIndex: 15, usedIndex: 15 });
  assert.deepEqual(running(host, 1).position, { ...SPLIT_AT_0, availIndex: 18, usedIndex: 18 });
  finish(session, host);
});

Deno.test("session moves running rings to a memory table with one more region", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  host.positions.set(1, { ...SPLIT_AT_0, availIndex: 300, usedIndex: 290 });
  host.journal.length = 0;
  const regions = [
    { guestAddr: 2 ** 30, sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA },
    { guestAddr: 2 ** 32, sizeBytes: 0x8000000, userAddr: 0x7f70c7fff000 },
  ];
  const fds = [host.fd("other"), host.fd("other")];
  acknowledged(session, id.VHOST_USER_SET_MEM_TABLE, table(regions), fds);
  assert.deepEqual(host.journal, ["stop 0", "stop 1", "memory 2", "start 0", "start 1"]);
  // No SET_VRING_ADDR follows: the addresses are translated again, the positions are kept.
  assert.equal(running(host, 1).descAddress, HOST_BASE + 2 ** 30 + SPLIT_RINGS[1]!.desc);
  assert.deepEqual(running(host, 1).position, { ...SPLIT_AT_0, availIndex: 300, usedIndex: 290 });
  assert.equal(host.link, true);
  finish(session, host);
});

Deno.test("session keeps the exact position of a packed ring over a new memory table", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_PACKED });
  // All bits 0 on the wire, where a 0 from a front-end would mean a new ring.
  const position = { availIndex: 0, availWrap: 0, usedIndex: 0, usedWrap: 0 };
  host.positions.set(0, position);
  const region = { guestAddr: 2 ** 30, sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA };
  acknowledged(session, id.VHOST_USER_SET_MEM_TABLE, table([region]), [host.fd("other")]);
  assert.deepEqual(running(host, 0).position, position);
  finish(session, host);
});

Deno.test("session leaves rings running whose memory stays while slots come and go", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  assert.equal(getU64(session, id.VHOST_USER_GET_MAX_MEM_SLOTS), BigInt(MEM_SLOTS_MAX));
  host.journal.length = 0;
  const slot = (n: number): Uint8Array => words(0, n * 2 ** 32, 4096, n * 2 ** 32, 0);
  for (let n = 1; n < MEM_SLOTS_MAX; n++) {
    acknowledged(session, id.VHOST_USER_ADD_MEM_REG, slot(n), [host.fd("other")]);
  }
  assert.equal(host.regions.length, MEM_SLOTS_MAX);
  const { reply } = session.handle(
    message(id.VHOST_USER_ADD_MEM_REG, slot(600), [host.fd("other")], NEED_REPLY),
  );
  assert.equal(new DataView(reply!.buffer).getBigUint64(12, true), 1n, "one more is refused");
  for (let n = MEM_SLOTS_MAX - 1; n > 0; n--) {
    // Old front-ends send a descriptor along: it is closed.
    const fds = n % 2 === 0 ? [host.fd("other")] : [];
    acknowledged(session, id.VHOST_USER_REM_MEM_REG, slot(n), fds);
  }
  assert.equal(host.journal.filter((line) => !line.startsWith("memory")).join(), "log refused");
  // Without the memory it is in, a ring rests; it goes on where it was when the memory is back.
  const all = words(0, 0, QEMU_BYTES, QEMU_HVA, 0);
  acknowledged(session, id.VHOST_USER_REM_MEM_REG, all);
  assert.equal(host.running.size, 0);
  assert.equal(host.link, false);
  // Another slot comes first: that is not what the ring waits for, and no fault.
  acknowledged(session, id.VHOST_USER_ADD_MEM_REG, slot(1), [host.fd("other")]);
  assert.equal(host.running.size, 0);
  acknowledged(session, id.VHOST_USER_ADD_MEM_REG, all, [host.fd("other")]);
  assert.equal(host.running.size, 2);
  assert.equal(host.link, true);
  finish(session, host);
});

Deno.test("session applies NET_SET_MTU and refuses what is no MTU", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  acknowledged(session, id.VHOST_USER_NET_SET_MTU, words(9000));
  assert.equal(host.mtu, 9000);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_MTU });
  for (const mtu of [0, 67, 65536, 2n ** 32n + 1500n]) {
    const given = message(id.VHOST_USER_NET_SET_MTU, words(mtu), [], 0x9);
    const { reply, close } = session.handle(given);
    assert.equal(close, undefined);
    assert.equal(new DataView(reply!.buffer).getBigUint64(12, true), 1n);
    assert.equal(host.mtu, 9000);
  }
  acknowledged(session, id.VHOST_USER_NET_SET_MTU, words(68));
  assert.equal(host.mtu, 68);
  finish(session, host);
});

for (const [kind, features] of [["split", DPDK_SPLIT], ["packed", DPDK_PACKED]] as const) {
  Deno.test(`session starts ${kind} rings of DPDK virtio-user, set up twice`, () => {
    const { host, session } = connect();
    dpdkStart(session, host, features);
    assert.equal(host.link, true);
    assert.deepEqual(running(host, 0).position, SPLIT_AT_0);
    assert.equal(running(host, 0).packed, kind === "packed");
    // Port stop and start: positions asked for, then everything again.
    const moved = { availIndex: 200, availWrap: 0, usedIndex: 200, usedWrap: 0 };
    host.positions.set(0, moved);
    assert.equal(getBase(session, 0), kind === "packed" ? 0x00c800c8 : 200);
    getBase(session, 1);
    assert.equal(host.link, false);
    dpdkStart(session, host, features);
    assert.equal(host.link, true);
    assert.deepEqual(running(host, 0).position, SPLIT_AT_0);
    finish(session, host);
  });
}

Deno.test("session takes DPDK's packed base, whose upper half says nothing", () => {
  const { host, session } = connect();
  dpdkStart(session, host, DPDK_PACKED);
  getBase(session, 0);
  accept(session, message(id.VHOST_USER_SET_VRING_BASE, state(0, 0x8000 | 77)));
  accept(session, message(id.VHOST_USER_SET_VRING_KICK, words(0), [host.fd()]));
  const position = { availIndex: 77, availWrap: 1, usedIndex: 77, usedWrap: 1 };
  assert.deepEqual(running(host, 0).position, position);
  finish(session, host);
});

Deno.test("session serves User-Mode Linux: sockets for calls, 72 bytes for one region", () => {
  const { host, session } = connect();
  umlStart(session, host, DPDK_SPLIT);
  assert.equal(host.link, true);
  assert.equal(running(host, 0).callFd >= 0, true);
  // A socket is told nothing: signals are an eventfd's.
  acknowledged(session, id.VHOST_USER_SET_VRING_CALL, words(0), [host.fd("socket")]);
  assert.deepEqual(host.signalled, []);
  for (const index of [1, 0]) {
    acknowledged(session, id.VHOST_USER_SET_VRING_ENABLE, state(index, 0));
  }
  assert.equal(host.link, false);
  assert.equal(host.running.size, 2, "a disabled ring is not a stopped one");
  finish(session, host);
});

Deno.test("session lets a driver set disabled rings up anew without asking where they stand", () => {
  const { host, session } = connect();
  umlStart(session, host, DPDK_SPLIT);
  for (const index of [1, 0]) {
    acknowledged(session, id.VHOST_USER_SET_VRING_ENABLE, state(index, 0));
  }
  host.positions.set(0, { ...SPLIT_AT_0, availIndex: 40, usedIndex: 40 });
  umlStart(session, host, QEMU_PLAIN & ~(1n << 3n));
  assert.deepEqual(running(host, 0).position, SPLIT_AT_0);
  assert.equal(running(host, 0).mergeable, false);
  assert.equal(host.link, true);
  finish(session, host);
});

Deno.test("session takes another size of a disabled ring, from the next kick on", () => {
  const { host, session } = connect();
  umlStart(session, host, DPDK_SPLIT);
  acknowledged(session, id.VHOST_USER_SET_VRING_ENABLE, state(1, 0));
  acknowledged(session, id.VHOST_USER_SET_VRING_NUM, state(1, 128));
  assert.deepEqual([...host.running.keys()], [0]);
  acknowledged(session, id.VHOST_USER_SET_VRING_KICK, words(1), [host.fd()]);
  assert.equal(running(host, 1).size, 128);
  finish(session, host);
});

Deno.test("session takes a new driver's features after a status of 0 and nothing else", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  accept(session, message(id.VHOST_USER_SET_STATUS, words(0)));
  assert.equal(host.running.size, 2, "positions may still be asked for");
  qemuStart(session, host, { features: QEMU_PACKED });
  assert.equal(running(host, 0).packed, true);
  assert.equal(host.link, true);
  finish(session, host);
});

Deno.test("session enables every ring when features come without bit 30", () => {
  const { host, session } = connect();
  umlStart(session, host, DPDK_SPLIT & ~(1n << 30n));
  assert.equal(host.link, true);
  finish(session, host);
});

for (const [base, slot0, wrap] of [[0, 0, 1], [0, 0x8080, 0], [0, 0x0080, 1]] as const) {
  Deno.test(`session reads packed base 0 beside flags 0x${slot0.toString(16)} as wrap ${wrap}`, () => {
    const { host, session } = connect();
    host.words.set(HOST_BASE + PACKED_RINGS[0]!.desc + 14, slot0);
    qemuConnect(session, host);
    qemuEnable(session, 1, false);
    qemuStart(session, host, { features: QEMU_PACKED, base });
    const { position } = running(host, 0);
    assert.deepEqual(position, { availIndex: 0, availWrap: wrap, usedIndex: 0, usedWrap: wrap });
    finish(session, host);
  });
}

Deno.test("session polls a ring whose kick message brings no descriptor", () => {
  const { host, session } = connect();
  dpdkStart(session, host, DPDK_SPLIT);
  accept(session, message(id.VHOST_USER_SET_VRING_KICK, words(0x101)));
  accept(session, message(id.VHOST_USER_SET_VRING_CALL, words(0x101)));
  assert.equal(running(host, 1).kickFd, -1);
  assert.equal(host.calls.get(1), -1);
  finish(session, host);
});

Deno.test("session starts a ring whose kick came before everything else", () => {
  const { host, session } = connect();
  const region = { sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA };
  host.words.set(HOST_BASE + SPLIT_RINGS[0]!.used + 2, 5);
  accept(session, message(id.VHOST_USER_SET_VRING_KICK, words(0), [host.fd()]));
  accept(session, message(id.VHOST_USER_SET_VRING_BASE, state(0, 5)));
  accept(session, ringAddr(0, SPLIT_RINGS[0]!, QEMU_HVA));
  accept(session, message(id.VHOST_USER_SET_VRING_NUM, state(0, 256)));
  accept(session, message(id.VHOST_USER_SET_MEM_TABLE, table([region]), [host.fd("other")]));
  assert.equal(host.running.size, 0);
  accept(session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT)));
  assert.equal(running(host, 0).position.availIndex, 5);
  assert.equal(running(host, 0).enabled, false);
  finish(session, host);
});

Deno.test("session forgets the device but neither memory nor connection at RESET_DEVICE", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  acknowledged(session, id.VHOST_USER_RESET_DEVICE, words());
  assert.equal(host.running.size, 0);
  assert.equal(host.link, false);
  assert.equal(host.regions.length, 1);
  accept(session, message(id.VHOST_USER_RESET_OWNER));
  qemuStart(session, host, { features: QEMU_PACKED });
  assert.equal(host.link, false, "rings are disabled again");
  qemuEnable(session, 1, true);
  assert.equal(host.link, true);
  finish(session, host);
});

Deno.test("session signals the err descriptor of a broken ring and keeps the connection", () => {
  const { host, session } = connect();
  qemuConnect(session, host);
  qemuEnable(session, 5, false);
  qemuStart(session, host, { features: QEMU_SPLIT });
  const err = session.device.vring(1).errFd;
  host.signalled.length = 0;
  session.device.ringBroken(1, "chain-loop");
  assert.deepEqual(host.signalled, [err]);
  assert.equal(host.link, false);
  assert.equal(session.device.vring(1).broken, "chain-loop");
  qemuStop(session);
  assert.equal(session.device.vring(1).broken, null);
  // News of a ring that was stopped meanwhile concerns nobody.
  session.device.ringBroken(1, "chain-loop");
  assert.equal(host.signalled.length, 1);
  qemuStart(session, host, { features: QEMU_SPLIT });
  assert.equal(host.link, true);
  finish(session, host);
});
