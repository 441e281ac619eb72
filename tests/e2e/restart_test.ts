/**
 * A switch that is killed under traffic and started again: Linux guests go on, whether their rings
 * are split or packed, and whoever of switch and QEMU listens. Nobody but the switch knows where a
 * packed ring stands then: QEMU says that it is new.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { addressOf, type GuestChoice, pingMeanwhile } from "../harness/guests.ts";
import { peerTest } from "../harness/peers.ts";
import { Bed } from "../harness/bed.ts";
import { until } from "../harness/until.ts";

const KILLS = 3;
/** One of each: chains of one slot and of several, and who knows about its ring. */
const GUESTS: readonly GuestChoice[] = [
  {},
  { nic: ["packed=on"] },
  { nic: ["packed=on", "indirect_desc=off", "mrg_rxbuf=off"] },
];

/** Waits for the first answer. @returns how long that took, ms */
async function untilAnswer(from: QemuGuest, to: string, since: number): Promise<number> {
  await until(`an answer of ${to}`, async () => {
    const { code } = await from.run(`ping -q -c 1 -W 1 ${to} > /dev/null`);
    return code === 0;
  });
  return performance.now() - since;
}

/** Pings until `count` answers have come; on a busy machine more are sent than come in time. */
async function answers(from: QemuGuest, to: string, count: number, bytes = 56): Promise<void> {
  let got = 0;
  await until(`${count} answers of ${to}`, async () => {
    const { output } = await from.run(`ping -q -A -c 10 -W 2 -s ${bytes} ${to}`);
    got += Number(/ (\d+) packets received/.exec(output)?.[1]);
    return got >= count;
  });
}

/**
 * Ends and starts the switch under flood pings; after each start all guests answer each other.
 * @param portWords options of each port @param chardev how QEMU connects
 */
async function killAndStart(portWords: string, chardev: readonly string[]): Promise<void> {
  await using bed = await Bed.make(GUESTS.map(() => portWords));
  const guests = await bed.linux(GUESTS.map((guest) => ({ ...guest, chardev })));
  const [first, second, third] = guests;
  assert(first && second && third);
  await answers(first, addressOf(2), 20);
  await answers(second, addressOf(3), 20);
  const gaps: number[] = [];
  for (let kill = 1; kill <= KILLS; kill++) {
    const floods = [
      await pingMeanwhile(first, addressOf(2)),
      await pingMeanwhile(third, addressOf(2)),
    ];
    await delay(200 + 150 * kill);
    // An update of the switch ends it in order; QEMU is not asked then either.
    await bed.kill(kill === 2 ? "SIGTERM" : "SIGKILL");
    await bed.start();
    const ready = performance.now();
    gaps.push(await untilAnswer(second, addressOf(1), ready));
    gaps.push(await untilAnswer(second, addressOf(3), ready));
    for (const enough of floods) await enough();
    await answers(first, addressOf(2), 30);
    await answers(second, addressOf(3), 30, 1400);
    await answers(third, addressOf(1), 30);
    assert.match(bed.process.log, /vring \d+ goes on at slot \d+/, "packed rings were taken up");
  }
  const most = Math.round(Math.max(...gaps));
  console.log(`    ${KILLS} restarts; answers at most ${most} ms after the switch was ready`);
}

const missing = missingQemuPackages();

peerTest("QEMU connects again to a switch that was killed, split and packed", missing, async () => {
  await killAndStart("", ["reconnect=1"]);
});

peerTest("a switch that was killed connects again to QEMU, split and packed", missing, async () => {
  await killAndStart("mode=connect", ["server=on"]);
});
