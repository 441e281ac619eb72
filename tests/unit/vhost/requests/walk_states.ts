/**
 * The states a session can be in, each as the conversation that leads there and what follows from it
 * by the specification. The walk judges outcomes by these facts, never by asking the session.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import {
  encodeIotlb,
  VHOST_ACCESS_RW,
  VHOST_IOTLB_INVALIDATE,
  VHOST_IOTLB_UPDATE,
} from "../../../../lib/vhost/wire/back_end_message.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import type { OfferWord } from "../../../../lib/vhost/features/rows.ts";
import { DEFAULT_OFFER, makeOffer } from "../../../../lib/vhost/offer.ts";
import { Session } from "../../../../lib/vhost/session.ts";
import { BIT, hasFeature } from "../../../../lib/vhost/features/bits.ts";
import { FakeHost, message, state, table, words } from "../fake_host.ts";
import {
  PACKED_RINGS,
  QEMU_BYTES,
  QEMU_HVA,
  ringAddr,
  type RingPlace,
  SPLIT_RINGS,
} from "../front_ends.ts";

/** A word of feature bits. */
export function bits(...numbers: number[]): bigint {
  return numbers.reduce((word, bit) => word | (1n << BigInt(bit)), 0n);
}

/** What a conversation has led to. */
export interface Facts {
  /** Negotiated protocol features. */
  readonly protocol: bigint;
  /** Features of the last SET_FEATURES, or null. */
  readonly features: bigint | null;
  /** The guest's memory is known. */
  readonly memory: boolean;
  /** Descriptors that vring 0 holds. */
  readonly kick: boolean;
  readonly call: boolean;
  readonly err: boolean;
}

const NOTHING: Facts = {
  protocol: 0n,
  features: null,
  memory: false,
  kick: false,
  call: false,
  err: false,
};

/** Everything offered but what changes the meaning of rings or memory: that has states of its own. */
export const SPLIT: bigint = DEFAULT_OFFER.features &
  ~bits(BIT.VHOST_F_LOG_ALL, BIT.VIRTIO_F_ACCESS_PLATFORM, BIT.VIRTIO_F_RING_PACKED);
export const PACKED: bigint = SPLIT | bits(BIT.VIRTIO_F_RING_PACKED);
export const PROTOCOL: bigint = DEFAULT_OFFER.protocolFeatures;
const NO_ACK = PROTOCOL & ~bits(BIT.VHOST_USER_PROTOCOL_F_REPLY_ACK);
const LEGACY = bits(BIT.VIRTIO_F_VERSION_1);

/** The guest's first memory region. */
export const REGION = { guestAddr: 0, sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA, mmapOffset: 0 };
/** One more, behind it. */
export const REGION_2 = {
  ...REGION,
  guestAddr: QEMU_BYTES,
  userAddr: QEMU_HVA + QEMU_BYTES,
};

/** Where ring 0 and 1 are under these features. */
export function ringPlaces(features: bigint | null): readonly RingPlace[] {
  return hasFeature(features ?? 0n, BIT.VIRTIO_F_RING_PACKED) ? PACKED_RINGS : SPLIT_RINGS;
}

/** A session on the way to a state. */
export class Walk {
  readonly host: FakeHost = new FakeHost();
  session: Session = new Session(this.host);
  facts: Facts = NOTHING;

  /** Begins on a port that offers more. */
  offering(...words: OfferWord[]): this {
    this.session = new Session(this.host, makeOffer({ offer: words }));
    return this;
  }

  /** Sends what every front-end may send here. */
  say(request: number, payload?: Uint8Array, fds: readonly number[] = []): void {
    const { close } = this.session.handle(message(request, payload, fds));
    assert(!close, `the way there ended at ${request}: ${close?.detail}`);
  }

  /** Notes what was achieved. */
  now(facts: Partial<Facts>): void {
    this.facts = { ...this.facts, ...facts };
  }

  protocol(protocol: bigint = PROTOCOL): this {
    this.say(id.VHOST_USER_GET_FEATURES);
    this.say(id.VHOST_USER_GET_PROTOCOL_FEATURES);
    this.say(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(protocol));
    this.say(id.VHOST_USER_SET_OWNER);
    this.now({ protocol });
    return this;
  }

  features(features: bigint): this {
    this.say(id.VHOST_USER_SET_FEATURES, words(features));
    this.now({ features });
    return this;
  }

  memory(): this {
    this.say(id.VHOST_USER_SET_MEM_TABLE, table([REGION]), [this.host.fd("other")]);
    this.now({ memory: true });
    return this;
  }

  /** Size, base and addresses of both rings. */
  places(): this {
    ringPlaces(this.facts.features).forEach((place, index) => {
      const base = hasFeature(this.facts.features ?? 0n, BIT.VIRTIO_F_RING_PACKED) ? 0x80008000 : 0;
      this.say(id.VHOST_USER_SET_VRING_NUM, state(index, 256));
      this.say(id.VHOST_USER_SET_VRING_BASE, state(index, base));
      assert(!this.session.handle(ringAddr(index, place, QEMU_HVA)).close);
    });
    return this;
  }

  /** Both rings, all but the kick. */
  configure(): this {
    this.places();
    [0, 1].forEach((index) => {
      this.say(id.VHOST_USER_SET_VRING_CALL, words(index), [this.host.fd()]);
      this.say(id.VHOST_USER_SET_VRING_ERR, words(index), [this.host.fd()]);
    });
    this.now({ call: true, err: true });
    return this;
  }

  /** @param polling no kick descriptors: the back-end shall poll */
  kick(polling = false): this {
    for (const index of [0, 1]) {
      if (polling) this.say(id.VHOST_USER_SET_VRING_KICK, words(0x100 + index));
      else this.say(id.VHOST_USER_SET_VRING_KICK, words(index), [this.host.fd()]);
    }
    this.now({ kick: !polling });
    return this;
  }

