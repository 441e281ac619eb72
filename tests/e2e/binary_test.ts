/**
 * The single binary: built by the same task a user runs, then proven with foreign front-ends.
 * Needs a runtime to build into; where the download cannot be reached, VUSWITCH_DENO_COMPILE and
 * DENORT_BIN may name a matching pair.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { compile, tryOut } from "../../lib/build/compile.ts";
import { hasTestpmd, Testpmd } from "../../lib/demo/testpmd.ts";
import { SwitchProcess } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";

Deno.test("the single binary carries frames between two testpmd front-ends", async () => {
  using folder = new TempFolder();
  const binary = folder.file("vuswitch");
  const named = Deno.env.get("VUSWITCH_DENO_COMPILE") !== undefined;
  try {
    await compile(binary);
  } catch (error) {
    // A runtime that was named must work; one that cannot be downloaded is no fault of the code.
    if (named) throw error;
    console.error(`SKIPPED: no runtime to build a binary with: ${error}`);
    return;
  }
  const version = await tryOut(binary);
  console.log(`    ${version}, ${(Deno.statSync(binary).size / 2 ** 20).toFixed(1)} MiB`);
  if (!hasTestpmd()) {
    console.error("SKIPPED the frames: apt-get install dpdk-dev");
    return;
  }
  const ports = ["vm1", "vm2"].map((name) => ({ name, socket: folder.file(`${name}.sock`) }));
  const args = ports.flatMap(({ name, socket }) => ["-p", `${name}=${socket}`]);
  await using running = await SwitchProcess.start(folder.path, args, [binary]);
  await using testpmd = await Testpmd.start({
    ports: ports.map(({ socket }, i) => ({ socket, mac: `02:00:00:00:00:0${i + 1}` })),
    memoryMib: 256,
    hugepages: false,
    forward: "io",
  });
  await testpmd.commands("start tx_first");
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const stats = await testpmd.stats();
  for (const port of stats) {
    assert(port.rxPackets > 1000, `port ${port.port} got ${port.rxPackets}`);
  }
  assert.equal(await testpmd.stop(), 0);
  assert.equal(await running.stop(), 0);
});
