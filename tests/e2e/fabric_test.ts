/**
 * What `emit evpn` prints, run as it stands on three hosts in namespaces: with FRR, with a route
 * reflector, and with a static list. Machines on the hosts' bridges are namespaces here.
 */
import { strict as assert } from "node:assert";
import {
  Fabric,
  type FdbWatch,
  hostAddress,
  NEEDS_FOR_FABRIC,
  NEEDS_FOR_FRR,
  type Station,
} from "../harness/fabric.ts";
import { peerTest } from "../harness/peers.ts";
import { until } from "../harness/until.ts";

const HOSTS = [1, 2, 3];

/** What tables say of an address that is on another host. */
function at(mac: string, host: number): RegExp {
  return new RegExp(`^${mac} dev vx100 dst ${hostAddress(host)}\\b`);
}

function gone(mac: string, host: number): RegExp {
  return new RegExp(`^Deleted ${mac} dev vx100 dst ${hostAddress(host)}\\b`);
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
    fabric.others(to).map((host) =>
      (watches[host - 1] as FdbWatch).event(since, at(station.mac, to))
    ),
  );
  return { station: moved, tookMs: Math.max(0, ...news.map((each) => each.at - learned.at)) };
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
    await fabric.join(host, fabric.others(host), ...words, "--remove");
    // Twice is as good as once.
    await fabric.join(host, fabric.others(host), ...words, "--remove");
    const links = await fabric.run(host, "ip -brief link");
    assert.doesNotMatch(links, /br100|vx100|vsw100/);
  }
}

peerTest("three hosts, joined by EVPN as emit prints it", NEEDS_FOR_FRR, async (t) => {
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
  await fabric.joinAll();
  const watches: FdbWatch[] = [];
  for (const host of HOSTS) watches.push(await fabric.watch(host));
  const [, second] = watches as [FdbWatch, FdbWatch, FdbWatch];
  let one = await fabric.plug(1, 1);
  const two = await fabric.plug(2, 2);
  const three = await fabric.plug(3, 3);

  await t.step("stations on different hosts reach each other, with full frames", async () => {
    await fabric.ping(one, two);
    await fabric.ping(one, three, 1450 - 28);
    await fabric.knows(3, one.mac, 1);
    await fabric.knows(3, two.mac, 2);
  });

  await t.step("the hosts themselves are not in the guests' network", async () => {
    const device = await fabric.run(1, "ip -o link show dev br100");
    const [, mac = ""] = /link\/ether ([0-9a-f:]+)/.exec(device) ?? [];
    const s1 = "ip netns exec s1";
    await fabric.run("outside", `ip -n s1 addr add 10.77.0.99/24 dev eth0`);
    for (const address of [hostAddress(1), hostAddress(2)]) {
      const asked = await fabric.tries("outside", `${s1} ping -c 2 -W 1 ${address}`);
      assert.notEqual(asked.code, 0, `${address} answers: ${asked.output}`);
      // Who knows the bridge's own address is not heard either.
      await fabric.run("outside", `ip -n s1 neigh replace ${address} lladdr ${mac} dev eth0`);
      const guessed = await fabric.tries("outside", `${s1} ping -c 2 -W 1 ${address}`);
      assert.notEqual(guessed.code, 0, `${address} answers: ${guessed.output}`);
    }
    for (const name of ["br100", "vx100", "vsw100"]) {
      assert.equal(await fabric.run(1, `ip -6 addr show dev ${name}`), "");
    }
    await fabric.run("outside", "ip -n s1 addr del 10.77.0.99/24 dev eth0");
    await fabric.ping(one, two);
  });

  await t.step("the same words again change nothing, and others are refused", async () => {
    await fabric.join(1, fabric.others(1));
    const { code, output } = await fabric.emit(
      ...[1, "--vni", "100", "--peer", hostAddress(2), "--static"] as const,
    );
    assert.equal(code, 1);
    assert.match(output, /^vx100 is there and another tunnel: run this with --remove first/);
    await fabric.ping(one, two);
  });

  await t.step("what FRR refuses leaves no devices behind", async () => {
    const words = ["--vni", "300", "--peer", hostAddress(2), "--mtu", "1400", "--as", "65099"];
    const { code, output } = await fabric.emit(1, ...words);
    assert.notEqual(code, 0);
    assert.match(output, /BGP is already running; AS is 65000/);
    assert.doesNotMatch(await fabric.run(1, "ip -brief link"), /300/);
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

peerTest("hosts that know a route reflector alone", NEEDS_FOR_FRR, async () => {
  await using fabric = await Fabric.make(3);
  for (const host of HOSTS) await fabric.startFrr(host);
  await fabric.join(1, [2, 3], "--reflector");
  await fabric.join(2, [1]);
  await fabric.join(3, [1]);
  await fabric.sessions(1, [2, 3]);
  await fabric.sessions(3, [1]);
  const two = await fabric.plug(2, 2);
  const three = await fabric.plug(3, 3);
  await until("2 to flood to 3", async () => (await fabric.floodsTo(2)).includes(hostAddress(3)));
  await until("3 to flood to 2", async () => (await fabric.floodsTo(3)).includes(hostAddress(2)));
  await fabric.ping(two, three);
  // By the way between the two, not by the reflector's.
  await fabric.knows(3, two.mac, 2);
  // A second network beside the first, over the same sessions.
  for (const [host, peer] of [[1, 2], [2, 1], [3, 1]] as const) {
    const words = ["--vni", "200", "--peer", hostAddress(peer), "--mtu", "1400"];
    const { code, output } = await fabric.emit(
      host,
      ...words,
      ...host === 1 ? ["--reflector"] : [],
    );
    assert.equal(code, 0, output);
  }
  await until("2 to flood to 3 in the second network", async () => {
    const rows = await fabric.fdb(2, "dev vx200");
    return rows.some((row) => row.startsWith(`00:00:00:00:00:00 dst ${hostAddress(3)} `));
  });
  await fabric.ping(two, three);
});

peerTest("three hosts, joined by a static list", NEEDS_FOR_FABRIC, async (t) => {
  await using fabric = await Fabric.make(3);
  await fabric.joinAll("--static");
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
    assert.deepEqual(await fabric.floodsTo(1), [hostAddress(2)]);
  });
  await t.step("nothing stays", () => leaves(fabric, "--static"));
});

peerTest("a static list over IPv6", NEEDS_FOR_FABRIC, async () => {
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
