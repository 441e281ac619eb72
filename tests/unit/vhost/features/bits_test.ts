/** Feature bits: what their rows make of options, and rows that contradict each other. */
import { strict as assert } from "node:assert";
import {
  BIT,
  checkRows,
  featureNames,
  featureWord,
  hasFeature,
  missingNeed,
  OFFER_WORDS,
  offeredWord,
  protocolFeatureNames,
  queueFeatures,
} from "../../../../lib/vhost/features/bits.ts";
import {
  type FeatureRows,
  PROTOCOL_FEATURES,
  VIRTIO_FEATURES,
} from "../../../../lib/vhost/features/rows.ts";
import { DEFAULT_OFFER } from "../../../../lib/vhost/offer.ts";
import { REFUSAL } from "../../../../lib/vhost/inventory/proofs.ts";

const PLAIN = offeredWord(VIRTIO_FEATURES, {});
const PROTOCOL_PLAIN = offeredWord(PROTOCOL_FEATURES, {});

Deno.test("each option changes the bits that its rows name, and no others", () => {
  const changed = (options: Parameters<typeof offeredWord>[1]): bigint[] => [
    offeredWord(VIRTIO_FEATURES, options) ^ PLAIN,
    offeredWord(PROTOCOL_FEATURES, options) ^ PROTOCOL_PLAIN,
  ];
  const word = (...bits: number[]): bigint => featureWord(bits);
  assert.deepEqual(changed({ mac: "52:54:00:00:00:01" }), [word(5), 0n]);
  assert.deepEqual(changed({ queuePairs: 1 }), [word(22), 0n]);
  assert.deepEqual(changed({ queuePairs: 2 }), [0n, 0n]);
  assert.deepEqual(changed({ announce: false }), [word(21), 0n]);
  assert.deepEqual(changed({ announce: true, mtu: 9000 }), [0n, 0n]);
  const [csum, tso, uso] = [word(0, 1), word(7, 8, 9, 11, 12, 13), word(54, 55, 56)];
  assert.deepEqual(changed({ offload: "off" }), [csum | tso | uso, 0n]);
  assert.deepEqual(changed({ offload: "csum" }), [tso | uso, 0n]);
  assert.deepEqual(changed({ offload: "tso" }), [uso, 0n]);
  assert.deepEqual(changed({ offload: "uso" }), [0n, 0n]);
  assert.deepEqual(OFFER_WORDS.map((each) => changed({ offer: [each] })), [
    [0n, word(14)],
    [0n, word(21)],
    [0n, word(20, 23)],
    [word(40), 0n],
    [word(33), 0n],
  ]);
  assert.deepEqual(changed({ offer: OFFER_WORDS }), [word(33, 40), word(14, 20, 21, 23)]);
});

Deno.test("missingNeed() names the first bit that stands alone", () => {
  assert.equal(missingNeed(VIRTIO_FEATURES, PLAIN), null);
  const { VIRTIO_F_VERSION_1, VIRTIO_F_RING_PACKED } = BIT;
  assert.deepEqual(missingNeed(VIRTIO_FEATURES, PLAIN ^ featureWord([VIRTIO_F_VERSION_1])), {
    bit: VIRTIO_F_RING_PACKED,
    without: VIRTIO_F_VERSION_1,
  });
  assert.equal(missingNeed(VIRTIO_FEATURES, 0n), null);
  assert.deepEqual(missingNeed(PROTOCOL_FEATURES, featureWord([23, 12])), { bit: 23, without: 20 });
  assert.equal(missingNeed(PROTOCOL_FEATURES, featureWord([23, 20, 12])), null);
});

Deno.test("queueFeatures() tells each feature of a virtqueue apart from the others", () => {
  const bits = {
    ...{ eventIdx: 29, indirect: 28, mergeable: 15, csum: 0, guestCsum: 1 },
    ...{ guestTso4: 7, guestTso6: 8, guestEcn: 9, hostTso4: 11, hostTso6: 12, hostEcn: 13 },
    ...{ guestUso4: 54, guestUso6: 55, hostUso: 56 },
  };
  const each = (value: boolean): Record<string, boolean> =>
    Object.fromEntries(Object.keys(bits).map((name) => [name, value]));
  const none = each(false);
  assert.deepEqual(queueFeatures(0n), none);
  for (const [name, bit] of Object.entries(bits)) {
    assert.deepEqual(queueFeatures(featureWord([bit])), { ...none, [name]: true });
    const others = (2n ** 64n - 1n) ^ featureWord([bit]);
    assert.deepEqual(queueFeatures(others), { ...each(true), [name]: false });
  }
});

Deno.test("rows that contradict each other do not load", () => {
  const tests = [REFUSAL];
  const good: FeatureRows = {
    VIRTIO_F_A: { offered: "always", bit: 1, tests },
    VIRTIO_F_B: { offered: "always", bit: 2, tests, needs: ["VIRTIO_F_A"] },
  };
  assert.doesNotThrow(() => checkRows(good));
  const bad: readonly FeatureRows[] = [
    { ...good, VIRTIO_F_C: { offered: "never", bit: 2, why: "taken" } },
    { ...good, VIRTIO_F_C: { offered: "never", bit: 64, why: "too high" } },
    { ...good, NET_C: { offered: "never", bit: 3, why: "no name of the headers" } },
    { ...good, VIRTIO_F_C: { offered: "always", bit: 3, tests: [] } },
    { ...good, VIRTIO_F_C: { offered: "always", bit: 3, tests, needs: ["VIRTIO_F_X"] } },
    { ...good, VIRTIO_F_A: { offered: "never", bit: 1, why: "B needs it" } },
  ];
  for (const rows of bad) assert.throws(() => checkRows(rows), { name: "AssertionError" });
});

Deno.test("offered features are what they were: a front-end must find all it once had", () => {
  assert.deepEqual(featureNames(DEFAULT_OFFER.features), [
    "CSUM",
    "GUEST_CSUM",
    "MTU",
    "GUEST_TSO4",
    "GUEST_TSO6",
    "GUEST_ECN",
    "HOST_TSO4",
    "HOST_TSO6",
    "HOST_ECN",
    "MRG_RXBUF",
    "STATUS",
    "GUEST_ANNOUNCE",
    "MQ",
    "LOG_ALL",
    "ANY_LAYOUT",
    "INDIRECT_DESC",
    "EVENT_IDX",
    "PROTOCOL_FEATURES",
    "VERSION_1",
    "RING_PACKED",
    "IN_ORDER",
    "GUEST_USO4",
    "GUEST_USO6",
    "HOST_USO",
  ]);
  assert.deepEqual(protocolFeatureNames(DEFAULT_OFFER.protocolFeatures), [
    "MQ",
    "LOG_SHMFD",
    "RARP",
    "REPLY_ACK",
    "NET_MTU",
    "BACKEND_REQ",
    "CONFIG",
    "INFLIGHT_SHMFD",
    "RESET_DEVICE",
    "CONFIGURE_MEM_SLOTS",
    "STATUS",
    "DEVICE_STATE",
  ]);
  assert.equal(DEFAULT_OFFER.features, 0x1c0_000d_7c61_bb8bn);
  assert.equal(DEFAULT_OFFER.protocolFeatures, 0x9_b23fn);
});

Deno.test("hasFeature() looks at bits beyond 32", () => {
  assert.equal(hasFeature(1n << 63n, 63), true);
  assert.equal(hasFeature(1n << 63n, 62), false);
  assert.deepEqual(featureNames(1n << 58n), ["bit 58"]);
});
