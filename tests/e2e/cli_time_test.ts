/**
 * Commands and a switch that does not answer: they end in time, with a line that says who it is.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import { closeFd, connectUnix, listenUnix } from "../../ffi/mod.ts";
import { Bed } from "../harness/bed.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";
import { TempFolder } from "../harness/temp.ts";

/** A process's state as /proc tells it. */
function stateOf(pid: number): string {
  const text = Deno.readTextFileSync(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(")") + 2)[0] ?? "";
}

Deno.test("a stopped switch is named with how to go on, and completion gives up", async () => {
  await using bed = await Bed.make(1);
  Deno.kill(bed.process.pid, "SIGSTOP");
  try {
    await until("it to be stopped", () => stateOf(bed.process.pid) === "T");
    const { code, stderr, stdout } = await vuswitch(
      ...["port", "list", "--ctl", bed.process.ctl, "--timeout", "0.3"],
    );
    assert.equal(code, 3, stderr);
    assert.equal(stdout, "");
    const { pid } = bed.process;
    assert.match(stderr, new RegExp(`^vuswitch: Process ${pid} \\(.*\\) .* within 0.3 s .*\n$`));
    assert(stderr.endsWith(`(it is stopped: kill -CONT ${pid})\n`), stderr);
    const completed = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "main.ts", "--complete", "port", "show", ""],
      env: { VSW_CTL: bed.process.ctl },
    }).output();
    assert.equal(completed.code, 0);
    assert.equal(completed.stderr.length, 0);
    assert.doesNotMatch(new TextDecoder().decode(completed.stdout), /vm1/);
    // Its queue of connections full: the kernel's lists name it as well.
    const waiting: number[] = [];
    try {
      for (;;) waiting.push(connectUnix(bed.process.ctl));
    } catch {
      // EAGAIN: it is full.
    }
    const full = await vuswitch("stats", "--ctl", bed.process.ctl, "--timeout", "0.3");
    for (const fd of waiting) closeFd(fd);
    assert.equal(full.code, 3);
    assert.match(full.stderr, new RegExp(`Process ${pid} .*kill -CONT ${pid}\\)\n$`));
  } finally {
    Deno.kill(bed.process.pid, "SIGCONT");
  }
});

/** What somebody else at the socket may say, and what the line says then. */
const ANSWERS: readonly [string, RegExp][] = [
  ["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[", /does not answer within|hung up before/],
  ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", /not the control socket of a switch/],
  ["HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}", /not the control socket of a switch/],
  ["SSH-2.0-OpenSSH_9.2\r\n", /not the control socket of a switch|hung up before|not answer/],
  ["", /does not answer within 0.3 s/],
];

for (const [answer, expected] of ANSWERS) {
  Deno.test(`an answer of ${JSON.stringify(answer.slice(0, 40))}`, async () => {
    using folder = new TempFolder();
    const path = folder.file("c.sock");
    using listener = Deno.listen({ transport: "unix", path });
    const served = (async () => {
      const connection = await listener.accept();
      await connection.read(new Uint8Array(4096));
      if (answer !== "") await connection.write(new TextEncoder().encode(answer));
      return connection;
    })();
    await assert.rejects(
      callSwitch(path, "GET", "/v1/ports", null, 300),
      (error: Error & { exitCode: number }) => {
        assert.match(error.message, expected);
        assert.equal(error.exitCode, 3);
        return true;
      },
    );
    (await served).close();
  });
}

Deno.test("a listener that takes nobody is named by its pid", async () => {
  using folder = new TempFolder();
  const path = folder.file("c.sock");
  const listener = listenUnix(path);
  await assert.rejects(
    callSwitch(path, "GET", "/v1/ports", null, 100),
    new RegExp(`Process ${Deno.pid} .* does not answer within 0.1 s`),
  );
  closeFd(listener);
});

Deno.test("a time that is none, and processors that are not there, are one line", async () => {
  using folder = new TempFolder();
  for (const time of ["0", "-1", "x", "1e9", "2s"]) {
    const { code, stderr } = await vuswitch("port", "list", `--timeout=${time}`);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^vuswitch: --timeout \S+ must be seconds from 0.01 to 3600.*\n$/);
  }
  const config = folder.file("v.toml");
  await Deno.writeTextFile(config, "[dataplane]\ncpus = [0, 1023]\n");
  const run = ["run", "-p", `a=${folder.file("a")}`, "--ctl", folder.file("c")];
  for (const args of [["--cpus", "0,1023"], ["--config", config]]) {
    const { code, stderr } = await vuswitch(...run, ...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^vuswitch: Processor 1023 .* may use [\d,-]+: --cpus \S+\)\n$/);
  }
  assert.deepEqual([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["v.toml"]);
});

Deno.test("run without ports says how to add one", async () => {
  await using bed = await Bed.make(0);
  await until(
    "the line",
    () => bed.process.log.includes("no ports yet: vuswitch port add vm1 --ctl"),
  );
  const missing = await vuswitch("port", "show", "vm1", "--ctl", bed.process.ctl);
  assert.equal(missing.code, 4);
  assert.match(missing.stderr, /No port named "vm1" \(there is none: vuswitch port add NAME\)/);
  const add = (name: string) =>
    vuswitch("port", "add", `${name}=${bed.file(name)}`, "--ctl", bed.process.ctl);
  assert.equal((await add("web")).code, 0);
  const near = await vuswitch("vring", "show", "wbe", "--ctl", bed.process.ctl);
  assert.match(near.stderr, /No port named "wbe" \(did you mean web\?\)/);
});
