/**
 * The schemas as such: whole, legal, and strict where they are closed. Real output is held against
 * them in tests/e2e/views_test.ts.
 */
import { strict as assert } from "node:assert";
import { faults, strictFaults } from "../../../harness/json_schema.ts";
import { promises } from "../../../harness/schema_promises.ts";
import type { AnySchema, JsonSchema } from "../../../../lib/control/schema/builder.ts";
import {
  allSchemas,
  type DocumentName,
  DOCUMENTS,
  documentSchema,
  SCHEMA_VERSION,
} from "../../../../lib/control/schema/mod.ts";
import { PORT_COUNTERS } from "../../../../lib/switch/counters.ts";

const NAMES = Object.keys(DOCUMENTS) as DocumentName[];

/** All objects of a schema, with where they stand. */
function* nodes(value: unknown, path = ""): Generator<[string, JsonSchema]> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield [path, value as JsonSchema];
  for (const [key, each] of Object.entries(value)) yield* nodes(each, `${path}/${key}`);
}

Deno.test("every schema says what it is, and refers to nothing that is not in it", () => {
  const ids = new Set<unknown>();
  for (const schema of [allSchemas(), ...NAMES.map(documentSchema)]) {
    ids.add(schema["$id"]);
    assert.match(String(schema["$id"]), /^urn:vuswitch:schema:1(:[a-z-]+)?$/);
    assert.equal(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    const defs = schema["$defs"] as JsonSchema;
    for (const [path, { $ref }] of nodes(schema)) {
      const name = typeof $ref === "string" ? $ref.replace("#/$defs/", "") : null;
      assert(name === null || Object.hasOwn(defs, name), `${path}: ${$ref}`);
    }
  }
  assert.equal(ids.size, NAMES.length + 1);
  // A document and a part of the same name would be one.
  for (const [, { uses }] of Object.entries<AnySchema>(DOCUMENTS)) {
    for (const name of uses.keys()) assert(!(name in DOCUMENTS), name);
  }
});

Deno.test("every field of every schema has a description, and counters have their meaning", () => {
  const bare: string[] = [];
  for (const [path, node] of nodes(allSchemas())) {
    for (const [name, field] of Object.entries(node["properties"] ?? {})) {
      const { description, $ref } = field as JsonSchema;
      if (!description && !$ref) bare.push(`${path}/${name}`);
    }
  }
  assert.deepEqual(bare, []);
  const defs = allSchemas()["$defs"] as Record<string, JsonSchema>;
  const counters = defs["port-counters"]?.["properties"] as Record<string, JsonSchema>;
  assert.deepEqual(Object.keys(counters), [...PORT_COUNTERS]);
  assert.match(
    String(counters["rxFrames"]?.["description"]),
    /taken from the guest \(frames, from guest/,
  );
});

Deno.test("consumers survive fields and codes to come, this version's own tests do not", () => {
  const error = { title: "not-found", detail: "No port named x", hint: null };
  assert.deepEqual(strictFaults("error", error), []);
  for (const later of [{ ...error, instance: "/v1" }, { ...error, title: "too-early" }]) {
    assert.deepEqual(faults("error", later), []);
    assert(strictFaults("error", later).length > 0);
  }
  const stats = {
    name: "vm1",
    at: "2026-11-29T09:00:00.000Z",
    counters: null,
    errors: { busy: 2 },
  };
  assert.deepEqual(strictFaults("port-stats", stats), []);
  assert.deepEqual(faults("port-stats", { ...stats, errors: { "of-tomorrow": 1 } }), []);
  assert(strictFaults("port-stats", { ...stats, errors: { "of-tomorrow": 1 } }).length > 0);
  for (
    const wrong of [
      { ...stats, at: "yesterday" },
      { ...stats, name: "" },
      { ...stats, errors: { busy: 0 } },
      { ...stats, errors: { busy: 1.5 } },
      { name: "vm1", at: stats.at, counters: null },
    ]
  ) assert(faults("port-stats", wrong).length > 0, JSON.stringify(wrong));
  const line = { ts: stats.at, level: "warn", component: "port a", event: "closed", msg: "x" };
  assert.deepEqual(strictFaults("log-line", { ...line, reason: "bad-size", suppressed: 3 }), []);
  assert(strictFaults("log-line", { ...line, reason: {} }).length > 0);
  assert(faults("log-line", { ...line, event: "Two words" }).length > 0);
});

Deno.test("what this version of the schema promised is still there", async () => {
  const path = new URL(`schema_v${SCHEMA_VERSION}.txt`, import.meta.url);
  const promised = (await Deno.readTextFile(path)).trimEnd().split("\n");
  assert(promised.length > 200);
  const kept = new Set(promises());
  const broken = promised.filter((line) => !kept.has(line));
  assert.deepEqual(broken, [], "keep them, or raise SCHEMA_VERSION and write its promises anew");
});

Deno.test("a schema that there is not is named, with the one that may be meant", () => {
  assert.throws(
    () => documentSchema("port-lst"),
    /No schema named "port-lst"; known: version, port/,
  );
  assert.throws(() => documentSchema("toString"), /No schema named/);
});
