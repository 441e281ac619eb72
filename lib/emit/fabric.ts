/**
 * What an operator says of one network on this host that spans several hosts: a VXLAN, by whatever
 * means the hosts learn of each other. Read and checked here; what is made of it stands in
 * `evpn.ts`. Asks no switch and changes nothing.
 *
 * @module
 */
import { isIPv4, isIPv6 } from "node:net";
import { ControlError } from "../control/types.ts";

/** A VNI has 24 bits (RFC 7348 §5); 0 is left out. */
export const VNI_MAX = 2 ** 24 - 1;
/**
 * Other hosts in a static list. Each flooded frame is sent once to each of them, nobody notices
 * that one is gone, and every host's list must be kept.
 */
export const STATIC_PEERS_MAX = 9;
/** Hosts in a full mesh of BGP sessions; beyond, route reflectors carry the news. */
export const MESH_PEERS_MAX = 9;
/** Neighbours in one host's configuration. */
export const PEERS_MAX = 256;

/** Bytes in front of a guest's IP packet: outer IP, UDP, VXLAN, the guest's Ethernet header. */
const OVERHEAD_BYTES = { 4: 20 + 8 + 8 + 14, 6: 40 + 8 + 8 + 14 } as const;
/** What any network of hosts carries, bytes. */
const UNDERLAY_MTU = 1500;
/** IPv4's least. */
const MTU_MIN = 68;
/** Linux's largest of a VXLAN device, with what is put in front of it. */
const UNDERLAY_MTU_MAX = 65535;
/** A private number (RFC 6996 §5). */
const AS_OTHERWISE = "65000";
const AS_MAX = 2 ** 32 - 2;
/** RFC 7607, RFC 6793 §9, RFC 7300: never a network's own. */
const AS_RESERVED: readonly number[] = [0, 23456, 65535];

/** As typed; what is left out is undefined. */
export interface FabricWords {
  /** Number of the network. */
  readonly vni?: string;
  /** Addresses of the other hosts. */
  readonly peer?: readonly string[];
  /** This host's address; the one in the first peer's network. */
  readonly local?: string;
  /** BGP's number of all hosts. */
  readonly as?: string;
  /** Name of the switch's uplink. */
  readonly tap?: string;
  /** Name of the bridge. */
  readonly bridge?: string;
  /** Who may open the TAP. */
  readonly user?: string;
  /** Of the guests, bytes. */
  readonly mtu?: string;
  /** A list of hosts in place of BGP. */
  readonly static: boolean;
  /** This host hands on to each peer what the others say. */
  readonly reflector: boolean;
}

/** What was said, checked, with everything that was left out. */
export interface Fabric {
  /** Number of the network, 1 - {@linkcode VNI_MAX}. */
  readonly vni: number;
  /** Address of this host's end of all tunnels. */
  readonly local: string;
  /** Of the other hosts' ends, or of those that reflect routes. In the order given, each once. */
  readonly peers: readonly string[];
  /** Of IP between the hosts. */
  readonly family: 4 | 6;
  /** BGP's number of all hosts. */
  readonly as: number;
  /** The switch's uplink. */
  readonly tap: string;
  /** What joins it to the tunnels. */
  readonly bridge: string;
  /** The end of all tunnels. */
  readonly vxlan: string;
  /** Who may open the TAP without any capability. */
  readonly user: string;
  /** Of the guests, bytes. */
  readonly mtu: number;
  /** What the network of the hosts must carry for that, bytes. */
  readonly underlayMtu: number;
  /** Hosts find each other by a list and by flooding; false: by BGP EVPN. */
  readonly static: boolean;
  /** This host hands on what one peer says to the others. */
  readonly reflector: boolean;
}

/** An address of this host. */
export interface HostAddress {
  /** As Linux writes it. */
  readonly address: string;
  /** As `255.255.255.0`, or `ffff:ffff:ffff:ffff::`. */
  readonly netmask: string;
}

function invalid(message: string, hint: string | null = null): ControlError {
  return new ControlError("invalid", message, hint);
}

