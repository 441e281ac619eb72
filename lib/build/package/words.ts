/**
 * Flags of the tasks that make packages.
 *
 * @module
 */

/** What stands behind a flag, if it is given. */
export function given(flag: string): string | undefined {
  const at = Deno.args.indexOf(flag);
  return at < 0 ? undefined : Deno.args[at + 1];
}
