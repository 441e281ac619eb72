/**
 * What `emit evpn` prints, run as it stands on three hosts in namespaces: with FRR, with a route
 * reflector, and with a static list. Machines on the hosts' bridges are namespaces here.
 */
import { strict as assert } from "node:assert";
import {
  Fabric,
  type FdbWatch,
  hostAddress,
  mayMakeFabrics,
  MISSING_FOR_FABRIC,
  type Station,
} from "../harness/fabric.ts";
import { peerTest } from "../harness/peers.ts";
import { until } from "../harness/until.ts";

const HOSTS = [1, 2, 3];
const NEEDS = mayMakeFabrics() ? MISSING_FOR_FABRIC : [...MISSING_FOR_FABRIC, "(as root)"];

function others(host: number): number[] {
  return HOSTS.filter((other) => other !== host);
}

/** What tables say of an address that is on another host. */
function at(mac: string, host: number): RegExp {
  return new RegExp(`^${mac} dev vx100 dst ${hostAddress(host)}\\b`);
}

function gone(mac: string, host: number): RegExp {
  return new RegExp(`^Deleted ${mac} dev vx100 dst ${hostAddress(host)}\\b`);
}

/** Waits until a host looks for an address on another one. */
async function knows(fabric: Fabric, host: number, mac: string, where: number): Promise<void> {
  const row = new RegExp(`^${mac} dst ${hostAddress(where)}\\b`);
  await until(`host ${host} to know ${mac} on ${where}`, async () => {
    return (await fabric.fdb(host, "dev vx100")).some((line) => row.test(line));
  });
}

const EVERYBODY = "00:00:00:00:00:00";

/** Joins all hosts, and waits until each floods to the others. */
async function joinAll(fabric: Fabric, ...words: readonly string[]): Promise<void> {
  for (const host of HOSTS) await fabric.join(host, others(host), ...words);
  for (const host of HOSTS) {
    for (const other of others(host)) await knows(fabric, host, EVERYBODY, other);
  }
}

/** A station moves to another host and says a word. @returns it, and ms until each knew */
async function move(
  fabric: Fabric,
  watches: readonly FdbWatch[],
  station: Station,
  to: number,
  peer: Station,
): Promise<{ readonly station: Station; readonly tookMs: number }> {
  await fabric.unplug(station);
  const since = Date.now();
  const moved = await fabric.plug(to, station.number);
  await fabric.ping(moved, peer);
  const here = new RegExp(`^${station.mac} dev s${station.number} master br100`);
  const learned = await (watches[to - 1] as FdbWatch).event(since, here);
  const news = await Promise.all(
    others(to).map((host) => (watches[host - 1] as FdbWatch).event(since, at(station.mac, to))),
  );
  return { station: moved, tookMs: Math.max(...news.map((each) => each.at)) - learned.at };
}

async function bgpdDies(fabric: Fabric, watch: FdbWatch, mac: string): Promise<void> {
  // What was said holds over a restart once it was saved.
  await fabric.frr(1, "write memory");
  const since = Date.now();
  await fabric.killDaemon(1, "bgpd");
  const lost = await watch.event(since, gone(mac, 1));
  await fabric.startDaemon(1, "bgpd");
  await fabric.run(1, "$VTYSH -b");
  const back = await watch.event(lost.at, at(mac, 1));
  console.log(
    `    bgpd killed: its addresses gone after ${(lost.at - since).toFixed(0)} ms, ` +
      `back ${(back.at - lost.at).toFixed(0)} ms later`,
  );
}

async function hostIsCutOff(fabric: Fabric, watch: FdbWatch, mac: string): Promise<void> {
  const bfd = async (status: string): Promise<void> => {
    await until(`BFD to be ${status}`, async () => {
      const peers = JSON.parse(await fabric.frr(2, "show bfd peers json")) as readonly {
        readonly peer: string;
        readonly status: string;
      }[];
      return peers.some((each) => each.peer === hostAddress(1) && each.status === status);
    });
  };
  await bfd("up");
  const since = Date.now();
  await fabric.run("fabric", "ip link set h1 down");
  const lost = await watch.event(since, gone(mac, 1));
  const neighbours = JSON.parse(await fabric.frr(2, "show bgp neighbors json")) as Readonly<
    Record<string, { readonly lastNotificationReason?: string }>
  >;
  const reason = neighbours[hostAddress(1)]?.lastNotificationReason;
  assert.equal(reason, "Cease/BFD Down", "BFD was first, and no timer of BGP's");
  await fabric.run("fabric", "ip link set h1 up");
  const back = await watch.event(lost.at, at(mac, 1));
  console.log(
    `    a host cut off: its addresses gone after ${(lost.at - since).toFixed(0)} ms, ` +
      `back ${((back.at - lost.at) / 1000).toFixed(1)} s later`,
  );
}

/** Nothing is left of a network. */
async function leaves(fabric: Fabric, ...words: readonly string[]): Promise<void> {
  for (const host of HOSTS) {
    await fabric.join(host, others(host), ...words, "--remove");
    // Twice is as good as once.
    await fabric.join(host, others(host), ...words, "--remove");
    const links = await fabric.run(host, "ip -brief link");
    assert.doesNotMatch(links, /br100|vx100|vsw100/);
  }
}

