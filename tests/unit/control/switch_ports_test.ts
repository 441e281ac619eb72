/**
 * Ports by where their front-ends come from: sockets the front-end listens at, sockets that take
 * many, and ports an operator takes down. With the real data plane.
 */
import { strict as assert } from "node:assert";
import { acceptUnix, closeFd, EAGAIN, listenUnix } from "../../../ffi/mod.ts";
import { Switch } from "../../../lib/control/switch.ts";
import type { ListenerStatus, PortConfig, SwitchConfig } from "../../../lib/control/types.ts";
import { GET_FEATURES_ID, startedClient } from "./started_client.ts";
import { Client, held, keptLog, untilHeld } from "./support.ts";
import { until } from "../../harness/until.ts";

type Options = Partial<PortConfig> & { name: string };

function config(folder: string, ports: readonly Options[]): SwitchConfig {
  return {
    ports: ports.map((port) => ({ path: `${folder}/${port.name}`, ...port })),
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

interface Bench {
  readonly running: Switch;
  readonly folder: string;
  readonly lines: string[];
}

/** Runs a switch; at the end it holds what it held at its start, and its sockets are gone. */
async function bench(
  ports: readonly Options[],
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-ports-" });
  const { logger, lines } = keptLog();
  const running = await Switch.start(config(folder, ports), logger);
  const before = held();
  try {
    await run({ running, folder, lines });
    await untilHeld(before);
  } finally {
    await running.close();
  }
  assert.deepEqual(Array.from(Deno.readDirSync(folder), (entry) => entry.name), []);
  Deno.removeSync(folder, { recursive: true });
}

/** The other end of a port in mode connect: the front-end that listens. */
class Vmm {
  readonly path: string;
  readonly #listener: number;

  constructor(path: string) {
    this.path = path;
    this.#listener = listenUnix(path);
  }

  /** The next connection of the switch. */
  async accept(): Promise<Client> {
    let fd = -EAGAIN;
    await until("the switch connects", () => (fd = acceptUnix(this.#listener)) >= 0);
    return new Client(fd);
  }

  /** Connections that wait. */
  waiting(): boolean {
    const fd = acceptUnix(this.#listener);
    if (fd >= 0) closeFd(fd);
    return fd >= 0;
  }

  close(): void {
    closeFd(this.#listener);
    Deno.removeSync(this.path);
  }
}

const CONNECT = [{ name: "c", mode: "connect" }] as const;

Deno.test("a port in mode connect waits for its front-end and outlives it, again and again", () =>
  bench(CONNECT, async ({ running, folder, lines }) => {
    for (let round = 1; round <= 5; round++) {
      await until("the port tries", () => running.port("c").retry !== null);
      assert.match(running.port("c").retry?.reason ?? "", /no such socket|went away/);
      const vmm = new Vmm(`${folder}/c`);
      const front = await startedClient(await vmm.accept());
      const { link, mode, connects, retry, peer } = running.port("c");
      assert.deepEqual([link, mode, connects, retry], ["up", "connect", round, null]);
      assert.equal(peer?.pid, Deno.pid);
      front.release();
      vmm.close();
      await until("the front-end is gone", () => running.port("c").link === "wait");
    }
    // The log says what changed, not every attempt.
    assert.equal(lines.filter((line) => line.startsWith("connected ")).length, 5);
    assert(lines.filter((line) => line.startsWith("connect-waiting ")).length <= 15);
    await until("pauses grow to their longest", () => running.port("c").retry?.afterMs === 1000);
  }));

Deno.test("a port in mode connect says what stands in its way", () =>
  bench(CONNECT, async ({ running, folder }) => {
    const reason = async (text: RegExp): Promise<void> =>
      await until(String(text), () => text.test(running.port("c").retry?.reason ?? ""));
    await reason(/no such socket/);
    Deno.writeTextFileSync(`${folder}/c`, "");
    await reason(/not a socket/);
    assert.equal(Deno.readTextFileSync(`${folder}/c`), "");
    Deno.removeSync(`${folder}/c`);
    closeFd(listenUnix(`${folder}/c`));
    await reason(/nobody listens/);
    Deno.removeSync(`${folder}/c`);
    const vmm = new Vmm(`${folder}/c`);
    const client = await vmm.accept();
    assert(await client.ask(GET_FEATURES_ID) > 0n);
    client.close();
    vmm.close();
  }));

Deno.test("a front-end that hangs up at once is not asked again at once", () =>
  bench(CONNECT, async ({ running, folder }) => {
    const vmm = new Vmm(`${folder}/c`);
    (await vmm.accept()).close();
    for (const pause of [50, 100, 200]) {
      await until(`a pause of ${pause} ms`, () => (running.port("c").retry?.afterMs ?? 0) >= pause);
      (await vmm.accept()).close();
    }
    vmm.close();
  }));

Deno.test("a port in mode connect is taken down, up and away whatever it is doing", () =>
  bench(CONNECT, async ({ running, folder }) => {
    running.setAdmin("c", "down");
    assert.equal(running.port("c").retry, null);
    const vmm = new Vmm(`${folder}/c`);
    running.setAdmin("c", "up");
    const first = await vmm.accept();
    assert(await first.ask(GET_FEATURES_ID) > 0n);
    running.setAdmin("c", "down");
    await first.closed();
    first.close();
    assert.equal(vmm.waiting(), false);
    running.setAdmin("c", "up");
    running.setAdmin("c", "down");
    running.setAdmin("c", "up");
    const second = await vmm.accept();
    assert(await second.ask(GET_FEATURES_ID) > 0n);
    running.removePort("c");
    await second.closed();
    second.close();
    assert.equal(vmm.waiting(), false);
    // One that is trying when it is removed leaves nothing either.
    vmm.close();
    running.addPort({ name: "d", path: `${folder}/none`, mode: "connect" });
    await until("it tries", () => running.port("d").retry !== null);
    running.removePort("d");
  }));

const MANY = [{ name: "m{n}", multi: 3 }] as const;

async function talk(client: Client): Promise<void> {
  assert(await client.ask(GET_FEATURES_ID) > 0n);
}

Deno.test("a socket with multi makes a port of each front-end, by the lowest free number", () =>
  bench(MANY, async ({ running, folder }) => {
    const names = (): string[] => running.ports().map((port) => port.name).sort();
    const [listener] = running.listeners();
    assert.equal(listener?.multi, 3);
    assert.deepEqual(names(), []);
    const path = `${folder}/m{n}`;
    const clients: Client[] = [];
    for (const expected of [["m0"], ["m0", "m1"], ["m0", "m1", "m2"]]) {
      const client = Client.connect(path);
      await talk(client);
      clients.push(client);
      assert.deepEqual(names(), expected);
    }
    assert.equal(running.port("m1").listener, "m{n}");
    // A fourth one finds no room, and the others stay.
    const fourth = Client.connect(path);
    await fourth.closed();
    fourth.close();
    assert.deepEqual(running.listeners()[0]?.refused, { full: 1 });
    clients[1]?.close();
    await until("m1 ends with its front-end", () => names().length === 2);
    const again = Client.connect(path);
    await talk(again);
    assert.deepEqual(names(), ["m0", "m1", "m2"]);
    assert.equal(running.port("m1").connects, 1, "a port of its own");
    for (const each of [clients[0], again, clients[2]]) each?.close();
    await until("all ports end", () => names().length === 0);
    assert.equal(running.listeners()[0]?.connects, 4);
  }));

Deno.test("front-ends that leave and come at once never find a listener full", () =>
  bench(MANY, async ({ running, folder }) => {
    const clients = [0, 1, 2].map(() => Client.connect(`${folder}/m{n}`));
    for (let round = 0; round < 100; round++) {
      const slot = round % 3;
      await talk(clients[slot] as Client);
      clients[slot]?.close();
      clients[slot] = Client.connect(`${folder}/m{n}`);
    }
    for (const client of clients) await talk(client);
    assert.deepEqual(running.listeners()[0]?.refused, {});
    assert.equal(running.listeners()[0]?.connects, 103);
    for (const client of clients) client.close();
    await until("all ports end", () => running.ports().length === 0);
  }));

Deno.test("a listener counts why its front-ends were parted with", () =>
  bench(MANY, async ({ running, folder }) => {
    for (let i = 0; i < 2; i++) {
      const client = Client.connect(`${folder}/m{n}`);
      client.send(200);
      await client.closed();
      client.close();
    }
    await until("the ports are gone", () => running.ports().length === 0);
    assert.deepEqual(running.listeners()[0]?.errors, { "unknown-request": 2 });
  }));

Deno.test("a listener's ports are removed one by one, a listener with all of them", () =>
  bench(MANY, async ({ running, folder }) => {
    const path = `${folder}/m{n}`;
    const [first, second] = [Client.connect(path), Client.connect(path)];
    for (const client of [first, second]) await talk(client);
    running.removePort("m0");
    await first.closed();
    assert.equal(running.port("m1").name, "m1");
    assert.throws(() => running.setAdmin("m1", "down"), /front-end cannot be told/);
    const third = Client.connect(path);
    await talk(third);
    assert.equal(running.port("m0").peer?.pid, Deno.pid);
    running.setAdmin("m{n}", "down");
    await second.closed();
    await third.closed();
    assert.throws(() => Client.connect(path));
    assert.equal((running.portOrListener("m{n}") as ListenerStatus).admin, "down");
    running.setAdmin("m{n}", "up");
    const fourth = Client.connect(path);
    await talk(fourth);
    running.removePort("m{n}");
    await fourth.closed();
    for (const client of [first, second, third, fourth]) client.close();
    assert.deepEqual([running.ports(), running.listeners()], [[], []]);
  }));

/** Front-ends that listeners have taken or refused. */
function taken(running: Switch): number {
  return running.listeners().reduce(
    (sum, { connects, refused }) => sum + connects + (refused["switch-full"] ?? 0),
    0,
  );
}

Deno.test("listeners cannot take more ports than the switch has", () =>
  bench([{ name: "x{n}", multi: 200 }, { name: "y{n}", multi: 200 }], async (b) => {
    const clients: Client[] = [];
    for (const name of ["x{n}", "y{n}"]) {
      for (let i = 0; i < 130; i++) {
        const client = Client.connect(`${b.folder}/${name}`);
        client.send(GET_FEATURES_ID);
        clients.push(client);
        // One that waits would find the listener's queue full.
        if (i % 8 === 0) await until("all are through", () => taken(b.running) === clients.length);
      }
    }
    await until("all were taken or refused", () => taken(b.running) === 260);
    assert.equal(b.running.ports().length, 256);
    for (const client of clients) client.close();
    await until("all are gone", () => b.running.ports().length === 0);
    const one = Client.connect(`${b.folder}/x{n}`);
    await talk(one);
    assert.equal(b.running.ports()[0]?.name, "x0");
    one.close();
    await until("it is gone", () => b.running.ports().length === 0);
  }));

Deno.test("a port that is down has no socket and no front-end, and comes back", () =>
  bench([{ name: "a" }], async ({ running, folder }) => {
    const first = await startedClient(`${folder}/a`);
    assert.equal(running.port("a").link, "up");
    running.setAdmin("a", "down");
    running.setAdmin("a", "down");
    await first.client.closed();
    first.release();
    assert.deepEqual([running.port("a").admin, running.port("a").link], ["down", "wait"]);
    assert.throws(() => Client.connect(`${folder}/a`));
    running.setAdmin("a", "up");
    const second = await startedClient(`${folder}/a`);
    assert.deepEqual([running.port("a").admin, running.port("a").link], ["up", "up"]);
    second.release();
    await until("it is gone", () => running.port("a").link === "wait");
    // Somebody took the path meanwhile: one line, and the port stays down.
    running.setAdmin("a", "down");
    Deno.writeTextFileSync(`${folder}/a`, "");
    assert.throws(() => running.setAdmin("a", "up"), /exists and is not a socket/);
    assert.equal(running.port("a").admin, "down");
    Deno.removeSync(`${folder}/a`);
    running.setAdmin("a", "up");
    assert.throws(() => running.setAdmin("b", "up"), /No port named "b"/);
  }));
