/**
 * What this back-end knows of the vhost-user protocol: every message and every feature bit, served
 * or not, and why. It is derived from the tables that the code itself goes by: that of requests, which
 * says all there is to say of each, and that of feature bits, whose reasons and tests are in `rows.ts`.
 * `tests/unit/vhost/inventory_test.ts` compares all of them.
 *
 * @module
 */
import * as bits from "../../virtio/features.ts";
import { makeOffer, type Offer } from "../offer.ts";
import { ACKNOWLEDGED, type Answer } from "../requests/answers.ts";
import { REQUESTS } from "../requests/table.ts";
import * as backEnd from "../wire/back_end_message.ts";
import { type Proof, REFUSAL } from "./proofs.ts";
import {
  COVERING_TESTS,
  ENTRY_KINDS,
  type EntryKind,
  type ListedKind,
  NOT_BY_DEFAULT,
  OFFER_CHOICES,
} from "./rows.ts";

export { ACKNOWLEDGED, ENTRY_KINDS, type EntryKind };

/** A test that shows an entry at work: its file, and how its name starts. */
export interface CoveringTest {
  /** Path in this repository. */
  readonly file: string;
  /** How the name of the test begins. */
  readonly name: string;
}

/** One message or feature bit. */
export interface Entry {
  /** Message or feature, and whose. */
  readonly kind: EntryKind;
  /** Message number, or bit. */
  readonly number: number;
  /** As in the headers of Linux and QEMU. */
  readonly name: string;
  /** `implemented`: at every port; `option`: at ports that ask for it; else `not-offered`. */
  readonly status: "implemented" | "option" | "not-offered";
  /** The port option that offers it, such as `offer=iommu`. */
  readonly option: string | null;
  /** The feature without which it is refused. */
  readonly requires: string | null;
  /** Why it is not offered, or not by default. */
  readonly reason: string | null;
  /** What is done on purpose and may surprise. */
  readonly note: string | null;
  /** What comes back, and how front-ends read it; null for what is not a served front-end message. */
  readonly answer: Answer | null;
  /** Empty only for what is not offered. */
  readonly tests: readonly CoveringTest[];
}

/** Features without which a back-end message is not sent. */
const NEEDED_FEATURES: Readonly<Record<string, string>> = {
  VHOST_USER_BACKEND_IOTLB_MSG: "VIRTIO_F_ACCESS_PLATFORM",
  VHOST_USER_BACKEND_CONFIG_CHANGE_MSG: "VHOST_USER_PROTOCOL_F_CONFIG",
  VHOST_USER_BACKEND_VRING_CALL: "VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS",
  VHOST_USER_BACKEND_VRING_ERR: "VHOST_USER_PROTOCOL_F_INBAND_NOTIFICATIONS",
};
const PROTOCOL_BIT = /^VHOST_USER_PROTOCOL_F_/;
const VIRTIO_BIT = /^(VIRTIO_F|VIRTIO_RING_F|VIRTIO_NET_F|VHOST_F|VHOST_USER_F)_/;
const BACK_END_MESSAGE = /^VHOST_USER_BACKEND_/;

/** Numbers by name of the constants of a module whose names match. */
function constants(module: object, pattern: RegExp): Map<string, number> {
  const found = Object.entries(module).filter(([name]) => pattern.test(name));
  return new Map(found.filter(([, value]) => typeof value === "number"));
}

type Status = Pick<Entry, "status" | "option">;
const NOT_OFFERED: Status = { status: "not-offered", option: null };
const IMPLEMENTED: Status = { status: "implemented", option: null };

/** How a port comes to offer a feature bit. */
function statusOf(word: (offer: Offer) => bigint, bit: number): Status {
  if (bits.hasFeature(word(makeOffer({})), bit)) return IMPLEMENTED;
  for (const [option, options] of OFFER_CHOICES) {
    if (bits.hasFeature(word(makeOffer(options)), bit)) return { status: "option", option };
  }
  return NOT_OFFERED;
}

/** Feature bits of a kind: those with a constant in features.ts, and those only `rows.ts` knows. */
function features(
  kind: ListedKind,
  pattern: RegExp,
  word: (offer: Offer) => bigint,
): Entry[] {
  const numbers = constants(bits, pattern);
  for (const [number, name] of NOT_BY_DEFAULT[kind]) numbers.set(name, number);
  return [...numbers].map(([name, number]) =>
    entry(kind, number, name, statusOf(word, number), null)
  );
}

function listedReason(kind: ListedKind, name: string): string | null {
  return NOT_BY_DEFAULT[kind].find((row) => row[1] === name)?.[2] ?? null;
}

/** A feature bit or a back-end message. @param inherited the reason of the feature it needs */
function entry(
  kind: ListedKind,
  number: number,
  name: string,
  status: Status,
  requires: string | null,
  inherited: string | null = null,
): Entry {
  const refusing = kind === "back-end message" ? [] : [REFUSAL];
  const proofs = status.status === "not-offered" ? refusing : COVERING_TESTS[name] ?? [];
  const reason = listedReason(kind, name) ?? inherited;
  const plain = { note: null, answer: null, tests: proofs.map(covering) };
  return { kind, number, name, ...status, requires, reason, ...plain };
}

function covering([file, name]: Proof): CoveringTest {
  return { file, name };
}

/**
 * Messages of both sides. A message is offered where the feature that it needs is; if that feature
 * needs another, only the nearer one counts.
 */
function messages(known: readonly Entry[]): Entry[] {
  const feature = (name: string | null): Entry | undefined =>
    known.find((each) => each.name === name);
  const status = (needed: string | null): Status => {
    if (needed === null) return IMPLEMENTED;
    const { status, option } = feature(needed) ?? NOT_OFFERED;
    return { status, option };
  };
  const front = [...REQUESTS].map(([number, { name, gate, decode, about }]): Entry => {
    const bit = known.find((each) => each.kind === "protocol feature" && each.number === gate);
    const requires = about.needs ?? bit?.name ?? null;
    return {
      ...{ kind: "front-end message", number, name: `VHOST_USER_${name}` },
      ...(decode ? status(requires) : NOT_OFFERED),
      requires,
      reason: about.why ?? feature(requires)?.reason ?? null,
      ...{ note: about.note ?? null, answer: about.answer, tests: about.tests.map(covering) },
    };
  });
  const sent = constants(backEnd, BACK_END_MESSAGE);
  for (const [number, name] of NOT_BY_DEFAULT["back-end message"]) sent.set(name, number);
  const back = [...sent].map(([name, number]) => {
    const needed = NEEDED_FEATURES[name] ?? null;
    const offered = needed === null ? NOT_OFFERED : status(needed);
    const inherited = feature(needed)?.reason ?? null;
    return entry("back-end message", number, name, offered, needed, inherited);
  });
  return [...front, ...back];
}

/** Every message and feature bit, ordered by kind, then by number. */
export function inventory(): Entry[] {
  const known = [
    ...features("protocol feature", PROTOCOL_BIT, (offer) => offer.protocolFeatures),
    ...features("virtio feature", VIRTIO_BIT, (offer) => offer.features),
  ];
  return [...messages(known), ...known].sort((a, b) =>
    ENTRY_KINDS.indexOf(a.kind) - ENTRY_KINDS.indexOf(b.kind) || a.number - b.number
  );
}
