/**
 * What the control API and the commands can be asked: documents of JSON, what the switch does for
 * them, and the routes that lead there. How a request comes in is routes.ts's, what stands in its
 * body bodies.ts's, what a part of a document looks like the schema's.
 *
 * @module
 */
import { WORD_KINDS, type WordKind } from "../word_kinds.ts";
import { VERSION } from "../../version.ts";
import { eventsAnswer } from "../events/answer.ts";
import type { EventStore } from "../events/store.ts";
import type { LogLevel } from "../log.ts";
import {
  about,
  type AnySchema,
  choice,
  code,
  either,
  list,
  maybe,
  moreFields,
  pair,
  record,
  scalar,
  type Schema,
  text,
  time,
} from "../schema/builder.ts";
import { CAPTURED_FRAME } from "../schema/capture.ts";
import { CONFIG_SCHEMAS } from "../schema/config.ts";
import { DOCTOR } from "../schema/doctor.ts";
import { ALERTS, ATTACHMENT, EVPN, GRAFANA, SYSTEMD } from "../schema/emit.ts";
import { NAME_OR_TEMPLATE, portName } from "../schema/parts.ts";
import { LIMIT_SCHEMAS } from "../schema/limits.ts";
import { PORT_SCHEMAS } from "../schema/port.ts";
import { PROTOCOL } from "../schema/protocol.ts";
import { TOP_SCHEMAS } from "../schema/top.ts";
import { SWITCH_SCHEMAS } from "../schema/switch.ts";
import {
  ControlError,
  type FdbStatus,
  type GroupStatus,
  type LinkStatus,
  type ListenerStatus,
  type PortConfig,
  type PortLimits,
  type PortStatus,
  type SwitchStatus,
  type VringStatus,
  type WorkerStatus,
} from "../types.ts";
import { readMac } from "../config/policy_options.ts";
import { type CaptureWanted, readWanted } from "../capture/wanted.ts";
import {
  readAdmin,
  readBody,
  readConfig,
  readOptionsToSet,
  readPair,
  readPort,
  readStatic,
} from "./bodies.ts";
import { readMirror } from "../config/mirror_config.ts";
import type { Configuration } from "../configuration.ts";
import type { Mirrors } from "../mirrors.ts";
import { PCAPNG } from "./stream.ts";

const { PORT_STATUS, VRING_LIST, VRING_STATUS } = PORT_SCHEMAS;
const {
  FDB_STATUS,
  GROUP_STATUS,
  LINK_STATUS,
  LISTENER_STATUS,
  MIRROR_STATUS,
  PORT_STATS,
  SWITCH_STATUS,
  WORKER_STATUS,
} = SWITCH_SCHEMAS;

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

/** Something that happened. */
const EVENT = record("an event", {
  id: text("stable, for Last-Event-ID", /^[a-z0-9]+-[0-9]+$/),
  ts: time("when"),
  level: LOG_LEVEL,
  component: text("switch, or port NAME"),
  port: maybe("it is about none", text("the port that it is about", NAME_OR_TEMPLATE)),
  event: text("stable name of what happened", /^[a-z0-9]+(-[a-z0-9]+)*$/),
  msg: text("for people"),
  fields: moreFields(record("further facts of it", {}), scalar("depends on the event")),
});

