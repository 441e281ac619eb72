/**
 * Filters as an operator writes them, made into programs for the data plane
 * (lib/switch/capture/filter.ts).
 * The words are those of pcap-filter(7), as far as there are any; all tests look behind VLAN tags.
 *
 * ```
 *   expression   terms joined by `and` (or &&) and `or` (or ||), `not` (or !), parentheses
 *   term         [src|dst] host ADDRESS[/BITS]      [src|dst] net ADDRESS/BITS
 *                [src|dst] mac MAC, or ether host MAC
 *                [src|dst] port N[-M]
 *                vlan [VID]   ethertype N   proto N
 *                arp ip ip6 tcp udp sctp icmp icmp6 broadcast multicast
 * ```
 *
 * A word of protocol in front of `host` or `port` needs no `and`: `tcp port 80`. `and` binds closer than
 * `or`, unlike in pcap-filter(7), where they bind alike: write parentheses.
 *
 * @module
 */
import { isIP } from "node:net";
import { didYouMean } from "../../base/nearest.ts";
import { parseMac } from "../../base/mac.ts";
import {
  FILTER_AND,
  FILTER_DEPTH_MAX,
  FILTER_GROUP,
  FILTER_HOST4,
  FILTER_HOST6,
  FILTER_IP,
  FILTER_MAC,
  FILTER_NOT,
  FILTER_NUMBERS_MAX,
  FILTER_OR,
  FILTER_PORT,
  FILTER_PROTOCOL,
  FILTER_TYPE,
  FILTER_VLAN,
  GROUP_ANY,
  GROUP_BROADCAST,
  WHICH_DESTINATION,
  WHICH_SOURCE,
} from "../../switch/capture/filter.ts";
import { ControlError } from "../types.ts";

/** Longest filter, characters. */
const LENGTH_MAX = 2000;
const EITHER = WHICH_SOURCE | WHICH_DESTINATION;

/** Words that are a test by themselves. */
const ALONE: Readonly<Record<string, readonly number[]>> = {
  arp: [FILTER_TYPE, 0x0806],
  ip: [FILTER_IP, 4],
  ip6: [FILTER_IP, 6],
  tcp: [FILTER_PROTOCOL, 6, 0],
  udp: [FILTER_PROTOCOL, 17, 0],
  sctp: [FILTER_PROTOCOL, 132, 0],
  icmp: [FILTER_PROTOCOL, 1, 4],
  icmp6: [FILTER_PROTOCOL, 58, 6],
  broadcast: [FILTER_GROUP, GROUP_BROADCAST],
  multicast: [FILTER_GROUP, GROUP_ANY],
};
const QUALIFIERS = ["src", "dst", "host", "net", "mac", "port", "portrange"];
/** Words that stand where a test begins. */
const BEGINNINGS = [...QUALIFIERS, "ether", "vlan", "ethertype", "proto", ...Object.keys(ALONE)];
const ETHERTYPES: Readonly<Record<string, number>> = { arp: 0x0806, ip: 0x0800, ip6: 0x86dd };
const SIGNS: Readonly<Record<string, string>> = { "!": "not", "&&": "and", "||": "or" };

interface Word {
  readonly text: string;
  /** Where it begins, from 1 on. */
  readonly at: number;
}

/** Makes a program of a filter; an empty one lets every frame pass. @throws {ControlError} */
export function compileFilter(text: string): number[] {
  if (text.length > LENGTH_MAX) {
    throw new ControlError("invalid", `A filter has at most ${LENGTH_MAX} characters`);
  }
  return new Compiler(text).compile();
}

class Compiler {
  readonly #text: string;
  readonly #words: readonly Word[];
  #next = 0;
  readonly #program: number[] = [];
  /** Tests on the stack now. */
  #depth = 0;
  /** Parentheses and `not` that are open. */
  #open = 0;

