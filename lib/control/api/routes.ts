/**
 * The control API: HTTP/1.1 with JSON on a Unix socket that only the switch's user may open, see
 * server.ts. The routes are those of table.ts, and the schema's.
 *
 * ```
 * GET  /healthz  /readyz  /metrics
 * GET  /v1/version  /v1/switch  /v1/workers  /v1/page  /v1/schema[/NAME]
 * GET  /v1/events[?port=NAME&type=EVENT&last=N]
 * GET  /v1/ports    POST /v1/ports {"name", ["path",] OPTION…}
 * GET  /v1/ports/NAME    DELETE /v1/ports/NAME    GET /v1/ports/NAME/{vrings,limits}
 * POST /v1/ports/NAME/link {"admin": "up" | "down"}
 * GET  /v1/listeners
 * GET  /v1/links    POST /v1/links {"ports": [NAME, NAME]}    DELETE /v1/links/NAME/NAME
 * GET  /v1/capture?port=NAME[&port=NAME…][&filter=…][&drops=1][&count=N][&snap=N][&ring=SIZE]
 * GET  /v1/fdb      DELETE /v1/fdb[?port=NAME]
 * ```
 *
 * NAME of a port may also be that of a listener, the port specification with `multi`, such as
 * `vm{n}`: shown, removed and taken down it answers for all its ports. OPTIONs are those of a port
 * specification: `mode`, `multi`, `mtu`, `queues`, `mac`, `offer`, `announce`,
 * `forward`.
 *
 * Requests, their size and their time are http.ts's matter. Errors are problem documents (RFC 9457) with a `hint` where there is one.
 *
 * @module
 */
import type { JsonSchema } from "../schema/builder.ts";
import { allSchemas, documentSchema } from "../schema/mod.ts";
import { ControlError } from "../types.ts";
import { EventStore } from "../events/store.ts";
import { plainRoute } from "./plain_routes.ts";
import { type Route, ROUTES, type SwitchControl } from "./table.ts";

/** In a route: any word. */
const NAME = "NAME";
const STATUS: Readonly<Record<ControlError["kind"], number>> = {
  "not-found": 404,
  conflict: 409,
  invalid: 400,
  failed: 500,
};

function json(body: unknown, status = 200): Response {
  return Response.json(body, { status });
}

function schemaAnswer(schema: JsonSchema): Response {
  return Response.json(schema, { headers: { "content-type": "application/schema+json" } });
}

/** The problem document of an error. */
export function problem(error: unknown): Response {
  const known = error instanceof ControlError
    ? error
    : new ControlError("failed", `Internal error: ${error}`);
  const body = { title: known.kind, detail: known.message, hint: known.hint };
  return new Response(JSON.stringify(body), {
    status: STATUS[known.kind],
    headers: { "content-type": "application/problem+json" },
  });
}

/** Answers one request. @param events what happened, if somebody asks */
export async function handle(
  request: Request,
  control: SwitchControl,
  events: EventStore = new EventStore(),
): Promise<Response> {
  try {
    return await route(request, control, events);
  } catch (error) {
    return problem(error);
  }
}

async function route(
  request: Request,
  control: SwitchControl,
  events: EventStore,
): Promise<Response> {
  const url = new URL(request.url);
  const [first, ...words] = pathWords(url.pathname);
  const plain = plainRoute(request);
  if (plain !== null) return await plain(request, control);
  const [what = "", name, ...more] = words;
  if (first === "v1" && what === "schema" && more.length === 0 && request.method === "GET") {
    return schemaAnswer(name === undefined ? allSchemas() : documentSchema(name));
  }
  const found = first === "v1" ? findRoute(request.method, words) : null;
  if (found === null) throw notFound(url.pathname);
  const { answer, status } = found.route;
  const { names } = found;
  const value = await answer({ control, events, request, query: url.searchParams, names });
  if (value instanceof Response) return value;
  return value === undefined ? new Response(null, { status: 204 }) : json(value, status);
}

/** The route that a path takes, and what stands where it says NAME. */
function findRoute(
  method: string,
  words: readonly string[],
): { readonly route: Route; readonly names: readonly string[] } | null {
  for (const [key, route] of Object.entries(ROUTES)) {
    const [ofMethod, path = ""] = key.split(" ");
    const parts = path.split("/");
    if (ofMethod !== method || parts.length !== words.length) continue;
    if (!parts.every((part, i) => part === NAME || part === words[i])) continue;
    return { route, names: words.filter((_, i) => parts[i] === NAME) };
  }
  return null;
}

function pathWords(path: string): string[] {
  try {
    return path.split("/").slice(1).map((word) => decodeURIComponent(word));
  } catch {
    throw new ControlError("invalid", `${path} has a % without two hex digits of UTF-8 behind it`);
  }
}

function notFound(path: string): ControlError {
  return new ControlError("not-found", `There is no ${path}`);
}
