/**
 * Live migration of Linux guests in QEMU between two ports of one switch, there and back.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import { QemuGuest } from "../../lib/demo/qemu.ts";
import { Bed } from "../harness/bed.ts";
import { addressOf, pingAll, pingMeanwhile } from "../harness/guests.ts";
import {
  migrate,
  type MigrationTimes,
  qemuThatMigrates,
  startStream,
} from "../harness/migration.ts";
import { peerTest } from "../harness/peers.ts";
import type { SwitchProcess } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";

/**
 * NIC of the guest that moves, and whether it is one of the system's QEMU. Without guest_announce QEMU
 * says SEND_RARP in its place.
 */
const VARIANTS: readonly [string, readonly string[], boolean][] = [
  ["split, QEMU of the system", [], true],
  ["split, guest_announce=off", ["guest_announce=off"], false],
  ["packed", ["packed=on"], false],
  ["packed, guest_announce=off", ["packed=on", "guest_announce=off"], false],
];
const MAC = "52:54:00:00:00:02";

function describe({ total, downtime }: MigrationTimes): string {
  return `${total} ms, the guest stood still for ${downtime} ms`;
}

/** The switch knows at which port the guest is. */
async function knowsAt(running: SwitchProcess, port: string): Promise<void> {
  const entries = await running.fdb();
  assert.equal(entries.find((entry) => entry.mac === MAC)?.port, port, "the address has moved");
}

/** There under pings, back under a stream. @returns the guest where it is in the end */
async function thereAndBack(
  running: SwitchProcess,
  peer: QemuGuest,
  guest: QemuGuest,
  variant: number,
): Promise<QemuGuest> {
  const { folder } = guest.options;
  const name = `v${variant}`;
  const pings = await pingMeanwhile(peer, addressOf(2));
  const there = await migrate(guest, `${name}b`, `${folder}/vm3.sock`);
  await knowsAt(running, "vm3");
  const { sent, back } = await pings();
  console.log(`    ${describe(there.times)}; ${sent - back} of ${sent} pings lost`);
  // A busy machine or QEMU's own losses may cost some, a guest whose address did not move all.
  assert(back > sent / 2, `${back} of ${sent} pings came back`);
  await pingAll(peer, addressOf(2), 50);
  await pingAll(there.guest, addressOf(1), 50, 1400);

  const stream = await startStream(peer, there.guest);
  const received = async (port: string): Promise<number> => {
    const status = await callSwitch(running.ctl, "GET", `/v1/ports/${port}`) as PortStatus;
    return status.counters["txBytes"] as number;
  };
  const before = await received("vm3");
  await until("the stream", async () => await received("vm3") > before + 1e6);
  const home = await migrate(there.guest, `${name}c`, `${folder}/vm2.sock`);
  const arrived = await received("vm2");
  await until("the stream", async () => await received("vm2") > arrived + 1e6);
  await knowsAt(running, "vm2");
  const bytes = await stream.end(home.guest);
  console.log(`    ${describe(home.times)}; ${(bytes / 1e6).toFixed(0)} MB by TCP meanwhile`);
  await pingAll(peer, addressOf(2), 50);
  return home.guest;
}

peerTest(
  "QEMU live migration between two ports, there and back, under pings and a stream",
  missingQemuPackages(),
  async (t) => {
    await using bed = await Bed.make(3);
    const qemu = await qemuThatMigrates();
    const started = await bed.linux([{}]);
    const [peer] = started;
    assert(peer);
    for (const [variant, [name, nic, ofSystem]] of VARIANTS.entries()) {
      await t.step(name, async () => {
        let guest = QemuGuest.start({
          ...peer.options,
          ...ofSystem ? {} : qemu,
          name: `v${variant}a`,
          address: `${addressOf(2)}/24`,
          mac: MAC,
          socket: bed.file("vm2.sock"),
          nic,
        });
        try {
          await guest.ready();
          guest = await thereAndBack(bed.process, peer, guest, variant);
        } finally {
          await guest.stop();
        }
        await until("the port", async () => (await bed.process.port("vm2")).link === "wait");
      });
    }
  },
);
