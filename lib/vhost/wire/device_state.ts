/**
 * A port's own state as bytes, for the front-end to carry to another back-end. What the driver and
 * the rings know is not in it: that travels with the guest.
 *
 * ```
 * magic "vuswport"  version u16@8  0 u16@10  bytes of all sections u32@12  sections@16  crc32 u32
 * section   type u16  flags u16  bytes u32  value
 * device    mac (6 bytes)  mtu u16, 0: none  queue pairs set up u16  0 u16
 * learned   per address: mac (6 bytes)  vlan u16  age u32, seconds
 * counters  per counter: bytes of the name u8  name  value u64
 * ```
 *
 * Little-endian; the checksum covers everything before it. A later version of this program may add
 * sections, counters to theirs, and fields behind those of a device: readers skip a section that
 * they do not know if its flags allow it, counters they do not know, and fields they do not expect.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { concat } from "@std/bytes/concat";
import type { Mac } from "../../base/mac.ts";
import { LIMITS } from "../../base/port_limits.ts";
import type { LearnedMac } from "../../worker/wire.ts";
import { isRefusal, type ReasonCode, type Refusal } from "../reasons.ts";

/** Longest state written or read, bytes. */
export const STATE_BYTES_MAX: number = LIMITS.state.most;
/** Addresses in a state at most; of more the ones seen last are taken along. */
export const STATE_MACS_MAX = 65536;
/** The version this program writes, and the one it reads. */
export const STATE_VERSION = 1;

const MAGIC = 0x74726f7077737576n;
const HEAD_BYTES = 16;
const CRC_BYTES = 4;
const SECTION_HEAD_BYTES = 8;
/** A reader that does not know the section goes on without it. */
const SECTION_OPTIONAL = 1;
const DEVICE = 1;
const LEARNED = 2;
const COUNTERS = 3;
const DEVICE_BYTES = 12;
const LEARNED_BYTES = 12;
const VLAN_MAX = 4094;
/** Counters stay exact up to here. */
const COUNT_MAX = 2 ** 53;

/** A port's own state, as it is carried. */
export interface DeviceState {
  /** Of the configuration space, or null. */
  readonly mac: Mac | null;
  /** Bytes, or null: nobody named one. */
  readonly mtu: number | null;
  /** Queue pairs that the driver had set up. */
  readonly queuePairs: number;
  /** FDB entries behind this port. */
  readonly learned: readonly LearnedMac[];
  /** Totals by name, each a whole number up to 2^53. */
  readonly counters: Readonly<Record<string, number>>;
}

/** Encodes a state, into at most {@linkcode STATE_BYTES_MAX}. */
export function encodeDeviceState(state: DeviceState): Uint8Array<ArrayBuffer> {
  const sections = [
    section(DEVICE, 0, encodeDevice(state)),
    section(LEARNED, 0, encodeLearned(state.learned)),
    section(COUNTERS, SECTION_OPTIONAL, encodeCounters(state.counters)),
  ];
  const sectionBytes = sections.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(new ArrayBuffer(HEAD_BYTES + sectionBytes + CRC_BYTES));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setUint16(8, STATE_VERSION, true);
  view.setUint32(12, sectionBytes, true);
  let at = HEAD_BYTES;
  for (const part of sections) {
    bytes.set(part, at);
    at += part.length;
  }
  view.setUint32(at, crc32(bytes.subarray(0, at)), true);
  return bytes;
}

function section(type: number, flags: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(SECTION_HEAD_BYTES + value.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, type, true);
  view.setUint16(2, flags, true);
  view.setUint32(4, value.length, true);
  bytes.set(value, SECTION_HEAD_BYTES);
  return bytes;
}

function encodeDevice({ mac, mtu, queuePairs }: DeviceState): Uint8Array {
  const view = new DataView(new ArrayBuffer(DEVICE_BYTES));
  view.setInt32(0, mac?.low ?? 0, true);
  view.setUint16(4, mac?.high ?? 0, true);
  view.setUint16(6, mtu ?? 0, true);
  view.setUint16(8, queuePairs, true);
  return new Uint8Array(view.buffer);
}

function encodeLearned(learned: readonly LearnedMac[]): Uint8Array {
  const latest = [...learned].sort((a, b) => a.ageSeconds - b.ageSeconds).slice(0, STATE_MACS_MAX);
  const view = new DataView(new ArrayBuffer(LEARNED_BYTES * latest.length));
  for (const [i, { macLo, macHi, ageSeconds }] of latest.entries()) {
    view.setInt32(LEARNED_BYTES * i, macLo, true);
    // Address in the lower half, VLAN in the upper: as they stand in the message.
    view.setUint32(LEARNED_BYTES * i + 4, macHi, true);
    view.setUint32(LEARNED_BYTES * i + 8, ageSeconds, true);
  }
  return new Uint8Array(view.buffer);
}

function encodeCounters(counters: Readonly<Record<string, number>>): Uint8Array {
  const parts = Object.entries(counters).map(([name, value]) => {
    const text = new TextEncoder().encode(name);
    const bytes = new Uint8Array(1 + text.length + 8);
    bytes[0] = text.length;
    bytes.set(text, 1);
    new DataView(bytes.buffer).setBigUint64(
      1 + text.length,
      BigInt(Math.min(value, COUNT_MAX)),
      true,
    );
    return bytes;
  });
  return concat(parts);
}

