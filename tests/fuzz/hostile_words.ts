/**
 * An operator's words: port specifications, configuration files, control requests and command
 * lines, nearly right or not at all. Each is understood or refused in one line that names the
 * fault; none is ever an internal error.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { main } from "../../lib/cli/app.ts";
import { describeFailure, EXIT_BUG } from "../../lib/cli/failure.ts";
import { handle } from "../../lib/control/api/routes.ts";
import type { SwitchControl } from "../../lib/control/api/table.ts";
import { checkRange, mergeConfig, parseCpus, parseMode } from "../../lib/control/config/config.ts";
import { readConfigFile } from "../../lib/control/config/read_config.ts";
import { parsePortSpec } from "../../lib/control/config/port_spec.ts";
import { changeConfig } from "../../lib/control/config/live_options.ts";
import {
  ControlError,
  type LinkStatus,
  type PortStatus,
  type SwitchStatus,
  type VringStatus,
} from "../../lib/control/types.ts";
import { WAIT_MS_MAX } from "../harness/until.ts";
import { often } from "./often.ts";

/** What came of cases, to see that both happens. */
export interface WordsTally {
  understood: number;
  refused: number;
}

/** Nothing came of anything yet. */
export function newWordsTally(): WordsTally {
  return { understood: 0, refused: 0 };
}

const ODD = fc.constantFrom(
  ...[
    "",
    "\0",
    "\n",
    "é",
    "\u{1f600}",
    "..",
    "/",
    "=",
    ",",
    "-",
    "--",
    "%",
    "%zz",
    "%00",
    "__proto__",
  ],
  ...["a".repeat(33), "a".repeat(200), "-1", "0", "1e9", "NaN", "0x10", "65536", "4294967296"],
  ...["constructor", "toString", "hasOwnProperty", "null", "[]", "{}", '"', "'", "\\"],
);

/** A word from a list, or something odd, or two of them run together. */
function word(...list: string[]): fc.Arbitrary<string> {
  const good = fc.constantFrom(...list);
  return often(
    [12, good],
    [2, ODD],
    [1, fc.tuple(good, ODD).map((parts) => parts.join(""))],
    [1, fc.string({ maxLength: 12, unit: "binary" })],
  );
}

const name = word("vm{n}", "vm1", "vm2", "a", "web-1.0", "x_y");
const number = word("1500", "9000", "68", "67", "65535", "1", "32", "33", "64", "2", "16");
const mac = word("52:54:00:00:00:01", "01:00:00:00:00:00", "5254.0000.0001");
const path = word("/run/x/a.sock", "b.sock", "/tmp/", ".", "~", "/dev/null");
const setting = often(
  [4, number],
  [2, mac],
  [2, word("listen", "connect", "on", "off", "iommu", "iommu+gpa", "inband+", "4", "up", "down")],
);
const option = fc.tuple(word("mtu", "queues", "mode", "offer", "mac", "multi", "announce"), setting)
  .map((
    pair,
  ) => pair.join("="));
const spec = fc.tuple(
  name,
  fc.option(path),
  fc.array(often([6, option], [1, ODD]), { maxLength: 3 }),
)
  .map(([head, at, options]) => [at === null ? head : `${head}=${at}`, ...options].join(","));

const value = often(
  [6, number],
  [4, fc.tuple(fc.constantFrom(name, path, number)).chain(([text]) => text).map((t) => `"${t}"`)],
  [
    3,
    fc.constantFrom(
      ...[
        "true",
        "nan",
        "-inf",
        "1e400",
        "[2]",
        '["a"]',
        "[[1]]",
        "{a=1}",
        "1979-05-27",
        "07:32:00",
      ],
      ...[
        "9223372036854775808",
        "0x10",
        "'''a'''",
        '"""\n"""',
        '"\\u0000"',
        "[]",
        "{}",
        "-0",
        "1.5",
      ],
    ),
  ],
);
const key = word(
  ...["fdb_age_seconds", "fdb_entries_max", "fdb_port_max", "directory", "mode", "group", "cpus"],
  ...["idle", "socket", "name", "mtu", "queues", "offer", "mac", "mode", "multi", "announce"],
);
const heading = fc.tuple(
  word("switch", "sockets", "dataplane", "control", "port"),
  fc.boolean(),
).map(([section, list]) => list ? `[[${section}]]` : `[${section}]`);
const line = often(
  [6, fc.tuple(key, value).map((pair) => pair.join(" = "))],
  [3, heading],
  [2, fc.tuple(name, number).map(([n, mtu]) => `[[port]]\nname = "${n}"\nmtu = ${mtu}`)],
  [1, fc.tuple(heading, value).map(([h, v]) => `${h.replaceAll(/[[\]]/g, "")} = ${v}`)],
  [1, ODD],
);
const file = fc.array(line, { maxLength: 8 }).map((lines) => lines.join("\n"));

/** A control request. */
interface Call {
  readonly method: string;
  readonly parts: readonly string[];
  readonly query: string;
  readonly body: string | null;
}

