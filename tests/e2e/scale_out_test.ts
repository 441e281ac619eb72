/**
 * Switches on three hosts in namespaces, each with its uplink in the host's bridge, and guests that
 * reach and move to each other as if there were one switch.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { buildGuestImage, missingQemuPackages } from "../../lib/demo/guest_image.ts";
import { QemuGuest } from "../../lib/demo/qemu.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { Fabric, type FdbWatch, NEEDS_FOR_FABRIC, NEEDS_FOR_FRR } from "../harness/fabric.ts";
import { addressOf, pingAll, pingMeanwhile } from "../harness/guests.ts";
import { migrate, qemuThatMigrates } from "../harness/migration.ts";
import { peerTest } from "../harness/peers.ts";
import { SwitchProcess, vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce, macOf, numberedFrame, transfer } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const HOSTS = [1, 2, 3];
/** Of guests that are not told otherwise: what fits a tunnel through a network of 1500. */
const MTU = 1450;

/**
 * BGP takes 62 ms, of which 60 are pauses of FRR's own; a machine may be busy, but does not wait for
 * any timer of BGP's or for an address that grows old.
 */
const CONVERGED_MS_MAX = 1500;

/** A host's switch: port vm1 and an uplink. */
interface Host {
  readonly running: SwitchProcess;
  readonly socket: string;
}

/** Hosts with a switch each. */
class Hosts implements AsyncDisposable {
  readonly fabric: Fabric;
  readonly folder = new TempFolder();
  readonly #hosts: Host[] = [];

  private constructor(fabric: Fabric) {
    this.fabric = fabric;
  }

  /** Joins three hosts by EVPN or by a list, and starts their switches. */
  static async start(words: readonly string[]): Promise<Hosts> {
    const hosts = new Hosts(await Fabric.make(HOSTS.length));
    try {
      await hosts.fabric.joinAll(...words);
      for (const host of HOSTS) await hosts.#startSwitch(host);
    } catch (error) {
      await hosts[Symbol.asyncDispose]();
      throw error;
    }
    return hosts;
  }

