/**
 * The control API: HTTP/1.1 with JSON on a Unix socket that only the switch's user may open.
 *
 * ```
 * GET  /v1/version  /healthz  /v1/switch
 * GET  /v1/ports    POST /v1/ports {"name", "path", "mtu"?, "queues"?}
 * GET  /v1/ports/NAME    DELETE /v1/ports/NAME    GET /v1/ports/NAME/vrings
 * GET  /v1/fdb      DELETE /v1/fdb[?port=NAME]
 * ```
 *
 * Errors are problem documents (RFC 9457) with a `hint` where there is one.
 *
 * @module
 */
import { resolve } from "node:path";
import { VERSION } from "../version.ts";
import { listenAt, unlinkSocket } from "./listener.ts";
import { closeFd } from "../../ffi/mod.ts";
import { checkMtu, checkQueues, nameFault } from "./port_spec.ts";
import { ControlError, type PortConfig, type SwitchControl } from "./types.ts";

const BODY_BYTES_MAX = 65536;
const STATUS: Readonly<Record<ControlError["kind"], number>> = {
  "not-found": 404,
  conflict: 409,
  invalid: 400,
  failed: 500,
};

/** A running control API. */
export interface ControlApi {
  close(): Promise<void>;
}

/** Serves `control` at `path`. @throws {ControlError} the path is in use or cannot be made */
export function serveApi(path: string, control: SwitchControl): ControlApi {
  // The rules for a path in use are those of port sockets; the server then binds it itself.
  closeFd(listenAt(path, { mode: 0o600, group: null }));
  unlinkSocket(path);
  const mask = Deno.umask(0o177);
  try {
    const server = Deno.serve(
      { path, onListen: () => {}, onError: problem },
      (request) => handle(request, control),
    );
    return {
      async close(): Promise<void> {
        await server.shutdown();
        unlinkSocket(path);
      },
    };
  } finally {
    Deno.umask(mask);
  }
}

function json(body: unknown, status = 200): Response {
  return Response.json(body, { status });
}

function problem(error: unknown): Response {
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
  const [first, second, name, fourth, ...more] = url.pathname.split("/").slice(1)
    .map(decodeURIComponent);
  const what = `${request.method} ${second ?? first}`;
  if (first === "healthz" && second === undefined) return new Response("ok\n");
  if (first !== "v1" || more.length > 0) throw notFound(url.pathname);
  if (name === undefined) {
    if (what === "GET version") return json({ version: VERSION, deno: Deno.version.deno });
    if (what === "GET switch") return json(control.status());
    if (what === "GET ports") return json(control.ports());
    if (what === "POST ports") return json(control.addPort(await readPort(request)), 201);
    if (what === "GET fdb") return json(control.fdb());
    if (what === "DELETE fdb") {
      control.flushFdb(url.searchParams.get("port"));
      return new Response(null, { status: 204 });
    }
  } else if (second === "ports" && fourth === undefined) {
    if (request.method === "GET") return json(control.port(name));
    if (request.method === "DELETE") {
      control.removePort(name);
      return new Response(null, { status: 204 });
    }
  } else if (what === "GET ports" && fourth === "vrings") return json(control.vrings(name));
  throw notFound(url.pathname);
}

function notFound(path: string): ControlError {
  return new ControlError("not-found", `There is no ${path}`);
}

async function readPort(request: Request): Promise<PortConfig> {
  const body = await readBody(request);
  const { name, path, mtu, queues } = body;
  if (typeof name !== "string" || typeof path !== "string") {
    throw new ControlError("invalid", "A port needs name and path, both texts");
  }
  const fault = nameFault(name);
  if (fault) throw new ControlError("invalid", fault);
  return {
    name,
    path: resolve(path),
    ...(mtu === undefined ? {} : { mtu: checkMtu(mtu) }),
    ...(queues === undefined ? {} : { queuePairs: checkQueues(queues) }),
  };
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
