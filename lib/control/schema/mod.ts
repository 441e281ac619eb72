/**
 * Every document of JSON that the control API answers with and commands print, as JSON Schema
 * (draft 2020-12). The schema's version, part of each `$id`, changes when a field or a word of a
 * closed list is taken away or changes its meaning; fields and codes are added under the same one.
 *
 * @module
 */
import { didYouMean } from "../../base/nearest.ts";
import { VERSION } from "../../version.ts";
import type { LogLevel } from "../log.ts";
import { ControlError } from "../types.ts";
import {
  about,
  type AnySchema,
  choice,
  code,
  either,
  type JsonSchema,
  list,
  maybe,
  moreFields,
  type Of,
  pair,
  record,
  scalar,
  type Schema,
  text,
  time,
} from "./builder.ts";
import { NAME_OR_TEMPLATE, portName } from "./parts.ts";
import { PORT_SCHEMAS } from "./port.ts";
import { PROTOCOL } from "./protocol.ts";
import { SWITCH_SCHEMAS } from "./switch.ts";

const { PORT_STATUS, VRING_LIST, VRING_STATUS } = PORT_SCHEMAS;
const { FDB_STATUS, LINK_STATUS, LISTENER_STATUS, PORT_STATS, SWITCH_STATUS } = SWITCH_SCHEMAS;

/** Which promise about fields and words holds. */
export const SCHEMA_VERSION = 1;

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** Typed by what the code says: a word more or less does not compile. */
const ERROR_KIND: Schema<ControlError["kind"]> = code("what kind of error", [
  ["not-found", "there is no such thing (404)"],
  ["conflict", "something else is in the way (409)"],
  ["invalid", "the request is wrong (400)"],
  ["failed", "it did not work (500)"],
]);

const LOG_LEVEL: Schema<LogLevel> = code("how bad it is", [
  ["error", "something does not work"],
  ["warn", "somebody should look"],
  ["info", "something happened"],
  ["debug", "a detail"],
]);

/** Documents by name. */
export const DOCUMENTS = {
  "version": record("version; GET /v1/version: versions", {
    version: text("of vuswitch"),
    deno: text("of the Deno in it"),
  }),
  "port": either(
    "port show, add, up and down; GET /v1/ports/NAME, POST /v1/ports: a port, or a listener",
    PORT_STATUS,
    LISTENER_STATUS,
  ),
  "ports": list("GET /v1/ports: all ports", PORT_STATUS),
  "port-list": record("port list: all ports and listeners", {
    ports: list("all ports", PORT_STATUS),
    listeners: list("sockets that take many front-ends", LISTENER_STATUS),
  }),
  "port-removed": record("port del: what is gone", {
    removed: text("name of the port or listener that was removed", NAME_OR_TEMPLATE),
  }),
  "listeners": list("GET /v1/listeners: sockets that take many front-ends", LISTENER_STATUS),
  "links": list("link list; GET /v1/links: all links", LINK_STATUS),
  "link": about("link add; POST /v1/links: a link", LINK_STATUS),
  "link-removed": record("link del: what is gone", {
    removed: pair("the ports that were linked", portName("name")),
  }),
  "fdb": list("fdb show; GET /v1/fdb: the learned addresses", FDB_STATUS),
  "fdb-flushed": record("fdb flush: what was forgotten", {
    flushed: maybe("all ports", portName("the port whose addresses were forgotten")),
  }),
  "stats": SWITCH_STATUS,
  "port-stats": PORT_STATS,
  "vrings": list("GET /v1/ports/NAME/vrings: the virtqueues of a port", VRING_STATUS),
  "vring-list": VRING_LIST,
  "protocol": PROTOCOL,
  "error": record("any route that cannot do what it was asked: a problem document (RFC 9457)", {
    title: ERROR_KIND,
    detail: text("what is wrong, in a line"),
    hint: maybe("nothing is known to", text("what helps")),
  }),
  "capabilities": record("--print-capabilities, as vhost-user.rst asks of back-end programs", {
    type: choice("kind of device", { net: "a network device" }),
    features: list("what management software may ask for", text("a word")),
  }),
  "log-line": moreFields(
    record("a line of run --log-format json", {
      ts: time("when"),
      level: LOG_LEVEL,
      component: text("switch, or port NAME"),
      event: text("stable name of what happened", /^[a-z0-9]+(-[a-z0-9]+)*$/),
      msg: text("for people"),
    }),
    scalar("depends on the event"),
  ),
} as const satisfies Readonly<Record<string, AnySchema>>;

/** A name of {@linkcode DOCUMENTS}. */
export type DocumentName = keyof typeof DOCUMENTS;

/** The type of a document. */
export type DocumentOf<Name extends DocumentName> = Of<typeof DOCUMENTS[Name]>;

function whole(name: string, json: JsonSchema, uses: Iterable<[string, JsonSchema]>): JsonSchema {
  return {
    $schema: DIALECT,
    $id: `urn:vuswitch:schema:${SCHEMA_VERSION}${name === "" ? "" : `:${name}`}`,
    $comment: `vuswitch ${VERSION}`,
    ...json,
    $defs: Object.fromEntries(uses),
  };
}

/** The schema of one document. @throws {ControlError} there is none of that name */
export function documentSchema(name: string): JsonSchema {
  const names = Object.keys(DOCUMENTS);
  if (!Object.hasOwn(DOCUMENTS, name)) {
    throw new ControlError(
      "not-found",
      `No schema named "${name}"; known: ${names.join(", ")}`,
      didYouMean(name, names),
    );
  }
  const { json, uses } = DOCUMENTS[name as DocumentName] as AnySchema;
  return whole(name, json, uses);
}

/** All documents in one schema: its `$defs` has each under its name, and what they refer to. */
export function allSchemas(): JsonSchema {
  const documents = Object.entries<AnySchema>(DOCUMENTS);
  const parts = documents.flatMap(([, { uses }]) => [...uses]);
  const all = documents.map(([name, { json }]): [string, JsonSchema] => [name, json]);
  return whole("", { description: "any document: see $defs" }, [...parts, ...all]);
}
