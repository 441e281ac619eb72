/** What flags and a file say together, at the start and at a reload. */
import { strict as assert } from "node:assert";
import { checkedText, configSource, faultsOf } from "../../../lib/cli/run_config.ts";
import type { RunFlags } from "../../../lib/cli/run_flags.ts";
import { TempFolder } from "../../harness/temp.ts";

function flags(more: Partial<RunFlags>): RunFlags {
  return { nat: false, sandbox: false, check: false, quiet: false, verbose: false, ...more };
}

Deno.test("all that is wrong with flags and a file is said at once", async () => {
  using folder = new TempFolder();
  const config = folder.file("v.toml");
  Deno.writeTextFileSync(config, '[[port]]\nname = "a"\nmtu = 3\n[[port]]\nname = "b"\n');
  const checked = await faultsOf(flags({
    ...{ config, port: ["c,mtu=1", "b=/x", "d"], link: ["b", "d:e"], cpus: "x", fdbAge: "old" },
    ...{ socketMode: "999", metrics: "0.0.0.0:1", ctl: folder.file("d.sock") },
  }));
  const text = checkedText(checked);
  for (
    const line of [
      /v\.toml:3: \[\[port\]\] 1: mtu 3/,
      /^Cannot read port "c,mtu=1": mtu 1/m,
      /^Port "b" is given twice/m,
      /^Link "b" must be/m,
      /^link d:e: there is no port "e"/m,
      /^Processors "x"/m,
      /^--fdb-age old/m,
      /^Socket mode "999"/m,
      /^--metrics 0\.0\.0\.0:1 is no loopback/m,
      /^Cannot add port d: .* it is its control socket/m,
    ]
  ) assert.match(text, line);
  assert.equal(checked.faults.length, 10, text);
  const good = await faultsOf(flags({ port: ["a", "b"], link: ["a:b"] }));
  assert.equal(checkedText(good), "flags: good: 2 ports, 1 link, 0 mirrors\n");
  await assert.rejects(faultsOf(flags({ config: folder.file("none") })), /there is no such file/);
});

Deno.test("flags stay in force when a file is read again, and ports where the control socket is", async () => {
  using folder = new TempFolder();
  const config = folder.file("v.toml");
  Deno.writeTextFileSync(config, '[[port]]\nname = "a"\n');
  const source = await configSource(
    flags({ config, port: [`b=${folder.file("b")}`], fdbAge: "7", ctl: folder.file("ctl") }),
  );
  assert.equal(source.path, config);
  const { config: loaded } = source.loaded;
  assert.deepEqual(loaded.ports.map(({ path }) => path), [folder.file("a.sock"), folder.file("b")]);
  const text = '[switch]\nfdb_age_seconds = 9\n[control]\nsocket = "/x/c"\n[[port]]\nname = "a"\n';
  const again = await source.read({ name: "f", text }, loaded.controlPath);
  assert.deepEqual(again.config, loaded);
  const moved = await configSource(flags({ config }));
  const { config: next } = await moved.read({ name: "f", text }, "/run/y/ctl");
  assert.deepEqual([next.controlPath, next.socketDir, next.ports[0]?.path], [
    ...["/x/c", "/run/y", "/run/y/a.sock"],
  ]);
  await assert.rejects(source.read({ name: "f", text: "x = 1" }, null), /^ControlError: f:1: /);
});
