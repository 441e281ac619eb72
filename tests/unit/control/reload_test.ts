/** Reloads of a running switch, with the real data plane: what stays, what changes, what is refused. */
import { strict as assert } from "node:assert";
import { type ConfigChanges, withoutFile } from "../../../lib/control/configuration.ts";
import { Switch } from "../../../lib/control/switch.ts";
import type { PortConfig, PortStatus, SwitchConfig } from "../../../lib/control/types.ts";
import { until } from "../../harness/until.ts";
import { startedClient } from "./started_client.ts";
import { Client, controlError, keptLog } from "./support.ts";

const ONE = "52:54:00:00:00:01";
const TWO = "52:54:00:00:00:02";
type Options = Partial<PortConfig> & { name: string };

/** A switch whose file said these ports. */
class Bench {
  readonly running: Switch;
  readonly lines: readonly string[];
  readonly folder: string;

  constructor(running: Switch, lines: readonly string[], folder: string) {
    this.running = running;
    this.lines = lines;
    this.folder = folder;
  }

  /** Loads these lines, `DIR` in them being the folder. */
  load(text: string, exact = false): Promise<ConfigChanges> {
    const whole = `[sockets]\ndirectory = "DIR"\n${text}`.replaceAll("DIR", this.folder);
    return this.running.configuration.reload({ text: { name: "f.toml", text: whole }, exact });
  }

  /** What changed, in short. */
  async changes(text: string, exact = false): Promise<string[]> {
    const { changes } = await this.load(text, exact);
    return changes.map(({ what, name, how }) => `${what} ${name} ${how}`);
  }

  port(name: string): PortStatus {
    return this.running.port(name);
  }

  statics(): string[] {
    return this.running.fdb().filter(({ state }) => state === "static")
      .map(({ mac, port }) => `${mac} ${port}`).sort();
  }
}