  async #startSwitch(host: number): Promise<void> {
    const folder = this.folder.file(`h${host}`);
    Deno.mkdirSync(folder);
    const socket = `${folder}/vm1.sock`;
    const ports = ["-p", `vm1=${socket},mtu=${MTU}`, "-p", "up=tap:vsw100"];
    const words = [...this.fabric.words(host), ...vuswitchWords()];
    this.#hosts.push({ running: await SwitchProcess.start(folder, ports, words), socket });
  }

  /** A host by number from 1 on. */
  at(host: number): Host {
    return this.#hosts[host - 1] as Host;
  }

  /** Waits until a host's switch has an address at one of its ports. */
  async knows(host: number, mac: string, port: string): Promise<void> {
    await until(`the switch of host ${host} to have ${mac} at ${port}`, async () => {
      const rows = await this.at(host).running.fdb();
      return rows.find((row) => row.mac === mac)?.port === port;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const codes: number[] = [];
    for (const { running } of this.#hosts) codes.push(await running.stop());
    await this.fabric[Symbol.asyncDispose]();
    this.folder[Symbol.dispose]();
    assert.deepEqual(codes, codes.map(() => 0), "switches end well");
  }
}

/**
 * Waits for an address to be where it belongs in every host's tables.
 * @returns how long it took from its host's bridge to the last table, ms
 */
async function rightEverywhere(
  fabric: Fabric,
  watches: readonly FdbWatch[],
  since: number,
  mac: string,
  host: number,
): Promise<number> {
  const here = new RegExp(`^${mac} dev vsw100 master br100`);
  const { at } = await (watches[host - 1] as FdbWatch).event(since, here);
  for (const each of HOSTS) {
    await until(`host ${each} to have ${mac} on ${host}`, () => fabric.places(each, mac, host));
  }
  // Each watch has its own idea of now, to a fraction of a ms.
  return Math.max(0, ...watches.map((watch) => watch.last(since, mac) - at));
}

async function frames(hosts: Hosts): Promise<void> {
  const guests: NetGuest[] = [];
  try {
    for (const host of HOSTS) {
      const { socket } = hosts.at(host);
      guests.push(await NetGuest.start({ socket, mac: macOf(host), packed: host === 2 }));
    }
    await introduce(...guests);
    const sizes = [18, 60, 61, 1000, 1463, 1464];
    for (const from of guests) {
      for (const to of guests) if (from !== to) await transfer(from, to, sizes, 1);
    }
    for (const host of HOSTS) {
      for (const guest of HOSTS) {
        await hosts.knows(host, macOf(guest), guest === host ? "vm1" : "up");
      }
    }
  } finally {
    for (const guest of guests) guest.close();
  }
}

/** Addresses behind one guest's NIC. */
const MANY = 50;

/**
 * Host 1's uplink goes down, with which its bridge forgets all addresses behind it, and comes back:
 * the switch tells them again, and no guest need say a word.
 */
async function uplinkReturns(
  hosts: Hosts,
  watches: readonly FdbWatch[],
  listed: boolean,
): Promise<void> {
  const { fabric } = hosts;
  const guest = await NetGuest.start({ socket: hosts.at(1).socket, mac: macOf(1) });
  try {
    const macs = Array.from({ length: MANY }, (_, i) => macOf(100 + i));
    for (const [number, mac] of macs.entries()) {
      const hello = numberedFrame("ff:ff:ff:ff:ff:ff", mac, number, 60);
      await until("room for a frame", () => guest.send(hello));
    }
    const all = async (host: number): Promise<void> => {
      for (const mac of macs) {
        await until(`host ${host} to have ${mac}`, () => fabric.places(host, mac, 1));
      }
    };
    await all(1);
    await all(2);
    const since = Date.now();
    await fabric.run(1, "ip link set dev vsw100 down");
    // With a list nobody tells the others.
    const forgetful = watches[listed ? 0 : 1] as FdbWatch;
    for (const mac of macs) await forgetful.event(since, new RegExp(`^Deleted ${mac} `));
    const up = Date.now();
    await fabric.run(1, "ip link set dev vsw100 up");
    await all(1);
    await all(2);
    const first = Math.min(...macs.map((mac) => watches[0]?.last(up, mac) ?? 0));
    const last = Math.max(...watches.flatMap((watch) => macs.map((mac) => watch.last(up, mac))));
    console.log(
      `    ${MANY} addresses told by their switch: ${(last - first).toFixed(1)} ms from the ` +
        "first in its bridge to the last in the last host's table",
    );
  } finally {
    guest.close();
  }
}

/** A Linux guest moves from host 1 to host 2 and back while another on host 3 pings it. */
async function thereAndBack(
  hosts: Hosts,
  watches: readonly FdbWatch[],
  nic: readonly string[],
): Promise<void> {
  const { path: folder } = hosts.folder;
  const image = buildGuestImage(folder, []);
  const qemu = await qemuThatMigrates();
  const start = (number: number, host: number, words: readonly string[]): QemuGuest =>
    QemuGuest.start({
      ...qemu,
      ...{ name: `g${number}`, address: `${addressOf(number)}/24`, folder, image, mtu: MTU },
      ...{ mac: macOf(10 + number), socket: hosts.at(host).socket, nic: words },
    });
  const guests = [start(1, 3, []), start(2, 1, nic)];
  try {
    await Promise.all(guests.map((guest) => guest.ready()));
    const mac = macOf(12);
    const [peer, first] = guests as [QemuGuest, QemuGuest];
    await pingAll(peer, addressOf(2), 20, MTU - 28);
    let guest = first;
    for (const to of [2, 1]) {
      const pings = await pingMeanwhile(peer, addressOf(2));
      const since = Date.now();
      const moved = await migrate(guest, `to${to}-`, hosts.at(to).socket);
      guest = moved.guest;
      guests.push(guest);
      const tookMs = await rightEverywhere(hosts.fabric, watches, since, mac, to);
      await hosts.knows(to, mac, "vm1");
      await hosts.knows(3 - to, mac, "up");
      const { sent, back } = await pings();
      console.log(
        `    to host ${to}: every host knew ${tookMs.toFixed(1)} ms after the first; the guest ` +
          `stood still for ${moved.times.downtime} ms; ${sent - back} of ${sent} pings lost`,
      );
      assert(tookMs < CONVERGED_MS_MAX, `every host knew after ${tookMs} ms`);
      assert(back > 0, `${back} of ${sent} pings came back`);
      await pingAll(peer, addressOf(2), 20, MTU - 28);
      await pingAll(guest, addressOf(1), 20);
    }
  } finally {
    for (const guest of guests) await guest.stop();
  }
}

/** How hosts learn of each other, and how a guest says where it is. */
const WAYS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["EVPN", [], []],
  ["a static list; QEMU announces for the guest", ["--static"], ["guest_announce=off"]],
];

for (const [name, words, nic] of WAYS) {
  peerTest(
    `guests of switches on three hosts, by ${name}`,
    [...words.includes("--static") ? NEEDS_FOR_FABRIC : NEEDS_FOR_FRR, ...missingQemuPackages()],
    async (t) => {
      await using hosts = await Hosts.start(words);
      await t.step("frames pass between all hosts unchanged", () => frames(hosts));
      const watches: FdbWatch[] = [];
      for (const host of HOSTS) watches.push(await hosts.fabric.watch(host));
      await t.step(
        "an uplink goes down and comes back",
        () => uplinkReturns(hosts, watches, words.includes("--static")),
      );
      await t.step(
        "a guest migrates to another host and back",
        () => thereAndBack(hosts, watches, nic),
      );
    },
  );
}
