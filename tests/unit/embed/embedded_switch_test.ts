/** A switch inside a program: what it takes, what it tells, what it leaves behind. */
import { strict as assert } from "node:assert";
import { closeFd, createEventFd, drainEventFd, signalEventFd } from "../../../ffi/mod.ts";
import { BROADCAST, ControlError, EmbeddedSwitch, ethernet, Guest } from "../../../mod.ts";
import { until } from "../../harness/until.ts";

const MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"] as const;
/** Descriptors of this process. */
const openFds = (): number => [...Deno.readDirSync("/proc/self/fd")].length;

/** Data-plane threads of this process. */
function dataPlanes(): number {
  return [...Deno.readDirSync("/proc/self/task")].filter(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/self/task/${name}/comm`).startsWith("vuswitch-data");
    } catch {
      return false;
    }
  }).length;
}

const payload = new Uint8Array(46).fill(0x5a);

async function refused(options: Parameters<typeof EmbeddedSwitch.start>[0]): Promise<string> {
  const made = await EmbeddedSwitch.start(options).catch((error) => error);
  assert(made instanceof ControlError, "it is an operator's fault");
  return made.message;
}

Deno.test("an embedded switch carries frames, and tells what happens", async () => {
  const events: string[] = [];
  await using network = await EmbeddedSwitch.start({
    ports: ["vm1", "vm2,mtu=1400"],
    onEvent: ({ component, event }) => events.push(`${component} ${event}`),
  });
  assert.equal(network.socket("vm1"), `${network.folder}/vm1.sock`);
  using one = await network.connect("vm1", { mac: MACS[0] });
  using two = await Guest.connect(network.socket("vm2"), { mac: MACS[1], packed: true });
  const frame = ethernet(BROADCAST, one.mac, 0x88b5, payload);
  assert(one.send(frame));
  assert.deepEqual(await two.waitFor(() => true, 60_000), frame);
  assert.equal(await two.waitFor(() => true, 0), null);
  assert.deepEqual(network.fdb().map(({ mac, port }) => [mac, port]), [[MACS[0], "vm1"]]);
  assert.deepEqual(network.ports().map(({ name, link }) => [name, link]), [
    ["vm1", "up"],
    ["vm2", "up"],
  ]);
  assert.equal(network.vrings("vm2").length, 2);
  assert.equal(network.status().ports.length, 2);
  await until("both are told of", () => events.includes("port vm2 link-up"));
  assert(events.includes("port vm1 connected"), events.join());
});

Deno.test("ports of an embedded switch come, change and go", async () => {
  await using network = await EmbeddedSwitch.start({ ports: ["vm1", "vm2"], links: ["vm1:vm2"] });
  assert.deepEqual(network.links().map(({ ports }) => ports), [["vm1", "vm2"]]);
  network.addPort("vm3,limit=1G");
  network.setPort("vm3", { limit: "2G" });
  using guest = await network.connect("vm3", { mac: MACS[0] });
  network.setAdmin("vm3", "down");
  assert.equal(network.port("vm3").admin, "down");
  network.removePort("vm3");
  assert.throws(() => network.port("vm3"), ControlError);
  assert.throws(() => network.addPort("vm1"), ControlError);
  assert.throws(() => guest.send(new Uint8Array(0)) && network.socket("vm3"), ControlError);
});

Deno.test("what an embedded switch cannot have is refused, with nothing left behind", async () => {
  await (await EmbeddedSwitch.start()).close();
  const before = openFds();
  assert.match(await refused({ ports: ["vm1", "vm1"] }), /vm1/);
  assert.match(await refused({ ports: ["vm1=/nowhere/at/all.sock"] }), /nowhere/);
  assert.match(await refused({ config: { swich: {} } }), /did you mean|unknown/);
  assert.match(await refused({ config: { switch: { sandbox: true } } }), /no sandbox/);
  assert.match(await refused({ config: { control: { socket: "/run/x" } } }), /no controlPath/);
  assert.match(await refused({ config: { control: { metrics: "127.0.0.1:0" } } }), /no metrics/);
  await until("descriptors are closed", () => openFds() <= before);
});

Deno.test("nothing of an embedded switch is left, and no descriptor of others is touched", async () => {
  const first = await EmbeddedSwitch.start({ ports: ["vm1"] });
  await first.close();
  await first.close();
  assert.throws(() => Deno.statSync(first.folder), Deno.errors.NotFound);
  const before = openFds();
  for (let i = 0; i < 5; i++) {
    const network = await EmbeddedSwitch.start({ ports: ["vm1"] });
    using _guest = await network.connect("vm1", { mac: MACS[0] });
    await network.close();
    // The numbers it had are others' now: what is in them must stay in them.
    const mine = Array.from({ length: 32 }, () => createEventFd());
    for (const fd of mine) signalEventFd(fd);
    await until("the thread is gone", () => dataPlanes() === 0);
    assert.deepEqual(mine.map((fd) => drainEventFd(fd)), mine.map(() => 1));
    for (const fd of mine) closeFd(fd);
  }
  await until("descriptors are closed", () => openFds() <= before);
});
