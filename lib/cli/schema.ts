/**
 * `schema`: what the JSON of commands and of the control API looks like. It asks no switch.
 *
 * @module
 */
import { allSchemas, documentSchema } from "../control/schema/mod.ts";

/** `schema [NAME]`. @throws {ControlError} there is none of that name */
export function schema(_flags: unknown, print: (text: string) => void, name?: string): void {
  const json = name === undefined ? allSchemas() : documentSchema(name);
  print(`${JSON.stringify(json, null, 2)}\n`);
}
