/**
 * Every document of JSON that the control API answers with and commands print, as JSON Schema
 * (draft 2020-12). The schema's version, part of each `$id`, changes when a field or a word of a
 * closed list is taken away or changes its meaning; fields and codes are added under the same one.
 *
 * @module
 */
import { didYouMean } from "../../base/nearest.ts";
import { VERSION } from "../../version.ts";
import { DOCUMENTS } from "../api/table.ts";
import { ControlError } from "../types.ts";
import type { AnySchema, JsonSchema, Of } from "./builder.ts";

export { DOCUMENTS };

/** Which promise about fields and words holds. */
export const SCHEMA_VERSION = 1;

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** A name of {@linkcode DOCUMENTS}. */
export type DocumentName = keyof typeof DOCUMENTS;

/** The type of a document. */
export type DocumentOf<Name extends DocumentName> = Of<typeof DOCUMENTS[Name]>;

function whole(name: string, json: JsonSchema, uses: Iterable<[string, JsonSchema]>): JsonSchema {
  return {
    $schema: DIALECT,
    $id: `urn:vuswitch:schema:${SCHEMA_VERSION}${name === "" ? "" : `:${name}`}`,
    $comment: `vuswitch ${VERSION}`,
    ...json,
    $defs: Object.fromEntries(uses),
  };
}

/** The schema of one document. @throws {ControlError} there is none of that name */
export function documentSchema(name: string): JsonSchema {
  const names = Object.keys(DOCUMENTS);
  if (!Object.hasOwn(DOCUMENTS, name)) {
    throw new ControlError(
      "not-found",
      `No schema named "${name}"; known: ${names.join(", ")}`,
      didYouMean(name, names),
    );
  }
  const { json, uses } = DOCUMENTS[name as DocumentName] as AnySchema;
  return whole(name, json, uses);
}

/** All documents in one schema: its `$defs` has each under its name, and what they refer to. */
export function allSchemas(): JsonSchema {
  const documents = Object.entries<AnySchema>(DOCUMENTS);
  const parts = documents.flatMap(([, { uses }]) => [...uses]);
  const all = documents.map(([name, { json }]): [string, JsonSchema] => [name, json]);
  return whole("", { description: "any document: see $defs" }, [...parts, ...all]);
}
