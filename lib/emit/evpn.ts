/**
 * One network on this host as commands and configuration: Linux's bridge and VXLAN, with a TAP for
 * the switch's uplink, and FRR's BGP EVPN or a static list to learn of the other hosts. Nothing is
 * run here. The same words give the same text; running it again changes what has changed.
 *
 * @module
 */
import { type Fabric, MESH_PEERS_MAX } from "./fabric.ts";

/** IANA's port of VXLAN (RFC 7348 §5). */
const VXLAN_PORT = 4789;
/** Hops between two hosts at most. */
const TTL = 64;
/** Of all hosts of the fabric in FRR: the group of neighbours, and BFD's profile. */
const GROUP = "vuswitch";
/** FRR's processes that this needs. */
const DAEMONS = ["zebra", "bgpd", "bfdd"] as const;
/** A flooded frame's row in a VXLAN device. */
const EVERYBODY = "00:00:00:00:00:00";

/** What is printed: {@linkcode Fabric}, and what is made of it. */
export interface Emitted extends Fabric {
  /** For people, a line each. */
  readonly notes: readonly string[];
  /** Commands that make the devices, or with `remove` take them away. */
  readonly commands: readonly string[];
  /** FRR's configuration; null: it has none to read. */
  readonly frr: readonly string[] | null;
  /** All of it as a script for sh. */
  readonly script: readonly string[];
}

/** The words that print this, with all that has a default left out. */
function wordsOf(fabric: Fabric): string {
  const { vni, local, peers, tap, bridge, user, as, mtu } = fabric;
  const flags: readonly (readonly [string, string, string])[] = [
    ["as", `${as}`, "65000"],
    ["tap", tap, `vsw${vni}`],
    ["bridge", bridge, `br${vni}`],
    ["user", user, "root"],
    ["mtu", `${mtu}`, fabric.family === 4 ? "1450" : "1430"],
  ];
  return [
    `vuswitch emit evpn --vni ${vni} --local ${local}`,
    ...peers.map((peer) => `--peer ${peer}`),
    ...flags.flatMap(([name, value, usual]) => value === usual ? [] : [`--${name} ${value}`]),
    ...fabric.static ? ["--static"] : [],
    ...fabric.reflector ? ["--reflector"] : [],
  ].join(" ");
}

function notesOf(fabric: Fabric): string[] {
  const { mtu, underlayMtu, tap, user, peers } = fabric;
  const ports = fabric.static
    ? `UDP ${VXLAN_PORT}`
    : `UDP ${VXLAN_PORT} (VXLAN), TCP 179 (BGP) and UDP 3784 (BFD)`;
  const mesh = !fabric.static && !fabric.reflector && peers.length > MESH_PEERS_MAX;
  return [
    `The switch: vuswitch run -p up=tap:${tap} -p vm1,mtu=${mtu} …${
      user === "root" ? "" : ` as ${user}`
    }`,
    `Guests have an MTU of ${mtu}; the network of the hosts must carry packets of ${underlayMtu} ` +
    "bytes, 4 more if guests send tagged frames",
    `Between the hosts ${ports} must pass`,
    ...mesh
      ? [
        `${peers.length} BGP sessions on each host: name two route reflectors as --peer instead, ` +
        "see --reflector",
      ]
      : [],
  ];
}

/** Makes a device unless it is there. @param command of `ip` */
function make(name: string, command: string): string {
  return `there ${name} || { ip ${command}; made="${name} $made"; }`;
}

function deviceCommands(fabric: Fabric): string[] {
  const { vni, local, bridge, vxlan, tap, user, mtu } = fabric;
  const learning = fabric.static ? "learning" : "nolearning";
  const port = fabric.static ? "learning on neigh_suppress off" : "learning off neigh_suppress on";
  return [
    make(bridge, `link add ${bridge} type bridge mcast_snooping 0`),
    make(
      vxlan,
      `link add ${vxlan} type vxlan id ${vni} local ${local} dstport ${VXLAN_PORT} ${learning} ttl ${TTL}`,
    ),
    make(tap, `tuntap add dev ${tap} mode tap user ${user} vnet_hdr`),
    "# The host itself is no part of the guests' network: it says nothing there and hears nothing",
    `for name in ${bridge} ${vxlan} ${tap}; do`,
    `  ip link set dev "$name" mtu ${mtu}`,
    '  quiet ipv6 "$name" disable_ipv6 1',
    '  quiet ipv4 "$name" arp_ignore 8',
    '  quiet ipv4 "$name" rp_filter 1',
    "done",
    `ip link set dev ${vxlan} master ${bridge}`,
    `ip link set dev ${tap} master ${bridge}`,
    `bridge link set dev ${vxlan} ${port}`,
    ...fabric.static ? listCommands(fabric) : [],
    ...[bridge, vxlan, tap].map((name) => `ip link set dev ${name} up`),
  ];
}

