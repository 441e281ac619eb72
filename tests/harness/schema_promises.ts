/**
 * What a schema promises to those who read documents by it, a line for each field: where it is,
 * whether it is always there, its type, and its words if it is one of a closed list.
 * `deno run -A tests/harness/schema_promises.ts` prints it.
 *
 * @module
 */
import { type JsonSchema, LATER } from "../../lib/control/schema/builder.ts";
import { allSchemas } from "../../lib/control/schema/mod.ts";

function typeOf(schema: JsonSchema): string {
  const { $ref, anyOf, type, items } = schema as {
    readonly $ref?: string;
    readonly anyOf?: readonly JsonSchema[];
    readonly type?: string;
    readonly items?: JsonSchema;
    readonly enum?: readonly string[];
  };
  if ($ref !== undefined) return $ref.replace("#/$defs/", "");
  const isCode = anyOf?.some(({ description }) => description === LATER);
  if (anyOf !== undefined && !isCode) return anyOf.map(typeOf).join(" or ");
  if (items !== undefined) return `list of ${typeOf(items)}`;
  const words = schema["enum"] as readonly string[] | undefined;
  return words === undefined ? String(type) : `${type} ${words.join("|")}`;
}

function* fieldsOf(path: string, schema: JsonSchema): Generator<string> {
  // Codes may go: nobody counts on a fault that does not happen any more.
  if ((schema["additionalProperties"] as JsonSchema | undefined)?.["description"] === LATER) return;
  const properties = (schema["properties"] ?? {}) as Readonly<Record<string, JsonSchema>>;
  const required = (schema["required"] ?? []) as readonly string[];
  for (const [name, field] of Object.entries(properties)) {
    const always = required.includes(name) ? "always" : "at times";
    yield `${path}.${name}: ${always} ${typeOf(field)}`;
    yield* fieldsOf(`${path}.${name}`, field);
  }
  const parts = [schema["items"], ...(schema["anyOf"] ?? []) as readonly JsonSchema[]];
  for (const part of parts) if (part) yield* fieldsOf(path, part as JsonSchema);
}

/** The promises of the schema as it is. */
export function promises(): string[] {
  const defs = allSchemas()["$defs"] as Readonly<Record<string, JsonSchema>>;
  return Object.entries(defs).flatMap(([name, schema]) => [
    `${name}: ${typeOf(schema)}`,
    ...fieldsOf(name, schema),
  ]);
}

if (import.meta.main) console.log(promises().join("\n"));
