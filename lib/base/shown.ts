/**
 * What somebody wrote, for the line that refuses it.
 *
 * @module
 */

/** A value of a configuration or a request as text; never throws, also where it is a table. */
export function shown(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  // A date of TOML prints itself; a table has no prototype there, and no text of its own.
  const text = (_: string, part: unknown): unknown => typeof part === "bigint" ? `${part}` : part;
  return value instanceof Date ? String(value) : JSON.stringify(value, text);
}
