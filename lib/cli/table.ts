/**
 * Aligned tables and short numbers.
 *
 * @module
 */

/** Rows under a heading, columns aligned; columns of numbers, or dashes for none, go right. */
export function formatTable(heading: readonly string[], rows: readonly string[][]): string {
  const numeric = heading.map((_, column) =>
    rows.some((row) => row[column] !== "-") &&
    rows.every((row) => /^(-?[\d.]+[kMG%s]?|-)$/.test(row[column] ?? ""))
  );
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length))
  );
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => {
      const width = widths[column] ?? 0;
      return numeric[column] ? cell.padStart(width) : cell.padEnd(width);
    }).join("  ").trimEnd();
  return [line(heading), ...rows.map(line)].map((text) => `${text}\n`).join("");
}

/** `12`, `3.4k`, `812M`: three digits are enough to read. */
export function shortNumber(value: number): string {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]] as const) {
    if (value >= 10 * size) return `${Math.round(value / size)}${unit}`;
    if (value >= size) return `${(value / size).toFixed(1)}${unit}`;
  }
  return String(value);
}