function readNumber(flag: string, value: string, min: number, max: number): number {
  const number = /^\d{1,10}$/.test(value) ? Number(value) : NaN;
  if (number >= min && number <= max) return number;
  throw invalid(`--${flag} ${value} must be a number from ${min} to ${max}`);
}

/** Bits of an address, most significant first. Only for what {@linkcode readAddress} let through. */
function bitsOf(address: string): string {
  if (isIPv4(address)) {
    return address.split(".").map((part) => Number(part).toString(2).padStart(8, "0")).join("");
  }
  const [head = "", tail] = address.split("::");
  const groups = (text: string): string[] => text === "" ? [] : text.split(":");
  const [first, last] = [groups(head), groups(tail ?? "")];
  const gap = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...new Array<string>(gap).fill("0"), ...last]
    .map((group) => parseInt(group, 16).toString(2).padStart(16, "0")).join("");
}

/** Addresses that are no single host's: how their bits begin, and what they are. */
const NO_HOST: Readonly<Record<4 | 6, readonly (readonly [RegExp, string])[]>> = {
  4: [
    [/^0{8}/, "of no host"],
    [/^01111111/, "a loopback address, which other hosts cannot reach"],
    [/^1110/, "a multicast address"],
    [/^1111/, "a reserved address"],
  ],
  6: [
    [/^0{128}$/, "of no host"],
    [/^0{127}1$/, "a loopback address, which other hosts cannot reach"],
    [/^0{80}1{16}/, "an IPv4 address written as IPv6"],
    [/^1{8}/, "a multicast address"],
    [/^1111111010/, "a link-local address, which means another host on each link"],
  ],
};

/** Checks an address, and writes it as everybody does. @throws {ControlError} */
function readAddress(flag: string, value: string): string {
  const family = isIPv4(value) ? 4 : isIPv6(value) && !value.includes("%") ? 6 : null;
  if (family === null) {
    throw invalid(`--${flag} ${value} must be an IP address, such as 10.77.0.1`);
  }
  const address = family === 4 ? value : new URL(`http://[${value}]`).hostname.slice(1, -1);
  const bits = bitsOf(address);
  const [, what] = NO_HOST[family].find(([begin]) => begin.test(bits)) ?? [];
  if (what) throw invalid(`--${flag} ${value} is ${what}: name the address of a host`);
  return address;
}

/** Checks a device's name, which stands in a shell's line too. @throws {ControlError} */
function readDevice(flag: string, value: string): string {
  // Linux takes 15 bytes; "." and ".." are folders of /sys.
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(value)) return value;
  throw invalid(
    `--${flag} ${value} must be a device's name: 1 to 15 of A-Z, a-z, 0-9, "_", "." and "-", ` +
      'not beginning with "." or "-"',
  );
}

function readUser(value: string): string {
  if (/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$/.test(value)) return value;
  throw invalid(`--user ${value} must be a user's name or number`);
}

function readAs(value: string): number {
  const as = readNumber("as", value, 1, AS_MAX);
  if (!AS_RESERVED.includes(as)) return as;
  throw invalid(`--as ${value} is reserved: use a private number, 64512 to 65534`);
}

function readPeers(words: readonly string[], most: number, local: string | null): string[] {
  const peers = words.map((word) => readAddress("peer", word));
  const twice = peers.find((peer, i) => peers.indexOf(peer) < i);
  if (twice !== undefined) throw invalid(`--peer ${twice} is given twice: leave one out`);
  if (local !== null && peers.includes(local)) {
    throw invalid(`--peer ${local} is this host's own address: name the other hosts`);
  }
  if (peers.length === 0) {
    throw invalid("--peer is missing", "once for each other host: --peer 10.77.0.2");
  }
  if (peers.length > most) throw tooMany(peers.length, most);
  return peers;
}

