/** What a switch that runs says of limits: what is used, what is left, and what comes of more. */
import { strict as assert } from "node:assert";
import { closeFd } from "../../../ffi/mod.ts";
import type { LimitName } from "../../../lib/base/port_limits.ts";
import { Switch } from "../../../lib/control/switch.ts";
import { ControlError, type PortConfig } from "../../../lib/control/types.ts";
import { type Started, startedClient } from "./started_client.ts";
import { eventFds, keptLog, memoryFile } from "./support.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import { words } from "../vhost/fake_host.ts";
import { until } from "../../harness/until.ts";

const MIB = 2 ** 20;

interface Bench {
  readonly running: Switch;
  path(name: string): string;
}

async function bench(
  ports: readonly (Partial<PortConfig> & { name: string })[],
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-limits-" });
  const path = (name: string): string => `${folder}/${name}`;
  const { logger } = keptLog();
  const running = await Switch.start({
    ports: ports.map((port) => ({ path: path(port.name), ...port })),
    ...{ links: [], controlPath: null, socketMode: 0o600, socketGroup: null, cpus: [] },
    ...{ idle: "sleep", fdbAgeSeconds: 300, fdbEntriesMax: 4096, fdbPortEntriesMax: 64 },
  }, logger);
  try {
    await run({ running, path });
  } finally {
    await running.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

/** One limit of a port: at most, used, left. */
function limit(running: Switch, port: string, name: LimitName): (number | null)[] {
  const row = running.limits(port).limits.find((each) => each.name === name);
  assert(row, `${port} has a limit of ${name}`);
  return [row.limit, row.used, row.left];
}

async function withStarted(path: string, run: (front: Started) => Promise<void>): Promise<void> {
  const front = await startedClient(path);
  try {
    await run(front);
  } finally {
    front.release();
  }
}

Deno.test("limits say what a front-end uses and what is left of each, and nothing when it is gone", () =>
  bench([{ name: "a", queuePairs: 2, budget: { memory: 4 * MIB, regions: 3 } }], async (b) => {
    const { running, path } = b;
    assert.deepEqual(limit(running, "a", "memory"), [4 * MIB, 0, 4 * MIB]);
    assert.deepEqual(limit(running, "a", "front-ends"), [1, 0, 1]);
    await withStarted(path("a"), () => {
      assert.deepEqual(limit(running, "a", "memory"), [4 * MIB, MIB, 3 * MIB]);
      assert.deepEqual(limit(running, "a", "regions"), [3, 1, 2]);
      // A GiB for its memory, three regions, 67 for logs and journals.
      assert.deepEqual(limit(running, "a", "address-space"), [71, 1, 70]);
      assert.deepEqual(limit(running, "a", "vrings"), [4, 2, 2]);
      assert.deepEqual(limit(running, "a", "ring-size"), [32768, 256, 32512]);
      // Connection, and kick, call and error of two rings.
      assert.deepEqual(limit(running, "a", "descriptors"), [18, 7, 11]);
      assert.deepEqual(limit(running, "a", "front-ends"), [1, 1, 0]);
      assert.deepEqual(limit(running, "a", "addresses"), [64, 0, 64]);
      assert.deepEqual(limit(running, "a", "reserved-addresses"), [4, 0, 4]);
      assert.deepEqual(limit(running, "a", "translations"), [4096, null, null]);
      assert((limit(running, "a", "messages")[1] ?? 0) > 0, "messages were sent");
      return Promise.resolve();
    });
    await until("it is gone", () => limit(running, "a", "front-ends")[1] === 0);
    await until("what it sent is closed", () => limit(running, "a", "closing")[1] === 0);
    for (const { name, used } of running.limits("a").limits) assert(!used, `${name} is given back`);
  }));

Deno.test("a port's own numbers are in force: regions as they are told, memory, and addresses", () =>
  bench([{ name: "a", budget: { memory: 3 * MIB, regions: 2, addresses: 5 } }], async (b) => {
    const { running, path } = b;
    assert.deepEqual(limit(running, "a", "addresses"), [5, 0, 5]);
    await withStarted(path("a"), async ({ client }) => {
      assert.equal(await client.ask(id.VHOST_USER_GET_MAX_MEM_SLOTS), 2n);
      const add = async (at: number, bytes: number): Promise<bigint> => {
        const region = words(0, at, bytes, at, 0);
        client.give(id.VHOST_USER_ADD_MEM_REG, region, [memoryFile(bytes)], 0x9);
        return await client.u64(id.VHOST_USER_ADD_MEM_REG);
      };
      assert.equal(await add(2 ** 32, 3 * MIB), 1n, "more than 3 MiB in all");
      assert.equal(await add(2 ** 32, 2 * MIB), 0n);
      assert.equal(await add(2 ** 33, 4096), 1n, "a third region");
    });
    const { errors } = running.port("a");
    assert.deepEqual(
      [errors["memory-budget"], errors["too-many-regions"]],
      [1, 1],
    );
  }));

Deno.test("a listener's limits are those that its front-ends share", () =>
  bench([{ name: "p{n}", multi: 3 }], async ({ running }) => {
    await Promise.resolve();
    const names = running.limits("p{n}").limits.map(({ name }) => name);
    assert.deepEqual(names, ["address-space", "front-ends", "held"]);
    assert.deepEqual(limit(running, "p{n}", "front-ends"), [3, 0, 3]);
    assert.deepEqual(limit(running, "p{n}", "address-space"), [1728, 0, 1728]);
    assert.throws(() => running.limits("q"), ControlError);
  }));

Deno.test("a message with more descriptors than any can have ends its connection at once", () =>
  bench([{ name: "a" }], async ({ running, path }) => {
    await withStarted(path("a"), async ({ client }) => {
      const fds = eventFds(9);
      client.send(id.VHOST_USER_GET_FEATURES, new Uint8Array(0), fds);
      for (const fd of fds) closeFd(fd);
      await until("it is counted", () => running.port("a").errors["fd-count"] === 1);
    });
  }));
