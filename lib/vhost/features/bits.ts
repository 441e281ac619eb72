/**
 * Feature words and their bits, by the names of `rows.ts`. Words are BigInt: control thread only.
 *
 * @module
 */
import { assert } from "../../base/assert.ts";
import { QUEUE_FEATURES, type QueueFeatures } from "../../virtio/ring.ts";
import {
  type FeatureName,
  type FeatureRow,
  type FeatureRows,
  OFFER_WORD_ROWS,
  type OfferOptions,
  type OfferWord,
  PROTOCOL_FEATURES,
  VIRTIO_FEATURES,
} from "./rows.ts";

/** Words that `offer=` takes, in the order they are shown. */
export const OFFER_WORDS = Object.keys(OFFER_WORD_ROWS) as readonly OfferWord[];

/** Numbers of feature bits by name. */
export const BIT = Object.fromEntries(
  [...Object.entries(VIRTIO_FEATURES), ...Object.entries(PROTOCOL_FEATURES)]
    .map(([name, { bit }]) => [name, bit]),
) as Readonly<Record<FeatureName, number>>;

/** Whether a feature word has a bit. */
export function hasFeature(word: bigint, bit: number): boolean {
  return (word >> BigInt(bit)) % 2n === 1n;
}

/** A word with these bits. */
export function featureWord(bits: readonly number[]): bigint {
  return bits.reduce((word, bit) => word | (1n << BigInt(bit)), 0n);
}

/** Whether a port with these options offers a row's bit. */
function isOffered(row: FeatureRow, options: OfferOptions): boolean {
  if (row.offered === "always") return row.unless === undefined || !row.unless(options);
  return row.offered === "option" && row.when(options);
}

/** Which features of a virtqueue a word has, by their names in lib/virtio. */
export function queueFeatures(word: bigint): QueueFeatures {
  const names: Readonly<Record<keyof QueueFeatures, FeatureName>> = QUEUE_FEATURES;
  const flags = Object.entries(names).map(([flag, name]) => [flag, hasFeature(word, BIT[name])]);
  return Object.fromEntries(flags);
}

/** The word that a port with these options offers of a table. */
export function offeredWord(rows: FeatureRows, options: OfferOptions): bigint {
  const offered = Object.values(rows).filter((row) => isOffered(row, options));
  return featureWord(offered.map(({ bit }) => bit));
}

/**
 * A bit of a word without one that it needs, in the order of the table.
 * @returns numbers of both, or null if the word's bits go together
 */
export function missingNeed(
  rows: FeatureRows,
  word: bigint,
): { readonly bit: number; readonly without: number } | null {
  for (const row of Object.values(rows)) {
    if (row.offered === "never" || !hasFeature(word, row.bit)) continue;
    for (const name of row.needs ?? []) {
      const without = rows[name]?.bit;
      if (without !== undefined && !hasFeature(word, without)) return { bit: row.bit, without };
    }
  }
  return null;
}

const PREFIX = /^(VIRTIO(_NET|_RING)?|VHOST_USER_PROTOCOL|VHOST_USER|VHOST)_F_/;

function names(word: bigint, rows: FeatureRows): string[] {
  const short = new Map(
    Object.entries(rows).map(([name, { bit }]) => [bit, name.replace(PREFIX, "")]),
  );
  const list: string[] = [];
  for (let bit = 0; word >> BigInt(bit) !== 0n; bit++) {
    if (hasFeature(word, bit)) list.push(short.get(bit) ?? `bit ${bit}`);
  }
  return list;
}

/** Names of the virtio feature bits in a word, without their prefixes. */
export function featureNames(word: bigint): string[] {
  return names(word, VIRTIO_FEATURES);
}

/** Names of the protocol feature bits in a word, without their prefix. */
export function protocolFeatureNames(word: bigint): string[] {
  return names(word, PROTOCOL_FEATURES);
}

/** What must hold of a table: looked at when this is loaded. @throws {AssertionError} */
export function checkRows(rows: FeatureRows): void {
  const entries = Object.entries(rows);
  const numbers = new Set(entries.map(([, { bit }]) => bit));
  assert(numbers.size === entries.length, "feature bits have a number each");
  for (const [name, row] of entries) {
    assert(PREFIX.test(name), `${name} is named as in the headers`);
    assert(Number.isInteger(row.bit) && row.bit >= 0 && row.bit < 64, `${name} fits a message`);
    if (row.offered === "never") continue;
    assert(row.tests.length > 0, `${name} is tested`);
    for (const other of row.needs ?? []) checkNeed(rows, name, row, other);
  }
}

/** A bit is never offered without what it needs. */
function checkNeed(rows: FeatureRows, name: string, row: FeatureRow, other: string): void {
  const needed = rows[other];
  assert(needed !== undefined, `${name} needs ${other}, which is no bit of its table`);
  const options = row.offered === "option" ? row.example : {};
  assert(isOffered(needed, options), `${name} is offered with ${other}`);
}

checkRows(VIRTIO_FEATURES);
checkRows(PROTOCOL_FEATURES);
const both: readonly FeatureRow[] = [VIRTIO_FEATURES, PROTOCOL_FEATURES].flatMap(Object.values);
for (const word of OFFER_WORDS) {
  const offers = (row: FeatureRow): boolean =>
    row.offered === "option" && row.when({ offer: [word] });
  assert(both.some(offers), `offer=${word} offers something`);
}
