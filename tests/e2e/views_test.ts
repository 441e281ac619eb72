/**
 * What commands and the control API of a running switch print, with ports in every state: JSON is
 * as its schema says, to the last field, and tables are drawn from it alone. The commands are those
 * of the command table, so that none is forgotten.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { CommandRow } from "../../lib/cli/command.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import type { AnyView } from "../../lib/cli/view.ts";
import type { DocumentName } from "../../lib/control/schema/mod.ts";
import { routeNames } from "../docs/named.ts";
import { faults, strictFaults } from "../harness/json_schema.ts";
import { ManyStates } from "../harness/many_states.ts";
import { askSwitch, Recorder } from "../harness/recorder.ts";
import { vuswitch, vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

const PORTS = [
  ...["split", "packed", "wait", "closed", "admin", "down", "iommu", "broken", "gone", "connect"],
  ...["pool{n}", "pool0"],
];

/** Ports whose limits are looked at as well. */
const LIMITED = ["split", "wait", "gone", "connect", "pool{n}", "pool0"];

/** Where the configuration is saved. */
const SAVED = new TempFolder();

/** What stands behind the words of each command that prints; in the order of the commands. */
const BEHIND: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "port list": [[]],
  "port show": [...PORTS.map((name) => [name]), ...LIMITED.map((name) => [name, "--limits"])],
  "port add": [["new"], ["far,mode=connect"], ["more{n},multi=2"]],
  "port del": [["new"], ["more{n}"]],
  "port set": [["wait", "limit=rx:1M", "isolated=a"], ["spare{n}", "access=7,storm=off"]],
  "port down": [["wait"], ["spare{n}"]],
  "port up": [["wait"], ["spare{n}"]],
  "link list": [[]],
  "link add": [["admin", "closed"]],
  "link del": [["admin", "closed"]],
  "mirror list": [[]],
  "mirror add": [["m", "--from", "admin,closed", "--to", "wait"]],
  "mirror del": [["m"]],
  "fdb show": [[]],
  "fdb add": [["52:54:00:00:00:99", "wait"]],
  "fdb del": [["52:54:00:00:00:99"]],
  "fdb flush": [["broken"], []],
  "group list": [[]],
  "config check": [["/dev/null"]],
  "config show": [[]],
  "config diff": [["/dev/null"]],
  "config reload": [["/dev/null"]],
  "config save": [[SAVED.file("v.toml")]],
  "stats": [[], ...PORTS.map((name) => [name])],
  "vring show": ["split", "packed", "wait", "down", "broken"].map((name) => [name]),
  "worker show": [[]],
  "events": [[]],
  "explain": [["no_buffer"], []],
  "page": [[]],
  "protocol": [[]],
  "doctor": [[]],
  "emit qemu": ["split", "connect", "pool{n}"].map((name) => [name]),
  "emit qemu-json": [["split"]],
  "emit libvirt": [["split"], ["connect"]],
  "emit cloud-hypervisor": [["split"]],
  "emit testpmd": [["split"]],
  "emit kubernetes": [["split"]],
  "emit evpn": [["--vni", "100", "--local", "10.77.0.1", "--peer", "10.77.0.2"]],
  "emit systemd": [[]],
  "emit grafana": [[]],
  "emit alerts": [[]],
  "version": [[]],
};

/** Prints JSON that is no document: a schema, or none that has an end. */
const OTHERS = ["run", "capture", "schema", "demo", "completion", "man", "top"];

/** Of those, what prints a document a line as long as it runs: its own test reads them. */
const STREAMS = ["capture", "top"];