function refuse(code: ReasonCode, detail: string): Refusal {
  return { code, detail };
}

/** Decodes a state and checks all of it. @returns the state, or why it is none */
export function decodeDeviceState(bytes: Uint8Array): DeviceState | Refusal {
  if (bytes.length > STATE_BYTES_MAX) return refuse("state-too-long", `${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const whole = checkWhole(view, bytes);
  if (whole) return whole;
  const end = bytes.length - CRC_BYTES;
  const state = new Map<number, DataView>();
  for (let at = HEAD_BYTES; at < end;) {
    if (at + SECTION_HEAD_BYTES > end) return refuse("bad-state", "a section is cut off");
    const type = view.getUint16(at, true);
    const flags = view.getUint16(at + 2, true);
    const sizeBytes = view.getUint32(at + 4, true);
    at += SECTION_HEAD_BYTES;
    if (sizeBytes > end - at) return refuse("bad-state", `section ${type} is cut off`);
    const known = type === DEVICE || type === LEARNED || type === COUNTERS;
    if (!known && (flags & SECTION_OPTIONAL) === 0) {
      return refuse("bad-state", `section ${type} is not known here and must not be left out`);
    }
    if (state.has(type)) return refuse("bad-state", `section ${type} stands there twice`);
    state.set(type, new DataView(bytes.buffer, bytes.byteOffset + at, sizeBytes));
    at += sizeBytes;
  }
  return decodeSections(state);
}

function checkWhole(view: DataView, bytes: Uint8Array): Refusal | null {
  if (bytes.length < HEAD_BYTES + CRC_BYTES) {
    return refuse("state-truncated", `${bytes.length} bytes are no state`);
  }
  if (view.getBigUint64(0, true) !== MAGIC) return refuse("bad-state", "it is none of a port");
  const version = view.getUint16(8, true);
  if (version !== STATE_VERSION) {
    return refuse("state-version", `version ${version}, known here: ${STATE_VERSION}`);
  }
  const wanted = HEAD_BYTES + view.getUint32(12, true) + CRC_BYTES;
  if (bytes.length < wanted) {
    return refuse("state-truncated", `${bytes.length} of ${wanted} bytes`);
  }
  if (bytes.length > wanted) {
    return refuse("state-trailing", `${bytes.length - wanted} bytes behind its end`);
  }
  const end = bytes.length - CRC_BYTES;
  if (
    view.getUint32(end, true) === crc32(bytes.subarray(0, end)) && view.getUint16(10, true) === 0
  ) {
    return null;
  }
  return refuse("state-corrupted", "its checksum is wrong");
}

function decodeSections(sections: ReadonlyMap<number, DataView>): DeviceState | Refusal {
  const device = sections.get(DEVICE);
  if (!device || device.byteLength < DEVICE_BYTES) return refuse("bad-state", "no device section");
  const mac = { low: device.getInt32(0, true), high: device.getUint16(4, true) };
  if ((mac.low & 1) !== 0) return refuse("bad-state", "the device has a group address");
  const learned = decodeLearned(sections.get(LEARNED));
  if (isRefusal(learned)) return learned;
  const counters = decodeCounters(sections.get(COUNTERS));
  if (isRefusal(counters)) return counters;
  const mtu = device.getUint16(6, true);
  return {
    mac: mac.low === 0 && mac.high === 0 ? null : mac,
    mtu: mtu === 0 ? null : mtu,
    queuePairs: device.getUint16(8, true),
    learned,
    counters: Object.fromEntries(counters),
  };
}

function decodeLearned(view: DataView | undefined): LearnedMac[] | Refusal {
  if (!view) return [];
  const count = view.byteLength / LEARNED_BYTES;
  if (!Number.isInteger(count)) return refuse("bad-state", "the last address is cut off");
  const learned: LearnedMac[] = [];
  for (let at = 0; at < view.byteLength; at += LEARNED_BYTES) {
    const macLo = view.getInt32(at, true);
    const macHi = view.getInt32(at + 4, true);
    const vlan = macHi >>> 16;
    if ((macLo & 1) !== 0) return refuse("bad-state", "a group address was learned");
    if (macLo === 0 && (macHi & 0xffff) === 0) return refuse("bad-state", "a zero address");
    if (vlan > VLAN_MAX) return refuse("bad-state", `VLAN ${vlan}`);
    learned.push({ macLo, macHi, ageSeconds: view.getUint32(at + 8, true) });
  }
  return learned;
}

function decodeCounters(view: DataView | undefined): [string, number][] | Refusal {
  const counters: [string, number][] = [];
  for (let at = 0; view && at < view.byteLength;) {
    const nameBytes = view.getUint8(at);
    const end = at + 1 + nameBytes + 8;
    if (end > view.byteLength) return refuse("bad-state", "the last counter is cut off");
    const name = new Uint8Array(view.buffer, view.byteOffset + at + 1, nameBytes);
    const value = view.getBigUint64(end - 8, true);
    if (value > BigInt(COUNT_MAX)) return refuse("bad-state", `a counter of ${value}`);
    counters.push([String.fromCharCode(...name), Number(value)]);
    at = end;
  }
  return counters;
}
