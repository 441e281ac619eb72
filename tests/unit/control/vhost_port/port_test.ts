/** A port over real sockets, descriptors and memory, with a data plane that only looks. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  createEventFd,
  drainEventFd,
  listenUnix,
  socketPair,
} from "../../../../ffi/mod.ts";
import { MappingPool } from "../../../../lib/control/front_end/guest_memory.ts";
import { SwitchPort } from "../../../../lib/control/vhost_port/port.ts";
import type { PortContext } from "../../../../lib/control/vhost_port/context.ts";
import type { Reactor } from "../../../../lib/control/reactor.ts";
import { BlockingPool } from "../../../../lib/control/front_end/tenant_fds.ts";
import { ControlError } from "../../../../lib/control/types.ts";
import { SocketWatch } from "../../../../lib/control/sockets/socket_watch.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { DEFAULT_OFFER } from "../../../../lib/vhost/offer.ts";
import { table, words } from "../../vhost/fake_host.ts";
import { startedClient } from "../started_client.ts";
import { TestArena } from "../../../harness/arena.ts";
import { FakePlane } from "../fake_plane.ts";
import { onReactor } from "../on_reactor.ts";
import { Client, eventFds, held, keptLog, memoryFile, untilHeld, untilIdle } from "../support.ts";
import { TempFolder } from "../../../harness/temp.ts";
import { until } from "../../../harness/until.ts";

const MIB = 2 ** 20;

function planesOf(thread: FakePlane): PortContext["planes"] {
  const plane = { thread, pool: new MappingPool(thread.commands, new TestArena()) };
  return { forNewPort: () => plane };
}
const USER = 0x7f00_0000_0000;

class Bench {
  readonly plane: FakePlane;
  readonly reactor: Reactor;
  readonly lines: string[];
  readonly port: SwitchPort;
  readonly path: string;
  readonly context: PortContext;

  constructor(folder: string, plane: FakePlane, reactor: Reactor) {
    this.plane = plane;
    const { logger, lines } = keptLog();
    this.lines = lines;
    this.path = `${folder}/vm.sock`;
    this.reactor = reactor;
    this.context = {
      planes: planesOf(this.plane),
      blocking: new BlockingPool(),
      reactor: this.reactor,
      logger,
      access: { mode: 0o600, group: null },
      sockets: new SocketWatch(),
      uplinkUp: () => {},
      pagesLost: () => {},
      recordsPrefix: null,
    };
    this.port = new SwitchPort({ name: "vm", path: this.path }, this.context);
  }

  client(): Client {
    return Client.connect(this.path);
  }

  logged(event: string): string[] {
    return this.lines.filter((line) => line.startsWith(`${event} `));
  }

  error(code: string): number {
    return this.port.status().errors[code] ?? 0;
  }
}

async function bench(run: (bench: Bench) => Promise<void>): Promise<void> {
  using folder = new TempFolder();
  const plane = new FakePlane();
  await onReactor(
    (reactor) => new Bench(folder.path, plane, reactor),
    run,
    async ({ port, context }) => {
      port.close();
      await untilIdle(context.blocking);
    },
  );
  assert.equal(plane.ports.size, 0);
  assert.equal(plane.mappings.size, 0);
  assert.deepEqual(Array.from(Deno.readDirSync(folder.path)), [], "the socket was unlinked");
}

Deno.test("SwitchPort serves a front-end and shows what it knows of it", () =>
  bench(async (b) => {
    assert.deepEqual([b.port.status().link, b.port.vrings()], ["wait", []]);
    const front = await startedClient(b.path, 1400);
    const status = b.port.status();
    assert.equal(status.link, "up");
    assert.equal(status.ring, "split/256");
    assert.equal(status.mtu, 1400);
    assert.equal(status.connects, 1);
    assert.deepEqual(status.peer?.pid, Deno.pid);
    assert.deepEqual(status.featureNames, ["MRG_RXBUF", "PROTOCOL_FEATURES", "VERSION_1"]);
    assert.deepEqual(status.memory, [{
      guestAddr: "0x0",
      sizeBytes: MIB,
      userAddr: "0x7f0000000000",
    }]);
    assert.equal(b.plane.frameMax.get(b.port.number), 1422);
    assert.deepEqual(
      b.port.vrings().map((v) => [v.index, v.state, v.direction, v.size, v.lastAvail]),
      [
        [0, "running", "to guest", 256, 3],
        [1, "running", "from guest", 256, 3],
      ],
    );
    assert.match(b.logged("connected")[0] ?? "", new RegExp(`pid ${Deno.pid} `));
    assert.match(
      b.logged("link-up")[0] ?? "",
      /split\/256, MRG_RXBUF VERSION_1, 1 region of 1 MiB/,
    );
    front.release();
    await until("the port waits again", () => b.port.status().link === "wait");
    assert.deepEqual(b.logged("link-down").length, 1);
    assert.deepEqual(b.plane.flushed, [b.port.number]);
    assert.notEqual(b.plane.frameMax.get(b.port.number), 1422);
    assert.equal(b.plane.mappings.size, 0);
  }));

Deno.test("SwitchPort holds nothing more after 300 front-ends", () =>
  bench(async (b) => {
    const before = held();
    for (let round = 0; round < 300; round++) {
      const front = await startedClient(b.path);
      front.release();
      await until(`round ${round} is over`, () => b.port.status().link === "wait");
    }
    assert.equal(b.port.status().connects, 300);
    await untilHeld(before);
    assert.deepEqual(b.port.status().errors, {});
  }));

for (const command of ["addMapping", "setMemory", "startVring", "setVringEnabled"] as const) {
  Deno.test(`SwitchPort loses only its front-end when ${command} fails`, () =>
    bench(async (b) => {
      b.plane.failOnce(command);
      await assert.rejects(startedClient(b.path));
      await until("the connection is over", () => b.error("data-plane") === 1);
      assert.match(
        b.logged("closed")[0] ?? "",
        new RegExp(`cannot carry out ${command}: as the test`),
      );
      (await startedClient(b.path)).release();
      await until("the port waits again", () => b.port.status().link === "wait");
    }));
}

Deno.test("SwitchPort refuses a second front-end while the first lives", () =>
  bench(async (b) => {
    const first = b.client();
    await first.ask(id.VHOST_USER_GET_FEATURES);
    const second = b.client();
    await second.closed();
    second.close();
    assert.equal(b.error("busy"), 1);
    assert.equal(await first.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
    first.close();
    await until("the first is gone", () => b.port.status().peer === null);
    const third = b.client();
    assert.equal(await third.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
    third.close();
  }));

Deno.test("SwitchPort takes a front-end that connects again at once", () =>
  bench(async (b) => {
    let client = b.client();
    for (let round = 0; round < 200; round++) {
      assert.equal(await client.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
      // The news of both may reach the port in either order.
      client.close();
      client = b.client();
    }
    client.close();
    assert.equal(b.error("busy"), 0);
  }));

Deno.test("SwitchPort closes what breaks the protocol, says why, and listens again", () =>
  bench(async (b) => {
    const [near, far] = socketPair();
    const one = { sizeBytes: MIB, userAddr: USER };
    const hostile: [string, number, Uint8Array, number[]][] = [
      ["unknown-request", 200, words(), []],
      ["bad-size", id.VHOST_USER_SET_FEATURES, words(), []],
      ["fd-count", id.VHOST_USER_SET_OWNER, words(), eventFds(100)],
      ["not-eventfd", id.VHOST_USER_SET_VRING_KICK, words(0), [near]],
      ["bad-memory-kind", id.VHOST_USER_SET_MEM_TABLE, table([one]), [far]],
      ["region-past-eof", id.VHOST_USER_SET_MEM_TABLE, table([one]), [memoryFile(4096)]],
      ["bad-region", id.VHOST_USER_SET_MEM_TABLE, table([one, one]), [
        memoryFile(MIB),
        memoryFile(MIB),
      ]],
    ];
    for (const [code, request, payload, fds] of hostile) {
      const client = b.client();
      client.give(request, payload, fds);
      await client.closed();
      client.close();
      await until(`${code} is counted`, () => b.error(code) === 1);
      assert(b.logged("closed").at(-1)?.includes(`"reason":"${code}"`));
      const good = b.client();
      assert.equal(await good.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
      good.close();
      await until("the port is free", () => b.port.status().peer === null);
    }
  }));

Deno.test("SwitchPort signals the err eventfd of a broken virtqueue", () =>
  bench(async (b) => {
    const front = await startedClient(b.path);
    const { client, errs } = front;
    b.port.ringBroken(1, "chain-loop");
    await until("the err eventfd is signalled", () => drainEventFd(errs[1] as number) === 1);
    assert.equal(drainEventFd(errs[0] as number), 0);
    assert.equal(b.port.status().link, "down");
    assert.equal(b.port.vrings()[1]?.state, "broken");
    assert.equal(b.port.vrings()[1]?.error, "chain-loop");
    assert.deepEqual(b.port.vrings().map(({ errors }) => errors), [{}, { "chain-loop": 1 }]);
    assert.equal(b.error("chain-loop"), 1);
    assert.equal(await client.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
    front.release();
    await until("the front-end is gone", () => b.port.status().peer === null);
    b.port.ringBroken(1, "chain-loop");
  }));

Deno.test("SwitchPort goes on accepting after this process ran out of descriptors", () =>
  bench(async (b) => {
    const { libc } = await import("../../../../ffi/symbols.ts");
    const limit = new BigUint64Array(2);
    libc.getrlimit(7, limit);
    const client = b.client();
    const probe = createEventFd();
    closeFd(probe);
    assert.equal(libc.setrlimit(7, new BigUint64Array([BigInt(probe), limit[1] as bigint])), 0);
    try {
      await until("accept fails", () => b.logged("accept-failed").length > 0);
      assert.match(b.logged("accept-failed")[0] ?? "", /EMFILE/);
    } finally {
      libc.setrlimit(7, limit);
    }
    assert.equal(await client.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
    client.close();
  }));

/** The context of another port beside the one under test. */
function contextOf(b: Bench): PortContext {
  return { ...b.context, planes: planesOf(b.plane), logger: keptLog().logger };
}