/** What each route answers with; null: nothing. */
const ROUTES: Readonly<Record<string, readonly [path: string, DocumentName | null][]>> = {
  "GET version": [["/v1/version", "version"]],
  "GET schema": [],
  "GET switch": [["/v1/switch", "stats"]],
  "GET page": [["/v1/page", "page"]],
  "GET workers": [["/v1/workers", "workers"]],
  "GET events": [["/v1/events", "events"], ["/v1/events?type=nothing", "error"]],
  "GET ports": [
    ["/v1/ports", "ports"],
    ["/v1/ports/split", "port"],
    ["/v1/ports/pool%7Bn%7D", "port"],
    ["/v1/ports/split/vrings", "vrings"],
    ["/v1/ports/split/limits", "port-limits"],
    ["/v1/ports/nobody", "error"],
    ["/v1/ports/%", "error"],
  ],
  "POST ports": [["/v1/ports", "error"], ["/v1/ports/split/link", "error"]],
  "PATCH ports": [["/v1/ports/split", "error"], ["/v1/ports/nobody", "error"]],
  "DELETE ports": [["/v1/ports/closed", null], ["/v1/ports/closed", "error"]],
  "GET listeners": [["/v1/listeners", "listeners"]],
  "GET links": [["/v1/links", "links"]],
  "POST links": [["/v1/links", "error"]],
  "DELETE links": [["/v1/links/split/packed", null], ["/v1/links/split/packed", "error"]],
  "GET capture": [["/v1/capture?port=nobody", "error"], ["/v1/capture", "error"]],
  "GET mirrors": [["/v1/mirrors", "mirrors"]],
  "POST mirrors": [["/v1/mirrors", "error"]],
  "DELETE mirrors": [["/v1/mirrors/nothing", "error"]],
  "GET groups": [["/v1/groups", "groups"]],
  "GET config": [["/v1/config", "config"]],
  "POST config": [["/v1/config/diff", "error"], ["/v1/config/reload", "error"]],
  "GET fdb": [["/v1/fdb", "fdb"], ["/v1/nothing", "error"]],
  "POST fdb": [["/v1/fdb", "error"]],
  "DELETE fdb": [["/v1/fdb?port=nobody", "error"], ["/v1/fdb", null]],
};

type Seen = { readonly document: DocumentName; readonly value: unknown };

/** Flags that take no value among the words behind a command. */
function flagsOf(behind: readonly string[]): Record<string, true> {
  return behind.includes("--limits") ? { limits: true } : {};
}

/** Runs a command as a user does, or its code alone, which is faster. */
async function run(
  row: CommandRow,
  behind: readonly string[],
  output: "json" | "table",
  ctl: string,
  asUser: boolean,
): Promise<string> {
  if (!asUser) {
    let printed = "";
    const act = await row.load();
    const flags = { output, ctl, timeout: "60", ...flagsOf(behind) };
    await act(flags as never, (text) => printed += text, ...behind);
    return printed;
  }
  const words = [
    ...row.words,
    ...behind,
    "-o",
    output,
    ..."ctl" in row.flags ? ["--ctl", ctl] : [],
  ];
  const { code, stdout, stderr } = await vuswitch(...words);
  assert.equal(code, 0, `${words.join(" ")}: ${stderr}`);
  return stdout;
}

/** Runs a command for its JSON and for its table, which get the same answers. */
async function compare(
  row: CommandRow,
  view: AnyView,
  behind: readonly string[],
  recorder: Recorder,
): Promise<Seen> {
  const words = [...row.words, ...behind].join(" ");
  const asUser = behind === BEHIND[row.words.join(" ")]?.[0];
  recorder.record();
  const value = JSON.parse(await run(row, behind, "json", recorder.ctl, asUser));
  recorder.replay();
  assert.equal(
    await run(row, behind, "table", recorder.ctl, asUser),
    view.draw(value as never),
    words,
  );
  const document = view.document(flagsOf(behind) as never, ...behind);
  assert.deepEqual(strictFaults(document, value), [], words);
  assert.deepEqual(faults(document, value), [], words);
  return { document, value };
}

type Mutant = readonly [what: string, value: unknown];

