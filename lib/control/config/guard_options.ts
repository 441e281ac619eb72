/**
 * What an operator says of what a port may not say, `guard=` and `ip=`, and what it means to a data
 * plane (lib/switch/guard/ says what each does).
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { isIP } from "node:net";
import { didYouMean } from "../../base/nearest.ts";
import { type Prefix, PREFIXES_MAX, V6_WORDS } from "../../switch/guard/addresses.ts";
import type { Guards } from "../../worker/wire.ts";
import { ControlError, type PortConfig } from "../types.ts";

/** Guards by their words, and what each drops, Markdown. */
export const GUARD_WORD_ROWS = {
  dhcp: "what DHCP servers say, IPv4 and IPv6",
  ra:
    "what routers say: advertisements and redirects of ICMPv6 and ICMP, queries of IGMP and MLD, PIM",
} as const;

/** A word of {@linkcode GUARD_WORD_ROWS}. */
export type GuardWord = keyof typeof GUARD_WORD_ROWS;

const GUARD_WORDS = Object.keys(GUARD_WORD_ROWS) as readonly GuardWord[];

/** How the option's value is written. */
export const GUARD_FORM: string = `off|on|${GUARD_WORDS.join("+")}`;
/** The words and what they do, Markdown. */
export const GUARD_MEANING: string = Object.entries(GUARD_WORD_ROWS)
  .map(([word, what]) => `\`${word}\` (${what})`).join(", ");

function invalid(what: string): ControlError {
  return new ControlError("invalid", what);
}

/** Reads which guards a port has, each once; `on` is all. @throws {ControlError} */
export function readGuard(value: unknown): GuardWord[] {
  if (value === "on" || value === true) return [...GUARD_WORDS];
  if (value === "off" || value === false) return [];
  const given: unknown[] = Array.isArray(value) ? value : shown(value).split("+");
  const words = given.map((each) => {
    const word = GUARD_WORDS.find((known) => known === each);
    if (word !== undefined) return word;
    const fix = didYouMean(shown(each), GUARD_WORDS);
    throw invalid(
      `guard "${shown(each)}" is unknown${
        fix ? `, ${fix}` : `; known: ${GUARD_WORDS.join(", ")}, on, off`
      }`,
    );
  });
  return [...new Set(words)];
}

/** The words of an IPv6 address in the form of the standard (RFC 5952), 16 bits each. */
function groupsOf(address: string): number[] {
  const [front = "", back] = address.split("::");
  const read = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const first = read(front);
  if (back === undefined) return first;
  const last = read(back);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

/** An IPv6 address in the form of the standard. */
function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

function wordsOf(address: string): number[] {
  if (!address.includes(":")) {
    return [address.split(".").reduce((word, byte) => (word << 8) | Number(byte), 0)];
  }
  const groups = groupsOf(address);
  return Array.from(
    { length: V6_WORDS },
    (_, i) => ((groups[2 * i] ?? 0) << 16) | (groups[2 * i + 1] ?? 0),
  );
}

/** A word without the bits behind a prefix. @param left bits of it in this word and later ones */
function masked(word: number, left: number): number {
  return left <= 0 ? 0 : left >= 32 ? word : word & (-1 << (32 - left));
}

function readIp(value: unknown): string {
  const [given = "", bitsText, ...more] = shown(value).trim().split("/");
  const version = given.includes("%") ? 0 : isIP(given);
  const most = version === 4 ? 32 : 128;
  const bits = bitsText === undefined ? most : Number(bitsText);
  const reads = version !== 0 && more.length === 0 &&
    (bitsText === undefined || /^\d{1,3}$/.test(bitsText)) && bits <= most;
  if (!reads) {
    throw invalid(
      `ip ${
        shown(value)
      } must be an IPv4 or IPv6 address or a prefix such as 10.0.0.5 or 2001:db8::/64`,
    );
  }
  const address = version === 4 ? given : canonicalIpv6(given);
  const words = wordsOf(address);
  if (words.some((word, i) => word !== masked(word, bits - 32 * i))) {
    throw invalid(`ip ${shown(value)} goes on behind its prefix: ${address} is the address alone`);
  }
  return bits === most ? address : `${address}/${bits}`;
}

/** Reads addresses and prefixes, each once. @throws {ControlError} */
export function readIps(value: unknown): string[] {
  const given: unknown[] = Array.isArray(value) ? value : shown(value).split("+");
  const ips = [...new Set(given.map(readIp))];
  if (ips.length === 0) throw invalid("ip names no address: name some, or leave it out");
  if (ips.length <= PREFIXES_MAX) return ips;
  throw invalid(`ip names ${ips.length} addresses, more than ${PREFIXES_MAX}: use prefixes`);
}

/** What a data plane is told. */
export function guardOf({ guard = [], ip }: Pick<PortConfig, "guard" | "ip">): Guards {
  return {
    dhcp: guard.includes("dhcp"),
    ra: guard.includes("ra"),
    addresses: ip === undefined ? null : ip.map(prefixOf),
  };
}

/** An address or prefix as a data plane has it. @param text as readIps gives it */
function prefixOf(text: string): Prefix {
  const [address = "", bits] = text.split("/");
  const words = wordsOf(address);
  return { words, bits: bits === undefined ? 32 * words.length : Number(bits) };
}

/** For `port show`: what a port may not say, and which addresses it may have; none: any. */
export function guardStatus(
  { guard = [], ip = [] }: Pick<PortConfig, "guard" | "ip">,
): { guard: string[]; ip: string[] } {
  return { guard: [...guard], ip: [...ip] };
}