Deno.test("SwitchPort lets in who connected before its socket was made again, and who comes after", () =>
  bench(async (subject) => {
    // In one go: the reactor has no turn between them.
    const early = subject.client();
    Deno.removeSync(subject.path);
    subject.context.sockets.look();
    assert(await early.ask(id.VHOST_USER_GET_FEATURES) > 0n);
    Deno.removeSync(subject.path);
    Deno.writeTextFileSync(subject.path, "");
    subject.context.sockets.look();
    assert.equal(subject.port.status().problems[0]?.code, "socket-gone");
    assert.match(subject.port.status().verdict, /was replaced, nobody finds it/);
    assert(await early.ask(id.VHOST_USER_GET_FEATURES) > 0n, "who is connected stays");
    early.close();
    await until("the port is free", () => subject.port.status().link === "wait");
    assert.match(subject.port.status().verdict, /^no front-end can come: .*move it away/);
    subject.port.setAdmin("down");
    assert.deepEqual(subject.port.status().problems, [], "a port that is down wants no socket");
    assert.throws(() => subject.port.setAdmin("up"), /exists and is not a socket/);
    Deno.removeSync(subject.path);
    subject.port.setAdmin("up");
    const late = subject.client();
    assert(await late.ask(id.VHOST_USER_GET_FEATURES) > 0n);
    late.close();
    assert.equal(subject.logged("socket-gone").length, 2);
  }));

