/**
 * The version of this program; deno.json says the same (a test compares them).
 *
 * @module
 */

/** Version, as `vuswitch version` prints it. */
export const VERSION = "0.1.0";

/** The day of that version, as YEAR-MONTH-DAY: what is made of it says so, whenever it is made. */
export const VERSION_DATE = "2026-11-30";
