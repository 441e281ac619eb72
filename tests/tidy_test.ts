/**
 * The rules of the house as a test over the files git knows: import directions, sizes, words, and
 * what hot files may not do.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { PROGRAM_ENTRY, PROGRAM_FOLDERS } from "../lib/worker/program.ts";

const ROOT = new URL("../", import.meta.url).pathname;
const FILE_LINES_MAX = 420;
const TEST_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 75;
/** The formatter keeps code at 100; a comment may run over by a word's end. */
const LINE_COLUMNS_MAX = 106;

interface Source {
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  readonly imports: readonly string[];
}

function sources(): Source[] {
  const { stdout } = new Deno.Command("git", { args: ["ls-files", "*.ts"], cwd: ROOT })
    .outputSync();
  const paths = new TextDecoder().decode(stdout).trim().split("\n");
  return paths.flatMap((path) => {
    let text: string;
    try {
      text = Deno.readTextFileSync(ROOT + path);
    } catch {
      return [];
    }
    const imports = [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)].map(([, to = ""]) =>
      to.startsWith(".") ? new URL(to, `file:///${path}`).pathname.slice(1) : to
    );
    return [{ path, text, lines: text.split("\n"), imports }];
  });
}

const files = sources();

function under(path: string, ...folders: string[]): boolean {
  return folders.some((folder) => path === folder || path.startsWith(folder));
}

/** Packages that tests import and nothing else. */
const FOR_TESTS = ["@xterm/headless", "@babel/parser", "ajv/2020", "fast-check"];
/** Packages that draw the bench's report, and that nothing else needs. */
const FOR_BENCH = ["@observablehq/plot", "linkedom"];
/** The package that draws the page's plots, in a browser. */
const FOR_BROWSERS = ["uplot"];
/** What the data plane's thread runs loads no package. */
const WITHOUT_PACKAGES = ["ffi/", "lib/virtio/", "lib/offload/", "lib/switch/", "lib/worker/"];
/** Of all files the only one that imports a CLI framework, this one or the next. */
const CLI_FILE = "lib/cli/app.ts";

/** For each place: what it may import of ours. */
const MAY_IMPORT: readonly [string, readonly string[]][] = [
  ["main.ts", ["lib/cli/"]],
  // Its docstring imports itself.
  ["mod.ts", ["mod.ts", "lib/embed/", "lib/control/", "lib/guest/"]],
  ["lib/embed/", ["lib/embed/", "lib/control/", "lib/guest/"]],
  ["ffi/", ["ffi/"]],
  ["lib/base/", ["lib/base/"]],
  ["lib/virtio/", ["lib/virtio/", "lib/base/"]],
  ["lib/offload/", ["lib/offload/", "lib/virtio/", "lib/base/"]],
  ["lib/switch/", ["lib/switch/", "lib/offload/", "lib/virtio/", "lib/base/"]],
  ["lib/vhost/", ["lib/vhost/", "lib/virtio/", "lib/base/", "lib/worker/wire.ts"]],
  ["lib/worker/", [
    "lib/worker/",
    "lib/offload/",
    "lib/switch/",
    "lib/virtio/",
    "lib/base/",
    "ffi/",
  ]],
  ["lib/control/", [
    ...["lib/worker/supervisor.ts", "lib/worker/wire.ts", "lib/worker/events.ts"],
    ...["lib/worker/fdb_reader.ts", "lib/control/", "lib/vhost/", "lib/emit/"],
    ...["lib/switch/", "lib/virtio/", "lib/base/", "lib/version.ts", "ffi/"],
  ]],
  [
    "lib/cli/",
    [
      ...["lib/cli/", "lib/control/", "lib/demo/", "lib/vhost/inventory/", "lib/version.ts"],
      ...["lib/switch/counter_rows.ts", "lib/switch/capture/fields.ts", "lib/emit/", "lib/base/"],
      "lib/page/",
    ],
  ],
  ["lib/page/client/", ["lib/page/client/", "lib/page/numbers.ts"]],
  ["lib/page/", [
    ...["lib/page/", "lib/control/", "lib/base/", "lib/version.ts", "lib/switch/counter_rows.ts"],
    ...["lib/cli/views.ts", "lib/worker/program.ts"],
  ]],
  ["lib/guest/", ["lib/guest/", "lib/vhost/wire/message.ts", "lib/virtio/", "lib/base/", "ffi/"]],
  ["lib/demo/", ["lib/demo/", "lib/guest/"]],
  ["lib/build/", [
    ...["lib/cli/failure.ts", "lib/cli/completion.ts", "lib/cli/shells.ts", "lib/cli/man/"],
    ...["lib/cli/man_pages.ts", "lib/emit/systemd.ts", "lib/version.ts"],
    ...[
      "lib/build/",
      "lib/page/assets.ts",
      "lib/base/port_limits.ts",
      "lib/vhost/inventory/",
      "lib/vhost/reasons.ts",
    ],
    ...["lib/switch/counter_rows.ts", "lib/virtio/ring.ts", "lib/virtio/bad_chain.ts"],
    ...["lib/control/vhost_port/problem_codes.ts", "lib/control/schema/"],
    "lib/control/verdict/rows.ts",
    ...["lib/control/uplinks/reasons.ts", "lib/control/metrics/families.ts"],
    ...["lib/control/event_rows.ts", "lib/control/doctor/checks.ts"],
    ...["lib/control/config/port_options.ts", "lib/worker/program.ts"],
  ]],
  ["lib/emit/", ["lib/emit/", "lib/control/types.ts"]],
  ["lib/version.ts", []],
];

