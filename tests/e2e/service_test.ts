/**
 * The switch as a service: what a service manager hears of it, and what systemd says of its unit.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { NotifySocket } from "../harness/notify_socket.ts";
import { hasProgram, peerTest } from "../harness/peers.ts";
import { SwitchProcess, vuswitch, vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

/** Worst is 10: systemd-analyze(1). */
const EXPOSURE_MAX = { "": 1.5, "--tap": 2.5 } as const;

Deno.test("a service manager hears of a switch that it serves, lives without traffic, and ends", async () => {
  using folder = new TempFolder();
  using socket = new NotifySocket(folder.file("notify"));
  const env = [`NOTIFY_SOCKET=${folder.file("notify")}`, "WATCHDOG_USEC=600000"];
  const heard: string[] = [];
  {
    await using _running = await SwitchProcess.start(
      folder.path,
      ["-p", `vm1=${folder.file("vm1.sock")}`],
      ["env", ...env, ...vuswitchWords()],
    );
    const signs = (): number => heard.filter((text) => text === "WATCHDOG=1").length;
    await until("signs of life", () => {
      heard.push(...socket.take());
      return signs() >= 3;
    });
  }
  heard.push(...socket.take());
  assert.match(heard[0] ?? "", /^READY=1\nMAINPID=[0-9]+\nSTATUS=serving 1 port$/);
  assert.equal(heard.at(-1), "STOPPING=1");
  assert.deepEqual([...new Set(heard.slice(1, -1))], ["WATCHDOG=1"]);
});

peerTest("systemd: takes the unit, and finds it tight", missing(), async () => {
  using folder = new TempFolder();
  const file = folder.file("vuswitch.service");
  for (const [flag, most] of Object.entries(EXPOSURE_MAX)) {
    const flags = flag === "" ? [] : [flag];
    const { stdout, code } = await vuswitch("emit", "systemd", "--binary", "/bin/true", ...flags);
    assert.equal(code, 0);
    Deno.writeTextFileSync(file, stdout);
    const verified = analyze("verify", file);
    assert.deepEqual(verified, { code: 0, text: "" });
    const { text } = analyze("security", "--offline=true", "--no-pager", file);
    const exposure = Number(/exposure level for .*: ([0-9.]+) /.exec(text)?.[1]);
    assert(exposure <= most, text);
  }
});

function missing(): string[] {
  return hasProgram("systemd-analyze") ? [] : ["systemd"];
}

function analyze(...args: string[]): { code: number; text: string } {
  const { code, stdout, stderr } = new Deno.Command("systemd-analyze", { args }).outputSync();
  const [text, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, text: `${text}${errors}` };
}
