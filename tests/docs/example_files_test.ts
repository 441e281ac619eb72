/** Everything in examples/ runs as it stands there. */
import { strict as assert } from "node:assert";
import { parse } from "smol-toml";
import { EmbeddedSwitch } from "../../mod.ts";
import { Bed } from "../harness/bed.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const NAMES = Array.from(Deno.readDirSync(`${ROOT}examples`), ({ name }) => name).sort();

Deno.test("examples: each is in the list, and is one that is tried here", () => {
  const list = Deno.readTextFileSync(`${ROOT}examples/README.md`);
  for (const name of NAMES) {
    if (name === "README.md") continue;
    assert(list.includes(`[${name}](${name})`), name);
    assert(/(_test\.ts|\.toml)$/.test(name) || name === "follow_events.ts", `${name} is tried`);
  }
});

for (const name of NAMES.filter((each) => each.endsWith("_test.ts"))) {
  Deno.test(`examples: ${name} passes`, async () => {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", `examples/${name}`],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert(success && /^ok \| [1-9]\d* passed/m.test(said), said);
  });
}

for (const name of NAMES.filter((each) => each.endsWith(".toml"))) {
  Deno.test(`examples: a switch starts with ${name}`, async () => {
    using folder = new TempFolder();
    const text = Deno.readTextFileSync(`${ROOT}examples/${name}`);
    // Its sockets are where the test's are; the rest is as it stands.
    const { control, sockets, ...config } = parse(text);
    assert(control && sockets, "it says where sockets are");
    await using network = await EmbeddedSwitch.start({ folder: folder.path, config });
    const ports = config["port"] as { readonly name: string }[];
    assert.deepEqual(network.ports().map((port) => port.name), ports.map((port) => port.name));
  });
}

Deno.test("examples: follow_events.ts prints what happens", async () => {
  await using bed = await Bed.make(2);
  const first = await bed.guest(1);
  const follower = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${ROOT}examples/follow_events.ts`, bed.process.ctl],
    stdout: "piped",
  }).spawn();
  let said = "";
  const reading = follower.stdout.pipeThrough(new TextDecoderStream())
    .pipeTo(new WritableStream({ write: (text) => void (said += text) }));
  try {
    const linked = (): number => said.split("port vm1: link-up: ").length - 1;
    await until("it tells what was", () => linked() === 1);
    first.close();
    using _second = await bed.guest(1);
    await until("it tells what comes", () => linked() === 2);
  } finally {
    follower.kill();
    await follower.status;
    await reading;
  }
});