  constructor(text: string) {
    this.#text = text;
    const found = text.matchAll(/[()!]|&&|\|\||[^\s()!&|]+|[&|]/g);
    this.#words = Array.from(found, ({ 0: word, index }) => ({
      text: Object.hasOwn(SIGNS, word) ? SIGNS[word] ?? word : word.toLowerCase(),
      at: index + 1,
    }));
  }

  compile(): number[] {
    if (this.#words.length === 0) return [];
    this.#or();
    const rest = this.#peek();
    if (rest !== null) {
      this.#fail(rest.text === ")" ? "has no ( in front" : "needs and or or in front", rest);
    }
    if (this.#program.length > FILTER_NUMBERS_MAX) this.#tooLong();
    return this.#program;
  }

  #tooLong(): never {
    throw new ControlError("invalid", `filter "${this.#text}" has too many tests: leave some out`);
  }

  #peek(): Word | null {
    return this.#words[this.#next] ?? null;
  }

  #take(what: string): Word {
    const word = this.#words[this.#next++];
    if (word) return word;
    const behind = this.#words.at(-1)?.text ?? "";
    throw new ControlError(
      "invalid",
      `filter "${this.#text}" ends where ${what} is missing, behind "${behind}"`,
    );
  }

  /** The next word is this one, and taken. */
  #skip(text: string): boolean {
    if (this.#peek()?.text !== text) return false;
    this.#next++;
    return true;
  }

  #fail(what: string, { text, at }: Word, hint: string | null = null): never {
    throw new ControlError(
      "invalid",
      `filter "${this.#text}": "${text}" at character ${at} ${what}`,
      hint,
    );
  }

  #push(...numbers: readonly number[]): void {
    this.#program.push(...numbers);
    if (++this.#depth > FILTER_DEPTH_MAX) this.#tooLong();
  }

  #join(operator: number): void {
    this.#program.push(operator);
    this.#depth--;
  }

  #or(): void {
    this.#and();
    while (this.#skip("or")) {
      this.#and();
      this.#join(FILTER_OR);
    }
  }

  #and(): void {
    this.#not();
    while (this.#skip("and")) {
      this.#not();
      this.#join(FILTER_AND);
    }
  }

  #not(): void {
    if (++this.#open > FILTER_NUMBERS_MAX) this.#tooLong();
    if (this.#skip("not")) {
      this.#not();
      this.#program.push(FILTER_NOT);
    } else if (this.#skip("(")) {
      this.#or();
      const end = this.#take(")");
      if (end.text !== ")") this.#fail("needs and, or or ) in front", end);
    } else this.#term();
    this.#open--;
  }

  #term(): void {
    const word = this.#take("a test");
    const alone = Object.hasOwn(ALONE, word.text) ? ALONE[word.text] : undefined;
    if (alone) {
      this.#push(...alone);
      if (!QUALIFIERS.includes(this.#peek()?.text ?? "")) return;
      this.#term();
      this.#join(FILTER_AND);
    } else if (word.text === "vlan") {
      const isNumber = /^\d/.test(this.#peek()?.text ?? "");
      this.#push(FILTER_VLAN, isNumber ? this.#number(0, 4095) : -1);
    } else if (word.text === "ethertype") this.#push(FILTER_TYPE, this.#etherType());
    else if (word.text === "proto") this.#push(FILTER_PROTOCOL, this.#number(0, 255), 0);
    else if (word.text === "ether") this.#ether();
    else if (QUALIFIERS.includes(word.text)) this.#qualified(word);
    else this.#fail("is no test", word, didYouMean(word.text, BEGINNINGS) ?? this.#known());
  }

  #known(): string {
    return `known: ${BEGINNINGS.join(", ")}`;
  }

  /** Behind `ether`: an address, or a type. */
  #ether(): void {
    if (this.#skip("proto")) {
      this.#push(FILTER_TYPE, this.#etherType());
      return;
    }
    let which = EITHER;
    if (this.#skip("src")) which = WHICH_SOURCE;
    else if (this.#skip("dst")) which = WHICH_DESTINATION;
    if (!this.#skip("host")) this.#skip("mac");
    this.#mac(which);
  }

  #qualified(word: Word): void {
    let which = EITHER;
    let kind = word;
    if (word.text === "src" || word.text === "dst") {
      which = word.text === "src" ? WHICH_SOURCE : WHICH_DESTINATION;
      const next = this.#peek();
      const named = next !== null && QUALIFIERS.slice(2).includes(next.text);
      kind = named ? this.#take("a test") : { ...word, text: "host" };
    }
    if (kind.text === "mac") this.#mac(which);
    else if (kind.text === "port" || kind.text === "portrange") this.#ports(which);
    else this.#host(which, kind.text === "net");
  }

  #mac(which: number): void {
    const word = this.#take("a MAC address");
    const mac = parseMac(word.text);
    if (mac === null) this.#fail("is no MAC address, such as 52:54:00:00:00:01", word);
    this.#push(FILTER_MAC, which, mac.low, mac.high);
  }

  #ports(which: number): void {
    const word = this.#take("a port");
    const [, from = "", to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(word.text) ?? [];
    const [first, last] = [Number(from), Number(to)];
    if (from === "" || last > 65535 || first > last) {
      this.#fail("is no port, such as 443 or 8000-8999", word);
    }
    this.#push(FILTER_PORT, which, first, last);
  }

  #host(which: number, isNet: boolean): void {
    const word = this.#take("an IP address");
    const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(word.text) ?? [];
    const version = isIP(address);
    const whole = version === 4 ? 32 : 128;
    const length = bits === undefined ? whole : Number(bits);
    if (version === 0 || address.includes("%") || length > whole) {
      this.#fail("is no IP address, such as 10.0.0.1, 10.0.0.0/8 or fe80::1", word);
    }
    if (isNet && bits === undefined) this.#fail("needs its length, such as 10.0.0.0/8", word);
    const words = version === 4 ? [ipv4Word(address)] : ipv6Words(address);
    const masks = words.map((_, i) => maskWord(length - 32 * i));
    this.#push(version === 4 ? FILTER_HOST4 : FILTER_HOST6, which, ...words, ...masks);
  }

  #etherType(): number {
    const name = this.#peek()?.text ?? "";
    const known = Object.hasOwn(ETHERTYPES, name) ? ETHERTYPES[name] : undefined;
    if (known === undefined) return this.#number(0, 0xffff);
    this.#next++;
    return known;
  }

  #number(least: number, most: number): number {
    const word = this.#take("a number");
    const number = /^(0x[0-9a-f]{1,8}|\d{1,10})$/.test(word.text) ? Number(word.text) : NaN;
    if (number >= least && number <= most) return number;
    return this.#fail(`must be a number from ${least} to ${most}`, word);
  }
}

/** The word of a prefix' mask. @param bits of it from this word on */
function maskWord(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

function ipv4Word(address: string): number {
  return address.split(".").reduce((word, part) => (word << 8) | Number(part), 0);
}

/** Four words of an address that isIP takes for one. */
function ipv6Words(address: string): number[] {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const last = dotted ? ipv4Word(dotted[2] ?? "") : 0;
  const hex = (word: number): string => (word & 0xffff).toString(16);
  const text = dotted ? `${dotted[1]}${hex(last >>> 16)}:${hex(last)}` : address;
  const [front = "", back] = text.split("::");
  const parts = (side: string): string[] => side === "" ? [] : side.split(":");
  const [first, rest] = [parts(front), parts(back ?? "")];
  const zeros = new Array<string>(8 - first.length - rest.length).fill("0");
  const groups = [...first, ...zeros, ...rest].map((group) => parseInt(group, 16));
  return [0, 2, 4, 6].map((i) => ((groups[i] ?? 0) << 16) | (groups[i + 1] ?? 0));
}
