/**
 * docs/reference.md has each counter, event, reason, exit code and route of the code, and no other:
 * whoever adds one is told here which table wants a row.
 */
import { strict as assert } from "node:assert";
import { TABLE_PAGES, withTables } from "../../lib/build/docs.ts";
import * as failure from "../../lib/cli/failure.ts";
import { PLAIN_ROUTES } from "../../lib/control/api/plain_routes.ts";
import { VERDICT_CODES } from "../../lib/control/verdict/judge.ts";
import { PROBLEM_CODES } from "../../lib/control/vhost_port/problem_codes.ts";
import { DOCUMENTS } from "../../lib/control/schema/mod.ts";
import { PORT_COUNTERS, VRING_COUNTERS, WORKER_COUNTERS } from "../../lib/switch/counters.ts";
import { FDB_COUNTERS } from "../../lib/switch/fdb.ts";
import { CHAIN_REASON_ROWS } from "../../lib/virtio/bad_chain.ts";
import { RING_REASONS } from "../../lib/virtio/ring.ts";
import { LAYOUTS } from "../model/driver_layouts.ts";
import { eventNames, reasonCodes, routeNames } from "./named.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/reference.md`);

/** First cells of the table below a heading of the page, without backticks. */
function rowsOf(heading: string): string[] {
  const text = PAGE.slice(PAGE.indexOf(`\n${heading}\n`) + heading.length + 2);
  const end = text.search(/^#/m);
  return Array.from(
    (end < 0 ? text : text.slice(0, end)).matchAll(/^\| `?([^`|]+?)`? +\|/gm),
    ([, cell = ""]) => cell,
  ).slice(2);
}

function same(heading: string, names: readonly string[]): void {
  const rows = rowsOf(heading);
  const lacks = names.filter((name) => !rows.includes(name));
  const dead = rows.filter((row) => !names.includes(row));
  const what = `docs/reference.md, "${heading}": lacks [${lacks}], nobody has [${dead}]`;
  assert.deepEqual({ lacks, dead }, { lacks: [], dead: [] }, what);
  assert(new Set(rows).size === rows.length, `docs/reference.md, "${heading}" has a row twice`);
}

Deno.test("pages have the tables that the code makes", () => {
  for (const path of TABLE_PAGES) {
    const page = Deno.readTextFileSync(ROOT + path);
    assert(page === withTables(path, page), `${path}: run: deno task docs`);
  }
});

Deno.test("the reference has every counter", () => {
  same("### Of a port", PORT_COUNTERS);
  same("### Of a virtqueue", VRING_COUNTERS);
  same("### Of the forwarding database", FDB_COUNTERS);
  same("### Of the data plane", WORKER_COUNTERS);
});

Deno.test("the reference has every log event and every reason", () => {
  assert(eventNames().length > 15 && reasonCodes().length > 50, "they are found");
  same("## Log events", eventNames());
  same("## Reasons", reasonCodes());
  same("## Reasons of a ring", RING_REASONS.slice(1));
  same("## Reasons of a chain", CHAIN_REASON_ROWS.map(([code]) => code));
});

Deno.test("the reference has every problem and every document", () => {
  same("## Problems of a port", PROBLEM_CODES);
  same("## Verdicts on a port", VERDICT_CODES);
  same("## JSON and its schema", Object.keys(DOCUMENTS));
});

Deno.test("the reference has every exit code", () => {
  const codes = Object.entries(failure).filter(([name]) => name.startsWith("EXIT_"));
  same("## Exit codes", codes.map(([, code]) => String(code)));
});

Deno.test("the reference has every route of the control API", () => {
  const rows = rowsOf("## Control API");
  const words = rows.map((row) => row.replace(/^(\w+) \/v1\/(\w+).*/, "$1 $2"));
  assert.deepEqual(
    new Set(words),
    new Set([...Object.keys(PLAIN_ROUTES).map((path) => `GET ${path}`), ...routeNames()]),
  );
});

/** Flags of other programs that pages name. */
const FOREIGN_FLAGS = ["--allow-ffi", "--memory", "--net", "--total-num-mbufs", "--seconds"];

Deno.test("pages name only flags, counters and reasons that there are", () => {
  const commands = Deno.readTextFileSync(`${ROOT}docs/commands.md`);
  const bad: string[] = [];
  let flags = 0;
  for (
    const page of [
      "README.md",
      "docs/operate.md",
      "docs/scale-out.md",
      "docs/attach.md",
      "docs/reference.md",
      "docs/drivers.md",
    ]
  ) {
    const text = Deno.readTextFileSync(ROOT + page).replace(/^```[^]*?^```/gm, "");
    for (const [, code = ""] of text.matchAll(/`([^`\n]+)`/g)) {
      for (const [flag] of code.matchAll(/(?<!\S)--[a-z][a-z-]+/g)) {
        flags++;
        const known = commands.includes(`[${flag}]`) || commands.includes(` ${flag} `) ||
          flag === "--print-capabilities" || FOREIGN_FLAGS.includes(flag);
        if (!known) bad.push(`${page}: ${flag}`);
      }
      const counter = /^[rt]x[A-Z]\w+$/.test(code) && !PORT_COUNTERS.some((name) => name === code);
      if (counter) bad.push(`${page}: ${code}`);
    }
  }
  assert(flags > 10, "flags are found");
  const operate = Deno.readTextFileSync(`${ROOT}docs/operate.md`);
  const table = operate.slice(operate.indexOf("## Why is my port down?"));
  for (const [, names = ""] of table.matchAll(/^\| ((?:`[a-z-]+`(?:, )?)+) in `errors`/gm)) {
    for (const [, name = ""] of names.matchAll(/`([a-z-]+)`/g)) {
      if (!reasonCodes().includes(name)) bad.push(`docs/operate.md: ${name}`);
    }
  }
  // What a port in mode connect says of its socket.
  const connecting = Deno.readTextFileSync(`${ROOT}lib/control/sockets/connect_mode.ts`);
  const sayings = Array.from(table.matchAll(/it says "([^"]+)"/g), ([, words = ""]) => words);
  assert(sayings.length >= 3);
  for (const words of sayings) {
    if (!connecting.includes(words)) bad.push(`docs/operate.md: ${words}`);
  }
  assert.deepEqual(bad, []);
});

Deno.test("the page on drivers has every driver whose layout is tested, and tests that there are", () => {
  const page = Deno.readTextFileSync(`${ROOT}docs/drivers.md`);
  const rows = page.slice(0, page.indexOf("## ")).matchAll(/^\| ([^|]+?) +\|/gm);
  const [, , ...drivers] = Array.from(rows, ([, cell = ""]) => cell);
  assert.deepEqual(drivers, LAYOUTS.map(({ driver }) => driver));
  const files = Array.from(page.matchAll(/`(tests\/[\w/]+\.ts)`/g), ([, path = ""]) => path);
  assert(files.length > 8);
  for (const path of files) assert(Deno.statSync(ROOT + path).isFile, path);
  const reasons: readonly string[] = CHAIN_REASON_ROWS.map(([code]) => code);
  for (const reason of reasons) {
    assert(page.includes(`\`${reason}\``), `docs/drivers.md: ${reason}`);
  }
});
