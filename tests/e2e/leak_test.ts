/**
 * A thousand front-ends come and go, politely or not: what the switch holds is as before.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, createEventFd } from "../../ffi/mod.ts";
import { CALLS_MAX } from "../../lib/control/front_end/tenant_fds.ts";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders, held, heldAsBefore } from "../harness/bystanders.ts";
import { macOf, numberedFrame } from "../harness/traffic.ts";

const ROUNDS = 1000;
const WARM_UP_ROUNDS = 200;
/** Ports they come to in turn; as many at one would have to wait for each other, see pace.ts. */
const PORTS = 8;
/** A heap may grow by a step or two of 12 MB; a leak of 25 kB a round, six pages, is more. */
const PRIVATE_GROWTH_KB_MAX = 25_000;
/** Guests' memory and the counters; a leak of one page a round is 4,000. */
const SHARED_GROWTH_KB_MAX = 1000;

/** One front-end's life; every fourth round ends another way. */
async function round(socket: string, number: number): Promise<void> {
  const packed = number % 8 >= 4;
  switch (number % 4) {
    case 0: {
      // With rings stopped, as QEMU does.
      using guest = await NetGuest.start({ socket, mac: macOf(1), packed, memoryBytes: 1 << 20 });
      await guest.getBase(0);
      await guest.getBase(1);
      return;
    }
    case 1: {
      // In the middle of traffic.
      using guest = await NetGuest.start({ socket, mac: macOf(1), packed, memoryBytes: 1 << 20 });
      const to = macOf(0xb1);
      for (let i = 0; i < 10; i++) guest.send(numberedFrame(to, macOf(1), 2 ** 31 + i, 100));
      return;
    }
    case 2: {
      // In the middle of a message that brought descriptors.
      using frontEnd = new FrontEnd(socket);
      const fds = [createEventFd(), createEventFd()];
      const bytes = id.encodeMessage(id.VHOST_USER_SET_VRING_KICK, 1, id.encodeU64(0n));
      frontEnd.raw(bytes.slice(0, 5 + number % 14), fds);
      fds.forEach(closeFd);
      return;
    }
    default: {
      // Thrown out for what it says.
      using guest = await NetGuest.start({ socket, mac: macOf(1), packed, memoryBytes: 1 << 20 });
      guest.frontEnd.message(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(0, 0));
      assert(await guest.frontEnd.closedBySwitch());
    }
  }
}

Deno.test("1,000 front-ends come and go and leave nothing behind", async () => {
  await using bed = await Bed.make(PORTS + 2);
  using bystanders = await Bystanders.attach(bed.socket(PORTS + 1), bed.socket(PORTS + 2));
  // Each port sees every way to end, of both kinds of rings.
  const socket = (i: number): string => bed.socket(1 + Math.floor(i / 8) % PORTS);
  for (let i = 0; i < WARM_UP_ROUNDS; i++) await round(socket(i), i);
  await bystanders.check();
  const before = held(bed.process.pid);
  for (let i = 0; i < ROUNDS; i++) await round(socket(i), i);
  await bystanders.check();
  await heldAsBefore(bed.process.pid, before);
  const after = held(bed.process.pid);
  // The runtime adds a thread for blocking calls when all it has are busy: on a busy machine, late.
  const threadsMax = before.threads + CALLS_MAX;
  assert(after.threads <= threadsMax, `${before.threads} to ${after.threads} threads`);
  const grown = {
    private: after.privateKb - before.privateKb,
    shared: after.sharedKb - before.sharedKb,
  };
  assert(grown.private < PRIVATE_GROWTH_KB_MAX, `private memory grew by ${grown.private} kB`);
  assert(grown.shared < SHARED_GROWTH_KB_MAX, `shared memory grew by ${grown.shared} kB`);
});
