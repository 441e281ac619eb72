/**
 * Tenants who take the data plane's time: calls that take long, pages that are punched out of their
 * memory again and again, calls that do not return. Each goes on until the switch ends its connection.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import {
  closeFd,
  createEventFd,
  drainEventFd,
  EPOLLIN,
  F_SETFL,
  O_NONBLOCK,
} from "../../../ffi/mod.ts";
import { libc } from "../../../ffi/symbols.ts";
import { type NetGuest, RX } from "../../../lib/guest/net_guest.ts";
import type { Segment } from "../../../lib/guest/driver.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import { fullEventFd } from "../fds.ts";
import { bytesOf, type Siege } from "../siege.ts";
import { introduce, numberedFrame } from "../traffic.ts";
import { until } from "../until.ts";

const F_DUPFD = 0;
const EPOLL_CTL_ADD = 1;
/** Epoll instances, and watches of one descriptor by each. */
const INSTANCES = 160;
const WATCHES = 400;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
/** Of the punched memory, behind the rings. */
const START = 2 ** 22;
/** Chains in a ring, and buffers of one byte in a chain. */
const RING_SIZE = 256;
/** Calls by one descriptor that is full. */
const CALLS = 10;
const CRUMBS = 128;

const { symbols: punching } = Deno.dlopen("libc.so.6", {
  fallocate: {
    parameters: ["i32", "i32", "i64", "i64"],
    result: "i32",
    nonblocking: true,
  },
});

/** Has many epoll instances watch a descriptor many times: each signal goes through all of them. */
function watchMuch(fd: number): number[] {
  const event = new DataView(new ArrayBuffer(16));
  event.setUint32(0, EPOLLIN, true);
  return Array.from({ length: INSTANCES }, () => {
    const epoll = libc.epoll_create1(0);
    for (let i = 0; i < WATCHES; i++) {
      const name = libc.fcntl(fd, F_DUPFD, 500 + i);
      assert.equal(libc.epoll_ctl(epoll, EPOLL_CTL_ADD, name, event.buffer), 0);
      closeFd(name);
    }
    return epoll;
  });
}

/** Does something again and again until the switch has closed a guest's connection. */
async function untilClosed(guest: NetGuest, deed: () => void): Promise<void> {
  let isClosed = false;
  const closed = guest.frontEnd.closedBySwitch().then(() => isClosed = true);
  await until("the connection's end", () => {
    deed();
    return isClosed;
  });
  await closed;
}

/** A call descriptor with 64,000 watches. */
export async function watchedCall(siege: Siege): Promise<void> {
  const fd = createEventFd();
  const instances = watchMuch(fd);
  try {
    using guest = await siege.guest({ eventIdx: false });
    guest.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
    await introduce(guest, siege.witness);
    const frame = numberedFrame(guest.options.mac, siege.witness.options.mac, 1, 60);
    await untilClosed(guest, () => {
      siege.witness.reapTransmit();
      siege.witness.send(frame);
      guest.receive();
    });
  } finally {
    for (const epoll of instances) closeFd(epoll);
    closeFd(fd);
  }
}

/** Memory of so many bytes that is punched as a whole, filled, and punched again. */
export async function punchedMemory(siege: Siege, bytes: number): Promise<void> {
  using guest = await siege.guest({ memoryBytes: 2 * bytes + START });
  let isClosed = false;
  const storm = async (): Promise<void> => {
    while (!isClosed) {
      // Filled by others: punching what is there takes long.
      await punching.fallocate(guest.memoryFd, 0, BigInt(START), BigInt(bytes));
      await punching.fallocate(guest.memoryFd, PUNCH, BigInt(START), BigInt(bytes));
    }
  };
  const storms = storm();
  let next = 0;
  try {
    await untilClosed(guest, () => {
      guest.reapTransmit();
      for (let i = 0; i < 16; i++) {
        const address = START + (next++ * 4096 * 17) % (bytes - 4096);
        guest.sendChain([{ address, bytes: 100 }]);
      }
    });
  } finally {
    isClosed = true;
    await storms;
  }
}

/**
 * Rings full of chains that have one byte of each of many pages, all punched out: no page of them is
 * there, and each byte needs one. @param rings how many full rings, one after the other
 */
export async function crumbs(siege: Siege, packed: boolean, rings: number): Promise<void> {
  const pages = RING_SIZE * CRUMBS;
  using guest = await siege.guest({
    ...{ packed, ringSize: RING_SIZE, memoryBytes: START + 4096 * pages + 2 ** 24 },
  });
  // Asking for nothing fails once the switch has hung up.
  const isClosed = (): boolean => guest.frontEnd.message(id.VHOST_USER_SET_OWNER) < 0;
  for (let ring = 0; ring < rings && !isClosed(); ring++) {
    await punching.fallocate(guest.memoryFd, PUNCH, BigInt(START), BigInt(4096 * pages));
    for (let chain = 0; chain < RING_SIZE; chain++) {
      const first = START + 4096 * CRUMBS * chain;
      const crumb = (_: unknown, page: number): Segment => ({
        ...{ address: first + 4096 * page, bytes: 1 },
      });
      guest.tx.add(Array.from({ length: CRUMBS }, crumb), false, true);
    }
    guest.kickTransmit();
    await until("the ring to come back", () => {
      guest.reapTransmit();
      return guest.tx.free === guest.tx.size || isClosed();
    });
  }
}

/**
 * An eventfd that is full and made blocking again behind the switch's back: it is called all the same,
 * and nobody waits, neither others nor its owner.
 */
export async function blockingCall(siege: Siege): Promise<void> {
  const fd = fullEventFd();
  try {
    using guest = await siege.guest({ eventIdx: false });
    guest.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
    await guest.enable(RX, true);
    await introduce(guest, siege.witness);
    for (let number = 0; number < CALLS; number++) {
      fillUp(fd);
      const frame = numberedFrame(guest.options.mac, siege.witness.options.mac, number, 60);
      assert(siege.witness.send(frame));
      assert(await guest.waitFor((bytes) => frame.every((byte, i) => byte === bytes[i])));
      siege.witness.reapTransmit();
    }
    await siege.bystanders.check();
    // A call that finds room counts.
    libc.fcntl(fd, F_SETFL, O_NONBLOCK);
    drainEventFd(fd);
    siege.witness.send(numberedFrame(guest.options.mac, siege.witness.options.mac, CALLS, 60));
    await until("a call", () => drainEventFd(fd) > 0);
  } finally {
    closeFd(fd);
  }
}

/** Fills an eventfd to the brim and has it block whoever writes to it. */
export function fillUp(fd: number): void {
  libc.fcntl(fd, F_SETFL, O_NONBLOCK);
  while (libc.eventfd_write(fd, 1n) === 0);
  libc.fcntl(fd, F_SETFL, 0);
}