function* changed(value: unknown, put: (to: unknown) => unknown, path: string): Generator<Mutant> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) {
    yield [`${path} planted`, put({ ...value, planted: { of: "nobody" } })];
    for (const key of Object.keys(value)) {
      const { [key]: _, ...rest } = value as Record<string, unknown>;
      yield [`${path} lacks ${key}`, put(rest)];
    }
  }
  for (const [key, each] of Object.entries(value)) {
    const inside = (to: unknown): unknown =>
      put(
        Array.isArray(value)
          ? value.map((old, i) => String(i) === key ? to : old)
          : { ...value, [key]: to },
      );
    yield* changed(each, inside, `${path}/${key}`);
  }
}

/** Each object of a value with each of its fields taken away, and with one that nobody described. */
function mutants(value: unknown): Mutant[] {
  return [...changed(value, (to) => to, "")];
}

/** What may be missing: counts by code that are there only if something happened, facts of an event. */
const MAY_LACK = /\/(errors|refused|fields|options|addresses\/ports) lacks |lacks (rates|lately)$/;
/** Of a listener only. */
const OF_LISTENERS = /^port-stats: (\/ports)? lacks (ports$|pool)/;

/** Plants faults in real output. @returns those that nobody noticed */
function unnoticed({ document, value }: Seen): string[] {
  return mutants(value)
    .filter(([what, mutant]) => strictFaults(document, mutant).length === 0 && !MAY_LACK.test(what))
    .map(([what]) => `${document}: ${what}`)
    .filter((what) => !OF_LISTENERS.test(what));
}

async function commandsPrint(states: ManyStates): Promise<void> {
  await using recorder = new Recorder(states.socket("recorder"), states.process.ctl);
  const seen: Seen[] = [];
  for (const row of COMMANDS) {
    const name = row.words.join(" ");
    const view = await row.view?.();
    const prints = "output" in row.flags && !STREAMS.includes(name);
    assert.equal(view !== undefined, prints, `${name} prints, or has no --output`);
    if (view === undefined) assert(OTHERS.includes(name), `${name} is known not to print`);
    else {
      assert(BEHIND[name], `a test runs ${name}`);
      for (const behind of BEHIND[name] ?? []) {
        seen.push(await compare(row, view, behind, recorder));
      }
    }
  }
  const bad = seen.flatMap(unnoticed);
  assert.deepEqual(bad, [], "a field that is missing or that nobody described is noticed");
  const planted = seen.flatMap(({ value }) => mutants(value)).length;
  console.log(`    ${seen.length} documents, ${planted} faults planted in them`);
}

async function routesAnswer(states: ManyStates): Promise<void> {
  assert.deepEqual(Object.keys(ROUTES).sort(), routeNames(), "every route is asked");
  for (const [route, asks] of Object.entries(ROUTES)) {
    const [method = ""] = route.split(" ");
    for (const [path, document] of asks) {
      const { status, type, body } = await askSwitch(states.process.ctl, method, path, null);
      const what = `${method} ${path}: ${status} ${body}`;
      if (document === null) assert.equal(body, "", what);
      else {
        assert.match(
          type,
          document === "error" ? /^application\/problem\+json/ : /^application\/json/,
        );
        assert.deepEqual(strictFaults(document, JSON.parse(body)), [], what);
      }
    }
  }
}

async function schemaIsTheSame(states: ManyStates): Promise<void> {
  const { ctl } = states.process;
  for (const [path, words] of [["/v1/schema", []], ["/v1/schema/stats", ["stats"]]] as const) {
    const { type, body } = await askSwitch(ctl, "GET", path, null);
    assert.match(type, /^application\/schema\+json/);
    const { stdout } = await vuswitch("schema", ...words);
    assert.deepEqual(JSON.parse(body), JSON.parse(stdout));
  }
  const { stdout: capabilities } = await vuswitch("--print-capabilities");
  assert.deepEqual(strictFaults("capabilities", JSON.parse(capabilities)), []);
  const { code, stderr } = await vuswitch("schema", "stat");
  assert.equal(code, 4, stderr);
  assert.match(stderr, /No schema named "stat".*did you mean stats\?/);
}

