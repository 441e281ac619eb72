/**
 * The commands as a user types them: results, exit codes, and the one line each fault gets.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import { FrontEnd, PLAIN } from "../../lib/guest/front_end.ts";
import { VHOST_USER_GET_FEATURES } from "../../lib/vhost/wire/message.ts";
import { closeFd, listenUnix } from "../../ffi/mod.ts";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus } from "../../lib/control/types.ts";
import { Bed } from "../harness/bed.ts";
import { PEERS_REQUIRED } from "../harness/peers.ts";
import { SwitchProcess, vuswitch, vuswitchWords } from "../harness/switch_process.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";
import { TempFolder } from "../harness/temp.ts";

/** Runs a command that must fail with one line on stderr. */
async function fails(code: number, line: RegExp, ...args: string[]): Promise<void> {
  const result = await vuswitch(...args);
  assert.equal(result.code, code, `${args.join(" ")}: ${result.stderr}`);
  assert.match(result.stderr, line);
  const lines = result.stderr.trim().split("\n");
  assert.equal(lines.length, 1, `one line: ${result.stderr}`);
}

Deno.test("wrong usage exits with 2 and one line", async () => {
  await fails(2, /argument for PORT; .*flag --output/, "port", "show", "-o");
  await fails(2, /No flag registered for --nope/, "run", "--nope");
  await fails(2, /--json, did you mean -j\? \(see/, "stats", "vm1", "--json");
  await fails(2, /No command registered for `bogus`/, "bogus");
  await fails(2, /^vuswitch: -v stands behind a command/, "-v");
  await fails(2, /did you mean `list`\? \(see: vuswitch port --help\)/, "port", "lst");
  await fails(2, /unknown option "x=1"; known: mode=listen/, "run", "-p", "a,x=1");
  await fails(2, /offer "luck" is unknown; known: inband/, "run", "-p", "a,offer=luck");
  await fails(2, /address of one station/, "run", "-p", "a,mac=ff:ff:ff:ff:ff:ff");
  await fails(2, /octal/, "run", "-p", "a", "--socket-mode", "9");
  await fails(2, /such as 2, 2,3 or 2-5/, "run", "-p", "a", "--cpus", "z");
  await fails(2, /no such file/, "run", "--config", "/nonexistent.toml");
  await fails(2, /Expected.*PORT|argument/i, "port", "show");
});

Deno.test("paths that cannot be used exit with 2 and are left alone", async () => {
  using folder = new TempFolder();
  const ctl = folder.file("c.sock");
  const run = (path: string): string[] => ["run", "-p", `a=${path}`, "--ctl", ctl];
  await Deno.writeTextFile(folder.file("file"), "keep me");
  await fails(2, /exists and is not a socket/, ...run(folder.file("file")));
  assert.equal(await Deno.readTextFile(folder.file("file")), "keep me");
  await fails(2, /mkdir -p/, ...run(folder.file("none/a.sock")));
  await fails(2, /107 bytes/, ...run(folder.file("x".repeat(120))));
  const live = folder.file("live.sock");
  const listener = listenUnix(live);
  await fails(2, /belongs to a running server/, ...run(live));
  closeFd(listener);
  // Nobody listens any more: now it is stale, and replaced.
  await using bed = await Bed.in(folder, 0, "-p", `a=${live}`);
  assert.equal((await bed.process.port("a")).socket, live);
  // A second switch on the same control socket is refused, and the first goes on.
  await fails(
    2,
    /belongs to a running server/,
    "run",
    "-p",
    `b=${folder.file("b.sock")}`,
    "--ctl",
    bed.process.ctl,
  );
  assert.equal((await bed.process.port("a")).link, "wait");
});

Deno.test("no switch exits with 3, an unknown port with 4", async () => {
  using folder = new TempFolder();
  await fails(3, /No switch answers at .*vuswitch run/, "port", "list", "--ctl", folder.file("x"));
  await using bed = await Bed.in(folder, 1);
  await fails(
    4,
    /No port named "vm9" \(did you mean vm1\?\)/,
    "port",
    "show",
    "vm9",
    "--ctl",
    bed.process.ctl,
  );
  await fails(4, /No port named "vm9"/, "port", "del", "vm9", "--ctl", bed.process.ctl);
  await fails(4, /No port named "vm9"/, "vring", "show", "vm9", "--ctl", bed.process.ctl);
});

Deno.test("run: ready line, mode, add, del, TERM", async () => {
  await using bed = await Bed.make(2, "--socket-mode", "0600");
  const ready =
    `ready ctl=${bed.process.ctl} vm1=${bed.folder}/vm1.sock vm2=${bed.folder}/vm2.sock\n`;
  assert.equal(bed.process.output, ready);
  const mode = (path: string): number => (Deno.statSync(path).mode ?? 0) & 0o777;
  assert.equal(mode(bed.file("vm1.sock")), 0o600);
  assert.equal(mode(bed.process.ctl), 0o600);

  const add = await vuswitch(
    "port",
    "add",
    `vm3=${bed.file("3.sock")},mtu=9000,mac=52:54:00:00:00:03,offer=gpa+inband`,
    "--ctl",
    bed.process.ctl,
  );
  assert.equal(add.code, 0, add.stderr);
  assert.equal((await bed.process.port("vm3")).mtu, 9000);
  await fails(
    1,
    /exists already/,
    "port",
    "add",
    `vm3=${bed.file("4.sock")}`,
    "--ctl",
    bed.process.ctl,
  );
  await fails(
    2,
    /exists and is not|belongs/,
    "port",
    "add",
    `x=${bed.process.ctl}`,
    "--ctl",
    bed.process.ctl,
  );
  const list = await vuswitch("port", "list", "--ctl", bed.process.ctl);
  assert.match(
    list.stdout,
    /^NAME +LINK .* RING +VLAN +RX \(from guest\) +TX \(to guest\) +DROPS +PEER +SOCKET\nvm1 +wait/,
  );
  assert.equal((await vuswitch("port", "del", "vm3", "--ctl", bed.process.ctl)).code, 0);
  assert.throws(() => Deno.statSync(bed.file("3.sock")), Deno.errors.NotFound);
  const status = await bed.process.status();
  assert.deepEqual(status.ports.map((port) => port.name), ["vm1", "vm2"]);
  assert.equal((await vuswitch("fdb", "flush", "--ctl", bed.process.ctl)).code, 0);

  assert.equal(await bed.process.stop("SIGTERM"), 0);
  for (const name of ["vm1.sock", "vm2.sock", "ctl.sock"]) {
    assert.throws(() => Deno.statSync(bed.file(name)), Deno.errors.NotFound, name);
  }
});

Deno.test("run: INT, a configuration file, back-end conventions", async () => {
  using folder = new TempFolder();
  const config = folder.file("v.toml");
  await Deno.writeTextFile(
    config,
    `[sockets]\ndirectory = "${folder.path}"\n[[port]]\nname = "one"\n`,
  );
  await using bed = await Bed.in(folder, 0, ...[
    "--config",
    config,
    "--socket-path",
    folder.file("two.sock"),
    "--idle",
    "sleep",
  ]);
  assert.deepEqual((await bed.process.status()).ports.map((port) => port.socket), [
    folder.file("one.sock"),
    folder.file("two.sock"),
  ]);
  assert.equal((await bed.process.status()).idle, "sleep");
  assert.equal(await bed.process.stop("SIGINT"), 0);

  const capabilities = await vuswitch("--print-capabilities");
  assert.deepEqual(JSON.parse(capabilities.stdout), { type: "net", features: [] });
  assert.match((await vuswitch("version")).stdout, /^vuswitch \d+\.\d+\.\d+ /);
});

Deno.test("a closed stdout and stderr do not stop a switch", async () => {
  using folder = new TempFolder();
  const words = vuswitchWords().map((word) => `'${word}'`).join(" ");
  const line = `exec ${words} run -p a=${folder.file("a.sock")} --ctl ${
    folder.file("c.sock")
  } >&- 2>&-`;
  const child = new Deno.Command("sh", { args: ["-c", line], stdin: "null" }).spawn();
  try {
    for (let i = 0; i < 600; i++) {
      const list = await vuswitch("port", "list", "--ctl", folder.file("c.sock"));
      if (list.code === 0) return;
      await delay(50);
    }
    assert.fail("the switch does not answer");
  } finally {
    child.kill("SIGTERM");
    assert.equal((await child.status).code, 0);
  }
});

Deno.test("a log that nobody reads any more does not stop a switch", async () => {
  using folder = new TempFolder();
  const { symbols: libc } = Deno.dlopen("libc.so.6", {
    mkfifo: { parameters: ["buffer", "u32"], result: "i32" },
    open: { parameters: ["buffer", "i32"], result: "i32" },
    fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  });
  const fifo = new TextEncoder().encode(`${folder.file("log")}\0`);
  assert.equal(libc.mkfifo(fifo, 0o600), 0);
  // O_RDWR | O_NONBLOCK: it is open, never read, and holds one page.
  const fd = libc.open(fifo, 2 | 0x800);
  const F_SETPIPE_SZ = 1031;
  assert.equal(libc.fcntl(fd, F_SETPIPE_SZ, 4096), 4096);
  const line = `exec "$@" 2> '${folder.file("log")}'`;
  const words = ["sh", "-c", line, "sh", ...vuswitchWords()];
  const socket = folder.file("a.sock");
  const running = await SwitchProcess.start(folder.path, ["-v", "-p", `a=${socket}`], words);
  // Two lines each, 20 of a kind a second: twice what a page holds.
  const end = performance.now() + 2500;
  for (let i = 0; performance.now() < end; i++) {
    const frontEnd = new FrontEnd(socket);
    await frontEnd.ask(VHOST_USER_GET_FEATURES, undefined, [], PLAIN);
    frontEnd.close();
    await until("it to be seen", async () => {
      const port = await deadline(
        callSwitch(running.ctl, "GET", "/v1/ports/a"),
        WAIT_MS_MAX,
      ) as PortStatus;
      return port.connects === i + 1 && port.link === "wait";
    });
  }
  assert.equal(await running.stop(), 0);
  closeFd(fd);
});

Deno.test("a line without a command shows how it goes on, as a fault", async () => {
  for (const words of [[], ["port"], ["-o", "json"]]) {
    const { code, stdout, stderr } = await vuswitch(...words);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^USAGE\n[^]*\nEXAMPLES\n/);
  }
  const version = await vuswitch("-V");
  assert.equal(version.stdout, (await vuswitch("version")).stdout);
});

