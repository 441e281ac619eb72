/**
 * The version of this program; deno.json says the same (a test compares them).
 *
 * @module
 */

/** Version, as `vuswitch version` prints it. */
export const VERSION = "0.1.0";