Deno.test("imports point one way", () => {
  const bad: string[] = [];
  for (const { path, imports } of files) {
    const rule = MAY_IMPORT.find(([place]) => under(path, place));
    for (const to of imports) {
      if (to.startsWith("node:")) continue;
      const own = under(to, "lib/", "ffi/", "tests/", "bench/", "main.ts", "mod.ts");
      if (rule && own && !under(to, ...rule[1])) bad.push(`${path} imports ${to}`);
      if (/^(npm|jsr|https?):/.test(to)) bad.push(`${path} names ${to} outside deno.json`);
      if (FOR_TESTS.includes(to) && !under(path, "tests/")) bad.push(`${path} imports ${to}`);
      const benches = under(path, "bench/report/", "tests/unit/bench/");
      if (FOR_BENCH.includes(to) && !benches) bad.push(`${path} imports ${to}`);
      const shown = under(path, "lib/page/client/");
      if (FOR_BROWSERS.includes(to) && !shown) bad.push(`${path} imports ${to}`);
      if (/^@(stricli|cliffy)\//.test(to) && path !== CLI_FILE) bad.push(`${path} imports ${to}`);
      if (!own && under(path, ...WITHOUT_PACKAGES)) bad.push(`${path} imports ${to}`);
    }
  }
  assert.deepEqual(bad, []);
});

/** Folders of which not even the types of two files need each other. */
const NO_TYPE_CIRCLES = [
  ...["ffi/", "lib/base/", "lib/vhost/", "lib/worker/", "lib/guest/", "lib/demo/", "lib/build/"],
];

/** What a file imports of ours to run; without `running`, also what it names only in types. */
function needs({ path, text }: Source, running: boolean): string[] {
  const statements = text.matchAll(
    /^(?:import|export) (type )?(?:\* as \w+|\{([^}]*)\}|\*|\w+) from "(\.[^"]+)"|^import "(\.[^"]+)"/gm,
  );
  return Array.from(statements).flatMap(([, type, names, from, alone]) => {
    const typed = type !== undefined ||
      (names !== undefined && !/(^|,)\s*(?!type )\w/.test(names));
    if (running && typed) return [];
    return [new URL(from ?? alone ?? "", `file:///${path}`).pathname.slice(1)];
  });
}

/** A way along imports that comes back to where it began, or null. */
function circle(graph: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const way: string[] = [];
  const walk = (path: string): string[] | null => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return null;
    way.push(path);
    for (const next of graph.get(path) ?? []) {
      const found = walk(next);
      if (found) return found;
    }
    way.pop();
    done.add(path);
    return null;
  };
  for (const path of graph.keys()) {
    const found = walk(path);
    if (found) return found;
  }
  return null;
}

Deno.test("imports make no circle, in some folders not even those of types", () => {
  const graph = (running: boolean, ...folders: string[]): Map<string, string[]> =>
    new Map(
      files.filter(({ path }) => under(path, ...folders)).map((file) => [
        file.path,
        needs(file, running),
      ]),
    );
  const all = graph(true, "lib/", "ffi/", "main.ts");
  assert(all.get("lib/vhost/session.ts")?.includes("lib/vhost/device.ts"), "imports are found");
  assert.equal(circle(all), null);
  for (const folder of NO_TYPE_CIRCLES) assert.equal(circle(graph(false, folder)), null);
  const types = graph(false, "lib/vhost/").get("lib/vhost/requests/result.ts");
  assert(types?.includes("lib/vhost/device.ts"), "imports of types are found");
  assert.deepEqual(circle(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]])), ["b", "c", "b"]);
});

