/**
 * Configuration: files, flags, and the one line each fault gets.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { mergeConfig, parseCpus, parseMode } from "../../../../lib/control/config/config.ts";
import { readConfigFile, readConfigObject } from "../../../../lib/control/config/read_config.ts";
import { createLogger } from "../../../../lib/control/log.ts";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import { VERSION } from "../../../../lib/version.ts";
import { TempFolder } from "../../../harness/temp.ts";

Deno.test("parsePortSpec() reads name, path and options", () => {
  assert.deepEqual(parsePortSpec("vm1", "/run/x"), { name: "vm1", path: "/run/x/vm1.sock" });
  assert.deepEqual(parsePortSpec("a.b-c=/t/s,mtu=9000", "/r"), {
    name: "a.b-c",
    path: "/t/s",
    mtu: 9000,
  });
  assert.deepEqual(parsePortSpec("vm1,mac=52:54:00:AB:00:01,offer=inband+gpa", "/r"), {
    name: "vm1",
    path: "/r/vm1.sock",
    mac: "52:54:00:ab:00:01",
    offer: ["inband", "gpa"],
  });
});

Deno.test("parsePortSpec() names the fault", () => {
  for (
    const [spec, fault] of [
      ["", /1-32/],
      ["-x", /start with/],
      ["a".repeat(33), /1-32/],
      ["vm1=", /empty/],
      ["vm1,mtu=67", /68 to 65535/],
      ["vm1,mtu=x", /68 to 65535/],
      ["vm1,mac=52:54:00:00:00", /address of one station, such as 52:54/],
      ["vm1,mac=01:00:5e:00:00:01", /address of one station/],
      ["vm1,mac=00:00:00:00:00:00", /address of one station/],
      ["vm1,offer=gpa+luck", /offer "luck" is unknown; known: inband, gpa/],
      ["vm1,offer=", /option offer has no value: offer=WORD/],
      ["vm1,speed=10", /unknown option "speed=10"; known: mode=listen/],
    ] as const
  ) assert.throws(() => parsePortSpec(spec, "/r"), fault, spec);
});

Deno.test("parseCpus() and parseMode() read lists and octal", () => {
  assert.deepEqual(parseCpus("2"), [2]);
  assert.deepEqual(parseCpus("1,4-6"), [1, 4, 5, 6]);
  for (const text of ["", "a", "3-1", "1024", "1,,2"]) assert.throws(() => parseCpus(text), /2-5/);
  assert.equal(parseMode("0660"), 0o660);
  for (const text of ["", "999", "rw", "17777"]) assert.throws(() => parseMode(text), /octal/);
});

Deno.test("readConfigFile() reads all that flags can say", async () => {
  using folder = new TempFolder();
  const path = folder.file("v.toml");
  await Deno.writeTextFile(
    path,
    `[switch]
fdb_age_seconds = 60
fdb_entries_max = 100
fdb_port_max = 10
mac_hold_seconds = 7
unknown = "uplink"
snooping = "strict"
sandbox = true
unsealed_memory = "refuse"
[sockets]
directory = "/run/v"
mode = "0600"
group = "kvm"
[dataplane]
cpus = [1]
idle = "poll"
[control]
socket = "/run/v/c.sock"
metrics = "127.0.0.1:9477"
page = "127.0.0.1:9478"
[[port]]
name = "vm1"
[[port]]
name = "vm2"
socket = "/x/vm2.sock"
mtu = 9000
mac = "52-54-00-00-00-02"
offer = ["ring-reset"]
[[port]]
name = "vm3"
[[link]]
ports = ["vm1", "vm2"]
[[mirror]]
name = "m"
from = ["vm1"]
to = "vm3"
direction = "in"
`,
  );
  const config = mergeConfig(await readConfigFile(path), {}, "/default");
  assert.deepEqual(config, {
    ports: [
      { name: "vm1", path: "/run/v/vm1.sock" },
      {
        ...{ name: "vm2", path: "/x/vm2.sock", mtu: 9000 },
        ...{ mac: "52:54:00:00:00:02", offer: ["ring-reset"] },
      },
      { name: "vm3", path: "/run/v/vm3.sock" },
    ],
    links: [{ ports: ["vm1", "vm2"] }],
    mirrors: [{ name: "m", from: ["vm1"], to: "vm3", direction: "in" }],
    socketDir: "/run/v",
    metrics: { hostname: "127.0.0.1", port: 9477 },
    page: { hostname: "127.0.0.1", port: 9478 },
    controlPath: "/run/v/c.sock",
    socketMode: 0o600,
    socketGroup: "kvm",
    cpus: [1],
    idle: "poll",
    fdbAgeSeconds: 60,
    fdbEntriesMax: 100,
    fdbPortEntriesMax: 10,
    macHoldSeconds: 7,
    unknown: "uplink",
    snooping: "strict",
    sandbox: true,
    unsealedMemory: "refuse",
  });
});

Deno.test("ports without a path, and relative ones of a file, are in one folder", () => {
  const port = [{ name: "a" }, { name: "b", socket: "x/b" }, { name: "c", socket: "/c" }];
  const cases = [
    [{}, {}, "/run/ctl"],
    [{ control: { socket: "/run/ctl" } }, {}, "/default/ctl"],
    [{ sockets: { directory: "/run" } }, {}, "/default/ctl"],
    [{ sockets: { directory: "/file" } }, { socketDir: "/run" }, "/default/ctl"],
    [{ control: { socket: "/file/ctl" } }, { controlPath: "/run/ctl" }, "/run/ctl"],
  ] as const;
  for (const [file, flags, controlPath] of cases) {
    const config = mergeConfig(readConfigObject({ ...file, port }), flags, controlPath);
    assert.deepEqual(config.ports.map(({ path }) => path), ["/run/a.sock", "/run/x/b", "/c"]);
    assert.equal(config.socketDir, "/run");
  }
  const same = [{ name: "a" }, { name: "b", socket: "./a.sock" }];
  assert.throws(() => mergeConfig(readConfigObject({ port: same }), {}, "/c"), /share \/a\.sock/);
  assert.throws(() => readConfigObject({ sockets: { directory: "" } }), /directory is empty: name/);
});

Deno.test("readConfigFile() names file, place and fix", async () => {
  using folder = new TempFolder();
  for (
    const [source, fault] of [
      ["[switch\n", /v\.toml:1:\d+: /],
      ["[[port]]\nname = 'vm1'\nname = 'vm1'\n", /v\.toml:3:\d+: /],
      ["colour = 1\n", /v\.toml:1: top level: unknown key "colour"; known: switch, /],
      ["[switch]\nage = 1\n", /\[switch\]: unknown key "age"; known: fdb_age_seconds/],
      ["[dataplane]\nidle = 'never'\n", /idle "never" must be poll, adaptive or sleep/],
      ["[dataplane]\ncpus = 2\n", /cpus must be a list/],
      ["[switch]\nsandbox = 'on'\n", /sandbox on must be true or false/],
      ["[[port]]\nsocket = '/x'\n", /\[\[port\]\] 1 has no name/],
      ["[[port]]\nname = 'a b'\n", /port name "a b"/],
      ["[[port]]\nname = 'a'\nmtu = 1\n", /68 to 65535/],
      ["[[port]]\nname = 'a'\nmac = 3\n", /mac 3 must be the address of one station/],
      ["[[port]]\nname = 'a'\noffer = 'gpa+luck'\n", /1: offer "luck" is unknown/],
      ["[[port]]\nname = 'a'\noffer = [7]\n", /offer "7" is unknown; known: inband/],
      ["port = 3\n", /ports must be written as \[\[port\]\]/],
    ] as const
  ) {
    await Deno.writeTextFile(folder.file("v.toml"), source);
    await assert.rejects(readConfigFile(folder.file("v.toml")), fault, source);
  }
  await Deno.writeFile(folder.file("v.toml"), new Uint8Array([0xff, 0xfe]));
  await assert.rejects(readConfigFile(folder.file("v.toml")), /not UTF-8/);
  await assert.rejects(readConfigFile(folder.file("none")), /no such file/);
});

Deno.test("mergeConfig() lets flags win and refuses two of a kind", () => {
  const file = { idle: "sleep", ports: [{ name: "a", path: "/a" }] } as const;
  assert.equal(mergeConfig(file, { idle: "poll" }, "/c").idle, "poll");
  assert.equal(mergeConfig(file, {}, "/c").controlPath, "/c");
  // What was saved says what flags said.
  const again = { ports: [{ name: "a", path: "/a", mode: "listen" }] } as const;
  assert.deepEqual(mergeConfig(file, again, "/c").ports, again.ports);
  const twice = { ports: [{ name: "a", path: "/b" }] };
  assert.throws(() => mergeConfig(file, twice, "/c"), /"a" is given twice/);
  const shared = { ports: [{ name: "b", path: "/a" }] };
  assert.throws(() => mergeConfig(file, shared, "/c"), /share \/a/);
  assert.throws(() => readConfigObject({ switch: 3 }), /must be a table/);
  assert.throws(() => readConfigObject({ switch: new Date(0) }), /must be a table/);
});

Deno.test("the logger formats, filters and limits", () => {
  const lines: string[] = [];
  let now = 0;
  const write = (line: string): void => {
    lines.push(line);
  };
  const text = createLogger("info", "text", write, () => now);
  text.debug("port a", "x", "not shown");
  text.info("port a", "up", "link\nup\x1b[2J\u009b2J\u2028", { rings: 2 });
  assert.match(
    lines[0] ?? "",
    /^\d\d:\d\d:\d\d\.\d{3} info {2}port a: link\?up\?\[2J\?2J\? rings=2\n$/,
  );
  for (let i = 0; i < 100; i++) text.warn("port a", "closed", "again");
  assert.equal(lines.length, 21);
  now = 1500;
  text.warn("port a", "closed", "again");
  assert.match(lines.at(-1) ?? "", /suppressed=80/);
  const json = createLogger("info", "json", write, () => now);
  json.error("switch", "bad", "oh", { code: 1 });
  assert.deepEqual(JSON.parse(lines.at(-1) ?? ""), {
    ts: "1970-01-01T00:00:01.500Z",
    level: "error",
    component: "switch",
    event: "bad",
    msg: "oh",
    code: 1,
  });
  createLogger("info", "journal", write).warn("switch", "b", "oh");
  assert.equal(lines.at(-1), "<4>switch: oh\n");
});

Deno.test("version.ts and deno.json say the same version", async () => {
  const text = await Deno.readTextFile(new URL("../../../../deno.json", import.meta.url));
  assert.equal(JSON.parse(text).version, VERSION);
});
