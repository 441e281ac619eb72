/**
 * In which folder sockets are, and whose folders a switch and its commands trust.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { PortProblem, PortStatus, SwitchStatus } from "../../lib/control/types.ts";
import { canBeOther, OTHER_UID, OtherUser } from "../harness/other_user.ts";
import { Bed } from "../harness/bed.ts";
import { SwitchProcess, vuswitch } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

/** What the control API answers. */
async function api(ctl: string, path: string, body: unknown): Promise<Response> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: ctl } });
  const response = await fetch(`http://vuswitch${path}`, {
    client,
    method: "POST",
    body: JSON.stringify(body),
  });
  return new Response(await response.text(), { status: response.status });
}

async function socketOf(response: Response): Promise<string> {
  const port = await response.json() as PortStatus;
  assert.equal(response.status, 201, JSON.stringify(port));
  return port.socket;
}

Deno.test("ports of flags, file, commands and API without a path are in one folder", async () => {
  using folder = new TempFolder();
  const file = folder.file("v.toml");
  const sockets = folder.file("sockets");
  Deno.mkdirSync(sockets);
  const ports = '[[port]]\nname = "a"\n[[port]]\nname = "b"\nsocket = "b"\n';
  const cases: [string, string[], string][] = [
    [ports, [], folder.path],
    [`[sockets]\ndirectory = "${sockets}"\n${ports}`, [], sockets],
    [`[sockets]\ndirectory = "/nowhere"\n${ports}`, ["--socket-dir", sockets], sockets],
  ];
  for (const [text, flags, place] of cases) {
    Deno.writeTextFileSync(file, text);
    const args = ["--config", file, "-p", "c", ...flags];
    await using bed = await Bed.in(folder, 0, ...args);
    assert.equal((await vuswitch("port", "add", "d", "--ctl", bed.process.ctl)).code, 0);
    assert.equal(
      await socketOf(await api(bed.process.ctl, "/v1/ports", { name: "e" })),
      `${place}/e.sock`,
    );
    const f = { name: "f", path: "f" };
    assert.equal(await socketOf(await api(bed.process.ctl, "/v1/ports", f)), `${place}/f`);
    const empty = await api(bed.process.ctl, "/v1/ports", { name: "g", path: "" });
    assert.equal(empty.status, 400);
    assert.match(await empty.text(), /path of port g is empty: name one, or leave it out/);
    const status: SwitchStatus = await bed.process.status();
    assert.equal(status.socketDir, place);
    assert.deepEqual(
      status.ports.map(({ socket }) => socket),
      ["a.sock", "b", "c.sock", "d.sock", "e.sock", "f"].map((name) => `${place}/${name}`),
    );
    const { stdout } = await vuswitch("stats", "--ctl", bed.process.ctl);
    assert(stdout.split("\n")[0]?.endsWith(`sockets in ${place}`), stdout);
  }
});

