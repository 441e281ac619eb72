/**
 * Times, and numbers as small drawings.
 *
 * @module
 */
import { type Html, markup, type Piece } from "./html.ts";

/** A time of the log, to the second, in UTC. */
export function moment(iso: string): Html {
  return markup`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)}</time>`;
}

/** What stands in texts for people, and is shown in another way: times, and what is typed. */
const SPECIAL = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)|`([^`]+)`/g;

/** A text for people: its times as they are read, its words to type as such. */
export function prose(text: string): Html {
  const pieces: Piece[] = [];
  let at = 0;
  for (const { index, 0: found, 1: time, 2: typed } of text.matchAll(SPECIAL)) {
    pieces.push(text.slice(at, index), time ? moment(time) : markup`<code>${typed ?? ""}</code>`);
    at = index + found.length;
  }
  return markup`${pieces}${text.slice(at)}`;
}

/**
 * A line of values, the newest on the right; NaN: nothing is known there.
 * @param most value at the top; at least the largest one
 */
export function line(
  values: readonly number[],
  most: number,
  width: number,
  height: number,
  kind: string,
): Html {
  const step = width / Math.max(1, values.length - 1);
  const top = Math.max(most, 1e-9);
  const parts: string[] = [];
  let pen = "M";
  values.forEach((value, i) => {
    if (Number.isNaN(value)) {
      pen = "M";
      return;
    }
    const y = height - 1 - (height - 2) * Math.min(1, value / top);
    parts.push(`${pen}${(i * step).toFixed(1)} ${y.toFixed(1)}`);
    pen = "L";
  });
  return markup`<path class="line ${kind}" d="${parts.join("")}"/>`;
}

/** Both ways of a port in the last minute, as large as a word. */
export function sparkline(rx: readonly number[], tx: readonly number[]): Html {
  const most = Math.max(1, ...[...rx, ...tx].filter((value) => !Number.isNaN(value)));
  const [width, height] = [96, 24];
  return markup`<svg class="spark" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-hidden="true" preserveAspectRatio="none">${
    line(tx, most, width, height, "tx")
  }${line(rx, most, width, height, "rx")}</svg>`;
}

/** A share of a whole, 0 to 1, as a bar beside its number. */
export function bar(share: number): Html {
  const width = (100 * Math.min(1, Math.max(0, share))).toFixed(1);
  return markup`<svg class="bar" viewBox="0 0 100 10" width="100" height="10" aria-hidden="true" preserveAspectRatio="none"><rect class="whole" width="100" height="10"/><rect class="part" width="${width}" height="10"/></svg>`;
}
