/**
 * What is answered to a browser, and to whom: requests for this very host that know the key. A port of
 * the loopback is open to everybody on the host, and captures are not for everybody: the key stands in
 * the path, so that nothing that a browser sends by itself, to whatever page of whoever, carries it.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { checkHost } from "../control/api/loopback.ts";
import { ControlError } from "../control/types.ts";
import type { Asset, Assets } from "./assets.ts";
import { markup } from "./html.ts";
import { type Contents, layout, link, type Seen } from "./layout.ts";
import { addressesPage } from "./views/addresses.ts";
import { captureFile, capturePage } from "./views/capture.ts";
import { dropsPage } from "./views/drops.ts";
import { eventsPage } from "./views/events.ts";
import { portPage } from "./views/port.ts";
import { portsPage } from "./views/ports.ts";
import { workersPage } from "./views/workers.ts";

/**
 * With every answer. Nothing runs or loads but what this server has, nothing is shown in another page's
 * frame, nobody is told where a link was followed, nothing is kept on disk.
 */
export const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    ...["script-src", "style-src", "img-src", "connect-src"].map((what) => `${what} 'self'`),
    "form-action 'self'",
    ...["base-uri", "frame-ancestors"].map((what) => `${what} 'none'`),
  ].join("; "),
  "cache-control": "no-store",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

const STATUS: Readonly<Record<ControlError["kind"], number>> = {
  "not-found": 404,
  conflict: 409,
  invalid: 400,
  failed: 500,
};

/** What is served, and to whom. */
export interface Served extends Omit<Seen, "base" | "query" | "assets"> {
  /** Files. */
  readonly assets: Assets;
  /** Who knows it may read. */
  readonly key: string;
}

/** Pages without a name of something in their path. */
const PAGE_OF: Readonly<Record<string, (seen: Seen) => Contents>> = {
  "": portsPage,
  drops: dropsPage,
  addresses: addressesPage,
  events: eventsPage,
  workers: workersPage,
  capture: capturePage,
};

function answer(status: number, type: string, body: string, more = {}): Response {
  return new Response(body, { status, headers: { ...HEADERS, "content-type": type, ...more } });
}

function page(seen: Seen, contents: Contents, status = 200): Response {
  return answer(status, "text/html; charset=utf-8", layout(seen, contents).text);
}

/** What somebody sees who does not know the key: nothing of the switch. */
function stranger(): Response {
  const text = "This page is for those whom the switch's user gives its link: vuswitch page\n";
  return answer(403, "text/plain; charset=utf-8", text);
}

function isKey(given: string, key: string): boolean {
  const [one, other] = [given, key].map((text) => new TextEncoder().encode(text));
  return one?.length === other?.length && timingSafeEqual(one as Uint8Array, other as Uint8Array);
}

function file({ type, text }: Asset): Response {
  return answer(200, type, text, { "cache-control": "private, max-age=31536000, immutable" });
}

function samples(seen: Seen): Response {
  const { query, history } = seen;
  const after = Number(query.get("after") ?? "0");
  const body = history.since(query.get("port"), Number.isFinite(after) ? after : 0);
  return answer(200, "application/json", JSON.stringify(body));
}

function known(seen: Seen, path: string, request: Request): Response {
  if (Object.hasOwn(PAGE_OF, path)) return page(seen, (PAGE_OF[path] as typeof portsPage)(seen));
  if (path === "samples.json") return samples(seen);
  if (path === "capture.pcapng") {
    const response = captureFile(seen, request);
    for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value);
    return response;
  }
  const [, name] = /^ports\/([^/]+)$/.exec(path) ?? [];
  if (name !== undefined) return page(seen, portPage(seen, decodeURIComponent(name)));
  throw new ControlError("not-found", `There is no page ${path.slice(0, 80)}`);
}

function trouble(seen: Seen, error: unknown): Response {
  const said = error instanceof URIError
    ? new ControlError("invalid", "The address has a % without two hex digits of UTF-8 behind it")
    : error instanceof ControlError
    ? error
    : new ControlError("failed", `Internal error: ${error}`);
  const main = markup`<p class="verdict">${said.message}</p>${
    said.hint === null ? null : markup`<p class="hint">${said.hint}</p>`
  }<p><a href="${link(seen, "")}">All ports</a></p>`;
  const title = said.kind === "not-found" ? "Not here" : "That did not work";
  return page(seen, { title, page: "none", main }, STATUS[said.kind]);
}

/** Answers one request. Never rejects. */
export function answerPage(request: Request, served: Served): Response {
  const { key, assets, ...rest } = served;
  try {
    checkHost(request);
  } catch (error) {
    return answer(400, "text/plain; charset=utf-8", `${(error as Error).message}\n`);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    const text = "Nothing can be changed here: GET alone\n";
    return answer(405, "text/plain; charset=utf-8", text, { allow: "GET, HEAD" });
  }
  const { pathname, searchParams: query } = new URL(request.url);
  const [, given = "", path] = /^\/([^/]*)(?:\/(.*))?$/.exec(pathname) ?? [];
  if (!isKey(given, key)) return stranger();
  for (const each of [assets.style, assets.script, assets.icon]) {
    if (path === each.name) return file(each);
  }
  const names = {
    ...{ style: assets.style.name, script: assets.script.name, icon: assets.icon.name },
  };
  const seen: Seen = { ...rest, base: `/${key}/`, query, assets: names };
  try {
    return known(seen, path ?? "", request);
  } catch (error) {
    return trouble(seen, error);
  }
}
