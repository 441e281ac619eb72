/**
 * Bodies of requests: JSON objects of a bounded size, and what they mean.
 *
 * @module
 */
import { didYouMean } from "../../base/nearest.ts";
import type { ConfigAsked } from "../configuration.ts";
import { readMac } from "../config/policy_options.ts";
import { OPTION_NAMES, readOptions } from "../config/port_options.ts";
import { checkPort } from "../config/port_spec.ts";
import { readTarget } from "../config/port_targets.ts";
import { ControlError, type PortConfig } from "../types.ts";

const BODY_BYTES_MAX = 65536;
/** With a configuration in it, bytes: one of the most ports takes a quarter of that. */
export const CONFIG_BYTES_MAX: number = 2 ** 17;
const PORT_KEYS = ["name", "path", ...OPTION_NAMES];

/** A port: its name, its path, and options. @throws {ControlError} */
export async function readPort(request: Request, socketDir = "."): Promise<PortConfig> {
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
  const target = readTarget(path, socketDir);
  return checkPort({ name, ...target, ...readOptions(body, target.kind) });
}

/** Options by their names; what they mean is checked by who sets them. @throws {ControlError} */
export async function readOptionsToSet(request: Request): Promise<Record<string, unknown>> {
  return await readBody(request);
}

/** In service or not. @throws {ControlError} */
export async function readAdmin(request: Request): Promise<"up" | "down"> {
  const { admin } = await readBody(request);
  if (admin === "up" || admin === "down") return admin;
  throw new ControlError("invalid", `admin ${JSON.stringify(admin)} must be "up" or "down"`);
}

/** The names of two ports. @throws {ControlError} */
export async function readPair(request: Request): Promise<[string, string]> {
  const { ports } = await readBody(request);
  const [one, other] = Array.isArray(ports) && ports.length === 2 ? ports : [];
  if (typeof one === "string" && typeof other === "string") return [one, other];
  throw new ControlError("invalid", "A link needs ports, the names of two ports");
}

/** A MAC address and the name of a port. @throws {ControlError} */
export async function readStatic(request: Request): Promise<[string, string]> {
  const { mac, port } = await readBody(request);
  if (typeof port === "string") return [readMac(mac), port];
  throw new ControlError("invalid", "A static address needs mac, and port, the name of a port");
}

/** A configuration's text with the name of its file, or neither; and `exact`. @throws {ControlError} */
export async function readConfig(request: Request): Promise<ConfigAsked> {
  const { name, text, exact = false } = await readBody(request, CONFIG_BYTES_MAX);
  if (typeof exact !== "boolean") {
    throw new ControlError("invalid", `exact ${JSON.stringify(exact)} must be true or false`);
  }
  if (name === undefined && text === undefined) return { text: null, exact };
  if (typeof name === "string" && typeof text === "string") return { text: { name, text }, exact };
  throw new ControlError(
    "invalid",
    "A configuration needs text, and name, how faults name its file; or neither of them",
  );
}

/** A JSON object. @throws {ControlError} */
export async function readBody(
  request: Request,
  bytesMax: number = BODY_BYTES_MAX,
): Promise<Record<string, unknown>> {
  let bytes = 0;
  const parts: Uint8Array[] = [];
  for await (const part of request.body ?? []) {
    bytes += part.length;
    if (bytes > bytesMax) {
      throw new ControlError("invalid", `A request has at most ${bytesMax} bytes`);
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