  enable(num: 0 | 1 = 1): this {
    for (const index of [0, 1]) this.say(id.VHOST_USER_SET_VRING_ENABLE, state(index, num));
    return this;
  }

  /** A front-end whose guest has traffic. */
  run(features: bigint = SPLIT, protocol: bigint = PROTOCOL): this {
    this.protocol(protocol).features(features).memory().configure().kick().enable();
    assert(this.host.running.size === 2 && this.host.link, "the rings run");
    return this;
  }

  /** Asks where rings are, which stops them. */
  stop(...vrings: number[]): this {
    for (const index of vrings) this.say(id.VHOST_USER_GET_VRING_BASE, state(index, 0));
    return this;
  }
}

/** Payload of a translation of the first region's user addresses to themselves, or of its end. */
export function translateAll(type: number = VHOST_IOTLB_UPDATE): Uint8Array {
  const at = BigInt(QEMU_HVA);
  const sizeBytes = BigInt(QEMU_BYTES);
  return encodeIotlb({ iova: at, sizeBytes, userAddr: at, permission: VHOST_ACCESS_RW, type });
}

function untranslated(walk: Walk): void {
  walk.offering("iommu").protocol().features(SPLIT | bits(BIT.VIRTIO_F_ACCESS_PLATFORM)).memory();
  walk.configure().kick().enable();
  assert(walk.host.running.size === 0, "a ring that is not translated does not run");
}

function translated(walk: Walk): void {
  untranslated(walk);
  walk.say(id.VHOST_USER_IOTLB_MSG, translateAll());
  assert(walk.host.running.size === 2 && walk.host.link, "the rings run");
}

function invalidated(walk: Walk): void {
  translated(walk);
  walk.say(id.VHOST_USER_IOTLB_MSG, translateAll(VHOST_IOTLB_INVALIDATE));
}

/** Payload of a message about one region. */
export function regionPayload(region: typeof REGION): Uint8Array {
  return words(0, region.guestAddr, region.sizeBytes, region.userAddr, region.mmapOffset);
}

function broken(walk: Walk): void {
  walk.run().session.device.ringBroken(0, "bad-index");
}

function unmapped(walk: Walk): void {
  walk.run().say(id.VHOST_USER_REM_MEM_REG, regionPayload(REGION));
  walk.now({ memory: false });
}

function deviceReset(walk: Walk): void {
  walk.run().say(id.VHOST_USER_RESET_DEVICE);
  walk.now({ features: null });
}

/** Everything with in-band notifications, and no descriptor for any ring. */
function inBand(walk: Walk): Walk {
  const protocol = PROTOCOL | bits(BIT.VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS);
  return walk.offering("inband").protocol(protocol).features(SPLIT).memory().places();
}

function skipDrain(walk: Walk): void {
  const { VHOST_USER_PROTOCOL_F_GET_VRING_BASE_INFLIGHT: inflight } = BIT;
  const { VHOST_USER_PROTOCOL_F_GET_VRING_BASE_SKIP_DRAIN: skip } = BIT;
  walk.offering("skip-drain").run(SPLIT, PROTOCOL | bits(inflight, skip));
}

function kickedInBand(walk: Walk): void {
  inBand(walk).enable();
  for (const index of [0, 1]) walk.say(id.VHOST_USER_VRING_KICK, state(index, 0));
}

/** Every state by name. */
export const STATES: Readonly<Record<string, (walk: Walk) => void>> = {
  "new": () => {},
  "protocol features": (walk) => void walk.protocol(),
  "protocol features without REPLY_ACK": (walk) => void walk.protocol(NO_ACK),
  "features only": (walk) => void walk.features(SPLIT),
  "features without protocol features": (walk) => void walk.features(LEGACY),
  "memory set": (walk) => void walk.protocol().features(SPLIT).memory(),
  "kicked before all else": (walk) => void walk.protocol().kick(),
  "rings configured": (walk) => void walk.protocol().features(SPLIT).memory().configure(),
  "rings configured, no memory": (walk) => void walk.protocol().features(SPLIT).configure(),
  "rings started": (walk) => void walk.protocol().features(SPLIT).memory().configure().kick(),
  "rings started, polled": (walk) =>
    void walk.protocol().features(SPLIT).memory().configure().kick(true).enable(),
  "rings of an old front-end": (walk) => void walk.features(LEGACY).memory().configure().kick(),
  "rings enabled": (walk) => void walk.run(),
  "rings enabled without REPLY_ACK": (walk) => void walk.run(SPLIT, NO_ACK),
  "packed rings enabled": (walk) => void walk.run(PACKED),
  "rings disabled again": (walk) => void walk.run().enable(0),
  "one ring broken": broken,
  "one ring stopped": (walk) => void walk.run().stop(1),
  "suspended": (walk) => void walk.run().stop(0, 1),
  "suspended, packed": (walk) => void walk.run(PACKED).stop(0, 1),
  "status 0": (walk) => walk.run().say(id.VHOST_USER_SET_STATUS, words(0)),
  "device reset": deviceReset,
  "memory removed under the rings": unmapped,
  "skip-drain, running": skipDrain,
  "in-band, configured": (walk) => void inBand(walk),
  "in-band, kicked": kickedInBand,
  "behind an IOMMU, rings untranslated": untranslated,
  "behind an IOMMU": translated,
  "behind an IOMMU, rings invalidated": invalidated,
  "memory in two slots": (walk) =>
    walk.run().say(id.VHOST_USER_ADD_MEM_REG, regionPayload(REGION_2), [walk.host.fd("other")]),
};
