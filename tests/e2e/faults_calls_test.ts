/**
 * A tenant whose call eventfd is full and blocks whoever writes to it. The data plane does not wait;
 * where the kernel has only write(2) to call by, it is freed, the tenant's connection ends with a
 * reason, and the others lose nothing.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd } from "../../ffi/mod.ts";
import { RX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { blockingCall, fillUp } from "../harness/attacks/slow.ts";
import { isBlockedOn } from "../harness/blocked.ts";
import { fullEventFd } from "../harness/fds.ts";
import { bytesOf, Siege, steps } from "../harness/siege.ts";
import { introduce, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const WITHOUT_CALLS = new URL("../harness/without_calls.ts", import.meta.url).pathname;
/** io_setup(2), by processor. */
const IO_SETUP = { x86_64: 206, aarch64: 0 }[Deno.build.arch];

Deno.test("a call descriptor that is full holds nobody up", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  await step("full, and blocking when it was sent", null, async () => {
    const fd = fullEventFd();
    using guest = await siege.guest({ eventIdx: false });
    guest.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
    await introduce(guest, siege.witness);
    closeFd(fd);
  });
  // The open file is shared: its owner can make it blocking at any time.
  await step("made blocking again behind the switch's back", null, () => blockingCall(siege));
});

/** @param then what the guest does while the data plane may wait for it; its connection ends */
async function stuckCall(siege: Siege, then: "waits" | "hangs up" | "asks"): Promise<void> {
  const fd = fullEventFd();
  const log = siege.process.log.length;
  {
    using guest = await siege.guest({ eventIdx: false });
    guest.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
    await guest.enable(RX, true);
    await introduce(guest, siege.witness);
    fillUp(fd);
    assert(siege.witness.send(numberedFrame(guest.options.mac, siege.witness.options.mac, 1, 60)));
    // Where this machine is so slow that it is over already, nothing is left to free.
    await until(
      "the data plane to be blocked",
      () =>
        isBlockedOn(siege.process.pid, fd) ||
        siege.process.log.slice(log).includes("connection closed"),
    );
    if (then === "asks") {
      guest.frontEnd.message(id.VHOST_USER_SET_VRING_ENABLE, bytesOf(RX + 2 ** 32));
    }
    if (then !== "hangs up") assert(await guest.frontEnd.closedBySwitch());
  }
  await siege.bystanders.check();
  await until("the frame's buffer to come back", () => {
    const { witness } = siege;
    return witness.reapTransmit() >= 0 && witness.tx.free === witness.tx.size;
  });
  closeFd(fd);
}

Deno.test("where calls have to be writes, one that is stuck costs its own port", async (t) => {
  const program = [Deno.execPath(), "run", "-A", WITHOUT_CALLS, `${IO_SETUP}`];
  await using siege = await Siege.lay(0, program);
  assert.match(siege.process.log, /can hold all ports up for 0\.2 s/);
  const step = steps(t, siege);
  // Whatever makes the control thread wait for the data plane then must free it as well.
  await step("nothing else happens", "call-blocked", () => stuckCall(siege, "waits"));
  await step("it hangs up", null, () => stuckCall(siege, "hangs up"));
  await step("it sends a message", "call-blocked", () => stuckCall(siege, "asks"));
});