const json = often<string>(
  [
    4,
    fc.record({ name, path, mtu: fc.constantFrom(1500, "9000", -1, null, 1e9) }).map((b) =>
      JSON.stringify(b)
    ),
  ],
  [2, fc.json()],
  [
    2,
    fc.constantFrom(
      '{"ports":["vm1","vm1"]}',
      '{"ports":["vm1"]}',
      '{"admin":"up"}',
      '{"admin":1}',
    ),
  ],
  [1, ODD],
  [1, fc.constantFrom('{"name":"a","path":"/x","__proto__":{"fd":3}}', "[".repeat(5000), "1e999")],
);
const call: fc.Arbitrary<Call> = fc.record({
  method: often([8, fc.constantFrom("GET", "POST", "DELETE")], [
    1,
    fc.constantFrom("PUT", "PATCH"),
  ]),
  parts: fc.tuple(
    often([8, fc.constant("v1")], [1, ODD]),
    fc.array(
      word(
        ...["ports", "fdb", "switch", "version", "healthz", "vm1", "vrings", "nobody", "listeners"],
        ...["links", "link", "workers"],
      ),
      {
        maxLength: 4,
      },
    ),
  ).map(([first, rest]) => [first, ...rest]),
  query: often([5, fc.constant("")], [
    1,
    fc.constantFrom("?port=vm1", "?port=nobody", "?%", "?port"),
  ]),
  body: fc.option(json),
});

