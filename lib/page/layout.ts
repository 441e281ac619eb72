/**
 * What all pages have around their contents: a head without anything that is not ours, the way to the
 * others, and where a script says what it does.
 *
 * @module
 */
import type { EventStore } from "../control/events/store.ts";
import type { SwitchControl } from "../control/api/table.ts";
import { VERSION } from "../version.ts";
import type { History } from "./history.ts";
import { type Html, markup, type Piece } from "./html.ts";

/** Seconds between two pages in a browser without script. */
const REFRESH_S = 10;

/** What a page is made from. */
export interface Seen {
  /** The switch. */
  readonly control: SwitchControl;
  /** What happened lately. */
  readonly events: EventStore;
  /** Rates of the last minutes. */
  readonly history: History;
  /** In front of all paths, with a slash at its end. */
  readonly base: string;
  /** Behind `?`. */
  readonly query: URLSearchParams;
  /** Where style and script are, from `base` on. */
  readonly assets: { readonly style: string; readonly script: string; readonly icon: string };
}

/** The contents of a page. */
export interface Contents {
  /** What it is. */
  readonly title: string;
  /** Which of {@linkcode PAGES} it belongs to; "": none. */
  readonly page: string;
  /** Everything below the title. */
  readonly main: Html;
}

/** The pages, by their path: name, and the key that leads there. */
export const PAGES: readonly (readonly [path: string, name: string])[] = [
  ["", "Ports"],
  ["drops", "Drops"],
  ["addresses", "Addresses"],
  ["events", "Events"],
  ["workers", "Workers"],
  ["capture", "Capture"],
];

/** A path with words behind `?`; those without text are left out. */
export function link(
  { base }: Seen,
  path: string,
  query: Readonly<Record<string, string>> = {},
): string {
  const words = new URLSearchParams(Object.entries(query).filter(([, text]) => text !== ""));
  const text = words.toString();
  return `${base}${path}${text === "" ? "" : `?${text}`}`;
}

/** A link to the page of a port. */
export function portLink(seen: Seen, name: string): Html {
  return markup`<a href="${link(seen, `ports/${encodeURIComponent(name)}`)}">${name}</a>`;
}

/** A column of a table. */
export interface Column {
  /** Its heading. */
  readonly title: Piece;
  /** What the heading is called where columns stand below each other. */
  readonly label: string;
  /** Numbers go right; `wide`: text that may take what room there is. */
  readonly kind?: "number" | "wide";
  /** How the table is sorted by it. */
  readonly sorted?: "ascending" | "descending";
}

/** A column with a plain heading. */
export function column(label: string, kind?: Column["kind"]): Column {
  return { title: label, label, ...(kind === undefined ? {} : { kind }) };
}

/** A row; its first cell heads it. */
export interface Row {
  /** Tells it from others of its table. */
  readonly key: string;
  /** In the order of the columns. */
  readonly cells: readonly Piece[];
}

/** A table that a script may renew. @param none stands there without rows */
export function table(
  id: string,
  caption: string,
  columns: readonly Column[],
  rows: readonly Row[],
  none: Piece,
): Html {
  if (rows.length === 0) return markup`<p class="none" id="${id}" data-live>${none}</p>`;
  const heads = columns.map(({ title, kind, sorted }) =>
    markup`<th scope="col"${kind ? markup` class="${kind}"` : null}${
      sorted ? markup` aria-sort="${sorted}"` : null
    }>${title}</th>`
  );
  const body = rows.map(({ key, cells }) => {
    const all = cells.map((cell, i) => {
      const { label = "", kind } = columns[i] ?? {};
      const kinds = kind ? markup` class="${kind}"` : null;
      return i === 0
        ? markup`<th scope="row"${kinds}>${cell}</th>`
        : markup`<td${kinds} data-label="${label}">${cell}</td>`;
    });
    return markup`<tr data-key="${key}">${all}</tr>`;
  });
  return markup`<div class="scroll" id="${id}" data-live role="region" aria-label="${caption}" tabindex="0">
<table><caption>${caption}</caption><thead><tr>${heads}</tr></thead>
<tbody>${body}</tbody></table></div>`;
}

function navigation(seen: Seen, { page, title }: Contents): Html {
  const items = PAGES.map(([path, name], i) =>
    markup`<li><a href="${link(seen, path)}" data-digit="${i + 1}"${
      path === page ? markup` aria-current="${title === name ? "page" : "true"}"` : null
    }>${name}</a></li>`
  );
  return markup`<nav aria-label="Pages"><ul>${items}</ul></nav>`;
}

const KEYS: readonly (readonly [string, string])[] = [
  [`1 – ${PAGES.length}`, "the pages, in their order"],
  ["/", "into the search field, if there is one"],
  ["j, k", "to the next and the previous row with a link"],
  ["← →", "on a plot: a second back or on; Home, End: to its ends"],
  ["p", "hold the page, or let it go on"],
  ["?", "this list; Esc closes it"],
];

function help(): Html {
  const rows = KEYS.map(([key, what]) => markup`<dt><kbd>${key}</kbd></dt><dd>${what}</dd>`);
  return markup`<dialog id="help" aria-labelledby="help-title"><h2 id="help-title">Keys</h2>
<dl>${rows}</dl><form method="dialog"><button>Close</button></form></dialog>`;
}

/** A whole page. */
export function layout(seen: Seen, contents: Contents): Html {
  const { title, main } = contents;
  const { assets, base } = seen;
  const host = Deno.hostname();
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title} · vuswitch ${host}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="${base}${assets.icon}" type="image/svg+xml">
<link rel="stylesheet" href="${base}${assets.style}">
<noscript><meta http-equiv="refresh" content="${REFRESH_S}"></noscript>
<script src="${base}${assets.script}" type="module"></script>
</head>
<body data-base="${base}">
<a class="skip" href="#main">To the contents</a>
<header>
<p class="brand"><a href="${base}">vuswitch</a> <span class="host">${host}</span></p>
${navigation(seen, contents)}
<p class="live" id="live" hidden><button id="hold" type="button" aria-pressed="false">Hold</button> <button id="keys" type="button" aria-haspopup="dialog">Keys</button></p>
</header>
<main id="main" tabindex="-1">
<h1>${title}</h1>
<p class="trouble" id="trouble" role="status" hidden></p>
${main}
</main>
<footer><p>vuswitch ${VERSION}. It reads and captures. To change something:
<code>vuswitch --help</code>.</p></footer>
${help()}
</body>
</html>
`;
}
