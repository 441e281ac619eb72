/**
 * The configuration of a running switch: loaded anew under traffic, by SIGHUP and by command, and
 * saved. Guests whose ports are the same notice nothing; of others, as little as there is to notice.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { DocumentOf } from "../../lib/control/schema/mod.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { type CommandResult, vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { introduce, macOf, transfer } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

/** Reloads while frames are under way. */
const RELOADS = 7;
const BURST = 200;

function named(folder: TempFolder, port: number, more = ""): string {
  return `[[port]]\nname = "vm${port}"\nsocket = "${folder.file(`vm${port}.sock`)}"\n${more}\n`;
}

Deno.test("SIGHUP under traffic: no frame of ports that stay is lost, whatever else changes", async () => {
  using folder = new TempFolder();
  const file = folder.file("v.toml");
  const write = (...ports: string[]): void => Deno.writeTextFileSync(file, ports.join(""));
  const stay = named(folder, 1) + named(folder, 2);
  write(stay, named(folder, 3));
  await using bed = await Bed.in(folder, 0, "--config", file);
  const said = (event: RegExp): number =>
    bed.process.log.match(new RegExp(event, "g"))?.length ?? 0;
  const one = await bed.guest(1);
  const two = await bed.guest(2);
  const third = await bed.guest(3);
  await introduce(one, two);
  // Frames are under way all the time; the next reload waits for the last one.
  const reload = async (number: number): Promise<void> => {
    Deno.kill(bed.process.pid, "SIGHUP");
    await until(`reload ${number}`, () => said(/is in force/) + said(/not reloaded/) >= number);
  };
  const sizes = Array.from({ length: BURST }, (_, i) => 60 + i * 7);
  const changes = [
    named(folder, 3, "limit = 'rx:100M'"),
    named(folder, 3, "mtu = 1500"),
    "",
    named(folder, 3) + named(folder, 4) + "[[link]]\nports = ['vm3', 'vm4']\n",
    "[[port]]\nname = 3\n",
    named(folder, 3, "mtu = 1500") + "[switch]\nunknown = 'uplink'\nfdb_age_seconds = 9\n",
  ];
  let isDone = false;
  const traffic = (async () => {
    while (!isDone) {
      await transfer(one, two, sizes, 16);
      await transfer(two, one, sizes, 16);
    }
  })();
  try {
    for (let i = 0; i < RELOADS; i++) {
      write(stay, changes[i % changes.length] ?? "");
      await Promise.race([reload(i + 1), traffic]);
    }
  } finally {
    isDone = true;
    await traffic;
  }
  assert.equal(said(/not reloaded: .*v\.toml:\d+: \[\[port\]\] 3 name must be a text/), 1);
  assert(said(/fdb_age_seconds: 300 -> 9: it stays/) > 0, bed.process.log);
  for (const number of [1, 2]) {
    const { connects, link, lastError } = await bed.port(number);
    assert.deepEqual([connects, link, lastError], [1, "up", null]);
  }
  // The third one was disconnected with its port, and may come back.
  assert(await third.frontEnd.closedBySwitch());
  using again = await NetGuest.start({ socket: bed.socket(3), mac: macOf(3) });
  await introduce(one, again);
});

function good({ code, stdout, stderr }: CommandResult): string {
  assert.equal(code, 0, stderr);
  return stdout;
}

async function saved(ctl: string): Promise<string> {
  const { toSave } = await callSwitch(ctl, "GET", "/v1/config") as DocumentOf<"config">;
  return toSave.join("\n");
}

Deno.test("what commands set is saved, and a switch that starts with the file is the same", async () => {
  using folder = new TempFolder();
  const file = folder.file("v.toml");
  Deno.writeTextFileSync(file, named(folder, 1) + named(folder, 2));
  Deno.chmodSync(file, 0o600);
  let shown = "";
  {
    await using bed = await Bed.in(folder, 0, "--config", file);
    const { ctl } = bed.process;
    const ask = async (...words: string[]): Promise<string> =>
      good(await vuswitch(...words, "--ctl", ctl));
    const guest = await bed.guest(1);
    await callSwitch(ctl, "POST", "/v1/ports", {
      ...{ name: "vm3", path: folder.file("vm3.sock"), mtu: 1400, storm: "broadcast:9" },
    });
    await callSwitch(ctl, "PATCH", "/v1/ports/vm1", { limit: "rx:5M", access: 7 });
    await callSwitch(ctl, "POST", "/v1/fdb", { mac: "52:54:00:00:00:99", port: "vm2" });
    const mirror = { name: "ids", from: ["vm1", "vm2"], to: "vm3" };
    await callSwitch(ctl, "POST", "/v1/mirrors", mirror);
    assert.match(await ask("config", "diff"), /^mirror +ids +kept/m);
    assert.match(await ask("config", "save"), /v\.toml is written$/m);
    assert.equal((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
    assert.match(await ask("config", "diff"), /^nothing changes/);
    shown = await saved(ctl);
    const bad = await vuswitch("config", "reload", folder.path, "--ctl", ctl);
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /it is a folder: name the file in it/);
    assert.equal((await bed.port(1)).connects, 1);
    guest.close();
  }
  await using again = await Bed.in(folder, 0, "--config", file);
  assert.equal(await saved(again.process.ctl), shown);
  assert.deepEqual((await again.process.fdb()).map(({ mac }) => mac), ["52:54:00:00:00:99"]);
});

Deno.test("faults of a file are lines, and its switch is not started", async () => {
  using folder = new TempFolder();
  const file = folder.file("v.toml");
  Deno.writeTextFileSync(file, "[[port]]\nname = 'a'\nmtu = 1\nmtuu = 1\n");
  const ctl = folder.file("ctl");
  const { code, stdout } = await vuswitch(
    "run",
    "--config",
    file,
    "--ctl",
    ctl,
    "-p",
    "a",
    "--check",
  );
  assert.equal(code, 2);
  assert.match(stdout, /v\.toml:4: .*did you mean mtu\?\n.*v\.toml:3: .*mtu 1 must/);
});