function logIsDescribed(states: ManyStates): void {
  const lines = states.process.log.split("\n").slice(0, -1);
  assert(lines.length > 20, "there is a log");
  for (const line of lines) assert.deepEqual(strictFaults("log-line", JSON.parse(line)), [], line);
}

/** A document a line, until nobody reads. */
async function watchIsHeard(
  ctl: string,
  words: readonly string[],
  check: (line: string) => void,
): Promise<void> {
  const [program = "", ...rest] = vuswitchWords();
  const flags = ["-j", "--ctl", ctl, "--timeout", "60"];
  const child = new Deno.Command(program, {
    args: [...rest, ...words, ...flags],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let text = "";
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.split("\n").length > 3) break;
  }
  for (const line of text.split("\n").slice(0, 3)) check(line);
  assert.equal((await child.status).code, 0, "it ends when nobody reads");
}

async function ratesAreMeasured(states: ManyStates): Promise<void> {
  const sending = setInterval(() => states.split.send(new Uint8Array(60)), 5);
  try {
    const words = ["--rate", "--seconds", "0.3", "-o", "json", "--ctl", states.process.ctl];
    await until("a rate", async () => {
      const all = JSON.parse((await vuswitch("stats", ...words)).stdout);
      assert.deepEqual(strictFaults("stats", all), []);
      const one = JSON.parse((await vuswitch("stats", "split", ...words)).stdout);
      assert.deepEqual(strictFaults("port-stats", one), []);
      assert(one.rates.seconds >= 0.3 && all.rates.seconds >= 0.3);
      const rate = one.rates.counters.rxFrames;
      assert.equal(one.rates.counters.rxBytes >= 60 * rate - 60, true);
      return rate > 0 && all.rates.ports.split.rxFrames > 0 && all.rates.worker.frames > 0;
    });
  } finally {
    clearInterval(sending);
  }
  const { ctl } = states.process;
  await watchIsHeard(ctl, ["stats", "split", "--watch", "--seconds", "0.1"], (line) => {
    const value = JSON.parse(line);
    assert.deepEqual(strictFaults("port-stats", value), []);
    assert(value.rates.seconds >= 0.1);
  });
  await watchIsHeard(ctl, ["port", "list", "--watch", "0.1"], (line) => {
    const value = JSON.parse(line);
    assert.deepEqual(strictFaults("port-list", value), []);
    for (const { rates } of value.ports) assert(rates.seconds >= 0.1);
  });
  const rings = JSON.parse(
    (await vuswitch("vring", "show", "split", "--seconds", "0.1", "-j", "--ctl", ctl)).stdout,
  );
  assert.deepEqual(strictFaults("vring-list", rings), []);
  assert(rings.vrings.every(({ rates }: { rates: object }) => "frames" in rates));
  const { stdout } = await vuswitch("stats", "split", "--rate", "--ctl", states.process.ctl);
  assert.match(stdout, /^WHERE +COUNTER +VALUE +PER-SECOND\nsplit +rxFrames +\d+ +\d+\.\d\n/);
  const { code, stderr } = await vuswitch("stats", "--seconds", "0");
  assert.equal(code, 2, stderr);
}

Deno.test("what is printed is as its schema says, and every table is drawn from it", async (t) => {
  using _saved = SAVED;
  await using states = await ManyStates.make();
  await t.step("every command, its JSON and its table", () => commandsPrint(states));
  await t.step("rates are measured between two looks", () => ratesAreMeasured(states));
  await t.step(
    "the schema itself, from a command and from a switch",
    () => schemaIsTheSame(states),
  );
  await t.step("every route of the control API", () => routesAnswer(states));
  await t.step("every line of the log in JSON", () => logIsDescribed(states));
});
