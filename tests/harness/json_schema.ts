/**
 * Holds JSON against the schema that `vuswitch schema` prints, in two ways: as a consumer does, who
 * survives what later versions add, and closed, so that a field or a code that nobody described is
 * a fault.
 *
 * @module
 */
import { Ajv2020, type ValidateFunction } from "ajv/2020";
import { type JsonSchema, LATER } from "../../lib/control/schema/builder.ts";
import { type DocumentName, documentSchema } from "../../lib/control/schema/mod.ts";

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isLater(value: unknown): boolean {
  return isObject(value) && value["description"] === LATER;
}

/** A schema without what it has for later versions: what is not described is a fault. */
export function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) {
    return schema.filter((each) => !isLater(each)).map(closed);
  }
  if (!isObject(schema)) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, closed(value)]);
  const copy = Object.fromEntries(entries) as Record<string, unknown>;
  const open = schema["additionalProperties"];
  if (isLater(open) || (isObject(schema["properties"]) && open === undefined)) {
    copy["additionalProperties"] = false;
  }
  return copy;
}

function compile(schema: JsonSchema): ValidateFunction {
  const ajv = new Ajv2020({ allErrors: true, strict: true, validateFormats: false });
  ajv.addFormat("date-time", true);
  return ajv.compile(schema);
}

const compiled = new Map<string, ValidateFunction>();

function check(key: string, schema: () => JsonSchema, value: unknown): string[] {
  const validate = compiled.get(key) ?? compile(schema());
  compiled.set(key, validate);
  if (validate(value)) return [];
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath || "/"} ${message} ${JSON.stringify(params)}`
  );
}

/** What is wrong with a document for a consumer. */
export function faults(name: DocumentName, value: unknown): string[] {
  return check(name, () => documentSchema(name), value);
}

/** What is wrong with a document of this very version. */
export function strictFaults(name: DocumentName, value: unknown): string[] {
  return check(`${name} closed`, () => closed(documentSchema(name)) as JsonSchema, value);
}