/** Documents by name. */
export const DOCUMENTS = {
  "version": record("version; GET /v1/version: versions", {
    version: text("of vuswitch"),
    deno: text("of the Deno in it"),
  }),
  "port": either(
    "port show, add, set, up and down; GET and PATCH /v1/ports/NAME, POST /v1/ports: a port, or a " +
      "listener",
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
  "mirrors": list("mirror list; GET /v1/mirrors: all mirrors", MIRROR_STATUS),
  "mirror": about("mirror add; POST /v1/mirrors: a mirror", MIRROR_STATUS),
  "mirror-removed": record("mirror del: what is gone", { removed: text("its name") }),
  "fdb": list("fdb show; GET /v1/fdb: the addresses that are known", FDB_STATUS),
  "fdb-entry": about("fdb add; POST /v1/fdb: a static address", FDB_STATUS),
  "fdb-removed": record("fdb del: what is forgotten", {
    removed: text("the address, as it was written"),
  }),
  "fdb-flushed": record("fdb flush: what was forgotten", {
    flushed: maybe("all ports", portName("the port whose addresses were forgotten")),
  }),
  "groups": list("group list; GET /v1/groups: who is in which group", GROUP_STATUS),
  "top": TOP_SCHEMAS.TOP,
  "stats": SWITCH_STATUS,
  "port-stats": PORT_STATS,
  "page": record("page; GET /v1/page: the web page", {
    url: text("its link, with the key: who has it can read all, and capture"),
  }),
  "workers": list("worker show; GET /v1/workers: the data planes", WORKER_STATUS),
  "vrings": list("GET /v1/ports/NAME/vrings: the virtqueues of a port", VRING_STATUS),
  "vring-list": VRING_LIST,
  "port-limits": LIMIT_SCHEMAS.PORT_LIMITS,
  "captured-frame": CAPTURED_FRAME,
  "protocol": PROTOCOL,
  "evpn": EVPN,
  "systemd": SYSTEMD,
  "grafana": GRAFANA,
  "alerts": ALERTS,
  "attachment": ATTACHMENT,
  "doctor": DOCTOR,
  "config": CONFIG_SCHEMAS.IN_FORCE,
  "config-changes": CONFIG_SCHEMAS.CHANGES,
  "config-checked": CONFIG_SCHEMAS.CHECKED,
  "config-saved": CONFIG_SCHEMAS.SAVED,
  "explanations": record("explain: what words of counters, logs and metrics mean", {
    asked: maybe("all were asked for", text("the word, as it was typed")),
    words: list(
      "what has that name",
      record("a word", {
        word: text("as it is printed"),
        kind: code("what it is a word of", Object.entries(WORD_KINDS) as [WordKind, string][]),
        about: text("what that is"),
        meaning: text("what it means"),
        seenIn: text("where it is seen"),
      }),
    ),
  }),
  "error": record("any route that cannot do what it was asked: a problem document (RFC 9457)", {
    title: ERROR_KIND,
    detail: text("what is wrong, in a line"),
    hint: maybe("nothing is known to", text("what helps")),
  }),
  "capabilities": record("--print-capabilities, as vhost-user.rst asks of back-end programs", {
    type: choice("kind of device", { net: "a network device" }),
    features: list("what management software may ask for", text("a word")),
  }),
  "events": list("events; GET /v1/events: what happened lately, oldest first", EVENT),
  "event": about("a line of events --follow -o json, and of the stream of GET /v1/events", EVENT),
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

/** What the control API drives. Methods that name a port throw {@linkcode ControlError}. */
export interface SwitchControl {
  /** Folder of port sockets without a path. */
  readonly socketDir?: string;
  /** Where the web page is, with its key; null: nowhere. */
  readonly pageUrl?: string | null;
  /** Everything at once, as `stats` has it. */
  status(): SwitchStatus;
  /** What its data planes do. */
  workers(): WorkerStatus[];
  /** In the order in which they were added. */
  ports(): PortStatus[];
  /** A port that is there, not a listener. */
  port(name: string): PortStatus;
  /** A port, or the listener of that name. */
  portOrListener(name: string): PortStatus | ListenerStatus;
  /** In the order in which they were added. */
  listeners(): ListenerStatus[];
  /** In the order in which they were made. */
  links(): LinkStatus[];
  /** Limits of a port or a listener, and how much of each is used. */
  limits(name: string): PortLimits;
  /** Virtqueues in use; the first pair always, none without front-end. */
  vrings(name: string): VringStatus[];
  /** Addresses by port, VLAN and address. */
  fdb(): FdbStatus[];
  /** Groups by port, VLAN and address. */
  groups(): GroupStatus[];
  /** Forgets what was learned of one port, or with null of all. */
  flushFdb(port: string | null): void;
  /** Makes an address static at a port. */
  addStatic(mac: string, port: string): FdbStatus;
  /** Forgets a static address. */
  removeStatic(mac: string): void;
  /** Adds a port, or with `multi` a listener. */
  addPort(port: PortConfig): PortStatus | ListenerStatus;
  /** Removes a port, or a listener with all its ports. */
  removePort(name: string): void;
  /** Sets options of a port, or of a listener and its ports, by their names: all, or none. */
  setPort(
    name: string,
    options: Readonly<Record<string, unknown>>,
  ): PortStatus | ListenerStatus;
  /** Takes a port or a listener out of service, or back into it. */
  setAdmin(name: string, admin: "up" | "down"): PortStatus | ListenerStatus;
  /** Links two ports that are there. */
  addLink(ports: readonly [string, string]): LinkStatus;
  /** Ends a link; its ports are named in either order. */
  removeLink(ports: readonly [string, string]): void;
  /** What is in force, and how it changes as a whole. */
  readonly configuration: Pick<Configuration, "show" | "diff" | "reload">;
  /** What is copied to other ports. */
  readonly mirrors: Pick<Mirrors, "list" | "add" | "remove">;
  /**
   * Begins to capture. @param signal ends it in order
   * @returns pcapng; cancel it, or read it to its end
   */
  capture(wanted: CaptureWanted, signal: AbortSignal): ReadableStream<Uint8Array>;
}

/** A request, taken apart. */
export interface Asked {
  /** The switch that answers. */
  readonly control: SwitchControl;
  /** What happened lately. */
  readonly events: EventStore;
  /** The request itself; its body is not read yet. */
  readonly request: Request;
  /** Parameters behind `?`. */
  readonly query: URLSearchParams;
  /** What stands where a route says NAME. */
  readonly names: readonly string[];
}

/** What a route does. */
export interface Route {
  /** Returns what it answers with, or the answer itself; undefined: nothing. @throws {ControlError} */
  readonly answer: (asked: Asked) => unknown;
  /** HTTP status of the answer; 200, and 204 where there is nothing to say, if not given. */
  readonly status?: number;
}

/** Where the page is. @throws {ControlError} nowhere */
function pageOf({ pageUrl }: SwitchControl): { readonly url: string } {
  if (typeof pageUrl === "string") return { url: pageUrl };
  throw new ControlError(
    "not-found",
    "This switch serves no page",
    "start it with vuswitch run --page 127.0.0.1:9478",
  );
}

/**
 * Routes by method and path behind `/v1/`. What was found goes where NAME stands, in order; the name
 * of a port may also be that of a listener, which answers for all its ports.
 */
export const ROUTES: Readonly<Record<string, Route>> = {
  "GET version": { answer: () => ({ version: VERSION, deno: Deno.version.deno }) },
  "GET switch": { answer: ({ control }) => control.status() },
  "GET events": {
    answer: ({ events, request, query }) => eventsAnswer(request, query, events),
  },
  "GET workers": { answer: ({ control }) => control.workers() },
  "GET page": { answer: ({ control }) => pageOf(control) },
  "GET ports": { answer: ({ control }) => control.ports() },
  "POST ports": {
    answer: async ({ control, request }) =>
      control.addPort(await readPort(request, control.socketDir)),
    status: 201,
  },
  "GET ports/NAME": { answer: ({ control, names: [name = ""] }) => control.portOrListener(name) },
  "DELETE ports/NAME": { answer: ({ control, names: [name = ""] }) => control.removePort(name) },
  "PATCH ports/NAME": {
    answer: async ({ control, request, names: [name = ""] }) =>
      control.setPort(name, await readOptionsToSet(request)),
  },
  "GET ports/NAME/vrings": { answer: ({ control, names: [name = ""] }) => control.vrings(name) },
  "GET ports/NAME/limits": { answer: ({ control, names: [name = ""] }) => control.limits(name) },
  "POST ports/NAME/link": {
    answer: async ({ control, request, names: [name = ""] }) =>
      control.setAdmin(name, await readAdmin(request)),
  },
  "GET listeners": { answer: ({ control }) => control.listeners() },
  "GET links": { answer: ({ control }) => control.links() },
  "POST links": {
    answer: async ({ control, request }) => control.addLink(await readPair(request)),
    status: 201,
  },
  "DELETE links/NAME/NAME": {
    answer: ({ control, names: [one = "", other = ""] }) => control.removeLink([one, other]),
  },
  "GET mirrors": { answer: ({ control }) => control.mirrors.list() },
  "POST mirrors": {
    answer: async ({ control, request }) =>
      control.mirrors.add(readMirror(await readBody(request))),
    status: 201,
  },
  "DELETE mirrors/NAME": {
    answer: ({ control, names: [name = ""] }) => control.mirrors.remove(name),
  },
  "GET config": { answer: ({ control }) => control.configuration.show() },
  "POST config/diff": {
    answer: async ({ control, request }) => control.configuration.diff(await readConfig(request)),
  },
  "POST config/reload": {
    answer: async ({ control, request }) => control.configuration.reload(await readConfig(request)),
  },
  "GET capture": {
    answer: ({ control, query, request }) =>
      new Response(control.capture(readWanted(query), request.signal), {
        headers: { "content-type": PCAPNG, "cache-control": "no-store" },
      }),
  },
  "GET groups": { answer: ({ control }) => control.groups() },
  "GET fdb": { answer: ({ control }) => control.fdb() },
  "POST fdb": {
    answer: async ({ control, request }) => control.addStatic(...await readStatic(request)),
    status: 201,
  },
  "DELETE fdb/NAME": {
    answer: ({ control, names: [mac = ""] }) => control.removeStatic(readMac(mac)),
  },
  "DELETE fdb": { answer: ({ control, query }) => control.flushFdb(query.get("port")) },
};
