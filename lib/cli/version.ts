/**
 * `version`.
 *
 * @module
 */
import { VERSION } from "../version.ts";
import { type View, view } from "./view.ts";

/** `version`: the JSON is that of `GET /v1/version`. */
export const version: View<unknown, "version"> = view(
  "version",
  () => ({ version: VERSION, deno: Deno.version.deno }),
  (value) => `vuswitch ${value.version} (deno ${value.deno})\n`,
);
