/**
 * Words of the programs that serve guests behind NAT.
 *
 * @module
 */
import { hostText, netmaskText, type Subnet, subnetText } from "./subnet.ts";

/** How long a guest may keep an address without asking again. */
const LEASE = "1h";

/**
 * dnsmasq(8): addresses for guests, and names as this host knows them. It reads no file of the
 * host's but /etc/resolv.conf, and listens nowhere but on the guests' device.
 */
export function dnsmasqWords(
  { device, subnet, folder, mtu }: {
    readonly device: string;
    readonly subnet: Subnet;
    readonly folder: string;
    readonly mtu: number | null;
  },
): string[] {
  const [first, last] = [hostText(subnet, 2), hostText(subnet, -2)];
  return [
    ...["--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=-", "--pid-file="],
    ...[`--interface=${device}`, "--except-interface=lo", "--bind-dynamic", "--no-hosts"],
    `--dhcp-leasefile=${folder}/leases`,
    `--dhcp-range=${first},${last},${netmaskText(subnet)},${LEASE}`,
    // No other DHCP server is there; names that guests give themselves are nobody's to look up.
    ...["--dhcp-authoritative", "--dhcp-ignore-names", "--no-ping"],
    ...["--quiet-dhcp", "--quiet-dhcp6", "--quiet-ra"],
    ...mtu === null ? [] : [`--dhcp-option=option:mtu,${mtu}`],
  ];
}

/** What is asked of a program at a socket. */
export interface UserNatWords {
  /** Of the guests. */
  readonly subnet: Subnet;
  /** Path that it listens at. */
  readonly socket: string;
  /** The port's, bytes; null: as usual. */
  readonly mtu: number | null;
}

/** slirp4netns(1). What listens on this host's loopback address alone is not for guests. */
export function slirpWords({ subnet, socket, mtu }: UserNatWords): string[] {
  return [
    ...["--target-type=bess", "--exit-fd=0", "--disable-host-loopback"],
    ...[`--cidr=${subnetText(subnet)}`, `--mtu=${mtu ?? 1500}`],
    socket,
  ];
}

/** passt(1), the same. */
export function passtWords({ subnet, socket, mtu }: UserNatWords): string[] {
  return [
    ...["--foreground", "--quiet", "--stderr", "--ipv4-only", "--no-map-gw"],
    ...["--address", hostText(subnet, 15), "--netmask", String(subnet.prefix)],
    ...["--gateway", hostText(subnet, 2), "--mtu", String(mtu ?? 1500)],
    ...["--socket", socket],
  ];
}
