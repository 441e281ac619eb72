/**
 * Real Linux guests: the virtio-net driver of the Debian cloud kernel in QEMU 7.2 and 10, through a
 * switch started as a user starts it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { Bed } from "../harness/bed.ts";
import { addressOf, type GuestChoice, pingAll, qemu10, sendFile } from "../harness/guests.ts";
import { missingForNat } from "../harness/internet.ts";
import { PEERS_REQUIRED, peerTest } from "../harness/peers.ts";
import { cpuSeconds, type SwitchProcess, vuswitchWords } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";

const missing = missingQemuPackages();

/** Runs a switch with one port per choice, boots the guests, and hands both over. */
async function withGuests(
  choices: readonly GuestChoice[],
  body: (guests: QemuGuest[], running: SwitchProcess) => Promise<void>,
): Promise<void> {
  await using bed = await Bed.make(choices.length);
  const guests = await bed.linux(choices);
  await body(guests, bed.process);
}

function pairOf(guests: readonly QemuGuest[]): [QemuGuest, QemuGuest] {
  const [first, second] = guests;
  assert(first && second);
  return [first, second];
}

/** The proof every variant must give: pings both ways without loss, and a file. */
async function talk(guests: readonly QemuGuest[], pings: number, mib: number): Promise<void> {
  const [first, second] = pairOf(guests);
  const rtt = await pingAll(first, addressOf(2), pings);
  await pingAll(second, addressOf(1), 20, 1400);
  const rate = await sendFile(first, second, mib);
  console.log(`    ping min/avg/max ${rtt} ms, TCP ${(rate * 8.39).toFixed(0)} Mbit/s`);
}

peerTest("QEMU split rings: 1,000 pings, 64 MiB, idle, reboot", missing, async () => {
  await withGuests([{}, {}], async (guests, running) => {
    await talk(guests, 1000, 64);
    const before = cpuSeconds(running.pid);
    await delay(5000);
    const share = (cpuSeconds(running.pid) - before) / 5;
    console.log(`    idle: ${(share * 100).toFixed(1)} % of a core`);
    assert(share < 0.02, `an idle switch used ${share} of a core`);
    const [first, second] = pairOf(guests);
    await second.reboot();
    await pingAll(first, addressOf(2), 100);
    await pingAll(second, addressOf(1), 100);
  });
});

