/**
 * A front-end that says anything in any order, mostly what a good one might say next. Whatever it
 * says, the session must not throw, must answer as the protocol wants, must own every descriptor it
 * was given exactly once, and must hand only rings to the data plane that lie in guest memory.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import * as id from "../../lib/vhost/wire/message.ts";
import {
  encodeIotlb,
  VHOST_IOTLB_INVALIDATE,
  VHOST_IOTLB_UPDATE,
} from "../../lib/vhost/wire/back_end_message.ts";
import { OFFER_WORDS } from "../../lib/vhost/features/bits.ts";
import type { OfferOptions } from "../../lib/vhost/features/rows.ts";
import { makeOffer } from "../../lib/vhost/offer.ts";
import { REQUESTS } from "../../lib/vhost/requests/table.ts";
import { type Outcome, Session } from "../../lib/vhost/session.ts";
import { BIT, hasFeature } from "../../lib/vhost/features/bits.ts";
import { packedDescBytes } from "../../lib/virtio/packed/queue.ts";
import { splitAvailBytes, splitDescBytes, splitUsedBytes } from "../../lib/virtio/split/queue.ts";
import {
  FakeHost,
  type FdKind,
  finish,
  HOST_BASE,
  message,
  state,
  table,
  words,
} from "../unit/vhost/fake_host.ts";
import { often } from "./often.ts";

const MIB = 2 ** 20;
/** Where the front-end has the guest's memory. */
const USER = 0x7f00_0000_0000;
/** Three regions that may come and go: the first holds the rings of queues 0-3, as does the second. */
const LOW = { guestAddr: 0, sizeBytes: 4 * MIB, userAddr: USER, mmapOffset: 0 };
const REGIONS = [
  LOW,
  { guestAddr: 4 * MIB, sizeBytes: 4 * MIB, userAddr: USER + 4 * MIB, mmapOffset: 4 * MIB },
  { guestAddr: 2 ** 33, sizeBytes: 2 * MIB, userAddr: USER + 2 ** 33, mmapOffset: 2 ** 33 },
];
/** A number that is on some border. */
const EDGES = [
  ...[0, 1, 2, 3, 7, 8, 12, 63, 64, 255, 256, 257, 4095, 4096, 0x7fff, 0x8000, 0xffff],
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 47, 2 ** 48, 2 ** 52, 2 ** 53 - 1, 2 ** 53],
].map(BigInt).concat(2n ** 63n, 2n ** 64n - 1n, 2n ** 64n - 4096n);

/** A message of the front-end. Numbers are taken modulo what there is to choose from. */
export interface Say {
  readonly do: "say";
  readonly request: number;
  readonly ring: number;
  /** Which of the good values. */
  readonly choice: number;
  /** Replaces a 32- or 64-bit word of the payload. */
  readonly spoil: { readonly at: number; readonly wide: boolean; readonly edge: number } | null;
  /** Payload bytes more than right. */
  readonly more: number;
  /** Descriptors instead of those due. */
  readonly fds: readonly FdKind[] | null;
  readonly flags: number;
}

/** One step. */
export type Step =
  | Say
  /** A whole start as far as the kick, in a good order. */
  | { readonly do: "start"; readonly packed: boolean; readonly choice: number }
  | { readonly do: "broken"; readonly ring: number }
  | { readonly do: "moved"; readonly ring: number; readonly by: number }
  | { readonly do: "refuse"; readonly memory: boolean };

const numbers = [...REQUESTS].filter(([, { decode }]) => decode).map(([number]) => number);
const RING_REQUESTS = [8, 9, 10, 11, 12, 13, 14, 18];
const kinds = fc.constantFrom<FdKind>("eventfd", "socket", "other");

