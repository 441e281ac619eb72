/**
 * What vuswitch runs from. The single binary: built as a user builds it, then two virtio-user
 * front-ends exchange frames through it and every byte is compared. A checkout: the data plane as
 * one file, made at the first start.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { closeFd } from "../../ffi/mod.ts";
import { compile, NoRuntimeError, tryOut } from "../../lib/build/compile.ts";
import { hasTestpmd } from "../../lib/demo/testpmd.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { VERSION } from "../../lib/version.ts";
import { addRegion, truncated } from "../harness/bad_pages.ts";
import { Bystanders } from "../harness/bystanders.ts";
import { canBeOther, OTHER_UID } from "../harness/other_user.ts";
import { peerTest } from "../harness/peers.ts";
import { SwitchProcess, vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { macOf, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";
import { assertPerfect, SEED, travel } from "../harness/testpmd_journey.ts";

/** Builds `binary`. @returns false where the runtime to put into it cannot be downloaded here */
async function build(binary: string): Promise<boolean> {
  try {
    await compile(binary);
    return true;
  } catch (error) {
    if (!(error instanceof NoRuntimeError)) throw error;
    console.error(`    SKIPPED: ${error.message}`);
    return false;
  }
}

/** Whether code of a package is in a binary: a bundle says where each part of it is from. */
function hasPackage(binary: string, name: string): boolean {
  return Buffer.from(Deno.readFileSync(binary)).includes(`registry.npmjs.org/${name}/`);
}

peerTest("binary: two testpmd ports through it", hasTestpmd() ? [] : ["dpdk-dev"], async (t) => {
  using folder = new TempFolder();
  const binary = folder.file("vuswitch");
  if (!await build(binary)) return;
  assert.match(await tryOut(binary), new RegExp(`^vuswitch ${VERSION.replaceAll(".", "\\.")}\\b`));
  assert(hasPackage(binary, "smol-toml"), "packages are found");
  for (const name of ["ajv", "fast-check"]) {
    assert(!hasPackage(binary, name), `${name} is in the binary, which it has no use for`);
  }
  const ports = ["vm1", "vm2"].flatMap((name) => ["-p", `${name}=${folder.file(name)}.sock`]);
  await using running = await SwitchProcess.start(folder.path, ports, [binary]);
  for (const packed of [false, true]) {
    await t.step(packed ? "packed" : "split", async () => {
      const { report, log } = await travel(running, folder.path, {
        port: { packed },
        count: 5000,
        seed: SEED,
      });
      assertPerfect(report, log);
    });
  }
  await t.step("answers its own commands", async () => {
    const { code, stdout } = await new Deno.Command(binary, {
      args: ["port", "list", "-o", "json", "--ctl", running.ctl],
    }).output();
    assert.equal(code, 0);
    const listed = JSON.parse(new TextDecoder().decode(stdout)) as { ports: { name: string }[] };
    assert.deepEqual(listed.ports.map((port) => port.name), ["vm1", "vm2"]);
  });
  await t.step("goes on when a guest's memory is cut", () => cut(running, folder));
  assert.equal(await running.stop(), 0, running.log);
  await t.step("in a sandbox, which leaves it no cache", () => sandboxed(binary, folder));
  await t.step(
    "without any privilege, in a file system that is read-only but for its folder",
    () => confined(binary, folder),
  );
});

/** A guest whose buffer is not there any more loses its port, and the next one gets it. */
async function cut(running: SwitchProcess, folder: TempFolder): Promise<void> {
  const socket = folder.file("vm1.sock");
  const file = truncated();
  using guest = await NetGuest.start({ socket, mac: macOf(1) });
  const at = await addRegion(guest, file);
  file.spoil();
  assert(guest.sendChain([{ address: at, bytes: 100 }]));
  assert(await guest.frontEnd.closedBySwitch(), "the switch closes the connection");
  closeFd(file.fd);
  await until("the log's line", () => /reason=bad-page/.test(running.log));
  assert(!/cannot be survived|can hold all ports up/.test(running.log));
  using next = await NetGuest.start({ socket, mac: macOf(1) });
  assert(next.send(numberedFrame(macOf(2), macOf(1), 1, 100)));
}

