/** Devices of all kinds of front-ends, told once more to a new session. */
import { strict as assert } from "node:assert";
import type { Device } from "../../../lib/vhost/device.ts";
import { makeOffer, type Offer } from "../../../lib/vhost/offer.ts";
import { hearRetold, hearTransmit, retell, type Retold } from "../../../lib/vhost/retold.ts";
import type { Refusal } from "../../../lib/vhost/reasons.ts";
import { Session } from "../../../lib/vhost/session.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import type { VringStart } from "../../../lib/worker/wire.ts";
import { accept, addr, FakeHost, finish, message, state, table, words } from "./fake_host.ts";
import {
  acknowledged,
  DPDK_PACKED,
  dpdkStart,
  QEMU_HVA,
  QEMU_PACKED,
  QEMU_SPLIT,
  qemuConnect,
  qemuEnable,
  qemuStart,
  qemuStop,
  SPLIT_RINGS,
} from "./front_ends.ts";
import { connect as connectIommu, IOMMU, page } from "./iommu_front_end.ts";

const OFFER = makeOffer({ offer: ["iommu", "inband"] } as Parameters<typeof makeOffer>[0]);
const KINDS = { split: QEMU_SPLIT, packed: QEMU_PACKED };

interface Side {
  readonly host: FakeHost;
  readonly session: Session;
}

function side(offer: Offer = OFFER): Side {
  const host = new FakeHost();
  return { host, session: new Session(host, offer) };
}

function started(features = QEMU_SPLIT): Side {
  const made = side();
  qemuConnect(made.session, made.host);
  qemuEnable(made.session, 1, false);
  qemuStart(made.session, made.host, { features });
  return made;
}

/** Files that the fake host has closed already: any number stands for them. */
function filesOf({ memory }: Device, { backEnd }: FakeHost): Parameters<typeof retell>[1] {
  return { memory: memory.regions.map((_, i) => 1000 + i), log: 2000, inflight: 3000, backEnd };
}

/** Hears it, transmit queues last. */
function hearAll(session: Session, retold: Retold): Refusal | null {
  const refusal = hearRetold(session, retold);
  return hearTransmit(session, retold, refusal !== null) ?? refusal;
}

/** Suspends every ring and tells the device once more. */
function tell({ session: { device }, host }: Side): Retold {
  device.vrings.forEach((_, index) => device.suspend(index));
  const retold = retell(device, filesOf(device, host));
  assert(retold, "all its files are there");
  return retold;
}

const SOCKETS: readonly number[] = [id.VHOST_USER_SET_BACKEND_REQ_FD];
const FILES: readonly number[] = [
  id.VHOST_USER_SET_MEM_TABLE,
  id.VHOST_USER_ADD_MEM_REG,
  id.VHOST_USER_SET_LOG_BASE,
  id.VHOST_USER_SET_INFLIGHT_FD,
];

/** What is told, with descriptors of another host. */
function carried({ messages, unsaid }: Retold, host: FakeHost): Retold {
  const kindOf = (request: number): "socket" | "other" | "eventfd" =>
    SOCKETS.includes(request) ? "socket" : FILES.includes(request) ? "other" : "eventfd";
  const moved = messages.map((each) => ({
    ...each,
    fds: each.fds.map(() => host.fd(kindOf(each.request))),
  }));
  return { messages: moved, unsaid };
}

/** Without the numbers of descriptors, which differ from process to process. */
function plain({ messages, unsaid }: Retold): unknown {
  return {
    unsaid,
    messages: messages.map(({ request, payload, fds }) => [request, [...payload], fds.length]),
  };
}

function plainStarts(host: FakeHost): unknown {
  const sign = (fd: number): number => Math.min(fd, 0);
  return [...host.running].map(([vring, start]): [number, VringStart] => [
    vring,
    {
      ...start,
      kickFd: sign(start.kickFd),
      callFd: sign(host.calls.get(vring) ?? -1),
      enabled: host.enabled.get(vring) ?? false,
      logGuestAddr: host.ringLogs.get(vring) ?? -1,
    },
  ]);
}

