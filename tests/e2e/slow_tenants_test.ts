/**
 * Tenants who take the data plane's time: calls that take long, pages that are punched out of their
 * memory again and again, chains without end. They are parted with, those beside them lose nothing and
 * hear nothing for a moment at most; and a switch ends whatever its tenants hold.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, F_SETFL } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { RX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { breakRing, PACKED_ATTACKS, SPLIT_ATTACKS } from "../harness/attacks/rings.ts";
import { blockingCall, crumbs, punchedMemory, watchedCall } from "../harness/attacks/slow.ts";
import { Bed } from "../harness/bed.ts";
import { FarPair } from "../harness/far_pair.ts";
import { fullEventFd } from "../harness/fds.ts";
import { LingeringSocket } from "../harness/linger.ts";
import { type AnyOf, bytesOf, type Expected, Siege } from "../harness/siege.ts";
import { introduce, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

/** Of the data plane's own time, ms: on a machine with nothing else to do it is 50. */
const GAP_MS_MAX = 150;
/** A gap that is the switch's doing is there each time. */
const TRIES = 3;
/** Longer than any test. */
const LINGER_SECONDS = 1000;
const PUNCHED_BYTES = 2 ** 28;
/** From SIGTERM to the end of a process, ms, on a machine with any load. */
const END_MS_MAX = 10_000;
const MAYBE: AnyOf = { anyOf: ["too-slow"], least: 0 };

const CULPRITS: readonly [string, Expected, (siege: Siege) => Promise<void>][] = [
  ["one byte of each punched page, split", MAYBE, (siege) => crumbs(siege, false, 1)],
  ["one byte of each punched page, packed", MAYBE, (siege) => crumbs(siege, true, 1)],
  [
    "memory that is punched as a whole, again and again",
    "too-slow",
    (siege) => punchedMemory(siege, PUNCHED_BYTES),
  ],
  ["a call descriptor with 64,000 watches", "too-slow", watchedCall],
  ["a full call descriptor, made blocking again", null, blockingCall],
  ...[false, true].flatMap((packed) =>
    (packed ? PACKED_ATTACKS : SPLIT_ATTACKS)
      .filter(({ reason }) => reason === "chain-loop")
      .map((attack): [string, Expected, (siege: Siege) => Promise<void>] => [
        `${packed ? "packed" : "split"}: ${attack.name}`,
        attack.reason,
        (siege) => breakRing(siege, attack, packed),
      ])
  ),
];

Deno.test("who takes the data plane's time is parted with, and no visit is long", async (t) => {
  await using siege = await Siege.lay(2);
  const sockets = [siege.spare(0), siege.spare(1)] as const;
  using pair = new FarPair({ sockets, pid: siege.process.pid });
  await pair.wait(2);
  siege.recount();
  for (const [name, reason, run] of CULPRITS) {
    await t.step(name, async () => {
      const gaps: number[] = [];
      do {
        await siege.attackAlone(reason, () => run(siege));
        gaps.push(Math.max(...(await pair.wait(2)).map(({ ownMs }) => ownMs)));
      } while (Math.min(...gaps) > GAP_MS_MAX && gaps.length < TRIES);
      console.log(`    ${gaps.map((ms) => ms.toFixed(1))} ms`);
      assert(Math.min(...gaps) <= GAP_MS_MAX, `gaps of ${gaps} ms`);
    });
  }
});

Deno.test("SIGTERM ends a switch whatever its tenants hold", async () => {
  // Its data plane never rests.
  await using bed = await Bed.make(5, "--idle", "poll");
  const witness = await bed.guest(1);
  using lingering = new LingeringSocket(LINGER_SECONDS);
  const idle = await bed.guest(2);
  const before = (await bed.port(2)).errors;
  assert.deepEqual(before, {});
  // Stopped: the switch has the last descriptor of it, and not this process.
  Deno.kill(bed.process.pid, "SIGSTOP");
  try {
    idle.frontEnd.message(id.VHOST_USER_GET_FEATURES, undefined, [lingering.fd]);
    closeFd(lingering.fd);
  } finally {
    Deno.kill(bed.process.pid, "SIGCONT");
  }
  await until("its end", async () => (await bed.port(2)).errors["fd-count"] === 1);
  const fd = fullEventFd();
  const blocking = await bed.guest(3, { eventIdx: false });
  blocking.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
  await blocking.enable(RX, true);
  await introduce(blocking, witness);
  while (libc.eventfd_write(fd, 1n) === 0);
  libc.fcntl(fd, F_SETFL, 0);
  // Not read before it is closed, and signalled when its ring breaks, off the data plane.
  blocking.frontEnd.message(id.VHOST_USER_SET_VRING_ERR, bytesOf(RX), [fd]);
  // Messages that were begun: a part of a header, and one whose payload does not come.
  using begun = new FrontEnd(bed.socket(4));
  begun.raw(new Uint8Array(5));
  using announced = new FrontEnd(bed.socket(5));
  announced.raw(new Uint8Array(new Uint32Array([id.VHOST_USER_SET_MEM_TABLE, 1, 40]).buffer));
  witness.send(numberedFrame(blocking.options.mac, witness.options.mac, 1, 60));
  while (witness.send(numberedFrame(blocking.options.mac, witness.options.mac, 2, 1500)));
  const beganAt = performance.now();
  // Its code is 0, or that is an error.
  await bed.kill("SIGTERM");
  const ms = performance.now() - beganAt;
  console.log(`    ${ms.toFixed(0)} ms`);
  // A second where the machine has nothing else to do.
  assert(ms < END_MS_MAX, `${ms} ms`);
  closeFd(fd);
});