/** It writes where its sockets are, and nowhere else: not where a runtime keeps what it compiled. */
async function sandboxed(binary: string, folder: TempFolder): Promise<void> {
  using home = new TempFolder();
  const cache = home.file(".cache");
  Deno.mkdirSync(cache);
  const ports = ["vm5", "vm6"].flatMap((name) => ["-p", `${name}=${folder.file(name)}.sock`]);
  const env = ["env", "-u", "DENO_DIR", "-u", "XDG_CACHE_HOME", `HOME=${home.path}`];
  const words = [...env, binary];
  await using running = await SwitchProcess.start(folder.path, ["--sandbox", ...ports], words);
  const add = async (path: string): Promise<string> => {
    const args = ["port", "add", `more=${path}`, "--ctl", running.ctl];
    const { stderr } = await new Deno.Command(binary, { args }).output();
    return new TextDecoder().decode(stderr);
  };
  for (const path of [`${cache}/more.sock`, home.file("more.sock")]) {
    assert.match(await add(path), /no permission to write in .*--sandbox/);
  }
  assert.equal(await add(folder.file("more.sock")), "");
  using bystanders = await Bystanders.attach(folder.file("vm5.sock"), folder.file("vm6.sock"));
  await bystanders.check();
  assert.equal(await running.stop(), 0, running.log);
  assert.deepEqual(Array.from(Deno.readDirSync(cache)), []);
}

/** As `emit systemd` has it run, as far as that goes without systemd. */
const CONFINE = `
mount --make-rprivate / && mount --bind "$1" "$1" && mount -o remount,bind,ro / && cd / || exit 1
exec setpriv --reuid ${OTHER_UID} --regid ${OTHER_UID} --clear-groups --bounding-set=-all \\
  --inh-caps=-all --no-new-privs env -i RUNTIME_DIRECTORY="$1" "$2" run --ctl "$1/ctl.sock" -p vm3 -p vm4`;

async function confined(binary: string, folder: TempFolder): Promise<void> {
  if (!canBeOther()) return;
  Deno.chmodSync(folder.path, 0o777);
  Deno.chmodSync(binary, 0o755);
  const words = ["unshare", "--mount", "--net", "sh", "-c", CONFINE, "sh", folder.path, binary];
  await using running = await SwitchProcess.start(folder.path, [], words);
  using bystanders = await Bystanders.attach(folder.file("vm3.sock"), folder.file("vm4.sock"));
  await bystanders.check();
  assert.equal(await running.stop(), 0, running.log);
}

peerTest("from a checkout the data plane runs as one file, or says why not", [], async (t) => {
  using folder = new TempFolder();
  // Deno's own cache goes by the same names.
  const denoFolder = (JSON.parse(
    new TextDecoder().decode(
      (await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output()).stdout,
    ),
  ) as { denoDir: string }).denoDir;
  const start = (cache: string): Promise<SwitchProcess> => {
    const env = ["-u", "HOME", `XDG_CACHE_HOME=${cache}`, `DENO_DIR=${denoFolder}`];
    return SwitchProcess.start(folder.path, [], ["env", ...env, ...vuswitchWords()]);
  };
  await t.step("bundled", async () => {
    await using running = await start(folder.file("cache"));
    assert.equal(await running.stop(), 0, running.log);
    assert.doesNotMatch(running.log, /frames take/);
    const made = Array.from(Deno.readDirSync(folder.file("cache/vuswitch")), ({ name }) => name);
    assert.equal(made.length, 1);
    assert.match(made[0] ?? "", /^data_plane-[0-9a-f]{20}\.js$/);
  });
  await t.step("bundled, from a folder of an odd name", async () => {
    const checkout = folder.file("a b#c%20ü");
    await Deno.symlink(fileURLToPath(new URL("../../", import.meta.url)), checkout);
    const env = ["-u", "HOME", `XDG_CACHE_HOME=${folder.file("odd ?")}`, `DENO_DIR=${denoFolder}`];
    const words = [Deno.execPath(), "run", "-A", `${checkout}/main.ts`];
    await using running = await SwitchProcess.start(folder.path, [], ["env", ...env, ...words]);
    assert.equal(await running.stop(), 0, running.log);
    assert.doesNotMatch(running.log, /frames take/);
  });
  await t.step("from its sources", async () => {
    await using running = await start("");
    assert.equal(await running.stop(), 0, running.log);
    assert.match(running.log, /frames take 1\.6 times as long: there is no HOME/);
  });
});