const say: fc.Arbitrary<Say> = fc.record({
  do: fc.constant("say" as const),
  request: often<number>(
    [10, fc.constantFrom(...RING_REQUESTS)],
    [10, fc.constantFrom(...numbers)],
    [1, fc.nat(60)],
    [1, fc.constantFrom(255, 0x10001, 2 ** 31, 2 ** 32 - 1)],
  ),
  ring: often([30, fc.nat(1)], [6, fc.nat(3)], [1, fc.nat(70)]),
  choice: fc.nat(11),
  spoil: often<Say["spoil"]>([
    9,
    fc.constant(null),
  ], [
    1,
    fc.record({ at: fc.nat(10), wide: fc.boolean(), edge: fc.nat(EDGES.length - 1) }),
  ]),
  more: often([20, fc.constant(0)], [1, fc.constantFrom(-8, -1, 1, 8, 32, 300)]),
  fds: often<Say["fds"]>([20, fc.constant(null)], [1, fc.array(kinds, { maxLength: 9 })]),
  flags: often([40, fc.constantFrom(1, 9)], [1, fc.constantFrom(0, 2, 5, 13, 0xffff_fff9)]),
});

const step: fc.Arbitrary<Step> = often<Step>(
  [30, say],
  [
    3,
    fc.record({ do: fc.constant("start" as const), packed: fc.boolean(), choice: fc.nat(11) }),
  ],
  [1, fc.record({ do: fc.constant("broken" as const), ring: fc.nat(3) })],
  [
    2,
    fc.record({ do: fc.constant("moved" as const), ring: fc.nat(3), by: fc.nat(0xffff) }),
  ],
  [1, fc.record({ do: fc.constant("refuse" as const), memory: fc.boolean() })],
);

/** What came of cases, to see that they get far. */
export interface SessionTally {
  messages: number;
  /** Messages that came while rings ran. */
  running: number;
  /** Why connections ended, and how often. */
  readonly closes: Map<string, number>;
}

/** Nothing came of anything yet. */
export function newSessionTally(): SessionTally {
  return { messages: 0, running: 0, closes: new Map() };
}

/** A front-end and the session it talks to. */
class Talk {
  readonly host: FakeHost = new FakeHost();
  readonly session: Session;
  over = false;
  /** A log descriptor was given: one more that the session owns. */
  #logFds = 0;
  readonly #tally: SessionTally;

  constructor(options: OfferOptions, tally: SessionTally) {
    this.session = new Session(this.host, makeOffer(options));
    this.#tally = tally;
  }

  /** The payload a good front-end might send now. */
  #payload(request: number, ring: number, choice: number): Uint8Array {
    const { offer } = this.session.device;
    const without = (...bits: number[]): bigint =>
      bits.reduce((word, bit) => word & ~(1n << BigInt(bit)), offer.features);
    const split = choice % 2 === 0
      ? without(BIT.VIRTIO_F_RING_PACKED, BIT.VHOST_F_LOG_ALL)
      : without(BIT.VIRTIO_F_RING_PACKED, BIT.VHOST_F_LOG_ALL, BIT.VIRTIO_F_ACCESS_PLATFORM);
    const good: Record<number, () => Uint8Array> = {
      [id.VHOST_USER_SET_FEATURES]: () =>
        words([split, split, offer.features, 1n << 32n, 0n, split][choice % 6] ?? split),
      [id.VHOST_USER_SET_PROTOCOL_FEATURES]: () =>
        words(choice % 4 === 0 ? 8n & offer.protocolFeatures : offer.protocolFeatures),
      [id.VHOST_USER_SET_MEM_TABLE]: () =>
        table(this.#regions.slice(choice % 3 % 2, 1 + choice % 3)),
      [id.VHOST_USER_ADD_MEM_REG]: () => this.#region(choice),
      [id.VHOST_USER_REM_MEM_REG]: () => this.#region(choice),
      [id.VHOST_USER_SET_VRING_NUM]: () => state(ring, [256, 256, 64, 100, 1][choice % 5] ?? 256),
      [id.VHOST_USER_SET_VRING_ADDR]: () => this.#address(ring, choice),
      [id.VHOST_USER_SET_VRING_BASE]: () =>
        state(ring, [0, 0x8000, 0x80008000, 17][choice % 4] ?? 0),
      [id.VHOST_USER_SET_VRING_ENABLE]: () => state(ring, choice % 3 === 0 ? 0 : 1),
      [id.VHOST_USER_NET_SET_MTU]: () => words([1500, 9000, 68, 67][choice % 4] ?? 0),
      [id.VHOST_USER_IOTLB_MSG]: () => this.#iotlb(ring, choice),
      [id.VHOST_USER_SET_LOG_BASE]: () => words([2 ** 20, 64, 4096][choice % 3] ?? 0, 0),
      [id.VHOST_USER_SET_STATUS]: () => words([0, 8, 15][choice % 3] ?? 0),
    };
    if (RING_REQUESTS.slice(4, 7).includes(request)) {
      return words(choice % 6 === 0 ? 0x100 + ring : ring);
    }
    const bytes = REQUESTS.get(request)?.bytesMin ?? 8;
    const rest = new Uint8Array(bytes);
    rest.set(state(ring, 0).subarray(0, bytes));
    return good[request]?.() ?? rest;
  }

