/**
 * The single binary: built as a user builds it, then two virtio-user front-ends exchange frames
 * through it and every byte is compared.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Buffer } from "node:buffer";
import { compile, FOR_TESTS, NoRuntimeError, tryOut } from "../../lib/build/compile.ts";
import { hasTestpmd } from "../../lib/demo/testpmd.ts";
import { VERSION } from "../../lib/version.ts";
import { peerTest } from "../harness/peers.ts";
import { SwitchProcess } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
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

/** Whether a package is in a binary: its package.json is, as text. */
function hasPackage(binary: string, name: string): boolean {
  return Buffer.from(Deno.readFileSync(binary)).includes(`"name": "${name}"`);
}

peerTest("binary: two testpmd ports through it", hasTestpmd() ? [] : ["dpdk-dev"], async (t) => {
  using folder = new TempFolder();
  const binary = folder.file("vuswitch");
  if (!await build(binary)) return;
  assert.match(await tryOut(binary), new RegExp(`^vuswitch ${VERSION.replaceAll(".", "\\.")}\\b`));
  assert(hasPackage(binary, "smol-toml"), "packages are found");
  for (const name of FOR_TESTS.map((path) => path.split("/")[0] as string)) {
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
  assert.equal(await running.stop(), 0, running.log);
});
