/**
 * The control API: HTTP/1.1 with JSON on a Unix socket that only the switch's user may open, see
 * server.ts.
 *
 * ```
 * GET  /v1/version  /healthz  /v1/switch  /v1/schema[/NAME]
 * GET  /v1/ports    POST /v1/ports {"name", ["path",] OPTION…}
 * GET  /v1/ports/NAME    DELETE /v1/ports/NAME    GET /v1/ports/NAME/vrings
 * POST /v1/ports/NAME/link {"admin": "up" | "down"}
 * GET  /v1/listeners
 * GET  /v1/links    POST /v1/links {"ports": [NAME, NAME]}    DELETE /v1/links/NAME/NAME
 * GET  /v1/fdb      DELETE /v1/fdb[?port=NAME]
 * ```
 *
 * NAME of a port may also be that of a listener, the port specification with `multi`, such as
 * `vm{n}`: shown, removed and taken down it answers for all its ports. OPTIONs are those of a port
 * specification: `mode`, `multi`, `mtu`, `queues`, `mac`, `offer`, `announce`,
 * `forward`.
 *
 * Errors are problem documents (RFC 9457) with a `hint` where there is one.
 *
 * @module
 */
import { resolve } from "node:path";
import { didYouMean } from "../../base/nearest.ts";
import { VERSION } from "../../version.ts";
import { OPTION_NAMES, readOptions } from "../config/port_options.ts";
import { checkPort } from "../config/port_spec.ts";
import type { JsonSchema } from "../schema/builder.ts";
import { allSchemas, documentSchema } from "../schema/mod.ts";
import { ControlError, type PortConfig, type SwitchControl } from "../types.ts";

const BODY_BYTES_MAX = 65536;
const PORT_KEYS = ["name", "path", ...OPTION_NAMES];
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

/** Answers one request. */
export async function handle(request: Request, control: SwitchControl): Promise<Response> {
  try {
    return await route(request, control);
  } catch (error) {
    return problem(error);
  }
}

async function route(request: Request, control: SwitchControl): Promise<Response> {
  const url = new URL(request.url);
  const [first, second, name, fourth, ...more] = pathWords(url.pathname);
  const what = `${request.method} ${second ?? first}`;
  if (first === "healthz" && second === undefined) return new Response("ok\n");
  if (first !== "v1" || more.length > 0) throw notFound(url.pathname);
  const answer = name === undefined
    ? await routeAll(what, request, control, url.searchParams)
    : await routeOne(what, request, control, name, fourth);
  if (answer === null) throw notFound(url.pathname);
  return answer === undefined ? new Response(null, { status: 204 }) : answer;
}

/** @returns the answer, undefined if there is nothing to say, null if there is no such thing */
async function routeAll(
  what: string,
  request: Request,
  control: SwitchControl,
  query: URLSearchParams,
): Promise<Response | undefined | null> {
  switch (what) {
    case "GET version":
      return json({ version: VERSION, deno: Deno.version.deno });
    case "GET schema":
      return schemaAnswer(allSchemas());
    case "GET switch":
      return json(control.status());
    case "GET ports":
      return json(control.ports());
    case "POST ports":
      return json(control.addPort(await readPort(request, control.socketDir)), 201);
    case "GET listeners":
      return json(control.listeners());
    case "GET links":
      return json(control.links());
    case "POST links":
      return json(control.addLink(await readPair(request)), 201);
    case "GET fdb":
      return json(control.fdb());
    case "DELETE fdb":
      return void control.flushFdb(query.get("port"));
    default:
      return null;
  }
}

/** The same for what stands behind a name. */
async function routeOne(
  what: string,
  request: Request,
  control: SwitchControl,
  name: string,
  part: string | undefined,
): Promise<Response | undefined | null> {
  switch (what) {
    case "GET ports":
      if (part === "vrings") return json(control.vrings(name));
      return part === undefined ? json(control.portOrListener(name)) : null;
    case "GET schema":
      return part === undefined ? schemaAnswer(documentSchema(name)) : null;
    case "DELETE ports":
      return part === undefined ? void control.removePort(name) : null;
    case "POST ports":
      return part === "link" ? json(control.setAdmin(name, await readAdmin(request))) : null;
    case "DELETE links":
      return part === undefined ? null : void control.removeLink([name, part]);
    default:
      return null;
  }
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

async function readPort(request: Request, socketDir = "."): Promise<PortConfig> {
  const body = await readBody(request);
  const { name } = body;
  const path = body.path ?? (typeof name === "string" ? `${name}.sock` : null);
  if (typeof name !== "string" || typeof path !== "string") {
    throw new ControlError(
      "invalid",
      "A port needs a name, a text; its path, if given, is one too",
    );
  }
  const unknown = Object.keys(body).find((key) => !PORT_KEYS.includes(key));
  if (unknown !== undefined) {
    throw new ControlError(
      "invalid",
      `unknown "${unknown}"; known: ${PORT_KEYS.join(", ")}`,
      didYouMean(unknown, PORT_KEYS),
    );
  }
  if (path === "") {
    throw new ControlError(
      "invalid",
      `The path of port ${name} is empty: name one, or leave it out`,
    );
  }
  // Relative paths count from the switch's folder of sockets, which it shows: no client knows where it
  // was started.
  return checkPort({ name, path: resolve(socketDir, path), ...readOptions(body) });
}

async function readAdmin(request: Request): Promise<"up" | "down"> {
  const { admin } = await readBody(request);
  if (admin === "up" || admin === "down") return admin;
  throw new ControlError("invalid", `admin ${JSON.stringify(admin)} must be "up" or "down"`);
}

async function readPair(request: Request): Promise<[string, string]> {
  const { ports } = await readBody(request);
  const [one, other] = Array.isArray(ports) && ports.length === 2 ? ports : [];
  if (typeof one === "string" && typeof other === "string") return [one, other];
  throw new ControlError("invalid", "A link needs ports, the names of two ports");
}

async function readBody(request: Request): Promise<Record<string, unknown>> {
  let bytes = 0;
  const parts: Uint8Array[] = [];
  for await (const part of request.body ?? []) {
    bytes += part.length;
    if (bytes > BODY_BYTES_MAX) {
      throw new ControlError("invalid", `A request has at most ${BODY_BYTES_MAX} bytes`);
    }
    parts.push(part);
  }
  try {
    const value = JSON.parse(await new Blob(parts as BlobPart[]).text());
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Said below.
  }
  throw new ControlError("invalid", "The request's body must be a JSON object");
}
