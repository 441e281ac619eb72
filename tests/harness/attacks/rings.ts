/**
 * What a hostile driver may write into its rings: its own virtqueue is given up, with a reason and a
 * signal on its err descriptor.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { writeDesc } from "../../../lib/guest/driver.ts";
import { type NetGuest, type NetGuestOptions, RX, TX } from "../../../lib/guest/net_guest.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import type { Siege } from "../siege.ts";
import { until } from "../until.ts";
import { macOf, numberedFrame } from "../traffic.ts";

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;
const AVAIL = 1 << 7;
const SIZE = 16;
const OPTIONS = { eventIdx: false, ringSize: SIZE, buffers: 0, memoryBytes: 1 << 20 };
/** Nothing is mapped here. */
const OUTSIDE = 1 << 30;

/** Address and bytes of a descriptor, and its two other words: flags and next, or id and flags. */
type Desc = readonly [address: number, bytes: number, flags: number, next?: number];

/** Writes a split ring's descriptors and makes heads available; the index moves by `jump`. */
function split(
  guest: NetGuest,
  ring: number,
  descs: readonly Desc[],
  heads: number[],
  jump = 1,
): void {
  const { areas } = ring === RX ? guest.rx : guest.tx;
  descs.forEach(([address, bytes, flags, next = 0], i) =>
    writeDesc(guest.ram, areas[0] + 16 * i, { address, bytes }, flags, next)
  );
  const avail = guest.ram.at(areas[1]);
  heads.forEach((head, i) => guest.ram.view.setUint16(avail + 4 + 2 * i, head, true));
  const index = new Uint16Array(guest.ram.view.buffer, avail + 2, 1);
  Atomics.store(index, 0, Atomics.load(index, 0) + jump);
}

/** Writes a packed ring's descriptors from slot 0 on; the first one's flags come last. */
function packed(guest: NetGuest, ring: number, descs: readonly Desc[]): void {
  const { areas } = ring === RX ? guest.rx : guest.tx;
  for (const [i, [address, bytes, flags, number = 0]] of [...descs.entries()].reverse()) {
    writeDesc(guest.ram, areas[0] + 16 * i, { address, bytes }, number, flags | AVAIL);
  }
}

/** A table of descriptors in guest memory. @returns its address */
function table(guest: NetGuest, descs: readonly Desc[]): number {
  const address = guest.ram.take(16 * descs.length);
  descs.forEach(([at, bytes, flags, next = 0], i) =>
    writeDesc(guest.ram, address + 16 * i, { address: at, bytes }, flags, next)
  );
  return address;
}

/** One of them. */
export interface RingAttack {
  readonly name: string;
  readonly reason: string;
  readonly ring?: number;
  readonly options?: Partial<NetGuestOptions>;
  readonly write: (guest: NetGuest, buffer: number) => void;
}

/** On split rings. */
export const SPLIT_ATTACKS: readonly RingAttack[] = [
  { name: "head beyond the ring", reason: "bad-index", write: (g) => split(g, TX, [], [SIZE]) },
  { name: "head 65,535", reason: "bad-index", write: (g) => split(g, TX, [], [65535]) },
  {
    name: "next beyond the ring",
    reason: "bad-index",
    write: (g, b) => split(g, TX, [[b, 20, NEXT, SIZE]], [0]),
  },
  {
    name: "a descriptor that points to itself",
    reason: "chain-loop",
    write: (g, b) => split(g, TX, [[b, 20, NEXT, 0]], [0]),
  },
  {
    name: "a loop of empty descriptors",
    reason: "chain-loop",
    write: (g, b) => split(g, TX, [[b, 0, NEXT, 1], [b, 0, NEXT, 0]], [0]),
  },
  {
    name: "available index jumps over the ring",
    reason: "avail-jump",
    write: (g, b) => split(g, TX, [[b, 60, 0]], [0], SIZE + 1),
  },
  {
    name: "available index goes backwards",
    reason: "avail-jump",
    write: (g, b) => split(g, TX, [[b, 60, 0]], [0], -1),
  },
  {
    name: "an indirect table outside memory",
    reason: "bad-address",
    write: (g) => split(g, TX, [[OUTSIDE, 16, INDIRECT]], [0]),
  },
  {
    name: "an indirect table across the end of memory",
    reason: "bad-address",
    write: (g) => split(g, TX, [[OPTIONS.memoryBytes - 16, 32, INDIRECT]], [0]),
  },
  {
    name: "next beyond the indirect table",
    reason: "bad-index",
    write: (g, b) => split(g, TX, [[table(g, [[b, 60, NEXT, 1]]), 16, INDIRECT]], [0]),
  },
  {
    name: "an address outside memory",
    reason: "bad-address",
    write: (g) => split(g, TX, [[OUTSIDE, 60, 0]], [0]),
  },
  {
    name: "a buffer across the end of memory",
    reason: "bad-address",
    write: (g) => split(g, TX, [[OPTIONS.memoryBytes - 59, 60, 0]], [0]),
  },
  {
    name: "an address of 2^53",
    reason: "bad-address",
    write: (g) => split(g, TX, [[2 ** 53, 60, 0]], [0]),
  },
  {
    name: "an address that wraps at 2^64",
    reason: "bad-address",
    write: (g) => {
      split(g, TX, [[0, 200, 0]], [0], 0);
      g.ram.view.setBigUint64(g.ram.at(g.tx.areas[0]), 2n ** 64n - 100n, true);
      split(g, TX, [], [0]);
    },
  },
  {
    name: "a receive buffer outside memory",
    reason: "bad-address",
    ring: RX,
    write: (g) => split(g, RX, [[OUTSIDE, 2000, WRITE]], [0]),
  },
  // Too long to be a number of 31 bits: it must not count as room that was never looked at.
  {
    name: "a receive buffer of 2 GiB",
    reason: "bad-address",
    ring: RX,
    write: (g, b) => split(g, RX, [[b, 0x80000000, WRITE]], [0]),
  },
  {
    name: "a receive buffer of 4 GiB behind a good one",
    reason: "bad-address",
    ring: RX,
    write: (g, b) => split(g, RX, [[b, 12, WRITE | NEXT, 1], [b, 0xffffffff, WRITE]], [0]),
  },
  {
    name: "a receive buffer of 4 GiB in an indirect table",
    reason: "bad-address",
    ring: RX,
    write: (g, b) => split(g, RX, [[table(g, [[b, 0xffffffff, WRITE]]), 16, INDIRECT]], [0]),
  },
  {
    name: "a loop in a receive chain",
    reason: "chain-loop",
    ring: RX,
    write: (g, b) => split(g, RX, [[b, 1, WRITE | NEXT, 0]], [0]),
  },
  {
    name: "a receive index that jumps",
    reason: "avail-jump",
    ring: RX,
    write: (g, b) => split(g, RX, [[b, 2000, WRITE]], [0], 300),
  },
  {
    name: "a receive head beyond the ring",
    reason: "bad-index",
    ring: RX,
    write: (g) => split(g, RX, [], [SIZE]),
  },
];