async function bench(
  ports: readonly Options[],
  run: (bench: Bench) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-reload-" });
  const { logger, lines } = keptLog();
  const config: SwitchConfig = {
    ports: ports.map((port) => ({ path: `${folder}/${port.name}.sock`, ...port })),
    ...{ links: [], controlPath: null, socketMode: 0o660, socketGroup: null, cpus: [] },
    ...{ idle: "adaptive", fdbAgeSeconds: 300, fdbEntriesMax: 16384, fdbPortEntriesMax: 1024 },
    ...{ macHoldSeconds: 5, socketDir: folder },
  };
  const running = await Switch.start(config, logger, withoutFile(config));
  try {
    await run(new Bench(running, lines, folder));
  } finally {
    await running.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

const named = (...names: string[]): string =>
  names.map((name) => `[[port]]\nname = "${name}"\n`).join("");

Deno.test("ports that did not change keep their front-ends, and others come, go and change", () =>
  bench([{ name: "a" }, { name: "b", mtu: 1500 }, { name: "c" }], async (bench) => {
    const { running, folder } = bench;
    const [a, b, c] = await Promise.all(
      ["a", "b", "c"].map((name) =>
        startedClient(`${folder}/${name}.sock`, name === "b" ? 1500 : null)
      ),
    );
    assert(a && b && c);
    try {
      const text = named("a") + '[[port]]\nname = "b"\nmtu = 1600\n' +
        '[[port]]\nname = "d"\nlimit = "1M"\n';
      const before = bench.port("a");
      assert.deepEqual(await bench.changes(text), [
        "port b renewed",
        "port c removed",
        "port d added",
      ]);
      await Promise.all([b.client.closed(), c.client.closed()]);
      const after = bench.port("a");
      assert.deepEqual([after.peer, after.connectedAt], [before.peer, before.connectedAt]);
      assert.deepEqual(running.ports().map(({ name }) => name).sort(), ["a", "b", "d"]);
      assert.deepEqual(await bench.changes(text), [], "it is so already");
      const live = text.replace('"a"\n', `"a"\nlimit = "rx:5M"\nstatic = "${ONE}"\naccess = 7\n`);
      assert.deepEqual(await bench.changes(live), ["port a changed"]);
      const { limit, vlans, link, connects } = bench.port("a");
      assert.deepEqual([limit?.rx?.bits, vlans?.access, link, connects], [5e6, 7, "up", 1]);
      assert.deepEqual(bench.statics(), [`${ONE} a`]);
      assert.deepEqual(await bench.changes(text), ["port a changed"]);
      assert.deepEqual([bench.port("a").vlans, bench.statics()], [null, []]);
    } finally {
      for (const each of [a, b, c]) each.release();
    }
  }));

Deno.test("a file with a fault, or one that cannot be, changes nothing and says why", () =>
  bench([{ name: "a" }, { name: "b" }], async (bench) => {
    const client = Client.connect(`${bench.folder}/a.sock`);
    const taken = Deno.listen({ transport: "unix", path: `${bench.folder}/taken.sock` });
    try {
      const status = (): unknown =>
        bench.running.ports().map(({ name, linkSince, socket, limit }) => [
          ...[name, linkSince, socket, limit],
        ]);
      const before = status();
      const cases: readonly [string, RegExp][] = [
        ["[[port]]\nname = 'a'\nmtu = 3", /^f\.toml:5: \[\[port\]\] 1: mtu 3/],
        [named("a", "a"), /^f\.toml:5: Port "a" is given twice/],
        ["[[port]\n", /^f\.toml:3:\d+: /],
        // Its socket is somebody else's: found out before anything else changes.
        [`[[port]]\nname = "a"\nlimit = "1M"\n${named("taken")}`, /taken\.sock/],
        ['[[port]]\nname = "t"\nsocket = "/none/such/t.sock"\n', /\/none\/such/],
      ];
      for (const [text, fault] of cases) {
        await assert.rejects(bench.load(text), (error: Error) => fault.test(error.message), text);
        assert.deepEqual(status(), before, text);
        assert.match(bench.lines.at(-1) ?? "", /^reload-refused not reloaded: /);
      }
    } finally {
      taken.close();
      client.close();
    }
  }));

Deno.test("what fails halfway is taken back, and the line says what was made anew", () =>
  bench(
    [{ name: "a", static: [ONE] }, { name: "b" }, { name: "pool{n}", multi: 2 }],
    async (bench) => {
      const { running } = bench;
      running.addLink(["a", "b"]);
      running.setAdmin("b", "down");
      const taken = Deno.listen({ transport: "unix", path: `${bench.folder}/taken.sock` });
      try {
        const text = '[[port]]\nname = "a"\nlimit = "1M"\n' +
          '[[port]]\nname = "b"\nsocket = "taken.sock"\n';
        await assert.rejects(bench.load(text), (error) => {
          assert(controlError("invalid", /taken\.sock/)(error));
          assert.match(
            String((error as { hint?: string }).hint),
            /ports pool\{n\}, b were made anew/,
          );
          return true;
        });
        assert.deepEqual(running.ports().map(({ name, admin }) => [name, admin]).sort(), [
          ["a", "up"],
          ["b", "down"],
        ]);
        assert.deepEqual(running.listeners().map(({ name }) => name), ["pool{n}"]);
        assert.equal(bench.port("a").limit, null);
        assert.deepEqual(bench.statics(), [`${ONE} a`]);
        assert.deepEqual(running.links(), [{
          ...{ ports: ["a", "b"], configured: false, state: "linked" },
        }]);
      } finally {
        taken.close();
      }
    },
  ));

Deno.test("sockets, names and static addresses may change places", () =>
  bench(
    [{ name: "a", static: [ONE] }, { name: "b", static: [TWO] }, { name: "c" }],
    async (bench) => {
      const both = (a: string, b: string): string =>
        `[[port]]\nname = "a"\n${a}\n[[port]]\nname = "b"\n${b}\n`;
      const swapped = both(`static = "${TWO}"`, `static = "${ONE}"`);
      assert.deepEqual(await bench.changes(swapped + named("c")), [
        "port a changed",
        "port b changed",
      ]);
      assert.deepEqual(bench.statics(), [`${ONE} b`, `${TWO} a`]);
      const sockets = both('socket = "b.sock"', 'socket = "a.sock"');
      assert.deepEqual(await bench.changes(sockets + named("c")), [
        "port a renewed",
        "port b renewed",
      ]);
      assert.match(bench.port("a").socket, /\/b\.sock$/);
      assert.deepEqual(bench.statics(), []);
      // Another port has the socket of one that goes, and the address.
      const next = `[[port]]\nname = "new"\nsocket = "c.sock"\nstatic = "${ONE}"\n`;
      await bench.changes(
        both('socket = "b.sock"', `socket = "a.sock"\nstatic = "${ONE}"`) + named("c"),
      );
      assert.deepEqual(await bench.changes(next), [
        "port a removed",
        "port b removed",
        "port c removed",
        "port new added",
      ]);
      const client = Client.connect(`${bench.folder}/c.sock`);
      await until("it listens there", () => bench.port("new").link === "down");
      client.close();
      assert.deepEqual(bench.statics(), [`${ONE} new`]);
    },
  ));

Deno.test("what was added at run time stays, unless that is not wanted", () =>
  bench([{ name: "a" }, { name: "b" }], async (bench) => {
    const { running, folder } = bench;
    running.addPort({ name: "x", path: `${folder}/x.sock`, mtu: 1400 });
    running.addPort({ name: "pool{n}", path: `${folder}/pool.sock`, multi: 2 });
    running.addLink(["b", "pool1"]);
    running.mirrors.add({ name: "m", from: ["a"], to: "x", direction: "both" });
    running.addStatic(ONE, "x");
    const text = named("a", "b");
    const kept = ["port x kept", "port pool{n} kept", "link b:pool1 kept", "mirror m kept"];
    assert.deepEqual((await bench.changes(text)).sort(), kept.toSorted());
    assert.deepEqual(bench.statics(), [`${ONE} x`]);
    const { toSave, toml, ports } = await running.configuration.show();
    assert.deepEqual(ports.map(({ name, origin }) => [name, origin]), [
      ...[["a", "file"], ["b", "file"], ["x", "run time"], ["pool{n}", "run time"]],
    ]);
    for (const saved of [toSave, toml]) {
      const again = saved.join("\n").replace(/\[control\][^[]*/, "").replace(
        /\[sockets\][^[]*/,
        "",
      );
      assert.deepEqual(await bench.changes(again), [], again);
    }
    const gone = await bench.changes(text, true);
    assert.deepEqual(gone.sort(), kept.map((line) => line.replace("kept", "removed")).toSorted());
    assert.deepEqual([running.links(), running.mirrors.list(), running.listeners()], [[], [], []]);
  }));

Deno.test("links and mirrors of a file come, change and go, and wait for ports", () =>
  bench([{ name: "a" }, { name: "b" }, { name: "c" }], async (bench) => {
    const { running } = bench;
    const ports = named("a", "b", "c") + '[[port]]\nname = "p{n}"\nmulti = 2\n';
    const link = (one: string, other: string): string =>
      `[[link]]\nports = ["${one}", "${other}"]\n`;
    const mirror = (from: string, to: string): string =>
      `[[mirror]]\nname = "m"\nfrom = ["${from}"]\nto = "${to}"\n`;
    const first = ports + link("a", "b") + mirror("p0", "c");
    assert.deepEqual(await bench.changes(first), [
      "port p{n} added",
      "link a:b added",
      "mirror m added",
    ]);
    assert.deepEqual(running.mirrors.list().map(({ state }) => state), ["waiting"]);
    const next = ports + link("b", "p1") + mirror("a", "c");
    assert.deepEqual(await bench.changes(next), [
      ...["link a:b removed", "link b:p1 added", "mirror m changed"],
    ]);
    assert.deepEqual(running.links().map(({ ports, state }) => [ports.join(), state]), [
      ["b,p1", "waiting"],
    ]);
    const client = await startedClient(`${bench.folder}/p{n}.sock`);
    const second = await startedClient(`${bench.folder}/p{n}.sock`);
    await until("both are linked", () => running.links()[0]?.state === "linked");
    // A port that is made anew is what it was for links and mirrors.
    assert.deepEqual(await bench.changes(next.replace('"c"\n', '"c"\nmtu = 1500\n')), [
      "port c renewed",
    ]);
    assert.deepEqual(running.mirrors.list().map(({ state, to }) => [state, to]), [[
      "mirroring",
      "c",
    ]]);
    assert.deepEqual(running.links().map(({ state }) => state), ["linked"]);
    assert.deepEqual(await bench.changes(ports), [
      "port c renewed",
      "link b:p1 removed",
      "mirror m removed",
    ]);
    client.release();
    second.release();
  }));

Deno.test("settings change if they can, and the log says of others that they stay", () =>
  bench([{ name: "a" }], async (bench) => {
    const { running } = bench;
    const text = `[switch]\nunknown = "uplink"\nsnooping = "on"\nfdb_age_seconds = 30\n${
      named("a")
    }`;
    assert.deepEqual(await bench.changes(text), [
      "setting [switch] fdb_age_seconds restart",
      "setting [switch] unknown changed",
      "setting [switch] snooping changed",
    ]);
    assert.equal(running.status().unknown, "uplink");
    const said = bench.lines.filter((line) => line.startsWith("needs-restart"));
    assert.match(said.join(), /fdb_age_seconds: 300 -> 30: it stays as it is until/);
    const { toml, toSave } = await running.configuration.show();
    assert(toml.some((line) => /^fdb_age_seconds = 300/.test(line)), "in force");
    assert(toSave.includes("fdb_age_seconds = 30"), "a file that waits for a start is not undone");
    assert.deepEqual(await bench.changes(text), ["setting [switch] fdb_age_seconds restart"]);
  }));

Deno.test("reloads that come at once take turns, and a listener's ports change with it", () =>
  bench([{ name: "p{n}", multi: 2 }], async (bench) => {
    const one = await startedClient(`${bench.folder}/p{n}.sock`);
    await until("it is there", () => bench.running.ports().length === 1);
    const listener = (more: string): string => `[[port]]\nname = "p{n}"\nmulti = 2\n${more}\n`;
    const loads = Array.from(
      { length: 9 },
      (_, i) => bench.load(listener(`limit = "rx:${i + 1}M"`)),
    );
    const bad = bench.load("[[port]]\n");
    const last = bench.load(listener('limit = "rx:10M"'));
    await assert.rejects(bad, /has no name/);
    await Promise.all([...loads, last]);
    const { limit, link, connects } = bench.port("p0");
    assert.deepEqual([limit?.rx?.bits, link, connects], [10e6, "up", 1]);
    one.release();
  }));

Deno.test("without a file there is nothing to load, by command or signal", () =>
  bench([{ name: "a" }], async (bench) => {
    const { configuration } = bench.running;
    await assert.rejects(
      configuration.reload({ text: null, exact: false }),
      controlError("invalid", /started without a configuration file/),
    );
    await configuration.reloadOnSignal();
    assert.match(bench.lines.at(-1) ?? "", /^no-reload SIGHUP: nothing changes/);
  }));

Deno.test("signals in a row are one reload more, and a fault of the file ends none", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "vuswitch-reload-" });
  const file = `${folder}/v.toml`;
  const { logger, lines } = keptLog();
  const config: SwitchConfig = {
    ...{ ports: [], links: [], controlPath: `${folder}/ctl`, socketMode: 0o660, socketGroup: null },
    ...{ cpus: [], idle: "adaptive", fdbAgeSeconds: 300, fdbEntriesMax: 16384, macHoldSeconds: 5 },
    ...{ fdbPortEntriesMax: 1024, socketDir: folder },
  };
  const running = await Switch.start(config, logger, { ...withoutFile(config), path: file });
  try {
    const { configuration } = running;
    const count = (event: string): number => lines.filter((line) => line.startsWith(event)).length;
    await configuration.reloadOnSignal();
    assert.match(lines.at(-1) ?? "", /^reload-refused .*there is no such file/);
    Deno.writeTextFileSync(file, named("a"));
    await Promise.all(Array.from({ length: 50 }, () => configuration.reloadOnSignal()));
    assert.equal(count("reloaded "), 1);
    assert.deepEqual(running.ports().map(({ name }) => name), ["a"]);
    Deno.mkdirSync(`${folder}/d`);
    Deno.renameSync(file, `${folder}/d/f`);
    Deno.mkdirSync(file);
    await configuration.reloadOnSignal();
    assert.match(lines.at(-1) ?? "", /^reload-refused .*it is a folder/);
    assert.deepEqual(running.ports().map(({ name }) => name), ["a"]);
  } finally {
    await running.close();
    Deno.removeSync(folder, { recursive: true });
  }
});
