/**
 * What this back-end knows of the vhost-user protocol: every message and every feature bit, served
 * or not, and why. It is derived from the tables that the code itself goes by: of requests
 * (`../requests/table.ts`), of feature bits (`../features/rows.ts`) and of the back-end's own
 * messages (`back_end_rows.ts`); `tests/unit/vhost/inventory/inventory_test.ts` compares it with a session.
 *
 * @module
 */
import { type FeatureRows, PROTOCOL_FEATURES, VIRTIO_FEATURES } from "../features/rows.ts";
import { ACKNOWLEDGED, type Answer } from "../requests/answers.ts";
import { REQUESTS } from "../requests/table.ts";
import * as backEnd from "../wire/back_end_message.ts";
import { BACK_END_ROWS, type BackEndName } from "./back_end_rows.ts";
import { type Proof, REFUSAL } from "./proofs.ts";

export { ACKNOWLEDGED };

/** Kinds of entries, in the order of every list of them. */
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

type Status = Pick<Entry, "status" | "option">;
const NOT_OFFERED: Status = { status: "not-offered", option: null };
const IMPLEMENTED: Status = { status: "implemented", option: null };

function covering(tests: readonly Proof[]): CoveringTest[] {
  return tests.map(([file, name]) => ({ file, name }));
}

/** The feature bits of a table. */
function features(kind: EntryKind, rows: FeatureRows): Entry[] {
  return Object.entries(rows).map(([name, row]): Entry => {
    const plain = { kind, number: row.bit, name, requires: null, note: null, answer: null };
    if (row.offered === "always") {
      return { ...plain, ...IMPLEMENTED, reason: null, tests: covering(row.tests) };
    }
    if (row.offered === "never") {
      return { ...plain, ...NOT_OFFERED, reason: row.why, tests: covering([REFUSAL]) };
    }
    const { option, why, tests } = row;
    return { ...plain, status: "option", option, reason: why, tests: covering(tests) };
  });
}

/** Messages of the front-end. One is offered with the feature that it needs, for its reason. */
function frontEndMessages(known: ReadonlyMap<string, Entry>): Entry[] {
  return [...REQUESTS].map(([number, { name, gate, decode, about }]): Entry => {
    const bit = [...known.values()]
      .find((each) => each.kind === "protocol feature" && each.number === gate);
    const needed = about.needs === undefined ? bit : known.get(about.needs);
    const { status, option } = needed ?? IMPLEMENTED;
    return {
      ...{ kind: "front-end message", number, name: `VHOST_USER_${name}` },
      ...(decode ? { status, option } : NOT_OFFERED),
      requires: needed?.name ?? null,
      reason: about.why ?? needed?.reason ?? null,
      ...{ note: about.note ?? null, answer: about.answer, tests: covering(about.tests) },
    };
  });
}

/** Messages of the back-end. */
function backEndMessages(known: ReadonlyMap<string, Entry>): Entry[] {
  const names = Object.keys(BACK_END_ROWS) as BackEndName[];
  return names.map((name): Entry => {
    const row = BACK_END_ROWS[name];
    const plain = { number: backEnd[name], name, note: null, answer: null };
    if ("why" in row) {
      const unsent = { requires: null, reason: row.why, tests: [] };
      return { kind: "back-end message", ...plain, ...NOT_OFFERED, ...unsent };
    }
    const { status, option, reason } = known.get(row.needs) ?? { ...NOT_OFFERED, reason: null };
    const sent = { status, option, requires: row.needs, reason, tests: covering(row.tests) };
    return { kind: "back-end message", ...plain, ...sent };
  });
}

/** Every message and feature bit, ordered by kind, then by number. */
export function inventory(): Entry[] {
  const known = new Map(
    [
      ...features("protocol feature", PROTOCOL_FEATURES),
      ...features("virtio feature", VIRTIO_FEATURES),
    ].map((entry) => [entry.name, entry]),
  );
  return [...frontEndMessages(known), ...backEndMessages(known), ...known.values()].sort((a, b) =>
    ENTRY_KINDS.indexOf(a.kind) - ENTRY_KINDS.indexOf(b.kind) || a.number - b.number
  );
}
