/**
 * What nftables is told for guests behind NAT, in a table of our own whose name says whose it is.
 *
 * @module
 */
import { type Owner, ownerText, readOwner } from "./owner.ts";
import { type Subnet, subnetText } from "./subnet.ts";

/** What the kernel makes a device's name of. */
export const DEVICE_TEMPLATE = "vunat%d";

/** What a table's name says. */
export interface NatTable {
  /** The name. */
  readonly name: string;
  /** The device of the guests. */
  readonly device: string;
  /** Who made it. */
  readonly owner: Owner;
  /** The host forwarded before the first switch came: that is not taken back. */
  readonly forwardedBefore: boolean;
}

/** A table's name and what it says. */
export function natTable(device: string, owner: Owner, forwardedBefore: boolean): NatTable {
  const name = `vuswitch-${device}-${ownerText(owner)}-f${forwardedBefore ? 1 : 0}`;
  return { name, device, owner, forwardedBefore };
}

/** Tables of switches among those that `nft list tables` prints. */
export function natTables(listed: string): NatTable[] {
  const names = listed.matchAll(/^table inet (vuswitch-(vunat\d+)-([\d-]+)-f([01]))$/gm);
  return [...names].flatMap(([, name = "", device = "", whose = "", forwarded]) => {
    const owner = readOwner(whose);
    return owner === null ? [] : [{ name, device, owner, forwardedBefore: forwarded === "1" }];
  });
}

/** Removes tables; it is no error if one has gone meanwhile. */
export function removal(tables: readonly NatTable[]): string {
  return tables.map(({ name }) => `add table inet ${name}\ndelete table inet ${name}\n`).join("");
}

/** Of a guest that has no address yet. */
const UNSPECIFIED = "0.0.0.0";

/**
 * The table: guests speak with the host and, under its address, with whatever it reaches; nobody
 * from there begins to speak with them. What comes under addresses that are not theirs is dropped
 * before the host hears it, and so is IPv6: a guest may call itself a router there.
 */
export function ruleset({ name, device }: NatTable, subnet: Subnet): string {
  const network = subnetText(subnet);
  return `table inet ${name} {
  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
    iifname "${device}" meta nfproto ipv6 counter drop
    iifname "${device}" ip saddr != { ${UNSPECIFIED}, ${network} } counter drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${network} oifname != "${device}" masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${device}" ip saddr ${network} accept
    iifname "${device}" drop
    oifname "${device}" ip daddr ${network} ct state established,related accept
    oifname "${device}" drop
  }
}
`;
}

/** A chain of somebody else's that may stop guests. */
export interface StrictChain {
  /** As `inet filter forward`. */
  readonly name: string;
  /** What it stops if none of its rules says otherwise. */
  readonly hook: "input" | "forward";
}

/** Chains that drop what they have no rule for, among those that `nft list chains` prints. */
export function strictChains(listed: string): StrictChain[] {
  const found: StrictChain[] = [];
  let table = "";
  let chain = "";
  for (const line of listed.split("\n")) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table;
    chain = /^\s+chain (\S+) \{/.exec(line)?.[1] ?? chain;
    const hook = /hook (input|forward) .*policy drop;/.exec(line)?.[1];
    if (hook === "input" || hook === "forward") found.push({ name: `${table} ${chain}`, hook });
  }
  return found;
}