/** On packed rings. */
export const PACKED_ATTACKS: readonly RingAttack[] = [
  {
    name: "an id beyond the ring",
    reason: "bad-index",
    write: (g, b) => packed(g, TX, [[b, 60, 0, SIZE]]),
  },
  {
    name: "a chain without end",
    reason: "chain-loop",
    write: (g, b) => packed(g, TX, Array.from({ length: SIZE }, () => [b, 1, NEXT] as const)),
  },
  {
    name: "a chain that ends in the one before it",
    reason: "chain-loop",
    write: (g, b) => {
      const chain = Array.from({ length: SIZE - 1 }, () => [b, 4, NEXT] as const);
      packed(g, TX, [[b, 60, 0], ...chain]);
    },
  },
  {
    name: "a chain of empty descriptors without end",
    reason: "chain-loop",
    write: (g, b) => packed(g, TX, Array.from({ length: SIZE }, () => [b, 0, NEXT] as const)),
  },
  {
    name: "an indirect table that is continued",
    reason: "bad-indirect",
    write: (g, b) => packed(g, TX, [[table(g, [[b, 60, 0]]), 16, INDIRECT | NEXT], [b, 60, 0]]),
  },
  {
    name: "an indirect table outside memory",
    reason: "bad-address",
    write: (g) => packed(g, TX, [[OUTSIDE, 16, INDIRECT]]),
  },
  {
    name: "an address outside memory",
    reason: "bad-address",
    write: (g) => packed(g, TX, [[OUTSIDE, 60, 0]]),
  },
  {
    name: "a receive id beyond the ring",
    reason: "bad-index",
    ring: RX,
    write: (g, b) => packed(g, RX, [[b, 2000, WRITE, SIZE]]),
  },
  {
    name: "a receive buffer of 2 GiB",
    reason: "bad-address",
    ring: RX,
    write: (g, b) => packed(g, RX, [[b, 0x80000000, WRITE]]),
  },
  {
    name: "a receive chain that ends in the one before it",
    reason: "chain-loop",
    ring: RX,
    write: (g, b) => {
      const chain = Array.from({ length: SIZE - 1 }, () => [b, 1, WRITE | NEXT] as const);
      packed(g, RX, [[b, 20, WRITE], ...chain]);
    },
  },
  {
    name: "a receive buffer of 4 GiB in an indirect table",
    reason: "bad-address",
    ring: RX,
    write: (g, b) => packed(g, RX, [[table(g, [[b, 0xffffffff, 0, WRITE]]), 16, INDIRECT]]),
  },
];

/** Attacks a ring, and sees that it breaks and the other one does not. */
export async function breakRing(
  siege: Siege,
  attack: RingAttack,
  isPacked: boolean,
): Promise<void> {
  const ring = attack.ring ?? TX;
  using guest = await siege.guest({ ...OPTIONS, packed: isPacked, ...attack.options });
  attack.write(guest, guest.ram.take(4096));
  guest.kick(ring);
  const hello = numberedFrame("ff:ff:ff:ff:ff:ff", macOf(4), 1, 60);
  await until("the ring to break", () => {
    if (ring === RX) siege.witness.send(hello);
    return guest.takeError(ring);
  });
  const vring = await siege.vring(ring);
  assert.equal(vring.state, "broken");
  assert.equal(vring.error, attack.reason);
  // The connection goes on, and the other ring with it.
  assert.notEqual(await guest.frontEnd.ask(id.VHOST_USER_GET_FEATURES, undefined, [], 1), 0n);
  assert.equal((await siege.vring(1 - ring)).state, "running");
}