/** Tells a device once more: what comes of it is the same, and can be told again. */
function checkSame(one: Side): Side {
  const before = plainStarts(one.host);
  const linkBefore = one.host.link;
  const positions = one.host.positions;
  const retold = tell(one);
  const other = side(one.session.device.offer);
  for (const [index, position] of positions) other.host.positions.set(index, position);
  assert.equal(hearAll(other.session, carried(retold, other.host)), null);
  if (positions.size === 0) assert.deepEqual(plainStarts(other.host), before);
  assert.equal(other.host.link, linkBefore);
  assert.equal(other.host.mtu, one.host.mtu);
  assert.equal(other.host.logAll, one.host.logAll);
  assert.deepEqual(other.host.logArea, one.host.logArea);
  assert.deepEqual(other.host.inflight, one.host.inflight);
  assert.deepEqual(other.host.said.filter((line) => /refused/.test(line)), []);
  const a = one.session.device;
  const b = other.session.device;
  assert.deepEqual(b.config.encode(), a.config.encode());
  assert.equal(b.features, a.features);
  assert.equal(b.status, a.status);
  assert.deepEqual(plain(tell(other)), plain(retold));
  b.vrings.forEach((_, index) => b.resume(index));
  return other;
}

Deno.test("transmit queues start last, when told to: frames are to find everybody", () => {
  const one = started();
  const retold = carried(tell(one), one.host);
  const other = side();
  const moved = carried(retold, other.host);
  for (const { fds } of retold.messages) one.session.device.closeFds(fds);
  assert.equal(hearRetold(other.session, moved), null);
  assert.deepEqual([...other.host.running.keys()], [0]);
  assert.equal(other.host.link, false);
  assert.equal(hearTransmit(other.session, moved), null);
  assert.deepEqual([...other.host.running.keys()], [0, 1]);
  assert.equal(other.host.link, true);
  for (const each of [one, other]) finish(each.session, each.host);
});

Deno.test("a device that runs goes on as the same: split, packed, at any position", () => {
  for (const features of Object.values(KINDS)) {
    const one = started(features);
    one.host.positions.set(0, { availIndex: 77, availWrap: 0, usedIndex: 70, usedWrap: 0 });
    one.host.positions.set(1, { availIndex: 200, availWrap: 1, usedIndex: 200, usedWrap: 0 });
    const other = checkSame(one);
    const at = (vring: number): unknown => other.host.running.get(vring)?.position;
    assert.deepEqual(at(0), { availIndex: 77, availWrap: 0, usedIndex: 70, usedWrap: 0 });
    assert.deepEqual(at(1), { availIndex: 200, availWrap: 1, usedIndex: 200, usedWrap: 0 });
    assert.equal(other.host.plans.get(1)?.exact, true, "no record knows better");
    assert.equal(other.host.running.size, 2);
    finish(one.session, one.host);
    finish(other.session, other.host);
  }
});

Deno.test("a device told once more has been told everything: stopped, logged, renamed, tracked", () => {
  const ways: Record<string, (made: Side) => void> = {
    "nothing said": () => {},
    "stopped": ({ session }) => qemuStop(session),
    "reset": ({ session }) => accept(session, message(id.VHOST_USER_RESET_DEVICE)),
    "disabled": ({ session }) =>
      accept(session, message(id.VHOST_USER_SET_VRING_ENABLE, state(1, 0))),
    "logged": ({ session, host }) => {
      const log = message(id.VHOST_USER_SET_LOG_BASE, words(0x1800, 4096), [host.fd("other")]);
      session.handle(log);
      accept(session, message(id.VHOST_USER_SET_LOG_FD, undefined, [host.fd()]));
      accept(session, message(id.VHOST_USER_SET_FEATURES, words(QEMU_SPLIT | (1n << 26n))));
      const { desc, used, avail } = SPLIT_RINGS[0] as (typeof SPLIT_RINGS)[number];
      const payload = addr(0, QEMU_HVA + desc, QEMU_HVA + used, QEMU_HVA + avail);
      new DataView(payload.buffer).setUint32(4, 1, true);
      new DataView(payload.buffer).setBigUint64(32, 0x1234n, true);
      accept(session, message(id.VHOST_USER_SET_VRING_ADDR, payload));
    },
    "with an MTU": ({ session }) =>
      accept(session, message(id.VHOST_USER_NET_SET_MTU, words(1400))),
    "polled": ({ session }) => accept(session, message(id.VHOST_USER_SET_VRING_CALL, words(0x100))),
    "tracked": ({ session, host }) => {
      const payload = new Uint8Array(24);
      const view = new DataView(payload.buffer);
      view.setBigUint64(0, 0x10000n, true);
      view.setBigUint64(8, 4096n, true);
      view.setUint16(16, 2, true);
      view.setUint16(18, 256, true);
      session.handle(message(id.VHOST_USER_SET_INFLIGHT_FD, payload, [host.fd("other")]));
    },
    "with a channel": ({ session, host }) =>
      accept(session, message(id.VHOST_USER_SET_BACKEND_REQ_FD, undefined, [host.fd("socket")])),
    "with eight more regions": ({ session, host }) => {
      for (let i = 1; i <= 8; i++) {
        const region = { guestAddr: i * 2 ** 32, sizeBytes: 2 ** 21, userAddr: i * 2 ** 33 };
        const single = table([region]);
        single.fill(0, 0, 8);
        acknowledged(session, id.VHOST_USER_ADD_MEM_REG, single, [host.fd("other")]);
      }
    },
  };
  for (const [name, change] of Object.entries(ways)) {
    const one = started();
    change(one);
    let other: Side;
    try {
      other = checkSame(one);
    } catch (error) {
      throw new Error(name, { cause: error });
    }
    finish(one.session, one.host);
    finish(other.session, other.host);
  }
});

