// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Which frames a capture takes: a program of numbers, one test or operator after the other as on a
 * stack, made from words by lib/control/capture/expression.ts and run over the fields of a frame.
 *
 * ```
 *   [NOT] [AND] [OR]                      of the one or two on top
 *   [MAC, which, low, high]               an Ethernet address, words as readFields has them
 *   [VLAN, vid]                           a tag of that VLAN; -1: any tag
 *   [TYPE, type]                          EtherType behind tags
 *   [IP, version]                         4 or 6
 *   [PROTOCOL, number, version]           version 0: either
 *   [PORT, which, from, to]               TCP, UDP or SCTP ports from `from` to `to`
 *   [HOST4, which, address, mask]         IPv4 or ARP
 *   [HOST6, which, 4 words, 4 words]      address and mask
 *   [GROUP, kind]                         to a group, or to everybody
 * ```
 *
 * A program is made by us alone and checked where it is made. Any thread.
 *
 * @module
 */
import {
  FIELD_DESTINATION,
  FIELD_DESTINATION_PORT,
  FIELD_FROM_HIGH,
  FIELD_FROM_LOW,
  FIELD_HOSTS,
  FIELD_IP,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SOURCE_PORT,
  FIELD_TAGS,
  FIELD_TO_HIGH,
  FIELD_TO_LOW,
  FIELD_TYPE,
  FIELD_VID,
  fields,
} from "./fields.ts";

/** See above, as all that follow. */
export const FILTER_NOT = 0;
/** See above. */
export const FILTER_AND = 1;
/** See above. */
export const FILTER_OR = 2;
/** See above. */
export const FILTER_MAC = 3;
/** See above. */
export const FILTER_VLAN = 4;
/** See above. */
export const FILTER_TYPE = 5;
/** See above. */
export const FILTER_IP = 6;
/** See above. */
export const FILTER_PROTOCOL = 7;
/** See above. */
export const FILTER_PORT = 8;
/** See above. */
export const FILTER_HOST4 = 9;
/** See above. */
export const FILTER_HOST6 = 10;
/** See above. */
export const FILTER_GROUP = 11;

/** Which of two addresses or ports: bits. */
export const WHICH_SOURCE = 1;
/** The other. */
export const WHICH_DESTINATION = 2;

/** FILTER_GROUP: to any group. */
export const GROUP_ANY = 0;
/** FILTER_GROUP: to everybody. */
export const GROUP_BROADCAST = 1;

/** Numbers that a program has at most. */
export const FILTER_NUMBERS_MAX = 256;
/** Tests that stand on the stack at once, at most: bits of a word. */
export const FILTER_DEPTH_MAX = 30;

/** Whether the frame whose fields were read last passes. @param program empty: every frame does */
export function passes(program: Int32Array): boolean {
  if (program.length === 0) return true;
  // The stack is a word, its top the lowest bit.
  let stack = 0;
  let at = 0;
  while (at < program.length) {
    const step = program[at]!;
    if (step === FILTER_NOT) {
      stack ^= 1;
      at += 1;
    } else if (step === FILTER_AND) {
      stack = (stack >>> 1) & (stack | ~1);
      at += 1;
    } else if (step === FILTER_OR) {
      stack = (stack >>> 1) | (stack & 1);
      at += 1;
    } else {
      stack = (stack << 1) | (test(program, at, step) ? 1 : 0);
      at += numbersOf(step);
    }
  }
  return (stack & 1) === 1;
}

/** Numbers of a test, itself among them. */
function numbersOf(step: number): number {
  if (step === FILTER_HOST6) return 10;
  if (step === FILTER_MAC || step === FILTER_PORT || step === FILTER_HOST4) return 4;
  return step === FILTER_PROTOCOL ? 3 : 2;
}

function test(program: Int32Array, at: number, step: number): boolean {
  const one = program[at + 1]!;
  if (step === FILTER_MAC) return isStation(one, program[at + 2]!, program[at + 3]!);
  if (step === FILTER_VLAN) return isTagged(one);
  if (step === FILTER_TYPE) return fields[FIELD_TYPE] === one;
  if (step === FILTER_IP) return fields[FIELD_IP] === one;
  if (step === FILTER_PROTOCOL) {
    const version = program[at + 2]!;
    return fields[FIELD_PROTOCOL] === one && (version === 0 || fields[FIELD_IP] === version);
  }
  if (step === FILTER_PORT) return isPort(one, program[at + 2]!, program[at + 3]!);
  if (step === FILTER_HOST4) {
    return fields[FIELD_HOSTS] === 4 && isHost(program, at + 2, one, 1);
  }
  if (step === FILTER_HOST6) {
    return fields[FIELD_HOSTS] === 6 && isHost(program, at + 2, one, 4);
  }
  const low = fields[FIELD_TO_LOW]!;
  if (one === GROUP_ANY) return (low & 1) === 1;
  return low === -1 && fields[FIELD_TO_HIGH] === 0xffff;
}

function isStation(which: number, low: number, high: number): boolean {
  if (fields[FIELD_TYPE] === -1 && fields[FIELD_TAGS] === 0) return false;
  const from = fields[FIELD_FROM_LOW] === low && fields[FIELD_FROM_HIGH] === high;
  const to = fields[FIELD_TO_LOW] === low && fields[FIELD_TO_HIGH] === high;
  return ((which & WHICH_SOURCE) !== 0 && from) || ((which & WHICH_DESTINATION) !== 0 && to);
}

function isTagged(vid: number): boolean {
  const tags = fields[FIELD_TAGS]!;
  if (vid < 0) return tags > 0;
  for (let tag = 0; tag < tags; tag++) if (fields[FIELD_VID + tag] === vid) return true;
  return false;
}

function isPort(which: number, from: number, to: number): boolean {
  const source = fields[FIELD_SOURCE_PORT]!;
  const destination = fields[FIELD_DESTINATION_PORT]!;
  if ((which & WHICH_SOURCE) !== 0 && source >= from && source <= to) return true;
  return (which & WHICH_DESTINATION) !== 0 && destination >= from && destination <= to;
}

function isHost(program: Int32Array, at: number, which: number, words: number): boolean {
  if ((which & WHICH_SOURCE) !== 0 && isWithin(program, at, FIELD_SOURCE, words)) return true;
  return (which & WHICH_DESTINATION) !== 0 && isWithin(program, at, FIELD_DESTINATION, words);
}

function isWithin(program: Int32Array, at: number, field: number, words: number): boolean {
  for (let word = 0; word < words; word++) {
    if (((fields[field + word]! ^ program[at + word]!) & program[at + words + word]!) !== 0) {
      return false;
    }
  }
  return true;
}