peerTest("three hosts, joined by EVPN as emit prints it", NEEDS, async (t) => {
  await using fabric = await Fabric.make(3);
  await t.step("what is missing is said before anything is made", async () => {
    const said = await fabric.emit(1, "--vni", "100", "--peer", hostAddress(2));
    assert.equal(said.code, 1);
    assert.match(said.output, /^FRR does not run \(Debian: package frr\)$/m);
    const large = await fabric.emit(1, "--vni", "100", "--peer", hostAddress(2), "--mtu", "9000");
    assert.match(
      large.output,
      /^eth0 carries packets of 1500 bytes and not of 9050: raise its MTU/,
    );
    assert.doesNotMatch(await fabric.run(1, "ip -brief link"), /100/);
  });
  for (const host of HOSTS) await fabric.startFrr(host);
  await joinAll(fabric);
  const watches: FdbWatch[] = [];
  for (const host of HOSTS) watches.push(await fabric.watch(host));
  const [, second] = watches as [FdbWatch, FdbWatch, FdbWatch];
  let one = await fabric.plug(1, 1);
  const two = await fabric.plug(2, 2);
  const three = await fabric.plug(3, 3);

  await t.step("stations on different hosts reach each other, with full frames", async () => {
    await fabric.ping(one, two);
    await fabric.ping(one, three, 1450 - 28);
    await knows(fabric, 3, one.mac, 1);
    await knows(fabric, 3, two.mac, 2);
  });

  await t.step("the same words again change nothing, and others are refused", async () => {
    await fabric.join(1, others(1));
    const { code, output } = await fabric.emit(
      ...[1, "--vni", "100", "--peer", hostAddress(2), "--static"] as const,
    );
    assert.equal(code, 1);
    assert.match(output, /^vx100 is there and another tunnel: run this with --remove first/);
    await fabric.ping(one, two);
  });

  await t.step("a station moves, and every host knows where", async () => {
    const there = await move(fabric, watches, one, 2, three);
    const back = await move(fabric, watches, there.station, 1, three);
    one = back.station;
    const took = [there, back].map(({ tookMs }) => tookMs.toFixed(1));
    console.log(`    every host knew after ${took.join(" and ")} ms`);
    await fabric.ping(two, one);
  });

  await t.step("bgpd is killed and comes back", () => bgpdDies(fabric, second, one.mac));
  await t.step("a host is cut off, which BFD tells", () => hostIsCutOff(fabric, second, one.mac));
  await fabric.ping(one, two);
  await t.step("nothing stays", () => leaves(fabric));
});

peerTest("hosts that know a route reflector alone", NEEDS, async () => {
  await using fabric = await Fabric.make(3);
  for (const host of HOSTS) await fabric.startFrr(host);
  await fabric.join(1, [2, 3], "--reflector");
  await fabric.join(2, [1]);
  await fabric.join(3, [1]);
  await fabric.sessions(1, [2, 3]);
  await fabric.sessions(3, [1]);
  const two = await fabric.plug(2, 2);
  const three = await fabric.plug(3, 3);
  await knows(fabric, 2, EVERYBODY, 3);
  await knows(fabric, 3, EVERYBODY, 2);
  await fabric.ping(two, three);
  // By the way between the two, not by the reflector's.
  await knows(fabric, 3, two.mac, 2);
});

peerTest("three hosts, joined by a static list", NEEDS, async (t) => {
  await using fabric = await Fabric.make(3);
  await joinAll(fabric, "--static");
  const watches: FdbWatch[] = [];
  for (const host of HOSTS) watches.push(await fabric.watch(host));
  const one = await fabric.plug(1, 1);
  const two = await fabric.plug(2, 2);
  const three = await fabric.plug(3, 3);
  await fabric.ping(one, two);
  await fabric.ping(one, three, 1450 - 28);
  const { station, tookMs } = await move(fabric, watches, one, 2, three);
  console.log(`    every host knew after ${tookMs.toFixed(1)} ms`);
  await fabric.ping(two, station);
  await t.step("a host that is not listed any more hears nothing", async () => {
    await fabric.join(1, [2], "--static");
    await fabric.join(1, [2], "--static");
    const rows = (await fabric.fdb(1, "dev vx100")).filter((row) => row.startsWith(EVERYBODY));
    assert.equal(rows.length, 1, rows.join("\n"));
  });
  await t.step("nothing stays", () => leaves(fabric, "--static"));
});

peerTest("a static list over IPv6", NEEDS, async () => {
  await using fabric = await Fabric.make(2);
  for (const [host, other] of [[1, 2], [2, 1]] as const) {
    const { code, output } = await fabric.emit(
      ...[host, "--vni", "100", "--peer", `fd77::${other}`, "--static"] as const,
    );
    assert.equal(code, 0, output);
  }
  const one = await fabric.plug(1, 1);
  const two = await fabric.plug(2, 2);
  await fabric.ping(one, two, 1430 - 28);
});
