/**
 * Colour for tables on a terminal: headings, states of ports, findings of the doctor. Nothing is
 * said by colour alone. NO_COLOR takes it away.
 *
 * @module
 */

/** Codes of ECMA-48 «SGR». */
const CODES = { bold: 1, red: 31, green: 32, yellow: 33 } as const;
type Colour = keyof typeof CODES;

/** What a cell of a column begins with, by the column's heading. */
const STATES: Readonly<Record<string, Readonly<Record<string, Colour>>>> = {
  LINK: {
    up: "green",
    wait: "yellow",
    down: "yellow",
    "admin-down": "yellow",
    broken: "red",
  },
};

/** What a line of the doctor begins with. */
const LEVELS: Readonly<Record<string, Colour>> = { ok: "green", warning: "yellow", fault: "red" };

/** A heading: words of capitals, two spaces between them. */
const HEADING = /^[A-Z]{2,}(?: ?[\w/()-]+)* {2,}[A-Z].*$/;
const FINDING = /^(ok|warning|fault)(?= +[a-z-]+: )/;

/** Whether what is printed may be in colour. */
export function mayPaint(): boolean {
  return Deno.stdout.isTerminal() && !Deno.noColor && Deno.env.get("TERM") !== "dumb";
}

function inColour(text: string, colour: Colour): string {
  return `\x1b[${CODES[colour]}m${text}\x1b[m`;
}

/** Where a column begins whose cells have colours. */
interface Column {
  readonly at: number;
  readonly states: Readonly<Record<string, Colour>>;
}

function columnOf(heading: string): Column | null {
  for (const [name, states] of Object.entries(STATES)) {
    const at = heading.search(new RegExp(`(?<![^ ])${name}(?![^ ])`));
    if (at >= 0) return { at, states };
  }
  return null;
}

/** A cell's first word; what is behind its comma is what is wrong. */
function withCell(line: string, { at, states }: Column): string {
  const [cell = "", word = "", wrong = ""] = /^([a-z-]+)(, [a-z-]+)?/.exec(line.slice(at)) ?? [];
  const colour = Object.hasOwn(states, word) ? states[word] : undefined;
  if (colour === undefined) return line;
  const told = wrong === "" ? "" : inColour(wrong, "yellow");
  return `${line.slice(0, at)}${inColour(word, colour)}${told}${line.slice(at + cell.length)}`;
}

/** A table or several, with an empty line in front of each but the first, in colour. */
export function painted(text: string): string {
  let column: Column | null = null;
  let isFirst = true;
  return text.split("\n").map((line) => {
    const isHeading = isFirst && HEADING.test(line);
    isFirst = line === "";
    if (isHeading) column = columnOf(line);
    else if (isFirst) column = null;
    if (isHeading) return inColour(line, "bold");
    if (column !== null) return withCell(line, column);
    const level = FINDING.exec(line)?.[1];
    const colour = level === undefined ? undefined : LEVELS[level];
    if (level === undefined || colour === undefined) return line;
    return inColour(level, colour) + line.slice(level.length);
  }).join("\n");
}
