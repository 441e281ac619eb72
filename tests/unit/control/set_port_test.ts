/** Options set on ports of a running switch, with the real data plane. */
import { strict as assert } from "node:assert";
import { Switch } from "../../../lib/control/switch.ts";
import type { PortConfig, PortStatus } from "../../../lib/control/types.ts";
import { type Started, startedClient } from "./started_client.ts";
import { controlError, keptLog } from "./support.ts";
import { until } from "../../harness/until.ts";

const ONE = "52:54:00:00:00:01";
const TWO = "52:54:00:00:00:02";
type Options = Partial<PortConfig> & { name: string };

/** Runs a switch with these ports. */
async function bench(
  ports: readonly Options[],
  run: (running: Switch, folder: string, lines: readonly string[]) => void | Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-set-" });
  const { logger, lines } = keptLog();
  const running = await Switch.start({
    ports: ports.map((port) => ({ path: `${folder}/${port.name}`, ...port })),
    ...{ links: [], controlPath: null, socketMode: 0o600, socketGroup: null, cpus: [] },
    ...{ idle: "sleep", fdbAgeSeconds: 300, fdbEntriesMax: 1024, fdbPortEntriesMax: 64 },
  }, logger);
  try {
    await run(running, folder, lines);
  } finally {
    await running.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("a port that is set says so, and its static addresses come and go with it", () =>
  bench([{ name: "a" }, { name: "b", static: [TWO] }], (running, _, lines) => {
    const statics = (): string[] => running.fdb().map(({ mac, port }) => `${mac} ${port}`);
    const set = (options: Record<string, unknown>): PortStatus =>
      running.setPort("a", options) as PortStatus;
    const { isolated, limit, vlans } = set({
      ...{ static: [ONE], lock: true, limit: "tx:1G", isolated: "x", access: 7 },
    });
    assert.deepEqual([isolated, vlans?.access, limit?.tx?.bits, limit?.rx], ["x", 7, 1e9, null]);
    assert.deepEqual(statics().sort(), [`${ONE} a`, `${TWO} b`]);
    assert(lines.some((line) => /^set .*limit=tx:1G isolated=x access=7/.test(line)), `${lines}`);
    // Another port has that address: all of it stays as it was.
    const before = set({ forward: ["lldp"] });
    assert.throws(
      () => set({ static: ["52:54:00:00:00:03", TWO], limit: "off", access: 9 }),
      controlError("conflict", /is static at another port/),
    );
    const { limit: stillLimited, vlans: still, forward } = running.port("a");
    assert.deepEqual([stillLimited, still, forward], [before.limit, before.vlans, ["lldp"]]);
    assert.deepEqual(statics().sort(), [`${ONE} a`, `${TWO} b`]);
    set({ lock: "off", static: "default", access: "default", limit: "default" });
    assert.deepEqual(statics(), [`${TWO} b`]);
    assert.deepEqual([running.port("a").vlans, running.port("a").limit], [null, null]);
    assert.throws(() => running.setPort("c", { limit: "1M" }), controlError("not-found", /"c"/));
  }));

Deno.test("linked ports cannot come into one group, by either way", () =>
  bench([{ name: "a", isolated: "x" }, { name: "b" }], (running) => {
    running.addLink(["a", "b"]);
    assert.throws(
      () => running.setPort("b", { isolated: "x" }),
      controlError("invalid", /both are in isolation group x/),
    );
    assert.equal(running.port("b").isolated, null);
    running.removeLink(["a", "b"]);
    running.setPort("b", { isolated: "x" });
    assert.throws(
      () => running.addLink(["a", "b"]),
      controlError("invalid", /both are in isolation group x/),
    );
  }));

Deno.test("a listener's options are its ports', those there are and those to come", () =>
  bench([{ name: "m{n}", multi: 2 }], async (running, folder) => {
    const join = async (count: number): Promise<Started> => {
      const client = await startedClient(`${folder}/m{n}`);
      await until("its port", () => running.ports().length === count);
      return client;
    };
    const first = await join(1);
    running.setPort("m{n}", { limit: "5M", isolated: "tenants" });
    const second = await join(2);
    const limits = (): unknown[] =>
      running.ports().map(({ limit, isolated }) => [limit?.rx?.bits, isolated]);
    assert.deepEqual(limits(), [[5e6, "tenants"], [5e6, "tenants"]]);
    running.setPort("m1", { limit: "off" });
    assert.deepEqual(limits(), [[5e6, "tenants"], [undefined, "tenants"]]);
    assert.throws(
      () => running.setPort("m{n}", { static: ONE }),
      controlError("invalid", /cannot have multi and static/),
    );
    for (const client of [first, second]) client.release();
  }));