function frrLines(fabric: Fabric): string[] {
  const { as, local, peers } = fabric;
  return [
    "bfd",
    ` profile ${GROUP}`,
    "  detect-multiplier 3",
    "  transmit-interval 150",
    "  receive-interval 150",
    " exit",
    "exit",
    `router bgp ${as}`,
    ` bgp router-id ${local}`,
    " no bgp default ipv4-unicast",
    ` neighbor ${GROUP} peer-group`,
    ` neighbor ${GROUP} remote-as ${as}`,
    ` neighbor ${GROUP} timers 1 3`,
    ` neighbor ${GROUP} timers connect 1`,
    ` neighbor ${GROUP} bfd profile ${GROUP}`,
    ` neighbor ${GROUP} update-source ${local}`,
    ...peers.map((peer) => ` neighbor ${peer} peer-group ${GROUP}`),
    " address-family l2vpn evpn",
    `  neighbor ${GROUP} activate`,
    ...fabric.reflector ? [`  neighbor ${GROUP} route-reflector-client`] : [],
    "  advertise-all-vni",
    " exit-address-family",
    "exit",
  ];
}

/** Shell functions, and what must hold before anything is made. */
function checks(fabric: Fabric): string[] {
  const { vni, local, peers, vxlan, bridge, underlayMtu } = fabric;
  const same = fabric.static ? `! is ${vxlan} nolearning` : `is ${vxlan} nolearning`;
  return [
    'fail() { echo "$*" >&2; exit 1; }',
    'there() { ip link show dev "$1" > /dev/null 2>&1; }',
    'quiet() { [ ! -d "/proc/sys/net/$1" ] || echo "$4" > "/proc/sys/net/$1/conf/$2/$3"; }',
    'is() { ip -d link show dev "$1" | grep -qF -e "$2"; }',
    '[ "$(id -u)" = 0 ] || fail "Run this as root"',
    `if there ${bridge} && ! is ${bridge} 'bridge forward_delay'; then`,
    `  fail '${bridge} is there and no bridge: say --bridge NAME'`,
    "fi",
    `if there ${vxlan}; then`,
    `  is ${vxlan} 'vxlan id ${vni} local ${local} ' && ${same} ||`,
    `    fail '${vxlan} is there and another tunnel: run this with --remove first'`,
    "fi",
    `dev=$(ip -o route get ${peers[0]} 2> /dev/null | sed -n 's/.* dev \\([^ ]*\\) .*/\\1/p')`,
    'if [ -n "$dev" ]; then',
    `  mtu=$(ip -o link show dev "$dev" | sed 's/.* mtu \\([0-9]*\\) .*/\\1/')`,
    `  [ "$mtu" -ge ${underlayMtu} ] || fail "$dev carries packets of $mtu bytes and not of ` +
    `${underlayMtu}: raise its MTU, or say --mtu N with a smaller one"`,
    "fi",
    ...fabric.static ? [] : [
      "vtysh=${VTYSH:-vtysh}",
      'running=$($vtysh -c "show daemons") || fail "FRR does not run (Debian: package frr)"',
      `for daemon in ${DAEMONS.join(" ")}; do`,
      '  case " $running " in *" $daemon "*) continue ;; esac',
      '  fail "FRR runs without $daemon: say $daemon=yes in /etc/frr/daemons and restart frr"',
      "done",
    ],
  ];
}

/** A failure takes with it what the script has made, and nothing else. */
const UNDO: readonly string[] = [
  "made=",
  "trap '[ $? = 0 ] || for name in $made; do ip link del dev \"$name\"; done' EXIT",
];

function addScript(
  fabric: Fabric,
  commands: readonly string[],
  frr: readonly string[] | null,
): string[] {
  const config = frr === null
    ? []
    : ["", "# What FRR shall do", "$vtysh -f /dev/stdin << 'END'", ...frr, "END"];
  return [
    ...["", "# What must hold", ...checks(fabric)],
    ...["", "# Devices; those that are made here go again if something fails", ...UNDO],
    ...commands,
    ...config,
  ];
}

/** Hosts that a static list has, and those that it has no more. */
function listCommands({ peers, vxlan }: Fabric): string[] {
  return [
    `for peer in $(bridge fdb show dev ${vxlan} | sed -n 's/^${EVERYBODY} dst \\([^ ]*\\) .*/\\1/p'); do`,
    `  case " ${peers.join(" ")} " in *" $peer "*) continue ;; esac`,
    `  bridge fdb del ${EVERYBODY} dev ${vxlan} dst "$peer"`,
    "done",
    ...peers.map((peer) => `bridge fdb append ${EVERYBODY} dev ${vxlan} dst ${peer}`),
  ];
}

function removeCommands({ tap, vxlan, bridge }: Fabric): string[] {
  return [vxlan, tap, bridge].map((name) =>
    `! ip link show dev ${name} > /dev/null 2>&1 || ip link del dev ${name}`
  );
}

/** What makes this host part of the network, or with `remove` takes it out again. */
export function emitEvpn(fabric: Fabric, remove: boolean): Emitted {
  const words = wordsOf(fabric);
  const kept = `FRR keeps its configuration, which other networks use. Without any: vtysh -c ` +
    `"configure terminal" -c "no router bgp ${fabric.as}"`;
  const notes = remove ? (fabric.static ? [] : [kept]) : [
    ...notesOf(fabric),
    "Run as root, and again after a change. To take it away: the same words and --remove",
  ];
  const commands = remove ? removeCommands(fabric) : deviceCommands(fabric);
  const frr = remove || fabric.static ? null : frrLines(fabric);
  const body = remove ? commands : addScript(fabric, commands, frr);
  const head = ["#!/bin/sh", `# ${words}${remove ? " --remove" : ""}`];
  const script = [...head, ...notes.map((note) => `# ${note}`), "set -eu", ...body];
  return { ...fabric, notes, commands, frr, script };
}
