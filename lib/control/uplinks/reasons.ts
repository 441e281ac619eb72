/**
 * What goes wrong with a port without a front-end: codes that stay the same, and their meanings.
 *
 * @module
 */

/** Code and meaning. */
export const UPLINK_REASON_ROWS = [
  ["uplink-down", "the device behind the port is gone, down, or has no carrier"],
  ["uplink-full", "what is behind the port has no room for frames; they are dropped"],
  ["nat-helper", "a program that serves guests behind NAT ended, or does not start"],
  ["uplink-refused", "the device behind the port cannot be opened, or takes no frames"],
] as const satisfies readonly (readonly [code: string, meaning: string])[];

/** A code of {@linkcode UPLINK_REASON_ROWS}. */
export type UplinkReason = (typeof UPLINK_REASON_ROWS)[number][0];
