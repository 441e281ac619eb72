/**
 * IPv4 networks: reading one, and choosing one for guests that is nobody else's on this host.
 *
 * @module
 */
import { ControlError } from "../types.ts";

/** A network. */
export interface Subnet {
  /** Its first address, a number of 32 bits. */
  readonly base: number;
  /** Bits that all its addresses have in common, 0-32. */
  readonly prefix: number;
}

/** Longest and shortest prefix that guests may be given: slirp4netns wants room for its own addresses. */
const PREFIX_MIN = 8;
const PREFIX_MAX = 24;

function mask(prefix: number): number {
  return prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
}

/** An address as a number of 32 bits, or null. */
export function addressOf(text: string): number | null {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return null;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

/** An address as it is written. */
export function addressText(address: number): string {
  return [24, 16, 8, 0].map((bits) => (address >>> bits) & 255).join(".");
}

/** A network as `10.87.0.0/24`. */
export function subnetText({ base, prefix }: Subnet): string {
  return `${addressText(base)}/${prefix}`;
}

/** Its netmask as `255.255.255.0`. */
export function netmaskText({ prefix }: Subnet): string {
  return addressText(mask(prefix));
}

/** Address number `n` of a network as it is written; negative ones are counted from behind it. */
export function hostText({ base, prefix }: Subnet, n: number): string {
  return addressText(n >= 0 ? base + n : base + 2 ** (32 - prefix) + n);
}

/** Whether two networks have an address in common. */
export function overlaps(one: Subnet, other: Subnet): boolean {
  const common = mask(Math.min(one.prefix, other.prefix));
  return ((one.base ^ other.base) & common) === 0;
}

/** Networks that are nobody's own on the internet (RFC 1918, RFC 6598). */
const PRIVATE: readonly Subnet[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
]
  .flatMap((text) => {
    const [address = "", prefix = ""] = text.split("/");
    return { base: addressOf(address) ?? 0, prefix: Number(prefix) };
  });

/** Reads the network of guests. @throws {ControlError} naming the fix */
export function readSubnet(text: unknown): Subnet {
  const [, address = "", digits = ""] = /^([\d.]+)\/(\d{1,2})$/.exec(String(text)) ?? [];
  const base = addressOf(address);
  const prefix = Number(digits);
  const refuse = (what: string): ControlError =>
    new ControlError("invalid", `subnet ${text} must be ${what}`);
  if (base === null || digits === "" || prefix < PREFIX_MIN || prefix > PREFIX_MAX) {
    throw refuse(
      `an IPv4 network of /${PREFIX_MIN} to /${PREFIX_MAX} such as 10.87.0.0/24`,
    );
  }
  const first = (base & mask(prefix)) >>> 0;
  if (first !== base) throw refuse(`${subnetText({ base: first, prefix })}: that is the network`);
  const subnet = { base, prefix };
  if (PRIVATE.some((each) => each.prefix <= prefix && overlaps(each, subnet))) return subnet;
  throw refuse(`in ${PRIVATE.map(subnetText).join(", ")}: others are somebody's on the internet`);
}

/**
 * Networks that a host knows a way to, from /proc/net/fib_trie: of all its routing tables. Default
 * routes lead everywhere and so nowhere in particular, also those of VPNs in two halves.
 */
export function routedSubnets(trie: string): Subnet[] {
  const found: Subnet[] = [];
  let base = 0;
  for (const line of trie.split("\n")) {
    const leaf = /^\s*\|-- ([\d.]+)$/.exec(line)?.[1];
    if (leaf !== undefined) base = addressOf(leaf) ?? 0;
    const prefix = Number(/^\s+\/(\d+) /.exec(line)?.[1] ?? -1);
    if (prefix >= PREFIX_MIN) found.push({ base, prefix });
  }
  return found;
}

/** Name servers of /etc/resolv.conf: guests' network must not hide them. */
export function nameServers(text: string): Subnet[] {
  return [...text.matchAll(/^nameserver\s+([\d.]+)\s*$/gm)].flatMap(([, address = ""]) => {
    const base = addressOf(address);
    return base === null ? [] : [{ base, prefix: 32 }];
  });
}

/** Where to look for one, in this order, each a /16: seldom used by others. */
const POOLS = ["10.87.0.0", "172.30.0.0", "192.168.0.0", "100.87.0.0"];
/** Switches of a host that never look at the same network. */
const SWITCHES = 16;

/**
 * Chooses a /24 for guests. @param taken networks that the host has a way to
 * @param number of this switch among those of the host: no two look at the same networks, so that
 * two which start together do not choose the same one
 * @throws {ControlError} all are taken
 */
export function chooseSubnet(taken: readonly Subnet[], number: number): Subnet {
  for (const pool of POOLS) {
    for (let third = number % SWITCHES; third < 256; third += SWITCHES) {
      const subnet = { base: (addressOf(pool) ?? 0) + third * 256, prefix: PREFIX_MAX };
      if (!taken.some((each) => overlaps(each, subnet))) return subnet;
    }
  }
  throw new ControlError(
    "failed",
    `No network is left for guests: this host has a route to each that was tried`,
    "name one: subnet=10.87.0.0/24",
  );
}

/** Refuses a network that the host has an address in or a way to. @throws {ControlError} */
export function checkFree(subnet: Subnet, taken: readonly Subnet[]): void {
  const other = taken.find((each) => overlaps(each, subnet));
  if (other === undefined) return;
  throw new ControlError(
    "conflict",
    `subnet ${subnetText(subnet)} is in use on this host: it has a route to ${subnetText(other)}`,
    "name another one, or leave subnet= out",
  );
}