Deno.test("SwitchPort that waits for descriptors to close says so, and goes on when they have", () =>
  bench(async (b) => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    const blocking = new BlockingPool({
      close: async (fd) => {
        await gate;
        closeFd(fd);
      },
      closeAlone: () => null,
      signal: () => gate,
    });
    const path = `${b.path}-choked`;
    const port = new SwitchPort({ name: "x", path }, { ...contextOf(b), blocking });
    for (let count = 0; count < 4; count++) {
      assert.deepEqual(port.status().problems, []);
      const sends = Client.connect(path);
      sends.give(id.VHOST_USER_SET_OWNER, words(), eventFds(100));
      await until("it is thrown out", () => port.status().errors["fd-count"] === count + 1);
      sends.close();
    }
    const waits = Client.connect(path);
    await until("it has to wait", () => port.status().errors["closing"] === 1);
    const { problems, verdict, lastError, peer } = port.status();
    assert.deepEqual([problems.map(({ code }) => code), lastError?.code, peer], [
      ["closing"],
      "closing",
      null,
    ]);
    assert.match(
      verdict,
      /^no front-end is taken: descriptors of an earlier front-end do not close/,
    );
    open();
    assert.equal(await waits.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
    assert.deepEqual([port.status().problems, port.status().errors["closing"]], [[], 1]);
    waits.close();
    await until("it is gone", () => port.status().peer === null);
    port.close();
    await untilIdle(blocking);
  }));

Deno.test("SwitchPort serves an inherited listening socket and leaves its file alone", () =>
  bench(async (b) => {
    const path = `${b.path}-inherited`;
    const port = new SwitchPort({ name: "x", path: "", fd: listenUnix(path) }, contextOf(b));
    assert.equal(port.status().socket.startsWith("fd "), true);
    const client = Client.connect(path);
    assert.equal(await client.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
    port.close();
    await client.closed();
    client.close();
    assert(Deno.lstatSync(path).isSocket);
    Deno.removeSync(path);
  }));

Deno.test("SwitchPort refuses an inherited descriptor that cannot listen", () =>
  bench((b) => {
    const [near, far] = socketPair();
    const eventFd = createEventFd();
    for (const fd of [near, eventFd]) {
      assert.throws(() => new SwitchPort({ name: "x", path: "", fd }, contextOf(b)), (error) => {
        assert(error instanceof ControlError);
        assert.match(error.message, /inherited descriptor/);
        return true;
      });
    }
    for (const fd of [near, far, eventFd]) closeFd(fd);
    return Promise.resolve();
  }));

Deno.test("SwitchPort that finds the switch full leaves no socket behind", () =>
  bench((b) => {
    b.plane.portsMax = 1;
    const config = { name: "x", path: `${b.path}-full` };
    assert.throws(() => new SwitchPort(config, contextOf(b)), /the switch is full/);
    return Promise.resolve();
  }));
