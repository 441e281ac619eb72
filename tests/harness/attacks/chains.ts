/**
 * Chains that are no good, from a driver whose rings run: the chain comes back with length 0, is
 * counted and said in one line, the driver is called, and the very next chain is served.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { DESC, type OddDescriptor, writeDesc } from "../../../lib/guest/driver.ts";
import { type NetGuest, RX, TX } from "../../../lib/guest/net_guest.ts";
import { type CHAIN_REASON_ROWS, TABLE_ENTRIES_MAX } from "../../../lib/virtio/bad_chain.ts";
import type { Siege } from "../siege.ts";
import { introduce, macOf, numberedFrame } from "../traffic.ts";
import { until } from "../until.ts";

const WRITE = 2;
const INDIRECT = 4;
const OPTIONS = { eventIdx: false, ringSize: 16, buffers: 0, memoryBytes: 1 << 20 };

/** One of them. */
export interface BadChain {
  readonly name: string;
  readonly ring: typeof RX | typeof TX;
  readonly reason: (typeof CHAIN_REASON_ROWS)[number][0];
  readonly make: (guest: NetGuest, address: number) => readonly OddDescriptor[];
}

/** A table of one entry. @returns its address */
function table(guest: NetGuest, address: number, flags: number): number {
  const at = guest.ram.take(DESC);
  const words: [number, number] = guest.options.packed ? [0, flags] : [flags, 0];
  writeDesc(guest.ram, at, { address, bytes: 64 }, ...words);
  return at;
}

/** Descriptors, of the right direction for a ring or not. */
function direction(ring: number, ...right: readonly boolean[]): BadChain["make"] {
  const good = ring === RX ? WRITE : 0;
  return (_, address) =>
    right.map((is) => ({ address, bytes: 80, flags: is ? good : WRITE - good }));
}

function length(bytes: number): BadChain["make"] {
  return (guest, at) => [{ address: table(guest, at, 0), bytes, flags: INDIRECT }];
}

/** All of them. */
export const BAD_CHAINS: readonly BadChain[] = [
  { name: "writable", ring: TX, reason: "bad-direction", make: direction(TX, false) },
  {
    name: "writable behind readable",
    ring: TX,
    reason: "bad-direction",
    make: direction(TX, true, false),
  },
  { name: "readable", ring: RX, reason: "bad-direction", make: direction(RX, false) },
  {
    name: "readable before writable",
    ring: RX,
    reason: "bad-direction",
    make: direction(RX, false, true),
  },
  { name: "an empty table", ring: TX, reason: "bad-indirect", make: length(0) },
  { name: "a cut table", ring: TX, reason: "bad-indirect", make: length(15) },
  {
    name: "a table longer than any",
    ring: RX,
    reason: "bad-indirect",
    make: length(DESC * (TABLE_ENTRIES_MAX + 1)),
  },
  {
    name: "a nested table",
    ring: TX,
    reason: "bad-indirect",
    make: (guest, at) => [{ address: table(guest, at, INDIRECT), bytes: DESC, flags: INDIRECT }],
  },
  {
    name: "too short for the header",
    ring: RX,
    reason: "no-room",
    make: (_, address) => [{ address, bytes: 11, flags: WRITE }],
  },
];

const hello = numberedFrame("ff:ff:ff:ff:ff:ff", macOf(4), 1, 60);

/** Several such chains of a driver; they come back, and it goes on. */
export async function offerBad(
  siege: Siege,
  packed: boolean,
  { ring, reason, make }: BadChain,
): Promise<void> {
  using guest = await siege.guest({ ...OPTIONS, packed });
  const driver = ring === RX ? guest.rx : guest.tx;
  const address = guest.ram.take(4096);
  const said = siege.process.log.length;
  const fresh = (): string[] => siege.process.log.slice(said).split("\n");
  const lines = (): string[] => fresh().filter((line) => line.includes("go back unused"));
  for (let i = 1; i <= 3; i++) {
    const id = driver.addOdd(make(guest, address));
    assert(id >= 0);
    driver.publish();
    guest.kick(ring);
    await until("the chain to come back", () => {
      if (ring === RX) siege.witness.send(hello);
      // Throws if the device claims to have written anything.
      return driver.takeUsed().some((used) => used.id === id && used.bytes === 0);
    });
    await until("the call", () => guest.takeCalls(ring) > 0);
    const { counters, state } = await siege.vring(ring);
    assert.equal(counters["badChains"], i);
    assert.equal(state, "running");
  }
  await until("the line", () => lines().length > 0);
  assert.equal(lines().length, 1, "one line for each reason and ring");
  assert.match(lines()[0] as string, new RegExp(`vring ${ring} go back unused: ${reason},`));
  // The same rings carry frames.
  guest.offerBuffers(...Array.from({ length: 8 }, () => [{
    address: guest.ram.take(2048),
    bytes: 2048,
  }]));
  siege.witness.receive();
  await introduce(guest, siege.witness);
}
