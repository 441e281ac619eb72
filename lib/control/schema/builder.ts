/**
 * What JSON looks like, said once: a schema of this file is JSON Schema (draft 2020-12) when the
 * program runs, and the TypeScript type of what it describes when it is compiled (`Of`).
 *
 * Objects stay open: a consumer must survive fields that later versions add. All fields are there in
 * every document, null where there is nothing to say, but for those made with `optional`. Codes are
 * lists that grow, so each has a branch for codes to come (`LATER`). Tests close both, and so find
 * what nobody described.
 *
 * @module
 */

/** A JSON Schema, or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Key of a field that no schema has: it ties the type of values to a schema's own type. */
export declare const VALUE: unique symbol;

/** A schema of values of any type. */
export interface AnySchema {
  /** As it is printed; refers to named schemas by `$ref`. */
  readonly json: JsonSchema;
  /** Set if a record may lack the field. */
  readonly optional?: true;
  /** Named schemas that it refers to, itself included. */
  readonly uses: ReadonlyMap<string, JsonSchema>;
}

/** A schema of values of type `T`, exactly. */
export interface Schema<T> extends AnySchema {
  /** Never there: holds the type. */
  readonly [VALUE]?: (value: T) => T;
}

/** The type of the values that a schema describes. */
export type Of<S> = S extends Schema<infer T> ? T : never;

/** Fields of a record by name. */
export type Fields = Readonly<Record<string, AnySchema>>;

/** Names of the fields that may be missing. */
export type Optional<F extends Fields> = {
  [Name in keyof F]: F[Name] extends { readonly optional: true } ? Name : never;
}[keyof F];

/** The type of a record. */
export type RecordOf<F extends Fields> =
  & { readonly [Name in Exclude<keyof F, Optional<F>>]: Of<F[Name]> }
  & { readonly [Name in Optional<F>]?: Of<F[Name]> };

/** Description of values that only a later version has. */
export const LATER = "of a later version";

/** Whole numbers that every reader of JSON has exactly. */
const WHOLE_MAX = Number.MAX_SAFE_INTEGER;

function make<T>(json: JsonSchema, ...parts: readonly AnySchema[]): Schema<T> {
  return { json, uses: new Map(parts.flatMap(({ uses }) => [...uses])) };
}

/** A text. @param pattern what it always matches */
export function text(description: string, pattern?: RegExp): Schema<string> {
  return make({ description, type: "string", ...pattern ? { pattern: pattern.source } : {} });
}

/** A point in time, in UTC. */
export function time(description: string): Schema<string> {
  const pattern = "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$";
  return make({ description, type: "string", format: "date-time", pattern });
}

/** A whole number. */
export function whole(
  description: string,
  minimum = 0,
  maximum: number = WHOLE_MAX,
): Schema<number> {
  return make({ description, type: "integer", minimum, maximum });
}

/** A number of 0 or more. */
export function amount(description: string): Schema<number> {
  return make({ description, type: "number", minimum: 0 });
}

/** A part of a whole, from 0 to 1. */
export function share(description: string): Schema<number> {
  return make({ description, type: "number", minimum: 0, maximum: 1 });
}

/** True or false. */
export function flag(description: string): Schema<boolean> {
  return make({ description, type: "boolean" });
}

/** One of a few words, which stay the same. @param words each with its meaning, or "" */
export function choice<const Words extends Readonly<Record<string, string>>>(
  description: string,
  words: Words,
): Schema<keyof Words & string> {
  const meanings = Object.entries(words).flatMap(([word, meaning]) =>
    meaning === "" ? [] : [`${word}: ${meaning}`]
  );
  const all = [description, ...meanings].join("; ");
  return make({ description: all, type: "string", enum: Object.keys(words) });
}

/** Codes with their meanings. */
export type CodeRows = readonly (readonly [code: string, meaning: string])[];

