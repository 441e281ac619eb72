/**
 * What a session of the bench leaves behind: its shape, its sums, its files.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Ajv2020 } from "ajv/2020";
import {
  fileName,
  historyOf,
  readSession,
  sessionSchema,
  writeSession,
} from "../../../bench/record.ts";
import { closed } from "../../harness/json_schema.ts";
import { TempFolder } from "../../harness/temp.ts";
import { SESSION } from "./sessions.ts";

const RESULTS = new URL("../../../bench/results", import.meta.url).pathname;

/** What is wrong with a session, for somebody who knows every field. */
function faults(session: unknown): string[] {
  const ajv = new Ajv2020({ allErrors: true, strict: false, validateFormats: false });
  const validate = ajv.compile(closed(sessionSchema.json) as Record<string, unknown>);
  validate(session);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

Deno.test("summarize() sums up what went well, and pairs rounds in which both did", () => {
  const [cell] = SESSION.cells;
  assert.deepEqual(cell?.contenders, {
    vuswitch: { median: 24, min: 10, max: 30, n: 3 },
    "OVS-DPDK": { median: 15.5, min: 15, max: 16, n: 2 },
  });
  assert.deepEqual(cell?.ratios, { "OVS-DPDK": { median: 1.75, min: 1.5, max: 2, n: 2 } });
  assert.equal(cell?.runs.length, 6, "failed runs stay in the record");
});

Deno.test("a session is what its schema says, and the schema is strict enough to say no", () => {
  assert.deepEqual(faults(SESSION), []);
  assert.notDeepEqual(faults({ ...SESSION, extra: 1 }), []);
  assert.notDeepEqual(faults({ ...SESSION, version: 2 }), []);
  const [cell] = SESSION.cells;
  assert.notDeepEqual(faults({ ...SESSION, cells: [{ ...cell, better: "faster" }] }), []);
});

Deno.test("all sessions of the history are what the schema says", async () => {
  const paths = historyOf(RESULTS);
  assert(paths.length > 0);
  for (const path of paths) assert.deepEqual(faults(await readSession(path)), [], path);
});

Deno.test("a session is written with a line for each run, and read as it was", async () => {
  using folder = new TempFolder();
  const path = await writeSession(`${folder.path}/history`, SESSION);
  assert.equal(path, `${folder.path}/history/2026-11-29T120001.json`);
  assert.deepEqual(await readSession(path), SESSION);
  const text = Deno.readTextFileSync(path);
  assert.equal(text.split("\n").filter((line) => line.startsWith('{"contender"')).length, 6);
  const later = { ...SESSION, started: "2026-12-01T08:30:00.000Z" };
  const second = await writeSession(`${folder.path}/history`, later);
  Deno.writeTextFileSync(`${folder.path}/history/notes.json`, "{}");
  assert.deepEqual(historyOf(`${folder.path}/history`), [path, second]);
  assert.deepEqual(historyOf(`${folder.path}/nowhere`), []);
});

Deno.test("what is no session is refused in one line that names the file", async () => {
  using folder = new TempFolder();
  const path = `${folder.path}/x.json`;
  await assert.rejects(readSession(path), /Cannot read .*x\.json: /);
  Deno.writeTextFileSync(path, "{");
  await assert.rejects(readSession(path), /Cannot read .*x\.json: /);
  Deno.writeTextFileSync(path, '{"version":9,"cells":[]}');
  await assert.rejects(readSession(path), /x\.json is no record of this bench \(version 1\)/);
});

Deno.test("fileName() sorts by age", () => {
  assert.equal(fileName("2026-11-29T09:05:59.123Z"), "2026-11-29T090559.json");
});
