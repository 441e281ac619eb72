/** Ports without a front-end whose commands the data plane cannot carry out. */
import { strict as assert } from "node:assert";
import { closeFd, connectUnix } from "../../../../ffi/mod.ts";
import { MappingPool } from "../../../../lib/control/front_end/guest_memory.ts";
import { BlockingPool } from "../../../../lib/control/front_end/tenant_fds.ts";
import { SocketWatch } from "../../../../lib/control/sockets/socket_watch.ts";
import type { Reactor } from "../../../../lib/control/reactor.ts";
import { UplinkPort } from "../../../../lib/control/uplinks/port.ts";
import type { Command } from "../../../../lib/worker/wire.ts";
import { EVENT } from "../../../../lib/worker/events.ts";
import { TestArena } from "../../../harness/arena.ts";
import { TempFolder } from "../../../harness/temp.ts";
import { until } from "../../../harness/until.ts";
import { FakePlane } from "../fake_plane.ts";
import { onReactor } from "../on_reactor.ts";
import { keptLog, untilIdle } from "../support.ts";

for (const command of ["stopLane", "flushPort"] as const satisfies Command[]) {
  Deno.test(`a port whose ${command} fails says so, and takes the next peer`, async () => {
    using folder = new TempFolder();
    const path = folder.file("net.sock");
    const thread = new FakePlane();
    const pool = new MappingPool(thread.commands, new TestArena());
    const { logger, lines } = keptLog();
    const blocking = new BlockingPool();
    const make = (reactor: Reactor) =>
      new UplinkPort({ name: "net", kind: "stream", path: `stream:${path}` }, {
        ...{ planes: { forNewPort: () => ({ thread, pool }) }, blocking, reactor, logger },
        ...{ access: { mode: 0o600, group: null }, sockets: new SocketWatch() },
        ...{ uplinkUp: () => {}, pagesLost: () => {}, recordsPrefix: null },
      });
    await onReactor(make, async (port) => {
      const link = (wanted: string) => until(wanted, () => port.status().link === wanted);
      thread.failOnce(command);
      let peer = connectUnix(path);
      await link("up");
      port.dataPlaneEvent({ kind: EVENT.laneFailed, port: port.number, vring: 1, value: 0 });
      assert.equal(port.status().lastError?.code, "data-plane");
      assert.equal(port.status().link, "wait");
      assert.equal(lines.filter((line) => line.startsWith("data-plane")).length, 1);
      closeFd(peer);
      peer = connectUnix(path);
      await link("up");
      closeFd(peer);
    }, async (port) => {
      port.close();
      await untilIdle(blocking);
    });
    assert.equal(thread.ports.size, 0);
  });
}

Deno.test("a port whose number the data plane does not give back is closed all the same", async () => {
  using folder = new TempFolder();
  const path = folder.file("net.sock");
  const thread = new FakePlane();
  const { logger, lines } = keptLog();
  const blocking = new BlockingPool();
  const make = (reactor: Reactor) =>
    new UplinkPort({ name: "net", kind: "stream", path: `stream:${path}` }, {
      planes: {
        forNewPort: () => ({ thread, pool: new MappingPool(thread.commands, new TestArena()) }),
      },
      ...{ blocking, reactor, logger, sockets: new SocketWatch() },
      ...{ access: { mode: 0o600, group: null }, uplinkUp: () => {}, recordsPrefix: null },
      pagesLost: () => {},
    });
  await onReactor(make, async () => {
    await Promise.resolve();
  }, async (port) => {
    thread.failOnce("removePort");
    port.close();
    await untilIdle(blocking);
  });
  assert(lines.some((line) => line.startsWith("data-plane")));
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
});