  /** Addresses are the guest's own, on both sides. */
  get #physical(): boolean {
    const { protocolFeatures } = this.session.device;
    return hasFeature(protocolFeatures, BIT.VHOST_USER_PROTOCOL_F_GPA_ADDRESSES);
  }

  get #regions(): typeof REGIONS {
    if (!this.#physical) return REGIONS;
    return REGIONS.map((region) => ({ ...region, userAddr: region.guestAddr }));
  }

  #region(choice: number): Uint8Array {
    const [region = LOW] = this.#regions.slice(choice % 3);
    const { guestAddr, sizeBytes, userAddr, mmapOffset } = region;
    return words(0, guestAddr, sizeBytes, userAddr, mmapOffset);
  }

  /** Translates a ring's addresses to themselves, or no longer. */
  #iotlb(ring: number, choice: number): Uint8Array {
    const start = this.#physical ? 0 : USER;
    const iova = BigInt(start + 65536 * (ring % 64));
    return encodeIotlb({
      iova,
      sizeBytes: choice % 5 === 0 ? 4096n : 65536n,
      userAddr: iova,
      permission: choice % 4 === 0 ? 1 : 3,
      type: choice % 3 === 0 ? VHOST_IOTLB_INVALIDATE : VHOST_IOTLB_UPDATE,
    });
  }

  /** Rings lie 64 KiB apart, in the first or the second region. */
  #address(ring: number, choice: number): Uint8Array {
    const start = this.#physical ? 0 : USER;
    const at = start + 65536 * (ring % 64) + (choice % 4 === 3 ? 4 * MIB : 0);
    return words(ring, at, at + 0x8000, at + 0x4000, 0);
  }

  /** Descriptors that are due with a message. */
  #due(request: number, payload: Uint8Array): FdKind[] {
    if (RING_REQUESTS.slice(4, 7).includes(request)) return payload[1] === 1 ? [] : ["eventfd"];
    if (request === id.VHOST_USER_SET_MEM_TABLE) {
      return Array<FdKind>(Math.min(8, payload[0] ?? 0)).fill("other");
    }
    if (request === id.VHOST_USER_ADD_MEM_REG) return ["other"];
    if (request === id.VHOST_USER_SET_BACKEND_REQ_FD) return ["socket"];
    if (request === id.VHOST_USER_SET_LOG_FD) return ["eventfd"];
    return REQUESTS.get(request)?.fdsMax === 1 ? ["other"] : [];
  }

  /** Sends a message. */
  say({ request, ring, choice, spoil, more, fds, flags }: Omit<Say, "do">): void {
    const right = this.#payload(request, ring, choice);
    const payload = new Uint8Array(Math.max(0, Math.min(4096, right.length + more)));
    payload.set(right.subarray(0, payload.length));
    const edge = EDGES[spoil?.edge ?? 0] ?? 0n;
    const view = new DataView(payload.buffer);
    const words = Math.floor(payload.length / (spoil?.wide ? 8 : 4));
    if (spoil && words > 0) {
      const at = spoil.at % words;
      if (spoil.wide) view.setBigUint64(8 * at, edge, true);
      else view.setUint32(4 * at, Number(edge & 0xffff_ffffn), true);
    }
    const given = (fds ?? this.#due(request, payload)).map((kind) => this.host.fd(kind));
    const outcome = this.session.handle(message(request, payload, given, flags >>> 0));
    this.#tally.messages++;
    if (this.host.running.size > 0) this.#tally.running++;
    this.#checkOutcome(request, flags, outcome);
    if (request === id.VHOST_USER_SET_LOG_FD && given.length > 0 && !outcome.close) {
      this.#logFds = 1;
    }
    if (outcome.close) {
      const { code } = outcome.close;
      this.#tally.closes.set(code, (this.#tally.closes.get(code) ?? 0) + 1);
      this.over = true;
    }
    this.check();
  }

  #checkOutcome(request: number, flags: number, { reply, close }: Outcome): void {
    assert(!reply || !close, "a connection to be closed gets no reply");
    if (close) assert.match(close.code, /^[a-z-]+$/);
    if (!reply) return;
    const view = new DataView(reply.buffer);
    assert.equal(view.getUint32(0, true), request);
    assert.equal(view.getUint32(4, true), 5);
    assert.equal(view.getUint32(8, true), reply.length - id.HEADER_BYTES);
    const own = REQUESTS.get(request)?.replies ?? false;
    assert(own || (flags & id.VHOST_USER_NEED_REPLY_MASK) !== 0, "nobody asked for a reply");
  }

  /** Everything that must be so between any two messages. */
  check(): void {
    const { host, session } = this;
    const owned = session.device.vrings.flatMap((v) => [v.kickFd, v.callFd, v.errFd]);
    if (host.backEnd >= 0) owned.push(host.backEnd);
    const held = owned.filter((fd) => fd >= 0);
    assert.equal(new Set(held).size, held.length, "descriptors are owned once");
    const more = [...host.open.keys()].filter((fd) => !held.includes(fd));
    assert(held.every((fd) => host.open.has(fd)), "what is owned is open");
    assert(more.length <= this.#logFds, `descriptors ${more} are nobody's`);
    assert.equal(host.prepared, null, "no memory is left half prepared");
    assert.deepEqual(session.device.memory.regions, host.regions);
    for (const [index, vring] of session.device.vrings.entries()) {
      assert.equal(vring.running, host.running.has(index));
      if (vring.running) this.#checkRing(index);
      if (!vring.started) assert.equal(vring.running, false, "only what was kicked runs");
    }
    const pairs = session.device.vrings.map((v) => v.running && v.enabled && v.broken === null);
    assert.equal(host.link, pairs.some((ok, i) => i % 2 === 0 && ok && pairs[i + 1]));
  }

  #checkRing(index: number): void {
    const { host, session } = this;
    const vring = session.device.vring(index);
    const start = host.running.get(index);
    assert(start && session.device.featuresSet);
    assert.equal(host.enabled.get(index), vring.enabled);
    const inBand = BIT.VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS;
    if (!hasFeature(session.device.protocolFeatures, inBand)) {
      assert.equal(host.calls.get(index), vring.callFd);
      assert.equal(start.kickFd, vring.kickFd);
    }
    const { size, packed } = start;
    assert.equal(packed, hasFeature(session.device.features, BIT.VIRTIO_F_RING_PACKED));
    assert(size > 0 && size <= 32768 && (packed || (size & (size - 1)) === 0), `size ${size}`);
    const { availIndex, usedIndex, availWrap, usedWrap } = start.position;
    if (packed) assert(availIndex < size && usedIndex < size, "positions lie in the ring");
    assert((availWrap | usedWrap) >>> 1 === 0 && (availIndex | usedIndex) >>> 16 === 0);
    const inside = (address: number, bytes: number): boolean =>
      host.regions.some(({ guestAddr, sizeBytes }) =>
        address >= HOST_BASE + guestAddr && address + bytes <= HOST_BASE + guestAddr + sizeBytes
      );
    const sizes = packed
      ? [packedDescBytes(size), 4, 4]
      : [splitDescBytes(size), splitAvailBytes(size), splitUsedBytes(size)];
    [start.descAddress, start.driverAddress, start.deviceAddress].forEach((address, area) => {
      assert(inside(address, sizes[area] ?? 0), `area ${area} of ring ${index} is guest memory`);
    });
  }

  /** All protocol features there are. */
  negotiate(): void {
    const request = id.VHOST_USER_SET_PROTOCOL_FEATURES;
    this.say({ request, ring: 0, choice: 1, spoil: null, more: 0, fds: null, flags: 1 });
  }

  /** What a good front-end sends until its first two rings run. */
  start(packed: boolean, choice: number): void {
    const features = packed ? 2 : choice % 2;
    const good = { spoil: null, more: 0, fds: null, flags: 9 };
    const steps: readonly (readonly [number, number, number])[] = [
      [id.VHOST_USER_SET_PROTOCOL_FEATURES, 0, 1],
      ...[0, 1].map((ring) => [id.VHOST_USER_GET_VRING_BASE, ring, 0] as const),
      [id.VHOST_USER_SET_FEATURES, 0, features],
      [id.VHOST_USER_SET_MEM_TABLE, 0, 2],
      ...[0, 1].flatMap((ring) =>
        [
          [id.VHOST_USER_SET_VRING_NUM, ring, choice % 3],
          [id.VHOST_USER_SET_VRING_BASE, ring, packed ? 2 : 0],
          [id.VHOST_USER_SET_VRING_ADDR, ring, choice],
          [id.VHOST_USER_SET_VRING_CALL, ring, 1],
          [id.VHOST_USER_SET_VRING_KICK, ring, 1],
          [id.VHOST_USER_SET_VRING_ENABLE, ring, 1],
        ] as const
      ),
    ];
    for (const [request, ring, which] of steps) {
      if (!this.over) this.say({ request, ring, choice: which, ...good });
    }
  }

  /** Where the data plane says a ring stands when it is stopped next. */
  moved(ring: number, by: number): void {
    const start = this.host.running.get(ring);
    if (!start) return;
    const { size, packed, position } = start;
    const most = packed ? size : 65536;
    const index = (position.availIndex + by) % most;
    const wrap = packed ? by & 1 : 1;
    this.host.positions.set(ring, {
      ...{ availIndex: index, availWrap: wrap, usedIndex: index, usedWrap: wrap },
    });
  }
}

