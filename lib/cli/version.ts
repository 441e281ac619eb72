/**
 * `version`.
 *
 * @module
 */
import { VERSION } from "../version.ts";

/** `version`: the JSON is that of `GET /v1/version`. */
export function version(
  flags: { readonly output: "table" | "json" },
  print: (text: string) => void,
): void {
  const value = { version: VERSION, deno: Deno.version.deno };
  if (flags.output === "json") print(`${JSON.stringify(value, null, 2)}\n`);
  else print(`vuswitch ${value.version} (deno ${value.deno})\n`);
}
