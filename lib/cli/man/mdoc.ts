/**
 * The language of manual pages, mdoc(7), as far as ours need it: every text goes through here, so
 * that none of it is taken for a request or a macro.
 *
 * @module
 */

/** Of a line of text; mandoc asks for 80 at most. */
const COLUMNS = 78;

const NAMES: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  '"': "\\(dq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** What is not ASCII, by its number. */
function ascii(text: string): string {
  return text.replace(
    /[^\n -~]/gu,
    (letter) => `\\[u${letter.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}]`,
  );
}

/** Text that is printed as it stands, to be copied: a command, an option, a file. */
export function literal(text: string): string {
  return ascii(text.replace(/[\\\-'"`^~]/g, (letter) => NAMES[letter] ?? letter));
}

/** An argument of a macro: never one itself, however it reads. */
export function word(text: string): string {
  return `"\\&${literal(text)}"`;
}

/** A line that begins neither a request nor a macro. */
function guarded(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** A sentence in lines that are short enough. */
function wrap(sentence: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const each of sentence.split(/\s+/)) {
    if (line !== "" && line.length + 1 + each.length > COLUMNS) {
      lines.push(line);
      line = each;
    } else line = line === "" ? each : `${line} ${each}`;
  }
  return [...lines, line];
}

/** Markdown that our rows have as lines of text: code is bold, a link its words; ][ may be broken. */
export function prose(markdown: string): string[] {
  const text = markdown.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
  const marked = text.split("`").map((part, at) => {
    if (at % 2 === 0) {
      return ascii(part.replace(/\\\|/g, "|").replaceAll("\\", "\\e")).replaceAll("][", "]\\:[");
    }
    return `\\fB${literal(part)}\\fP`;
  }).join("");
  // A sentence begins a line of its own, so that the formatter can set it off.
  return marked.split(/(?<=[.!?]\)?)\s+(?=\S)/).flatMap(wrap).map(guarded);
}

/** Lines that are printed as they stand. */
export function display(lines: readonly string[]): string[] {
  return [
    ".Bd -literal -offset indent",
    ...lines.map((line) => guarded(literal(line))),
    ".Ed",
  ];
}

/** A list of terms; each is a line of macros behind `.It`, and what it means. */
export function tagged(
  rows: readonly (readonly [term: string, meaning: readonly string[]])[],
): string[] {
  if (rows.length === 0) return [];
  return [
    ".Bl -tag -width Ds",
    ...rows.flatMap(([term, lines]) => [`.It ${term}`, ...lines]),
    ".El",
  ];
}

/** Months as mdoc(7) writes a date. */
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July", "August", "September"],
  ...["October", "November", "December"],
];

/** The head of a page. @param date YEAR-MONTH-DAY */
export function head(title: string, section: number, date: string, version: string): string[] {
  const [year, month, day] = date.split("-").map(Number);
  return [
    `.Dd ${MONTHS[(month ?? 1) - 1]} ${day}, ${year}`,
    `.Dt ${title.toUpperCase()} ${section}`,
    `.Os ${word(`vuswitch ${version}`)}`,
  ];
}
