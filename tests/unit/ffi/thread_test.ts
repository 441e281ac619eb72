/** What a thread is called and where it runs, the process's limit, and errors of system calls. */
import { strict as assert } from "node:assert";
import {
  EINVAL,
  errnoName,
  processorsOnline,
  raiseFdLimit,
  ReadyTime,
  rest,
  RunningThreads,
  setThreadCpus,
  setThreadName,
  SystemError,
  threadRanMs,
} from "../../../ffi/mod.ts";
import { delay } from "@std/async/delay";
import { failedWith } from "../../harness/fds.ts";
import { until, WAIT_MS_MAX } from "../../harness/until.ts";

/** A line of this thread's status, such as the processors it may use. */
function status(name: string): string {
  const text = Deno.readTextFileSync("/proc/thread-self/status");
  return new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
}

Deno.test("a thread's name is cut at the 15 bytes that the kernel keeps", () => {
  const before = status("Name");
  setThreadName("vsw-a-name-too-long");
  assert.equal(status("Name"), "vsw-a-name-too-");
  setThreadName(before);
  assert.equal(status("Name"), before);
});

Deno.test("a thread runs on the processors it is given, and on none there are not", () => {
  const before = status("Cpus_allowed_list");
  const all = before.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  const last = all.at(-1) as number;
  setThreadCpus([last]);
  assert.equal(status("Cpus_allowed_list"), `${last}`);
  assert.throws(() => setThreadCpus([1023]), failedWith(EINVAL));
  assert.equal(status("Cpus_allowed_list"), `${last}`);
  setThreadCpus(all);
  assert.equal(status("Cpus_allowed_list"), before);
});

Deno.test("raiseFdLimit() takes all descriptors that this process may have", () => {
  const limit = raiseFdLimit();
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits) ?? [];
  assert.equal(soft, hard);
  if (hard !== "unlimited") assert.equal(limit, Number(hard));
  assert.equal(raiseFdLimit(), limit);
});

Deno.test("a failed system call names itself, its error and what it was done to", () => {
  const error = new SystemError("mmap", EINVAL, "4096 bytes");
  assert.equal(`${error}`, "SystemError: mmap failed with EINVAL (4096 bytes)");
  assert.equal(`${new SystemError("dup", 79)}`, "SystemError: dup failed with errno 79");
  assert.deepEqual([error.syscall, error.code, errnoName(11)], ["mmap", EINVAL, "EAGAIN"]);
});

Deno.test("a thread's own time goes on while it runs, and stands while it does not", () => {
  const [ran, before] = [threadRanMs(), performance.now()];
  while (threadRanMs() < ran + 20);
  assert(performance.now() - before >= 19, "it is no faster than the clock");
  const [rested, since] = [threadRanMs(), performance.now()];
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  assert(performance.now() - since >= 199);
  assert(threadRanMs() - rested < 150);
});

Deno.test("a thread that rests does not run meanwhile", () => {
  const [ran, before] = [threadRanMs(), performance.now()];
  for (let i = 0; i < 100; i++) rest(1000);
  assert(performance.now() - before >= 99);
  assert(threadRanMs() - ran < 50);
});

Deno.test("time in which others have the processor is told, and not time asleep", async () => {
  const ready = new ReadyTime();
  await delay(20);
  const allowed = status("Cpus_allowed_list");
  const cpus = allowed.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  const cpu = cpus[0] as number;
  // One that never rests has this processor too: it begins with what this thread may use.
  setThreadCpus([cpu]);
  const args = ["-c", "while :; do :; done"];
  const other = new Deno.Command("sh", { args }).spawn();
  try {
    const begin = performance.now();
    const rested = ready.readMs();
    while (ready.readMs() < rested + 20) {
      assert(performance.now() < begin + WAIT_MS_MAX, "the other one has its turns");
    }
    assert(ready.readMs() - rested <= performance.now() - begin + 1);
  } finally {
    setThreadCpus(cpus);
    other.kill("SIGKILL");
    await other.status;
  }
});

Deno.test("threads that run or would are counted, this one among them", async () => {
  const load = new RunningThreads();
  assert(processorsOnline() >= navigator.hardwareConcurrency);
  assert(load.read() >= 1);
  const args = ["-c", "while :; do :; done"];
  const others = Array.from({ length: 4 }, () => new Deno.Command("sh", { args }).spawn());
  try {
    await until("four more of them", () => load.read() >= 5);
  } finally {
    others.forEach((other) => other.kill("SIGKILL"));
    await Promise.all(others.map(({ status }) => status));
  }
});
