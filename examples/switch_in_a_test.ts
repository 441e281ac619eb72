/**
 * A switch in a test: two guests in TypeScript, or a VMM of yours in the place of one of them.
 * `deno test -A examples/switch_in_a_test.ts`
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { BROADCAST, EmbeddedSwitch, ethernet } from "../mod.ts";

/** An EtherType for experiments (IEEE 802, local). */
const EXPERIMENT = 0x88b5;

Deno.test("a guest that spoke is found, and gets what is for it alone", async () => {
  await using network = await EmbeddedSwitch.start({ ports: ["vm1", "vm2", "vm3"] });
  using one = await network.connect("vm1", { mac: "52:54:00:00:00:01" });
  using two = await network.connect("vm2", { mac: "52:54:00:00:00:02", packed: true });
  // A VMM connects to this path: network.socket("vm3").
  using three = await network.connect("vm3", { mac: "52:54:00:00:00:03" });

  const hello = ethernet(BROADCAST, two.mac, EXPERIMENT, new Uint8Array(46));
  assert(two.send(hello));
  for (const each of [one, three]) assert.deepEqual(await each.waitFor(() => true, 5000), hello);
  assert.equal(network.fdb().find(({ mac }) => mac === two.mac)?.port, "vm2");

  const reply = ethernet(two.mac, one.mac, EXPERIMENT, new Uint8Array(1400).fill(7));
  assert(one.send(reply));
  assert.deepEqual(await two.waitFor(() => true, 5000), reply);
  assert.deepEqual(three.receive(), []);
});
