/**
 * Tenants who take the data plane's time: calls that take long, pages that are punched out of their
 * memory again and again. They are parted with, and those beside them lose nothing.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, createEventFd, EPOLLIN } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { RX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { bytesOf, Siege, steps } from "../harness/siege.ts";
import { introduce, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const F_DUPFD = 0;
const EPOLL_CTL_ADD = 1;
/** Epoll instances, and watches of one descriptor by each. */
const INSTANCES = 160;
const WATCHES = 400;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

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

Deno.test("who takes the data plane's time is parted with", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  // Where the thread is kept from its processor in the middle of a call, that looks stuck.
  const reasons = ["too-slow", "call-blocked"];
  await step("a call descriptor with 64,000 watches", reasons, async () => {
    const fd = createEventFd();
    const instances = watchMuch(fd);
    try {
      using guest = await siege.guest({ eventIdx: false });
      guest.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
      await introduce(guest, siege.witness);
      const frame = numberedFrame(guest.options.mac, siege.witness.options.mac, 1, 60);
      let isClosed = false;
      const closed = guest.frontEnd.closedBySwitch().then(() => isClosed = true);
      await until("the connection's end", () => {
        siege.witness.reapTransmit();
        siege.witness.send(frame);
        guest.receive();
        return isClosed;
      });
      await closed;
    } finally {
      for (const epoll of instances) closeFd(epoll);
      closeFd(fd);
    }
  });
  await step("memory that is punched as a whole, again and again", "too-slow", async () => {
    const bytes = 2 ** 31;
    using guest = await siege.guest({ memoryBytes: bytes + 2 ** 22 });
    const start = 2 ** 22;
    let isClosed = false;
    const closed = guest.frontEnd.closedBySwitch().then(() => isClosed = true);
    const storm = async (): Promise<void> => {
      while (!isClosed) {
        // Filled by others: punching what is there takes long.
        await punching.fallocate(guest.memoryFd, 0, BigInt(start), BigInt(bytes / 2));
        const flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        await punching.fallocate(guest.memoryFd, flags, BigInt(start), BigInt(bytes / 2));
      }
    };
    const storms = storm();
    let next = 0;
    await until("the connection's end", () => {
      guest.reapTransmit();
      for (let i = 0; i < 16; i++) {
        const address = start + (next++ * 4096 * 17) % (bytes / 2 - 4096);
        guest.sendChain([{ address, bytes: 100 }]);
      }
      return isClosed;
    });
    await Promise.all([closed, storms]);
  });
});
