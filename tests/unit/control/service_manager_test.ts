/** What a service manager hears of a switch. */
import { strict as assert } from "node:assert";
import { ServiceManager } from "../../../lib/control/service_manager.ts";
import { Pulse } from "../../../lib/control/pulse.ts";
import type { WorkerStatus } from "../../../lib/control/types.ts";
import { NotifySocket } from "../../harness/notify_socket.ts";
import { TempFolder } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";

function environment(values: Record<string, string>): Map<string, string> {
  return new Map(Object.entries(values));
}

const SILENT = { warn: () => {} };

Deno.test("a service manager hears when the switch serves and when it ends, at any kind of name", () => {
  using folder = new TempFolder();
  for (const name of [folder.file("notify"), `@vuswitch-test-${Deno.pid}`]) {
    using listener = new NotifySocket(name);
    const env = environment({ NOTIFY_SOCKET: name, HOME: "/h" });
    const service = new ServiceManager(SILENT, env);
    assert.deepEqual([...env.keys()], ["HOME"], "processes started from here are no service");
    service.ready("serving 2 ports", () => true);
    service.stopping();
    assert.deepEqual(listener.take(), [
      `READY=1\nMAINPID=${Deno.pid}\nSTATUS=serving 2 ports`,
      "STOPPING=1",
    ]);
  }
});

Deno.test("without a service manager, or with one that is gone, nothing is told or fails", () => {
  for (const name of [undefined, "/nowhere/notify", "@nobody", "x".repeat(200), ""]) {
    const env = environment(name === undefined ? {} : { NOTIFY_SOCKET: name, WATCHDOG_USEC: "1" });
    const service = new ServiceManager(SILENT, env);
    service.ready("", () => true);
    service.stopping();
  }
});

Deno.test("signs of life come while the data plane goes on, and stop with it", async () => {
  using folder = new TempFolder();
  const name = folder.file("notify");
  using listener = new NotifySocket(name);
  const lines: string[] = [];
  const logger = { warn: (_: string, event: string) => void lines.push(event) };
  const env = environment({ NOTIFY_SOCKET: name, WATCHDOG_USEC: "300000", WATCHDOG_PID: "7" });
  const service = new ServiceManager(logger, env, 7);
  let lives = true;
  let looks = 0;
  service.ready("", () => {
    looks++;
    return lives;
  });
  try {
    listener.take();
    const signs: string[] = [];
    await until("signs of life", () => signs.push(...listener.take()) >= 3);
    assert(signs.every((sign) => sign === "WATCHDOG=1"), String(signs));
    lives = false;
    const before = looks;
    await until("two looks", () => looks >= before + 2);
    assert.deepEqual(listener.take(), ["STATUS=the data plane stands still"], "no sign, said once");
    assert.deepEqual(lines, ["stands-still"]);
    lives = true;
    await until("a sign", () => listener.take().includes("WATCHDOG=1"));
  } finally {
    service.stopping();
  }
});

Deno.test("a watchdog of another process, or none that is a number, is not served", () => {
  using folder = new TempFolder();
  const name = folder.file("notify");
  using _listener = new NotifySocket(name);
  for (const [usec, pid] of [["1000000", "8"], ["soon", "7"], ["0", "7"], ["-5", "7"]] as const) {
    const env = environment({ NOTIFY_SOCKET: name, WATCHDOG_USEC: usec, WATCHDOG_PID: pid });
    // A timer that was left would fail the test.
    new ServiceManager(SILENT, env, 7).ready("", () => true);
  }
});

Deno.test("a data plane that counts rounds or sleep has a pulse, one that counts nothing has none", () => {
  const pulse = new Pulse();
  const looked = (...rounds: number[]): boolean =>
    pulse.beats(
      rounds.map((count) => ({
        total: { counters: { rounds: count } },
      })) as unknown as WorkerStatus[],
    );
  assert.deepEqual([looked(1, 5), looked(2, 6), looked(3, 6), looked(4, 7)], [
    ...[true, true, false, true],
  ]);
});