Deno.test("without a session a switch and its commands meet in a folder of their user's", async () => {
  if (!canBeOther()) return;
  using user = new OtherUser();
  const folder = `/tmp/vuswitch-${OTHER_UID}`;
  try {
    {
      await using running = await user.start(["-p", "vm1"]);
      assert.match(
        running.output,
        new RegExp(`^ready ctl=${folder}/vuswitch/ctl.sock vm1=${folder}/`),
      );
      const { mode, uid } = Deno.lstatSync(folder);
      assert.deepEqual([(mode ?? 0) & 0o7777, uid], [0o700, OTHER_UID]);
      const list = await user.output(["port", "list"]);
      assert.equal(list.code, 0, list.stderr);
      assert.match(list.stdout, /^vm1 /m);
      // Another instance at the same place: one line, and the first lives.
      const second = await user.output(["run"]);
      assert.equal(second.code, 2, second.stderr);
      assert.match(second.stderr, /ctl\.sock: it belongs to a running server/);
    }
    // Somebody was first: a switch's socket in a folder that is not this user's.
    Deno.chownSync(folder, 0, 0);
    Deno.chmodSync(folder, 0o755);
    await using impostor = await SwitchProcess.start(`${folder}/vuswitch`, ["-p", "trap"]);
    Deno.chmodSync(impostor.ctl, 0o666);
    for (const [command, exitCode] of [[["port", "list"], 5], [["run"], 2]] as const) {
      const { code, stdout, stderr } = await user.output(command);
      assert.deepEqual([code, stdout], [exitCode, ""], stderr);
      assert.match(stderr, /in \/tmp\/vuswitch-\d+: it belongs to user 0 \(set XDG_RUNTIME_DIR/);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
    }
    const completed = await user.output(["--complete", "port", "show", ""]);
    assert(!completed.stdout.includes("trap"), completed.stdout);
    // Named, it is this user's own choice.
    const named = await user.output(["port", "list", "--ctl", impostor.ctl]);
    assert.equal(named.code, 0, named.stderr);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a link or an open folder in /tmp is refused with the fix; systemd's list is read", async () => {
  if (!canBeOther()) return;
  using user = new OtherUser();
  using own = new TempFolder();
  Deno.chownSync(own.path, OTHER_UID, OTHER_UID);
  const folder = `/tmp/vuswitch-${OTHER_UID}`;
  try {
    Deno.symlinkSync(own.path, folder);
    const link = await user.output(["run"]);
    assert.equal(link.code, 2);
    assert.match(link.stderr, /it is a symbolic link/);
    Deno.removeSync(folder);
    Deno.mkdirSync(folder);
    Deno.chownSync(folder, OTHER_UID, OTHER_UID);
    Deno.chmodSync(folder, 0o777);
    const open = await user.output(["run"]);
    assert.equal(open.code, 2);
    assert.match(open.stderr, new RegExp(`others may use it .*\\(chmod 700 ${folder}\\)`));
    // The first of a unit's folders, which systemd has made.
    const env = { RUNTIME_DIRECTORY: `${own.path}:/run/other` };
    await using running = await user.start(["-p", "vm1"], env);
    assert.match(
      running.output,
      new RegExp(`^ready ctl=${own.path}/ctl.sock vm1=${own.path}/vm1.sock`),
    );
    assert.equal((await user.output(["port", "list"], env)).code, 0);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("in a folder that cannot be written a socket stays a problem, until it can", async () => {
  if (!canBeOther()) return;
  using user = new OtherUser();
  using folder = new TempFolder();
  const place = folder.file("run");
  Deno.mkdirSync(place);
  Deno.chownSync(place, OTHER_UID, OTHER_UID);
  Deno.chmodSync(folder.path, 0o755);
  const ctl = `${place}/ctl.sock`;
  await using running = await user.start(["--ctl", ctl, "-p", "vm1", "-p", "m{n},multi=2"]);
  const problems = async (name: string): Promise<readonly PortProblem[]> => {
    const { stdout } = await user.output(["port", "show", name, "--ctl", ctl, "-o", "json"]);
    return (JSON.parse(stdout) as PortStatus).problems;
  };
  Deno.chownSync(place, 0, 0);
  Deno.removeSync(`${place}/vm1.sock`);
  Deno.removeSync(`${place}/m{n}.sock`);
  const refusals = (): number => running.log.split("no permission to write").length - 1;
  await until("both to be said", () => refusals() === 2);
  // Each command takes longer than a look or two: the log stays as it is.
  for (const name of ["vm1", "m{n}", "vm1"]) {
    const [problem] = await problems(name);
    assert.equal(problem?.code, "socket-gone");
    assert.match(problem?.text ?? "", /was removed, nobody finds it: no permission to write in/);
  }
  assert.equal(refusals(), 2, running.log);
  // Gone altogether, and not this user's to make: the line says how.
  Deno.removeSync(place, { recursive: true });
  Deno.chmodSync(folder.path, 0o700);
  Deno.chownSync(folder.path, 0, 0);
  await until("the folder to be asked for", () => /folder .*run is gone/.test(running.log));
  const words = /\((install -d .*?);/.exec(running.log)?.[1]?.split(" ") ?? [];
  assert((await new Deno.Command("install", { args: words.slice(1) }).output()).success);
  await until("all three sockets", () => running.log.split("is there again").length === 4);
  Deno.chmodSync(folder.path, 0o755);
  assert.deepEqual([...await problems("vm1"), ...await problems("m{n}")], []);
});
