/**
 * `capture`: what it is; what it does is capture.ts beside the commands.
 *
 * @module
 */
import { CLIENT_FLAGS, type CommandRow, doing, type Flags, PORT } from "../command.ts";

/** Flags of `capture`. */
export const CAPTURE_FLAGS = {
  ...CLIENT_FLAGS,
  write: {
    brief: "write pcapng to FILE, or to a pipe with -; without it: a line for each frame",
    placeholder: "FILE",
    alias: "w",
  },
  filter: {
    brief: "which frames: host, net, mac, port, vlan, ethertype, proto, arp, ip, ip6, tcp, udp, " +
      "sctp, icmp, icmp6, broadcast, multicast, with src, dst, and, or, not and ()",
    placeholder: "EXPR",
  },
  drops: { brief: "also frames that the switch dropped, with the reason", yes: true },
  count: { brief: "end after N frames", placeholder: "N" },
  snap: { brief: "N bytes of each frame at most", placeholder: "N" },
  ring: {
    brief: "room for frames that are not read yet, 256K to 512M (4M); what finds none is lost",
    placeholder: "SIZE",
  },
} as const satisfies Flags;

/** In the order help lists them. */
export const CAPTURE_COMMANDS: readonly CommandRow[] = [
  doing({
    words: ["capture"],
    brief: "frames from and to ports, into a file, a pipe, or as lines",
    examples: [
      "vuswitch capture vm1",
      "vuswitch capture vm1 vm2 -w both.pcapng --count 100",
      "vuswitch capture vm1 -w - | tcpdump -r -",
      "vuswitch capture vm1 -w - | wireshark -k -i -",
      "vuswitch capture vm1 --drops --filter 'arp or (tcp port 443 and not host 10.0.0.7)'",
    ],
    arguments: [{ ...PORT, many: true }],
    flags: CAPTURE_FLAGS,
  }, async () => (await import("../capture.ts")).capture),
];
