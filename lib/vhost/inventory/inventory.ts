/**
 * What this back-end knows of the vhost-user protocol: every message and every feature bit, served
 * or not, and why. It is derived from the tables that the code itself goes by; reasons and tests
 * are in `rows.ts`, and `tests/unit/vhost/inventory_test.ts` compares all of them.
 *
 * @module
 */
import { present } from "../../base/assert.ts";
import * as bits from "../../virtio/features.ts";
import { ACKNOWLEDGED, type Answer, ANSWERS } from "./answers.ts";
import * as backEnd from "../wire/back_end_message.ts";
import {
  COVERING_TESTS,
  NOT_BY_DEFAULT,
  NOTES,
  OFFER_CHOICES,
  REFUSING_TESTS,
  type Row,
} from "./rows.ts";
import { makeOffer, type Offer } from "../offer.ts";
import { REQUESTS } from "../requests/table.ts";

export { ACKNOWLEDGED };

/** What an entry is about. `number` is a message's id or a bit. */
export const ENTRY_KINDS = [
  "front-end message",
  "back-end message",
  "protocol feature",
  "virtio feature",
] as const;

/** One of {@linkcode ENTRY_KINDS}. */
export type EntryKind = (typeof ENTRY_KINDS)[number];

/** A test that shows an entry at work: its file, and how its name starts. */
export interface CoveringTest {
  readonly file: string;
  readonly name: string;
}

/** One message or feature bit. */
export interface Entry {
  readonly kind: EntryKind;
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
  readonly tests: readonly CoveringTest[];
}

/** Features that a message needs and the table of requests does not say. */
const NEEDED_FEATURES: Readonly<Record<string, string>> = {
  VHOST_USER_IOTLB_MSG: "VIRTIO_F_ACCESS_PLATFORM",
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

/** The constants of a kind and the rows of what has no constant, by number. */
function features(
  kind: EntryKind,
  pattern: RegExp,
  word: (offer: Offer) => bigint,
): Entry[] {
  const numbers = constants(bits, pattern);
  for (const [number, name] of NOT_BY_DEFAULT[kind]) numbers.set(name, number);
  return [...numbers].map(([name, number]) =>
    entry(kind, number, name, statusOf(word, number), null)
  );
}

function reasonOf(kind: EntryKind, name: string): string | null {
  return NOT_BY_DEFAULT[kind].find((row: Row) => row[1] === name)?.[2] ?? null;
}

function entry(
  kind: EntryKind,
  number: number,
  name: string,
  status: Status,
  requires: string | null,
): Entry {
  const reason = reasonOf(kind, name);
  const proofs = status.status === "not-offered" ? REFUSING_TESTS[kind] : COVERING_TESTS[name];
  const tests = (proofs ?? []).map(([file, title]) => ({ file, name: title }));
  const note = NOTES[name] ?? null;
  const answer = answerTo(kind, number);
  return { kind, number, name, ...status, requires, reason, note, answer, tests };
}

function answerTo(kind: EntryKind, number: number): Answer | null {
  const request = kind === "front-end message" ? REQUESTS.get(number) : undefined;
  if (!request?.decode) return null;
  return request.replies ? present(ANSWERS[request.name], request.name) : ACKNOWLEDGED;
}

/** A message is offered with the feature that it needs; of two steps apart, the nearer decides. */
function messages(known: readonly Entry[]): Entry[] {
  const status = (needed: string | null): Status => {
    if (needed === null) return IMPLEMENTED;
    const feature = known.find(({ name }) => name === needed);
    return feature ? { status: feature.status, option: feature.option } : NOT_OFFERED;
  };
  const front = [...REQUESTS].map(([number, request]) => {
    const name = `VHOST_USER_${request.name}`;
    const gate = known.find((e) => e.kind === "protocol feature" && e.number === request.gate);
    const needed = NEEDED_FEATURES[name] ?? gate?.name ?? null;
    const offered = request.decode ? status(needed) : NOT_OFFERED;
    return entry("front-end message", number, name, offered, needed);
  });
  const sent = constants(backEnd, BACK_END_MESSAGE);
  for (const [number, name] of NOT_BY_DEFAULT["back-end message"]) sent.set(name, number);
  const back = [...sent].map(([name, number]) => {
    const needed = NEEDED_FEATURES[name] ?? null;
    const offered = needed === null ? NOT_OFFERED : status(needed);
    return entry("back-end message", number, name, offered, needed);
  });
  return [...front, ...back];
}

/** Everything, kind by kind, in order of numbers. */
export function inventory(): Entry[] {
  const known = [
    ...features("protocol feature", PROTOCOL_BIT, (offer) => offer.protocolFeatures),
    ...features("virtio feature", VIRTIO_BIT, (offer) => offer.features),
  ];
  return [...messages(known), ...known].sort((a, b) =>
    ENTRY_KINDS.indexOf(a.kind) - ENTRY_KINDS.indexOf(b.kind) || a.number - b.number
  );
}
