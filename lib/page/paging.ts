/**
 * Long tables, in pages: a browser gets as many rows as somebody can read.
 *
 * @module
 */
import { count } from "./numbers.ts";
import { type Html, markup } from "./html.ts";
import { link, type Seen } from "./layout.ts";

/** The rows of a page. @param query `from`: how many are in front of them */
export function numbersOf<T>(
  query: URLSearchParams,
  all: readonly T[],
  most: number,
): { readonly from: number; readonly shown: readonly T[] } {
  const text = query.get("from") ?? "0";
  const asked = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  const last = Math.max(0, Math.ceil(all.length / most) - 1) * most;
  const from = Math.min(last, asked - asked % most);
  return { from, shown: all.slice(from, from + most) };
}

/** Where one is, and the way on and back; nothing if all rows are there. */
export function pager(
  seen: Seen,
  path: string,
  query: Readonly<Record<string, string>>,
  from: number,
  most: number,
  total: number,
): Html | null {
  if (total <= most) return null;
  const to = (at: number, name: string): Html =>
    markup`<a href="${
      link(seen, path, { ...query, from: at === 0 ? "" : String(at) })
    }">${name}</a> `;
  return markup`<nav class="pager" id="pager" data-live aria-label="Rows">${
    from > 0 ? to(from - most, "Previous") : null
  }<span>${count(from + 1)} to ${count(Math.min(total, from + most))} of ${count(total)}</span> ${
    from + most < total ? to(from + most, "Next") : null
  }</nav>`;
}
