/**
 * HTML in which nothing is markup but what the code says: whatever stands in a template is escaped,
 * whoever chose it.
 *
 * @module
 */
import { plainText } from "../base/plain_text.ts";

/** Markup; made by {@linkcode markup} alone. */
export class Html {
  /** As it goes out. */
  readonly text: string;

  /** Takes `text` as it is. */
  constructor(text: string) {
    this.text = text;
  }
}

/** What may stand in a template: markup, text, or nothing. */
export type Piece = Html | string | number | null | false | readonly Piece[];

/** Characters by which a name could seem to be another one, or its line turned around. */
const DECEIVING = /[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;
const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as it stands between tags, or in quotes. Control characters are `?`. */
export function escapeHtml(text: string): string {
  return plainText(text).replaceAll(DECEIVING, "?")
    .replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? "");
}

function textOf(piece: Piece): string {
  if (piece === null || piece === false) return "";
  if (piece instanceof Html) return piece.text;
  if (typeof piece === "object") return piece.map(textOf).join("");
  return escapeHtml(String(piece));
}

/** A template: attributes stand in double quotes. */
export function markup(strings: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  let text = strings[0] ?? "";
  pieces.forEach((piece, i) => text += textOf(piece) + (strings[i + 1] ?? ""));
  return new Html(text);
}