Deno.test("a device may be told once more before it is whole", () => {
  const made = side();
  checkSame(made);
  qemuConnect(made.session, made.host);
  const other = checkSame(made);
  // The rest is said to the new one.
  qemuEnable(other.session, 1, false);
  qemuStart(other.session, other.host, { features: QEMU_PACKED });
  assert.equal(other.host.link, true);
  const third = checkSame(other);
  dpdkStartsAnew();
  for (const each of [made, other, third]) finish(each.session, each.host);
});

function dpdkStartsAnew(): void {
  const one = side();
  dpdkStart(one.session, one.host, DPDK_PACKED);
  const other = checkSame(one);
  for (const each of [one, other]) finish(each.session, each.host);
}

Deno.test("a guest that waits to be announced is announced by the new one", () => {
  const one = side();
  qemuConnect(one.session, one.host);
  accept(one.session, message(id.VHOST_USER_SEND_RARP, words(0x0161_6100_5452n)));
  const other = checkSame(one);
  qemuEnable(other.session, 1, false);
  qemuStart(other.session, other.host, { features: QEMU_SPLIT });
  assert(other.host.journal.some((line) => line.startsWith("announce ")));
  for (const each of [one, other]) finish(each.session, each.host);
});

Deno.test("rings behind an IOMMU go on with the translations that they had", () => {
  const one = connectIommu(QEMU_SPLIT | IOMMU);
  for (const ring of SPLIT_RINGS) {
    for (const at of Object.values(ring)) {
      for (let i = -1; i < 2; i++) {
        page(one, QEMU_HVA - QEMU_HVA % 4096 + at - at % 4096 + 4096 * i);
      }
    }
  }
  assert.equal(one.host.running.size, 2, "both rings run");
  const other = checkSame(one);
  assert.equal(other.host.running.size, 2, "both rings run again");
  for (const each of [one, other]) finish(each.session, each.host);
});

Deno.test("what cannot be is refused, and every descriptor is closed", () => {
  const one = started(QEMU_PACKED);
  const retold = tell(one);
  const [first] = retold.unsaid.vrings;
  const bad: Retold[] = [
    // A ring that stands behind its end.
    {
      ...retold,
      unsaid: {
        ...retold.unsaid,
        vrings: [{
          told: false,
          ...first,
          position: { availIndex: 999, availWrap: 0, usedIndex: 0, usedWrap: 0 },
        }],
      },
    },
    // A ring of which the start is not said.
    {
      ...retold,
      messages: retold.messages.filter(({ request }) => request !== id.VHOST_USER_SET_VRING_KICK),
    },
    // Features that are not offered.
    {
      ...retold,
      messages: retold.messages.map((each) =>
        each.request === id.VHOST_USER_SET_FEATURES
          ? { ...each, payload: id.encodeU64(1n << 60n) }
          : each
      ),
    },
    // No payload at all.
    {
      ...retold,
      messages: retold.messages.map((each) => ({ ...each, payload: new Uint8Array() })),
    },
  ];
  for (const each of bad) {
    const other = side();
    assert.notEqual(hearAll(other.session, carried(each, other.host)), null);
    finish(other.session, other.host);
  }
  finish(one.session, one.host);
});

Deno.test("a device of which a file is gone cannot be told", () => {
  const { session, host } = started();
  session.device.vrings.forEach((_, index) => session.device.suspend(index));
  assert.equal(retell(session.device, { memory: [-1], log: -1, inflight: -1, backEnd: -1 }), null);
  finish(session, host);
});
