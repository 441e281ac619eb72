/**
 * What can be wrong with a port that is there, for whoever has to mend it: codes that stay the same,
 * and their meanings.
 *
 * @module
 */

/** Code and meaning. */
export const PROBLEM_ROWS = [
  ["memory-not-shared", "the guest's memory, or a part of it, is private to the VMM"],
  ["iommu-not-offered", "a front-end left after reading the features: its guest may have an IOMMU"],
  ["socket-gone", "the socket's file was removed or replaced, and cannot be made again"],
  ["mac-flap", "an address moves between this port and another faster than a guest can"],
  ["mac-spoof", "it sends from addresses of other ports, or with `lock=on` not from its own"],
  ["storm", "it sends more frames to many than it may: `storm=`"],
  ["guard-dhcp", "it speaks as a DHCP server, and has `guard=dhcp`"],
  ["guard-ra", "it speaks as a router, and has `guard=ra`"],
  ["ip-spoof", "it uses or claims an IP address that is none of its `ip=`"],
  ["guard-hidden", "it sends frames that may hide what a guard looks for"],
  ["uplink-down", "the device behind the port is gone, down, or has no carrier"],
  ["uplink-full", "what is behind the port has no room for frames"],
  ["uplink-refused", "the device behind the port cannot be opened"],
  ["nat-helper", "a program that serves guests behind NAT does not run"],
  ["closing", "descriptors of an earlier front-end do not close, and the next ones wait"],
] as const satisfies readonly (readonly [code: string, meaning: string])[];

/** The codes: in the log they are events. */
export const PROBLEM_CODES: readonly ProblemCode[] = PROBLEM_ROWS.map(([code]) => code);

/** A code of {@linkcode PROBLEM_ROWS}. */
export type ProblemCode = (typeof PROBLEM_ROWS)[number][0];
