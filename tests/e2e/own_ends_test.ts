/**
 * Descriptors of a tenant's that nobody may call by: sockets at which one waits, and the tenant's own
 * end of its connection, with which the switch would hold both ends and never learn that it is gone.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import type { ListenerStatus } from "../../lib/control/types.ts";
import { NetGuest, RX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { Bed } from "../harness/bed.ts";
import { Knocking } from "../harness/knocking.ts";
import { bytesOf, closesGuest, Siege, steps } from "../harness/siege.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { macOf } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const AF_INET = 2;
const SOCKETS = [["stream", 1], ["datagram", 2]] as const;

Deno.test("sockets of other families are refused, and so is our own connection", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  for (const [name, type] of SOCKETS) {
    const fd = libc.socket(AF_INET, type, 0);
    await step(
      `an internet ${name} socket to call by`,
      "not-eventfd",
      () =>
        closesGuest(
          siege,
          (g) => void g.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]),
        ),
    );
    closeFd(fd);
  }
  await step(
    "one's own end to call by",
    "not-eventfd",
    () =>
      closesGuest(siege, ({ frontEnd }) => {
        frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [frontEnd.fd]);
      }),
  );
});

Deno.test("a front-end whose process has ended makes room for the next", async () => {
  using folder = new TempFolder();
  const many = folder.file("many.sock");
  await using bed = await Bed.in(folder, 1, "-p", `m{n}=${many},multi=2`);
  const listener = async (): Promise<ListenerStatus> => {
    const words = ["port", "show", "m{n}", "--ctl", bed.process.ctl, "-o", "json"];
    return JSON.parse((await vuswitch(...words)).stdout) as ListenerStatus;
  };
  const hidden = new Knocking("hidden-ends", many);
  await until("both to be there", async () => (await listener()).connects === 2);
  await hidden.stop();
  await until(
    "a line that says so",
    () => bed.process.log.includes(`pid ${hidden.pid} deno has ended, its connection not`),
  );
  // Nobody wanted their places so far.
  assert.equal((await listener()).ports.length, 2);
  {
    using _one = await NetGuest.start({ socket: many, mac: macOf(2) });
    using _two = await NetGuest.start({ socket: many, mac: macOf(3) });
    assert.deepEqual((await listener()).errors, { "peer-gone": 2 });
  }
  const again = new Knocking("hidden-ends", bed.socket(1));
  await until("the port to be taken", async () => (await bed.port(1)).connects === 1);
  await again.stop();
  using _guest = await bed.guest(1);
  // Both of its connections had the port, one after the other, or the second was turned away.
  const { errors } = await bed.port(1);
  assert((errors["peer-gone"] ?? 0) >= 1, JSON.stringify(errors));
});