function tooMany(peers: number, most: number): ControlError {
  if (most === PEERS_MAX) {
    return invalid(
      `${peers} peers are too many, at most ${most}`,
      "name the route reflectors alone; vuswitch emit evpn --reflector prints theirs",
    );
  }
  return invalid(
    `${peers} peers are too many for --static, at most ${most}: each flooded frame is sent to all`,
    "leave --static out: BGP EVPN",
  );
}

/** This host's address among those of the first peer's network. @throws {ControlError} */
function findLocal(peer: string, addresses: readonly HostAddress[]): string {
  const there = bitsOf(peer);
  const near = addresses.flatMap(({ address, netmask }) => {
    if (isIPv4(address) !== isIPv4(peer) || address.includes("%")) return [];
    const prefix = bitsOf(netmask).replace(/0+$/, "").length;
    return prefix > 0 && bitsOf(address).startsWith(there.slice(0, prefix)) ? [address] : [];
  });
  const [local, ...others] = near;
  if (local !== undefined && others.length === 0) return readAddress("local", local);
  const why = local === undefined ? "has no address in" : "has several addresses in";
  throw invalid(
    `This host ${why} the network of ${peer}`,
    "say which one its tunnels begin at: --local ADDRESS",
  );
}

/**
 * Reads what an operator said.
 * @param addresses of this host, for one that does not say `local`
 * @throws {ControlError} naming the fix
 */
export function readFabric(words: FabricWords, addresses: readonly HostAddress[]): Fabric {
  if (words.vni === undefined) {
    throw invalid("--vni is missing", `the network's number, 1 to ${VNI_MAX}: --vni 100`);
  }
  const vni = readNumber("vni", words.vni, 1, VNI_MAX);
  const given = words.local === undefined ? null : readAddress("local", words.local);
  const most = words.static ? STATIC_PEERS_MAX : PEERS_MAX;
  const peers = readPeers(words.peer ?? [], most, given);
  const [first = ""] = peers;
  const local = given ?? findLocal(first, addresses);
  if (given === null) readPeers(peers, most, local);
  const family = isIPv4(local) ? 4 : 6;
  const mixed = peers.find((peer) => isIPv4(peer) !== (family === 4));
  if (mixed) throw invalid(`--peer ${mixed} and ${local} are not both IPv4 or both IPv6`);
  checkManner(words, family);
  const overhead = OVERHEAD_BYTES[family];
  const usual = `${UNDERLAY_MTU - overhead}`;
  const mtu = readNumber("mtu", words.mtu ?? usual, MTU_MIN, UNDERLAY_MTU_MAX - overhead);
  return {
    ...{ vni, local, peers, family, mtu, underlayMtu: mtu + overhead },
    ...{ static: words.static, reflector: words.reflector },
    as: readAs(words.as ?? AS_OTHERWISE),
    user: readUser(words.user ?? "root"),
    ...readDevices(words, vni),
  };
}

/** What does not go together. @throws {ControlError} */
function checkManner(words: FabricWords, family: 4 | 6): void {
  if (words.static && words.reflector) {
    throw invalid("--reflector is of BGP, and --static is without it: leave one out");
  }
  if (words.static && words.as !== undefined) {
    throw invalid("--as is of BGP, and --static is without it: leave one out");
  }
  if (!words.static && family === 6) {
    throw invalid(
      "FRR's EVPN has no tunnels between IPv6 addresses",
      "name the hosts' IPv4 addresses, or say --static",
    );
  }
}

/** Names of the devices, all different. @throws {ControlError} */
function readDevices(words: FabricWords, vni: number): Pick<Fabric, "tap" | "bridge" | "vxlan"> {
  const vxlan = `vx${vni}`;
  const tap = readDevice("tap", words.tap ?? `vsw${vni}`);
  const bridge = readDevice("bridge", words.bridge ?? `br${vni}`);
  if (tap === bridge) throw invalid(`--tap and --bridge are both ${tap}: rename one`);
  for (const [flag, name] of [["tap", tap], ["bridge", bridge]]) {
    if (name === vxlan) throw invalid(`--${flag} ${name} is the VXLAN device's name: rename it`);
  }
  return { tap, bridge, vxlan };
}