/** A code of a list that grows. */
export function code<const Rows extends CodeRows>(
  description: string,
  rows: Rows,
): Schema<Rows[number][0]> {
  const known = [...byCode(rows)].map(([word, meaning]) => ({
    const: word,
    description: meaning,
  }));
  return make({
    description,
    type: "string",
    anyOf: [...known, { description: LATER, pattern: "^[a-z0-9]+(-[a-z0-9]+)*$" }],
  });
}

/** Meanings by code; a code that two lists have, has both. */
function byCode(rows: CodeRows): Map<string, string> {
  const meanings = new Map<string, string>();
  for (const [word, meaning] of rows) {
    const other = meanings.get(word);
    meanings.set(word, other === undefined ? meaning : `${other}; or: ${meaning}`);
  }
  return meanings;
}

/** How often something happened, by code: only codes that did are there. */
export function tally(
  description: string,
  rows: CodeRows,
): Schema<Readonly<Record<string, number>>> {
  const properties = Object.fromEntries(
    [...byCode(rows)].map(([word, meaning]) => [word, whole(meaning, 1).json]),
  );
  return make({
    description,
    type: "object",
    properties,
    additionalProperties: whole(LATER, 1).json,
  });
}

/** A number for each of some names, all of them there. */
export function numbers(
  description: string,
  names: Readonly<Record<string, Schema<number>>>,
): Schema<Readonly<Record<string, number>>> {
  return make(record<Fields>(description, names).json);
}

/** What a value is by a name of its own kind, such as that of a port. */
export function byName<T>(
  description: string,
  value: Schema<T>,
): Schema<Readonly<Record<string, T>>> {
  return make({ description, type: "object", additionalProperties: value.json }, value);
}

/** A list of any length. */
export function list<T>(description: string, items: Schema<T>): Schema<readonly T[]> {
  return make({ description, type: "array", items: items.json }, items);
}

/** Two of a kind. */
export function pair<T>(description: string, items: Schema<T>): Schema<readonly [T, T]> {
  return make({ description, type: "array", items: items.json, minItems: 2, maxItems: 2 }, items);
}

/** A value or null. @param why what null means */
export function maybe<T>(why: string, schema: Schema<T>): Schema<T | null> {
  const { description, ...json } = schema.json;
  const what = description === undefined ? "" : `${description}; `;
  return make({ description: `${what}null: ${why}`, anyOf: [json, { type: "null" }] }, schema);
}

/** One of two. */
export function either<A, B>(
  description: string,
  one: Schema<A>,
  other: Schema<B>,
): Schema<A | B> {
  return make({ description, anyOf: [one.json, other.json] }, one, other);
}

/** A field that a record may lack. */
export function optional<T>(schema: Schema<T>): Schema<T> & { readonly optional: true } {
  return { ...schema, optional: true };
}

/** An object with these fields. */
export function record<const F extends Fields>(
  description: string,
  fields: F,
): Schema<RecordOf<F>> {
  const entries = Object.entries(fields);
  return make({
    description,
    type: "object",
    properties: Object.fromEntries(entries.map(([name, { json }]) => [name, json])),
    required: entries.flatMap(([name, schema]) => schema.optional ? [] : [name]),
  }, ...Object.values(fields));
}

/** A record with further fields of one kind. */
export function moreFields<T>(schema: Schema<T>, others: AnySchema): Schema<T> {
  return make({ ...schema.json, additionalProperties: others.json }, schema, others);
}

/** A text, number, true, false or null. */
export function scalar(description: string): Schema<string | number | boolean | null> {
  const anyOf = ["string", "number", "boolean", "null"].map((type) => ({ type }));
  return make({ description, anyOf });
}

/** A schema with another description. */
export function about<T>(description: string, schema: Schema<T>): Schema<T> {
  return { ...schema, json: { ...schema.json, description } };
}

/** A schema that others refer to by a name. */
export function named<T>(name: string, schema: Schema<T>): Schema<T> {
  return {
    json: { $ref: `#/$defs/${name}` },
    uses: new Map([...schema.uses, [name, schema.json]]),
  };
}