peerTest("QEMU packed rings: 1,000 pings, 64 MiB, reboot", missing, async () => {
  const packed = { nic: ["packed=on"] };
  await withGuests([packed, packed], async (guests, running) => {
    await talk(guests, 1000, 64);
    assert.match((await running.port("vm1")).ring ?? "", /^packed\//);
    const [first, second] = pairOf(guests);
    await first.reboot();
    await pingAll(second, addressOf(1), 100);
  });
});

const VARIANTS: readonly [string, readonly GuestChoice[]][] = [
  ["mrg_rxbuf=off", [{ nic: ["mrg_rxbuf=off"] }, { nic: ["mrg_rxbuf=off"] }]],
  ["indirect_desc=off", [{ nic: ["indirect_desc=off"] }, { nic: ["indirect_desc=off"] }]],
  ["event_idx=off", [{ nic: ["event_idx=off"] }, { nic: ["event_idx=off"] }]],
  ["packed against split", [{ nic: ["packed=on"] }, {}]],
  ["packed, everything off", [
    { nic: ["packed=on", "mrg_rxbuf=off", "indirect_desc=off", "event_idx=off"] },
    { nic: ["mrg_rxbuf=off", "indirect_desc=off", "event_idx=off"] },
  ]],
  ["rings of 1024", [
    { nic: ["rx_queue_size=1024", "tx_queue_size=1024"] },
    { nic: ["rx_queue_size=1024", "tx_queue_size=1024", "packed=on"] },
  ]],
];

for (const [name, choices] of VARIANTS) {
  peerTest(`QEMU ${name}: pings and 8 MiB`, missing, async () => {
    await withGuests(choices, (guests) => talk(guests, 200, 8));
  });
}

peerTest("QEMU MTU 9000: frames of 9,000 bytes", missing, async () => {
  const jumbo = { nic: ["host_mtu=9000"], mtu: 9000 };
  await withGuests(
    [jumbo, { ...jumbo, nic: ["host_mtu=9000", "packed=on"] }],
    async (guests, s) => {
      const [first, second] = pairOf(guests);
      await pingAll(first, addressOf(2), 100, 8972);
      await sendFile(second, first, 16);
      assert.equal((await s.port("vm1")).mtu, 9000);
      assert.equal((await first.run("cat /sys/class/net/eth0/mtu")).output, "9000");
    },
  );
});

peerTest("QEMU three guests: learning, flooding, a killed guest", missing, async () => {
  await withGuests([{}, { nic: ["packed=on"] }, {}], async (guests, running) => {
    const [first, second, third] = guests;
    assert(first && second && third);
    await pingAll(first, addressOf(2), 50);
    // The ARP request for guest 2 went to guest 3 as well.
    assert(((await running.port("vm3")).counters.txFrames ?? 0) > 0, "broadcast reaches everybody");
    assert(((await running.port("vm1")).counters.rxBroadcastFrames ?? 0) > 0);
    await pingAll(third, addressOf(1), 50);
    const macs = (await running.fdb()).map((entry) => `${entry.port} ${entry.mac}`).sort();
    assert.deepEqual(macs, [1, 2, 3].map((n) => `vm${n} 52:54:00:00:00:0${n}`));
    // Known unicast between two guests reaches the third one no more.
    const quiet = (await running.port("vm3")).counters.txFrames ?? 0;
    await pingAll(first, addressOf(2), 100);
    const after = (await running.port("vm3")).counters.txFrames ?? 0;
    assert(after - quiet < 20, `the bystander got ${after - quiet} frames`);
    // A guest that dies in the middle of traffic takes nobody along.
    const sent = async (): Promise<number> => (await running.port("vm3")).counters.rxFrames ?? 0;
    const before = await sent();
    const noise = third.run(`ping -q -A -w 60 ${addressOf(2)}`).catch(() => null);
    await until("the third guest's flood", async () => (await sent()) > before + 100);
    await Promise.all([pingAll(first, addressOf(2), 2000), third.stop("SIGKILL")]);
    await noise;
    await until("the port to be free", async () => (await running.port("vm3")).link === "wait");
    assert.equal((await running.fdb()).some((entry) => entry.port === "vm3"), false);
  });
});

peerTest(
  "QEMU 10 with MSI-X beside QEMU 7.2: pings and TCP, split and packed",
  missing,
  async () => {
    const qemu = await qemu10();
    if (!qemu) {
      assert(!PEERS_REQUIRED, "QEMU 10 from bookworm-backports could not be had");
      console.error("SKIPPED: QEMU 10 needs Debian 12 with its package mirror in reach");
      return;
    }
    const modern = { qemu, vectors: 3 };
    await withGuests([modern, {}], (guests) => talk(guests, 200, 8));
    const packed = { ...modern, nic: ["packed=on"] };
    await withGuests([packed, { nic: ["packed=on"] }], (guests) => talk(guests, 200, 8));
  },
);

peerTest(
  "the demo's guests ping, one fetches a page of this host, and nothing stays",
  missingForNat("nft"),
  async () => {
    // What it does to the host's network it does in one of its own.
    const lines = 'ip link set lo up; "$@"; echo "exit $?"; ip -br link; nft list tables; ' +
      "cat /proc/sys/net/ipv4/ip_forward";
    const { stdout, stderr } = await new Deno.Command("unshare", {
      args: ["--net", "sh", "-c", lines, "sh", ...vuswitchWords(), "demo"],
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.match(text, /5 packets received/, new TextDecoder().decode(stderr));
    assert.match(text, /default via [\d.]+ dev eth0[^]*hello from the host[^]*all good/, text);
    assert.match(text, /exit 0\nlo .*\n0\n$/, "no device, no table, no forwarding");
  },
);
