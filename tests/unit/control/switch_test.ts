/** The whole control thread with its data plane: ports come and go, nothing is left behind. */
import { strict as assert } from "node:assert";
import { closeFd } from "../../../ffi/mod.ts";
import { listenAt } from "../../../lib/control/sockets/bind.ts";
import { Switch } from "../../../lib/control/switch.ts";
import { ControlError, type SwitchConfig } from "../../../lib/control/types.ts";
import { GET_FEATURES_ID, startedClient } from "./started_client.ts";
import { Client, held, keptLog, untilHeld } from "./support.ts";
import { until } from "../../harness/until.ts";

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-switch-" });
  try {
    await run(folder);
    assert.deepEqual(Array.from(Deno.readDirSync(folder), (entry) => entry.name), []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function config(folder: string, ...names: string[]): SwitchConfig {
  return {
    ports: names.map((name) => ({ name, path: `${folder}/${name}` })),
    links: [],
    controlPath: null,
    socketMode: 0o600,
    socketGroup: null,
    cpus: [],
    idle: "sleep",
    fdbAgeSeconds: 300,
    fdbEntriesMax: 1024,
    fdbPortEntriesMax: 64,
  };
}

function controlError(run: () => unknown, kind: ControlError["kind"], text: RegExp): void {
  let error: unknown;
  try {
    run();
  } catch (thrown) {
    error = thrown;
  }
  assert(error instanceof ControlError, String(error));
  assert.equal(error.kind, kind);
  assert.match(error.message, text);
}

Deno.test("Switch serves front-ends, adds and removes ports beside them", () =>
  inFolder(async (folder) => {
    const { logger } = keptLog();
    const running = await Switch.start(config(folder, "a", "b"), logger);
    try {
      const before = held();
      const a = await startedClient(`${folder}/a`);
      const b = await startedClient(`${folder}/b`);
      assert.deepEqual(running.ports().map((p) => [p.name, p.link]), [["a", "up"], ["b", "up"]]);
      running.addPort({ name: "c", path: `${folder}/c` });
      assert.equal(running.port("c").link, "wait");
      const c = await startedClient(`${folder}/c`);
      controlError(() => running.addPort({ name: "c", path: `${folder}/d` }), "conflict", /exists/);
      controlError(
        () => running.addPort({ name: "d", path: `${folder}/c` }),
        "invalid",
        /running server/,
      );
      running.removePort("c");
      assert.equal(await c.client.reply(), null, "its front-end was disconnected");
      controlError(() => running.removePort("c"), "not-found", /No port named "c"/);
      controlError(() => running.port("c"), "not-found", /No port/);
      controlError(() => running.flushFdb("c"), "not-found", /No port/);
      assert.deepEqual(running.ports().map((p) => [p.name, p.link]), [["a", "up"], ["b", "up"]]);
      assert(await a.client.ask(GET_FEATURES_ID) > 0n);
      assert.deepEqual(running.vrings("a").map((v) => v.state), ["running", "running"]);
      running.flushFdb(null);
      running.flushFdb("a");
      assert.equal(running.status().ports.length, 2);
      assert.deepEqual(running.fdb(), []);
      for (const each of [a, b, c]) each.release();
      await until("a waits", () => running.port("a").link === "wait");
      await untilHeld(before);
    } finally {
      await running.close();
    }
  }));

Deno.test("Switch.start() leaves nothing behind if one port cannot be", () =>
  inFolder(async (folder) => {
    const taken = listenAt(`${folder}/b`, { mode: 0o600, group: null });
    const { logger } = keptLog();
    let error: unknown;
    try {
      await Switch.start(config(folder, "a", "b", "c"), logger);
    } catch (thrown) {
      error = thrown;
    }
    assert(error instanceof ControlError);
    assert.deepEqual(Array.from(Deno.readDirSync(folder), (entry) => entry.name), ["b"]);
    closeFd(taken);
    Deno.removeSync(`${folder}/b`);
  }));

Deno.test("Switch.close() ends connections that do nothing, and unlinks the sockets", () =>
  inFolder(async (folder) => {
    const { logger } = keptLog();
    const running = await Switch.start(config(folder, "a"), logger);
    const client = Client.connect(`${folder}/a`);
    await client.ask(GET_FEATURES_ID);
    await running.close();
    assert.equal(await client.reply(), null);
    client.close();
  }));
