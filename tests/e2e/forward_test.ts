/**
 * Frames to reserved addresses between ports that let them pass, with guests on a real switch.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import { ethernet } from "../../lib/guest/frames.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce, isNumbered, macOf, numberedFrame } from "../harness/traffic.ts";

const LLDP = "01:80:c2:00:00:0e";
const LACP = "01:80:c2:00:00:02";
const EAPOL = "01:80:c2:00:00:03";
const STP = "01:80:c2:00:00:00";
const ALL = [STP, LACP, EAPOL, LLDP];

/** Sends a frame to each address and then a broadcast. @returns addresses of what each other hears */
async function heard(from: NetGuest, others: readonly NetGuest[]): Promise<string[][]> {
  const mark = numberedFrame("ff:ff:ff:ff:ff:ff", from.options.mac, 77, 60);
  for (const to of ALL) {
    assert(from.send(ethernet(to, from.options.mac, 0x88cc, new Uint8Array(46))));
  }
  assert(from.send(mark));
  return await Promise.all(others.map(async (other) => {
    const all: string[] = [];
    const done = await other.waitFor((frame) => {
      const reserved = ALL.find((to) => frame[0] === 1 && frame[5] === parseInt(to.slice(15), 16));
      if (reserved) all.push(reserved);
      return isNumbered(frame);
    });
    assert(done, "the frame behind them arrives");
    return all;
  }));
}

Deno.test("forward: frames to reserved addresses pass between ports that both have them", async () => {
  for (const packed of [false, true]) {
    await using bed = await Bed.make([
      "forward=lldp+lacp+eapol",
      "forward=0e+02",
      "",
      "forward=stp",
    ]);
    const guests = await Promise.all([1, 2, 3, 4].map((port) => bed.guest(port, { packed })));
    const [one, two, three, four] = guests as [NetGuest, NetGuest, NetGuest, NetGuest];
    await introduce(...guests);
    assert.deepEqual(await heard(one, [two, three, four]), [[LACP, LLDP], [], []]);
    assert.deepEqual(await heard(two, [one, three, four]), [[LACP, LLDP], [], []]);
    assert.deepEqual(await heard(three, [one, two, four]), [[], [], []]);
    assert.deepEqual(await heard(four, [one, two, three]), [[], [], []]);
    const ports = (await bed.status()).ports;
    assert.deepEqual(ports.map(({ forward }) => forward), [
      ["lldp", "lacp", "eapol"],
      ["lldp", "lacp"],
      [],
      ["stp"],
    ]);
    assert.deepEqual(ports.map(({ counters }) => counters.rxDroppedReserved), [2, 2, 4, 4]);
  }
});

Deno.test("forward: by file, by command, and on the ports of a listener", async () => {
  using folder = new TempFolder();
  const config = folder.file("switch.toml");
  Deno.writeTextFileSync(
    config,
    `[[port]]\nname = "f"\nsocket = "${folder.file("f.sock")}"\nforward = ["lldp", "0d"]\n` +
      `[[port]]\nname = "m{n}"\nsocket = "${folder.file("m.sock")}"\nmulti = 4\n` +
      `forward = ["lldp"]\n`,
  );
  await using bed = await Bed.make(1, "--config", config);
  const { ctl } = bed.process;
  const spec = `c=${folder.file("c.sock")},forward=01:80:c2:00:00:0e`;
  const added = await vuswitch("port", "add", spec, "--ctl", ctl);
  assert.equal(added.code, 0, added.stderr);
  const refused = await vuswitch("port", "add", "d,forward=pause", "--ctl", ctl);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /forward "pause" is unknown; known: stp, lacp, eapol, lldp/);
  const sockets = ["f.sock", "m.sock", "m.sock", "c.sock"].map((name) => folder.file(name));
  const guests: NetGuest[] = [];
  try {
    for (const [i, socket] of sockets.entries()) {
      guests.push(await NetGuest.start({ socket, mac: macOf(i + 1) }));
    }
    await introduce(...guests);
    for (const guest of guests) {
      const others = guests.filter((other) => other !== guest);
      assert.deepEqual(await heard(guest, others), others.map(() => [LLDP]));
    }
    const status = await callSwitch(ctl, "GET", "/v1/ports/f") as { forward: string[] };
    assert.deepEqual(status.forward, ["lldp", "0d"]);
  } finally {
    for (const guest of guests) guest.close();
  }
});
