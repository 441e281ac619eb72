/**
 * Validations that no test can miss, each with the reason: what is taken away there changes nothing
 * that can be seen, but for speed.
 *
 * @module
 */

/** One of them, as `deno task mutate --list` names it. */
export interface Equivalent {
  readonly file: string;
  readonly key: string;
  readonly why: string;
}

/** All of them. */
export const EQUIVALENTS: readonly Equivalent[] = [
  {
    file: "lib/offload/checksum.ts",
    key: "sumSegments: sum > 0xffff → true",
    why: "a sum of 16 bits stays what it is when it is folded",
  },
  {
    file: "lib/offload/headers.ts",
    key: "findIpv4: transport > network + IPV4_BYTES → true",
    why: "without options there is nothing to go through, but for a call",
  },
  {
    file: "lib/vhost/requests/config.ts",
    key: "setConfig: config.mtu !== null → true",
    why: "an MTU that differs from the one before was written: none is ever taken away",
  },
  {
    file: "lib/vhost/requests/inflight.ts",
    key: "checkArea: sizeBytes === null → false",
    why: "a size that is not known is refused as one that is too small",
  },
  {
    file: "lib/vhost/requests/table.ts",
    key: "served: answer !== ACKNOWLEDGED → true",
    why: "decided when the table loads, before any test; its rows are what answers_test.ts reads",
  },
  {
    file: "lib/vhost/requests/table.ts",
    key: "served: answer !== ACKNOWLEDGED → false",
    why: "as above",
  },
  {
    file: "lib/vhost/session.ts",
    key: "=>: result.fds.length === 0 → false",
    why: "no descriptors are sent either way",
  },
];
