/**
 * A tenant that makes the switch block in a call: its eventfd is full and blocking. The data plane
 * is freed, the tenant's connection ends with a reason, and the others lose nothing.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, F_SETFL } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { RX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { blockingCall } from "../harness/attacks/slow.ts";
import { isBlockedOn } from "../harness/blocked.ts";
import { bytesOf, Siege, steps } from "../harness/siege.ts";
import { fullEventFd } from "../harness/fds.ts";
import { until } from "../harness/until.ts";
import { introduce, numberedFrame } from "../harness/traffic.ts";

Deno.test("a call descriptor that is full holds nobody up", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  // As it is sent: made non-blocking, the call is as good as made.
  await step("full, and blocking when it was sent", null, async () => {
    const fd = fullEventFd();
    using guest = await siege.guest({ eventIdx: false });
    guest.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
    await introduce(guest, siege.witness);
    closeFd(fd);
  });
  // The open file is shared: its owner can undo that at any time.
  await step(
    "made blocking again behind the switch's back",
    "call-blocked",
    () => blockingCall(siege),
  );
  // Whatever else makes the control thread wait for the data plane then must free it as well.
  for (const hangsUp of [false, true]) {
    const name = hangsUp ? "and hung up" : "and a message sent";
    await step(`made blocking again ${name}`, hangsUp ? null : "call-blocked", async () => {
      const fd = fullEventFd();
      const log = siege.process.log.length;
      {
        using guest = await siege.guest({ eventIdx: false });
        guest.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
        await guest.enable(RX, true);
        await introduce(guest, siege.witness);
        while (libc.eventfd_write(fd, 1n) === 0);
        libc.fcntl(fd, F_SETFL, 0);
        assert(
          siege.witness.send(numberedFrame(guest.options.mac, siege.witness.options.mac, 1, 60)),
        );
        // Where this machine is so slow that it is over already, nothing is left to free.
        await until(
          "the data plane to be blocked",
          () =>
            isBlockedOn(siege.process.pid, fd) ||
            siege.process.log.slice(log).includes("connection closed"),
        );
        if (!hangsUp) {
          guest.frontEnd.message(id.VHOST_USER_SET_VRING_ENABLE, bytesOf(RX + 2 ** 32));
          assert(await guest.frontEnd.closedBySwitch());
        }
      }
      await siege.bystanders.check();
      closeFd(fd);
    });
  }
});