Deno.test("every command has help", async () => {
  const groups = ["port", "link", "fdb", "vring"];
  const commands = ["run", "stats", "demo", "protocol", "completion"];
  const ports = ["add", "del", "down", "up"].map((word) => ["port", word]);
  for (const words of [[], ...[...groups, ...commands].map((word) => [word]), ...ports]) {
    const help = await vuswitch(...words, "--help");
    assert.equal(help.code, 0);
    assert.match(help.stdout, /^USAGE\n/);
  }
});

Deno.test("protocol lists messages and bits without a switch", async () => {
  const table = await vuswitch("protocol");
  assert.equal(table.code, 0);
  assert.match(table.stdout, /^front-end message +2 +VHOST_USER_SET_FEATURES +implemented /m);
  assert.match(
    table.stdout,
    /^protocol feature +8 +VHOST_USER_PROTOCOL_F_PAGEFAULT +not offered /m,
  );
  const json = await vuswitch("protocol", "-o", "json");
  const entries = JSON.parse(json.stdout);
  assert.equal(entries.length, table.stdout.trim().split("\n").length - 1);
  assert.deepEqual(Object.keys(entries[0]), [
    ...[
      "kind",
      "number",
      "name",
      "status",
      "option",
      "requires",
      "reason",
      "note",
      "answer",
      "tests",
    ],
  ]);
});

Deno.test("the built-in demo pings without loss, fetches a page and leaves nothing behind", async () => {
  // As root it does NAT by the kernel: in a network of its own.
  const own = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"];
  const words = [...Deno.uid() === 0 ? own : [], ...vuswitchWords(), "demo", "--guest", "builtin"];
  const [program = "", ...args] = words;
  const result = await new Deno.Command(program, { args, stdin: "null" }).output();
  const [stdout, stderr] = [result.stdout, result.stderr].map((each) =>
    new TextDecoder().decode(each)
  ) as [string, string];
  assert.equal(result.code, 0, stderr);
  assert.match(
    stdout,
    PEERS_REQUIRED ? /hello from the host/ : /hello from the host|no page of this host/,
  );
  assert.match(stdout, /5 packets transmitted, 5 packets received, 0% packet loss/);
  assert.match(stdout, /vm2 +0 +52:54:00:00:00:02/);
  const folder = /in (\/tmp\/\S+)/.exec(stdout)?.[1] ?? assert.fail("it names its folder");
  assert.throws(() => Deno.statSync(folder), Deno.errors.NotFound);
});
