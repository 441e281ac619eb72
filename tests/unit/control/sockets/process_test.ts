/** Who listens at a socket, told from what the kernel says of processes. */
import { strict as assert } from "node:assert";
import { closeFd, connectUnix, listenUnix } from "../../../../ffi/mod.ts";
import { listenerOf, otherListenerOf } from "../../../../lib/control/sockets/process.ts";
import { TempFolder } from "../../../harness/temp.ts";
import { until } from "../../../harness/until.ts";

/** Another process that listens at a path and does nothing else. */
class Other implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  constructor(path: string) {
    const code = `Deno.listen({ transport: "unix", path: ${
      JSON.stringify(path)
    } }); setInterval(() => {}, 1e9);`;
    this.#child = new Deno.Command(Deno.execPath(), { args: ["eval", code] }).spawn();
  }

  get pid(): number {
    return this.#child.pid;
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.#child.status;
  }
}

Deno.test("nobody listens at a path that is not there, is a file, or was left behind", () => {
  using folder = new TempFolder();
  const [file, left] = [folder.file("file"), folder.file("left")];
  Deno.writeTextFileSync(file, "");
  closeFd(listenUnix(left));
  for (const path of [folder.file("none"), file, left, "x".repeat(200)]) {
    assert.equal(listenerOf(path), null, path);
    assert.equal(otherListenerOf(path), null, path);
  }
});

Deno.test("this process is told like any other, but is never the other one", () => {
  using folder = new TempFolder();
  const path = folder.file("a.sock");
  const listener = listenUnix(path);
  const command = Deno.readTextFileSync("/proc/self/comm").trim();
  assert.deepEqual(listenerOf(path), { pid: Deno.pid, command, stopped: false });
  assert.equal(otherListenerOf(path), null);
  closeFd(listener);
});

Deno.test("another process is told, also when it is stopped and its queue is full", async () => {
  using folder = new TempFolder();
  const path = folder.file("a.sock");
  await using other = new Other(path);
  await until("it listens", () => listenerOf(path) !== null);
  const { pid } = other;
  // Whoever only connects to an address is not its listener.
  const client = connectUnix(path);
  for (const facts of [listenerOf(path), otherListenerOf(path)]) {
    assert.deepEqual([facts?.pid, facts?.stopped], [pid, false]);
  }
  closeFd(client);
  other.signal("SIGSTOP");
  await until("it is stopped", () => otherListenerOf(path)?.stopped === true);
  const waiting: number[] = [];
  try {
    for (;;) waiting.push(connectUnix(path));
  } catch {
    // EAGAIN: it is full.
  }
  assert.equal(listenerOf(path)?.pid, pid, "by the kernel's lists");
  waiting.forEach(closeFd);
  other.signal("SIGCONT");
  await until("it goes on", () => otherListenerOf(path)?.stopped === false);
});
