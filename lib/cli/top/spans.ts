/**
 * Lines of a screen: pieces of text with a style, cut to a width.
 *
 * @module
 */

/** How a piece looks. `NO_COLOR` leaves out what is a colour. */
export type Style = "bold" | "inverse" | "dim" | "red" | "yellow" | "green" | "cyan";

/** A piece of a line. */
export type Span = string | readonly [text: string, ...styles: readonly Style[]];
/** A line. */
export type Line = readonly Span[];

/** How a terminal is drawn on. */
export interface Looks {
  /** Colours, besides bold and inverse. */
  readonly colour: boolean;
  /** Blocks and arrows of Unicode. */
  readonly unicode: boolean;
}

const CODES: Readonly<Record<Style, number>> = {
  ...{ bold: 1, dim: 2, inverse: 7, red: 31, green: 32, yellow: 33, cyan: 36 },
};
const COLOURS: readonly Style[] = ["red", "yellow", "green", "cyan"];

/**
 * A text that others chose as one whose characters are a column wide each: what is not of ASCII may
 * be of any width, and control characters steer the terminal.
 */
export function asciiText(text: string): string {
  return text.replaceAll(/[^ -~]/gu, "?");
}

/** A text in a column of a width, cut where it is longer. @param right goes to the right end */
export function cell(text: string, width: number, right = false): string {
  if (width <= 0) return "";
  if (text.length > width) return width < 2 ? text.slice(0, width) : `${text.slice(0, width - 1)}~`;
  return right ? text.padStart(width) : text.padEnd(width);
}

/** Columns that a line takes: characters are one column wide each. */
export function widthOf(line: Line): number {
  return line.reduce(
    (sum, span) => sum + [...(typeof span === "string" ? span : span[0])].length,
    0,
  );
}

/** A line as a terminal gets it, cut after `columns`. */
export function render(line: Line, columns: number, { colour }: Looks): string {
  let left = columns;
  let text = "";
  for (const span of line) {
    const [piece, ...styles] = typeof span === "string" ? [span] : span;
    const shown = [...piece].slice(0, Math.max(0, left)).join("");
    left -= [...shown].length;
    const codes = styles.filter((style) => colour || !COLOURS.includes(style))
      .map((style) => CODES[style]);
    text += shown === "" || codes.length === 0 ? shown : `\x1b[${codes.join(";")}m${shown}\x1b[m`;
  }
  return text;
}