/** Runs one case. @throws if anything is not as it must be */
export function runSession(
  options: OfferOptions,
  steps: readonly Step[],
  tally: SessionTally,
): void {
  let talk = new Talk(options, tally);
  let talks = 0;
  talk.negotiate();
  for (const one of steps) {
    // A front-end that was disconnected comes again.
    if (talk.over) {
      finish(talk.session, talk.host);
      talk = new Talk(options, tally);
      if (++talks % 4 > 0) talk.negotiate();
    }
    if (one.do === "say") talk.say(one);
    else if (one.do === "start") talk.start(one.packed, one.choice);
    else if (one.do === "broken") {
      if (one.ring < talk.session.device.vrings.length) {
        talk.session.device.ringBroken(one.ring, "bad-index");
      }
    } else if (one.do === "moved") talk.moved(one.ring, one.by);
    else {
      talk.host.refuseMemory = one.memory
        ? { code: "map-failed", detail: "it cannot be mapped" }
        : null;
    }
    talk.check();
  }
  finish(talk.session, talk.host);
}

/** Of any conversation: {@linkcode runSession} does not throw. */
export function hostileSession(
  tally: SessionTally,
): fc.IPropertyWithHooks<[OfferOptions, Step[]]> {
  return fc.property(
    fc.record({ queuePairs: fc.constantFrom(1, 2, 32), offer: fc.subarray([...OFFER_WORDS]) }),
    fc.array(step, { minLength: 1, maxLength: 80, size: "max" }),
    (options, steps) => runSession(options, steps, tally),
  );
}
