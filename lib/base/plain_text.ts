/**
 * Texts that others chose, where a terminal shows them.
 *
 * @module
 */

/** Control characters of any kind, and what else ends a line. */
const CONTROLS = /[\p{Cc}\u2028\u2029]/gu;

/** A text that neither breaks its line nor steers the terminal: `?` for what would. */
export function plainText(text: string): string {
  return text.replaceAll(CONTROLS, "?");
}
