/**
 * Front-ends that come again and again, from processes of their own: what the log says of them, what
 * it costs, and that nobody else waits for them.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { callSwitch } from "../../lib/cli/client.ts";
import type { SwitchStatus } from "../../lib/control/types.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { Knocking } from "../harness/knocking.ts";
import type { SwitchProcess } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { macOf } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

/** Lines of the log that a pattern matches. */
function lines(running: SwitchProcess, pattern: RegExp): string[] {
  return running.log.split("\n").filter((line) => pattern.test(line));
}

const status = async (running: SwitchProcess): Promise<SwitchStatus> =>
  await callSwitch(running.ctl, "GET", "/v1/switch") as SwitchStatus;

for (const kind of ["garbage", "much-garbage"]) {
  Deno.test(`${kind} without end at a free port: few lines, true counters, others are in at once`, async () => {
    await using bed = await Bed.make(2);
    const socket = bed.file("vm1.sock");
    const knocking = new Knocking(kind, socket);
    const thrownOut = async (): Promise<number> =>
      Object.entries((await status(bed.process)).ports[0]?.errors ?? {})
        .reduce((sum, [code, count]) => sum + (code === "too-often" ? 0 : count), 0);
    await until(
      "it has to wait",
      () => /knocks, and was thrown out so often/.test(bed.process.log),
    );
    const before = await thrownOut();
    await until("it had more tries", async () => await thrownOut() >= before + 3);
    // A machine's front-end comes, leaves and comes again: from another process, and in at once.
    for (let round = 0; round < 3; round++) {
      using guest = await NetGuest.start({ socket, mac: macOf(1), packed: round % 2 > 0 });
      await guest.getBase(0);
    }
    const tries = await knocking.stop();
    await until(
      "the last one is counted",
      async () => (await bed.process.port("vm1")).peer === null,
    );
    const { errors, connects } = await bed.process.port("vm1");
    const counted = Object.values(errors).reduce((sum, count) => sum + count, 0);
    console.log(`    ${tries} tries, ${counted} counted, ${connects} front-ends`);
    // Those that wait when it is stopped have not been anything yet.
    assert(counted <= tries && counted >= tries - 26, `${counted} of ${tries}`);
    assert(lines(bed.process, /front-end connected/).length <= 5, bed.process.log);
    assert(lines(bed.process, /connection closed/).length <= 5, bed.process.log);
    const waits = lines(bed.process, /too-often|thrown out so often/);
    assert.equal(waits.length, 1, bed.process.log);
    assert.match(waits[0] ?? "", new RegExp(`pid ${knocking.pid} `));
    assert(bed.process.log.split("\n").length < 25, bed.process.log);
    await bed.process.stop();
    assert.match(
      bed.process.log,
      /\d+ more front-ends came and left in the last 60 s, at last pid/,
    );
  });
}

Deno.test("hanging up without end costs the data plane nothing and the log no line", async () => {
  using folder = new TempFolder();
  const socket = folder.file("vm1.sock");
  await using bed = await Bed.in(folder, 1, "-v");
  const before = (await status(bed.process)).worker["commands"];
  const knocking = new Knocking("hang-up", socket);
  await until("many came", () => lines(bed.process, /hung up without a word/).length >= 50);
  assert((await knocking.stop()) >= 50);
  assert.equal((await status(bed.process)).worker["commands"], before);
  const { connects, errors } = await bed.process.port("vm1");
  assert.deepEqual([connects, errors], [0, {}]);
  assert.deepEqual(
    lines(bed.process, /port vm1: (?!listening)/).filter((l) => !/ debug /.test(l)),
    [],
  );
});

for (const kind of ["silent-listener", "garbage-listener"]) {
  Deno.test(`a ${kind} is not asked all the time, and its line is there once`, async () => {
    using folder = new TempFolder();
    const socket = folder.file("vm1.sock");
    const knocking = new Knocking(kind, socket);
    await using bed = await Bed.in(folder, 0, "-p", `vm1=${socket},mode=connect`);
    await until("the pause to be long", async () => {
      const { retry } = await bed.process.port("vm1");
      return retry?.reason === "the front-end went away" && retry.afterMs === 1000;
    });
    for (let tries = 0; tries < 3; tries++) {
      const { at } = (await bed.process.port("vm1")).lastError ?? { at: "" };
      if (kind === "silent-listener") await delay(1000);
      else {
        await until(
          "one more try",
          async () => (await bed.process.port("vm1")).lastError?.at !== at,
        );
      }
    }
    assert.equal(
      lines(bed.process, /waiting for a front-end at .*: the front-end went away/).length,
      1,
    );
    assert(
      lines(bed.process, /connection closed|front-end connected/).length <= 10,
      bed.process.log,
    );
    // Six pauses that double, and a second each after that.
    assert((await knocking.stop()) < 60);
    Deno.removeSync(socket);
    await until(
      "it is gone",
      async () => /no such socket/.test((await bed.process.port("vm1")).retry?.reason ?? ""),
    );
    assert.equal(lines(bed.process, /waiting for a front-end/).length, 2, bed.process.log);
  });
}