/** What a switch with one port does. */
const PORT = { name: "vm1" } as unknown as PortStatus;
const CONTROL: SwitchControl = {
  status: () => ({ version: "0" }) as unknown as SwitchStatus,
  workers: () => [],
  ports: () => [PORT],
  listeners: () => [],
  links: () => [],
  fdb: () => [],
  groups: () => [],
  port: known,
  portOrListener: known,
  limits: (port) => ({ name: known(port).name, limits: [] }),
  vrings: (port) => [known(port) as unknown as VringStatus],
  addStatic: (mac, port) => {
    assert.match(mac, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    return { mac, port: known(port).name, vlan: 0, state: "static", ageSeconds: 0 };
  },
  removeStatic: (mac) => {
    throw new ControlError("not-found", `${mac} is not there`);
  },
  flushFdb: (port) => void (port === null || known(port)),
  addPort: (port) => {
    assert.match(port.name, /^[A-Za-z0-9][A-Za-z0-9._{}-]{0,31}$/);
    assert.match(port.path, /^\//);
    return PORT;
  },
  removePort: (port) => void known(port),
  setPort: (port, options) => {
    changeConfig({ name: known(port).name, path: "/run/vm1" }, options);
    return PORT;
  },
  setAdmin: known,
  addLink: (ports) => {
    ports.forEach(known);
    return {} as unknown as LinkStatus;
  },
  removeLink: (ports) => void ports.forEach(known),
  configuration: {
    show: () => Promise.reject(new ControlError("failed", "nothing is in force")),
    diff: ({ text }) => Promise.resolve({ file: text?.name ?? "", changes: [] }),
    reload: ({ text }) => Promise.resolve({ file: text?.name ?? "", changes: [] }),
  },
  mirrors: {
    list: () => [],
    add: (mirror) => {
      [...mirror.from, mirror.to].forEach(known);
      return { ...mirror, state: "mirroring", configured: false };
    },
    remove: (name) => void known(name),
  },
  capture: ({ ports }) => {
    ports.forEach(known);
    return new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
  },
};

function known(port: string): PortStatus {
  if (port === "vm1") return PORT;
  throw new ControlError("not-found", `There is no port ${port}`);
}

/** Words of a command line that starts nothing. */
const args = fc.tuple(
  often<readonly string[]>(
    [
      3,
      fc.constantFrom(["port", "list"], ["port", "show"], ["port", "add"], ["port", "del"], [
        "port",
        "set",
      ]),
    ],
    [
      2,
      fc.constantFrom(["fdb", "show"], ["fdb", "flush"], ["stats"], ["vring", "show"], [
        "worker",
        "show",
      ]),
    ],
    // A configuration that is not there: it never gets as far as to start a switch.
    [3, fc.constant(["run", "--config", "/nonexistent/fuzz.toml"])],
    [1, fc.constantFrom(["protocol"], ["version"], [], ["port"], ["fdb"])],
    [1, word("prot", "runn", "help").map((w) => [w])],
  ),
  fc.array(
    often(
      [
        4,
        word(
          ...["-o", "json", "--output", "table", "-p", "--port", "--fd", "--socket-path", "--cpus"],
          ...["--idle", "--fdb-age", "--help", "-q", "--ctl=/nonexistent/ctl", "--log-format=json"],
        ),
      ],
      [2, spec],
      [1, number],
    ),
    { maxLength: 5 },
  ),
).map(([command, rest]) => // demo would start one.
[...command, ...rest.filter((w) => !["demo", "--print-capabilities"].includes(w))]);

/** One thing an operator says. */
export type Saying =
  | { readonly kind: "spec" | "mode" | "cpus" | "range" | "file"; readonly text: string }
  | { readonly kind: "call"; readonly call: Call }
  | { readonly kind: "args"; readonly args: readonly string[] };

function texts(
  kind: "spec" | "mode" | "cpus" | "range" | "file",
  from: fc.Arbitrary<string>,
): fc.Arbitrary<Saying> {
  return from.map((text) => ({ kind, text }));
}

const saying: fc.Arbitrary<Saying> = often<Saying>(
  [4, texts("spec", spec)],
  [1, texts("mode", word("0660", "660", "777", "8", "1777"))],
  [1, texts("cpus", word("2", "2,3", "2-5", "5-2", "1023", "1024", "1-"))],
  [1, texts("range", number)],
  [6, texts("file", file)],
  [4, call.map((c): Saying => ({ kind: "call", call: c }))],
  [2, args.map((a): Saying => ({ kind: "args", args: a }))],
);

/** Refused in one line, and not as a bug of ours. */
function checkRefusal(error: unknown): void {
  const { exitCode, line: text } = describeFailure(error);
  assert.notEqual(exitCode, EXIT_BUG, text);
  assert(!/[\r\n]/.test(text) && text.length > 0, `one line: ${text}`);
}

async function readText(kind: string, text: string, folder: string): Promise<void> {
  if (kind === "spec") parsePortSpec(text, "/run/x");
  else if (kind === "mode") assert(parseMode(text) <= 0o777);
  else if (kind === "cpus") assert(parseCpus(text).every((cpu) => cpu >= 0 && cpu < 1024));
  else if (kind === "range") assert(Number.isInteger(checkRange("N", text, 1, 64)));
  else {
    const config = `${folder}/fuzz.toml`;
    await Deno.writeTextFile(config, text);
    const { ports } = mergeConfig(await readConfigFile(config), {}, "/run/x/ctl.sock");
    for (const port of ports) assert.match(port.path, /^\//);
  }
}

async function ask({ method, parts, query, body }: Call): Promise<boolean> {
  // A browser would not send it either.
  const target = `http://x/${parts.map((part) => part.replaceAll(/[?#\0\n]/g, "")).join("/")}`;
  const init = method === "GET" || body === null ? { method } : { method, body };
  const response = await handle(new Request(target + query, init), CONTROL);
  const text = await response.text();
  assert(response.status < 500, `${method} ${target}: ${response.status} ${text}`);
  if (response.status < 300) return true;
  assert.deepEqual(Object.keys(JSON.parse(text)), ["title", "detail", "hint"]);
  return false;
}

/** A command that starts nothing ends within this, ms. */

/** Thrown instead of ending the process. */
class Exit extends Error {
  readonly code: number;
  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** Runs a command line in this process. @returns its exit code and what it said */
async function command(words: readonly string[]): Promise<{ code: number; stderr: string }> {
  // Whatever switch may run on this machine is left alone.
  Deno.env.set("VSW_CTL", "/nonexistent/ctl.sock");
  const { addSignalListener, exit } = Deno;
  // A `run` that is refused leaves the process it is in; here there is a next one.
  Deno.addSignalListener = () => {};
  const out = Deno.stdout.writeSync;
  const err = Deno.stderr.writeSync;
  let stderr = "";
  let code = 0;
  Deno.exit = (status = 0): never => {
    throw new Exit(status);
  };
  Deno.stdout.writeSync = (bytes) => bytes.length;
  Deno.stderr.writeSync = (bytes) => {
    stderr += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("the command does not end")), WAIT_MS_MAX);
  });
  try {
    await Promise.race([main(words), late]);
  } catch (error) {
    if (!(error instanceof Exit)) throw error;
    code = error.code;
  } finally {
    clearTimeout(timer);
    Deno.addSignalListener = addSignalListener;
    Deno.exit = exit;
    Deno.stdout.writeSync = out;
    Deno.stderr.writeSync = err;
  }
  return { code, stderr };
}

/** Says one thing. @throws if it was neither understood nor refused as it must be */
export async function say(one: Saying, folder: string, tally: WordsTally): Promise<void> {
  let understood = true;
  if (one.kind === "call") understood = await ask(one.call);
  else if (one.kind === "args") {
    const { code, stderr } = await command(one.args);
    understood = code === 0;
    assert([0, 1, 2, 3, 4, 5].includes(code), `${code}: ${stderr}`);
    if (code !== 0) assert.equal(stderr.trim().split("\n").length, 1, stderr);
  } else {
    try {
      await readText(one.kind, one.text, folder);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      checkRefusal(error);
      understood = false;
    }
  }
  tally[understood ? "understood" : "refused"]++;
}

/** Of anything an operator says: {@linkcode say} does not throw. */
export function hostileWords(
  tally: WordsTally,
  folder: string,
): fc.IAsyncPropertyWithHooks<[Saying]> {
  return fc.asyncProperty(saying, (one) => say(one, folder, tally));
}