Deno.test("the data plane's program is made of the folders that name its state", () => {
  const graph = new Map(files.map((file) => [file.path, needs(file, true)]));
  const reached = new Set([PROGRAM_ENTRY]);
  for (const path of reached) for (const to of graph.get(path) ?? []) reached.add(to);
  assert(reached.has("lib/switch/datapath.ts"), "imports are followed");
  const folders = PROGRAM_FOLDERS.map((folder) => `${folder}/`);
  assert.deepEqual([...reached].filter((path) => !under(path, ...folders)), []);
});

Deno.test("pure folders stay pure, and only ffi/ touches pointers", () => {
  const bad: string[] = [];
  for (const { path, text } of files) {
    const code = text.replace(/\/\*[^]*?\*\/|\/\/.*$/gm, "");
    const pure = under(
      path,
      ...["lib/base/", "lib/virtio/", "lib/offload/", "lib/switch/", "lib/vhost/"],
    );
    if (pure && /\bDeno\./.test(code)) bad.push(`${path} uses Deno`);
    if (!under(path, "ffi/", "tests/") && /Deno\.(dlopen|UnsafePointer)/.test(code)) {
      bad.push(`${path} touches pointers`);
    }
  }
  assert.deepEqual(bad, []);
});

Deno.test("files, functions and lines have a size one can read", () => {
  const bad: string[] = [];
  for (const { path, lines } of files) {
    if (lines.length > (under(path, "tests/") ? TEST_LINES_MAX : FILE_LINES_MAX)) {
      bad.push(`${path}: ${lines.length} lines`);
    }
    lines.forEach((line, i) => {
      const columns = [...line].length;
      if (columns > LINE_COLUMNS_MAX && !/https?:|`|"/.test(line)) {
        bad.push(`${path}:${i + 1}: ${columns} columns`);
      }
    });
    if (!under(path, "tests/")) bad.push(...longFunctions(path, lines));
  }
  assert.deepEqual(bad, []);
});

/** Functions and methods by the indentation of their closing brace; the code is formatted. */
function longFunctions(path: string, lines: readonly string[]): string[] {
  const bad: string[] = [];
  const start =
    /^(\s*)(?:export )?(?:async )?(?:function[* ]|(?:static |async |\*|get |#)*[#\w]+\()/;
  for (let i = 0; i < lines.length; i++) {
    const match = start.exec(lines[i] ?? "");
    if (!match || /^\s*(if|for|while|switch|return|await|throw|catch)\b/.test(lines[i] ?? "")) {
      continue;
    }
    const end = lines.findIndex((line, j) => j > i && line.startsWith(`${match[1]}}`));
    // A call whose last argument is a function closes with more than the brace.
    if (lines[end] !== `${match[1]}}`) continue;
    const opens = lines.slice(i, end).findIndex((line) => line.endsWith("{"));
    const ended = lines.slice(i, i + Math.max(0, opens)).some((line) => line.endsWith(";"));
    if (end < 0 || opens < 0 || ended) continue;
    if (end - i + 1 > FUNCTION_LINES_MAX) bad.push(`${path}:${i + 1}: ${end - i + 1} lines`);
  }
  return bad;
}

Deno.test("what std has is not written again", () => {
  const again: readonly [RegExp, string][] = [
    [/new Promise(?:<\w+>)?\(\((\w+)\) =>\s*setTimeout\(\1,/, "@std/async/delay"],
    [/from "node:timers\/promises"/, "@std/async/delay"],
    [/padStart\(2, "0"\)\)\.join\(""\)/, "@std/encoding/hex"],
    [
      /new Uint8Array\(\w+\.reduce\(\(sum, (\w+)\) => sum \+ \1\.length, 0\)\)/,
      "@std/bytes/concat",
    ],
  ];
  const bad: string[] = [];
  for (const { path, text } of files) {
    for (const [own, name] of again) if (own.test(text)) bad.push(`${path} writes ${name} anew`);
  }
  assert.deepEqual(bad, []);
});

/** How every test, bench and example asserts; what ships has `lib/base/assert.ts`. */
const ASSERT_IMPORT = 'import { strict as assert } from "node:assert";';

/** How `text`, which imports these, asserts in another way. */
function otherAsserts(text: string, imports: readonly string[]): string[] {
  const all = imports.filter((to) => /(^|[:/])(assert|chai|expect)($|[@/])/.test(to));
  const right = text.split("\n").filter((line) => line.replace(/^ \* /, "") === ASSERT_IMPORT);
  const longer = /\bassert\.(?:ok|strict|strictEqual|deepStrictEqual)\b/.exec(text);
  return [...(all.length > right.length ? all : []), ...(longer ?? [])];
}

Deno.test("tests assert in one way", () => {
  const bad = files.filter(({ path }) => path !== "tests/tidy_test.ts")
    .flatMap(({ path, text, imports }) => otherAsserts(text, imports).map((it) => [path, it]));
  assert.deepEqual(bad, []);
  const others = (names: string, from: string): number =>
    otherAsserts(`import ${names} from "${from}";`, [from]).length;
  assert.equal(others("{ strict as assert }", "node:assert"), 0);
  assert.equal(others("{ assert }", "../base/assert.ts"), 0);
  for (const from of ["node:assert", "node:assert/strict", "@std/assert", "@std/expect"]) {
    assert.equal(others("{ equal }", from), 1, from);
  }
  assert.equal(otherAsserts("  assert.strictEqual(1, 1);", []).length, 1);
});

/** Where what a folder of unit tests is about would be: its namesake of these. */
const TESTED = ["lib/", "tests/", ""];

/** Folders of unit tests, as `vhost/wire`, that mirror none of `folders`. */
function withoutNamesake(paths: readonly string[], folders: ReadonlySet<string>): string[] {
  return paths.filter((path) => !TESTED.some((place) => folders.has(`${place}${path}`)));
}

Deno.test("folders of unit tests mirror the folders of what they test", () => {
  const folders = new Set(files.flatMap(({ path }) => {
    const parts = path.split("/").slice(0, -1);
    return parts.map((_, i) => parts.slice(0, i + 1).join("/"));
  }));
  const unit = [...folders].filter((path) => path.startsWith("tests/unit/"))
    .map((path) => path.slice("tests/unit/".length));
  assert(unit.includes("vhost/wire") && unit.includes("bench"), "folders are found");
  assert.deepEqual(withoutNamesake(unit, folders), []);
  assert.deepEqual(withoutNamesake(["vhost/wires", "ffi"], folders), ["vhost/wires"]);
  // None lies beside the folders.
  const loose = files.filter(({ path }) => /^tests\/unit\/[^/]+$/.test(path));
  assert.deepEqual(loose.map(({ path }) => path), []);
});

/** Where a switch is started past the bed of tests/harness/bed.ts, and why. */
const STARTS_SWITCHES: Readonly<Record<string, string>> = {
  "tests/harness/bed.ts": "the bed",
  "tests/e2e/binary_test.ts": "another program than the others'",
  "tests/e2e/cli_test.ts": "its log is a pipe of the test's",
  "tests/e2e/scale_out_test.ts": "on hosts in network namespaces",
  "tests/e2e/service_test.ts": "with the words of a service manager in its environment",
  "tests/e2e/socket_folders_test.ts": "beside another user's switch, in that one's folder",
  "tests/e2e/socket_gone_test.ts": "its whole folder is removed",
  "tests/e2e/socket_paths_test.ts": "it leaves its sockets to many that start at once",
  "tests/e2e/nat_test.ts": "in namespaces, and as another user",
  "tests/e2e/stalls_test.ts": "with flags for the runtime and less address space",
};

Deno.test("end-to-end tests start switches by the bed", () => {
  const starts = files.filter(({ path, text }) =>
    under(path, "tests/") && /\bSwitchProcess\.start\(|\bstartGuests\(/.test(text) &&
    !/^export async function startGuests\(/m.test(text)
  );
  assert.deepEqual(starts.map(({ path }) => path).sort(), Object.keys(STARTS_SWITCHES).sort());
});

Deno.test("every file says what it is, in the field's words", () => {
  const bad: string[] = [];
  for (const { path, text } of files) {
    if (path.endsWith("_test.ts")) continue;
    if (!/^(\/\/.*\n)*\/\*\*\n/.test(text)) bad.push(`${path} has no head`);
    if (!text.includes("@module")) bad.push(`${path} has no @module`);
    // `ip link set DEVICE master BRIDGE` and `bridge fdb add … master` are other programs' words.
    const own = text.replaceAll(
      /"master", BRIDGE|\bmaster (?:\$\{bridge\}|br\d+|hosts|static|extern_learn)/g,
      "",
    );
    const word = /\b(master|slave|TODO|FIXME|XXX)\b/i.exec(own)?.[0];
    if (word) bad.push(`${path} says ${word}`);
  }
  assert.deepEqual(bad, []);
});

Deno.test("hot files stay hot", () => {
  const hot = files.filter((file) => file.text.startsWith("// HOT"));
  assert(hot.length >= 6, "the hot files are marked");
  const bad: string[] = [];
  for (const { path, lines } of hot) {
    // A cold function says so in a comment before it; constructors and top level are cold as well.
    let cold = true;
    lines.forEach((line, i) => {
      if (/^\s*(\/\/|\*|\/\*)/.test(line)) {
        if (/^\s*\/\/ cold/.test(line)) cold = true;
        return;
      }
      const opens = /^(export )?function |^ {2}(#|get |static |[a-z])\w*\(.*\{$/.test(line);
      const marked = lines.slice(Math.max(0, i - 12), i).some((l) => /^\s*\/\/ cold/.test(l));
      if (opens) cold = marked || /^ {2}constructor|^ {2}static/.test(line);
      if (/^}/.test(line)) cold = true;
      if (!cold && /\b(new|try|throw)\b|=>|\.\.\.|\d+n\b(?!, true)/.test(line)) {
        bad.push(`${path}:${i + 1}: ${line.trim()}`);
      }
    });
  }
  assert.deepEqual(bad, []);
});

Deno.test("the rings cite the specification, the links of README and docs lead somewhere", () => {
  const text = (path: string): string => Deno.readTextFileSync(ROOT + path);
  for (
    const path of [
      "lib/virtio/split/frames.ts",
      "lib/virtio/packed/frames.ts",
      "lib/virtio/deliver.ts",
    ]
  ) {
    assert.match(text(path), /virtio-v1\.3 §\d/);
  }
  for (const name of ["session", "device", "requests/table", "device/vring"]) {
    const path = `lib/vhost/${name}.ts`;
    assert.match(text(path), /vhost-user\.rst[\s*]*«/);
  }
  const pages = Array.from(Deno.readDirSync(`${ROOT}docs`), ({ name }) => `docs/${name}`)
    .filter((path) => path.endsWith(".md"));
  const more = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md"];
  for (const page of ["README.md", ...more, ...pages]) {
    const code = text(page).matchAll(/`((?:lib|ffi|tests|bench)\/[\w./]*)`/g);
    for (const [, path = ""] of code) assert(Deno.statSync(ROOT + path), `${page}: ${path}`);
    for (const [, to = ""] of text(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
      checkLink(page, to);
    }
    assert.doesNotMatch(text(page), /NUMBERS/);
  }
});

Deno.test("files that comments name are there", () => {
  const named = (line: string): string[] => {
    if (!/^\s*(\*|\/\/|\/\*)/.test(line)) return [];
    return line.match(/(?<![\w./])(?:lib|ffi|tests|bench|docs|\.ci)\/[\w./]*\.\w+/g) ?? [];
  };
  assert.deepEqual(named(" * As `lib/a/b.ts` and ../lib/c.ts say (tests/d_test.ts)."), [
    ...["lib/a/b.ts", "tests/d_test.ts"],
  ]);
  const bad = files.filter(({ path }) => path !== "tests/tidy_test.ts").flatMap(({ path, lines }) =>
    lines.flatMap(named).filter((file) => !exists(file)).map((file) => `${path} names ${file}`)
  );
  assert.deepEqual(bad, []);
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(ROOT + path).isFile;
  } catch {
    return false;
  }
}

/** A link of a page leads to a file there is, and to a heading of it. */
function checkLink(page: string, to: string): void {
  const [, file = "", heading] = /^([^#]*)(?:#(.*))?$/.exec(to) ?? [];
  const target = file === "" ? page : new URL(file, `file:///${page}`).pathname.slice(1);
  const body = Deno.readTextFileSync(ROOT + target);
  if (heading === undefined) return;
  const headings = Array.from(
    body.matchAll(/^#+ (.*)$/gm),
    ([, title = ""]) => title.toLowerCase().replace(/[^\w\- ]/g, "").replaceAll(" ", "-"),
  );
  assert(headings.includes(heading), `${page}: ${to}`);
}
