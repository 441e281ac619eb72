/**
 * Events as the control API tells them: a list, or a stream of server-sent events (WHATWG HTML,
 * «Server-sent events») for who asks for `text/event-stream`.
 *
 * @module
 */
import { didYouMean } from "../../base/nearest.ts";
import { EVENT_ROWS } from "../event_rows.ts";
import { PROBLEM_CODES } from "../vhost_port/problem_codes.ts";
import { REASON_ROWS } from "../../vhost/reasons.ts";
import { UPLINK_REASON_ROWS } from "../uplinks/reasons.ts";
import { ControlError } from "../types.ts";
import {
  type Batch,
  type EventFilter,
  EVENTS_MAX,
  type EventStore,
  type Follower,
  type SwitchEvent,
} from "./store.ts";

/** A follower hears at least this often that the switch is there, ms. */
const SIGN_MS = 15_000;
/** A stream's media type. */
export const EVENT_STREAM = "text/event-stream";

/** Names of events: refusals are logged under their reasons. */
const TYPES: readonly string[] = [
  ...new Set([
    ...EVENT_ROWS.map(([event]) => event),
    ...PROBLEM_CODES,
    ...[...REASON_ROWS, ...UPLINK_REASON_ROWS].map(([code]) => code),
  ]),
];

/** Names that events have. */
export function eventTypes(): readonly string[] {
  return TYPES;
}

function readFilter(query: URLSearchParams): EventFilter {
  const types = query.getAll("type").flatMap((text) => text.split(","));
  for (const type of types) {
    if (TYPES.includes(type)) continue;
    throw new ControlError(
      "invalid",
      `No event is called ${JSON.stringify(type.slice(0, 64))}`,
      didYouMean(type, TYPES) ?? "vuswitch explain lists all",
    );
  }
  return { port: query.get("port"), types };
}

function readLast(query: URLSearchParams, otherwise: number): number {
  const text = query.get("last");
  if (text === null) return otherwise;
  if (/^\d{1,4}$/.test(text) && Number(text) <= EVENTS_MAX) return Number(text);
  throw new ControlError(
    "invalid",
    `last ${text.slice(0, 32)} must be a whole number from 0 to ${EVENTS_MAX}`,
  );
}

/** A batch as it goes out; JSON has no line ends. */
function batchText({ events, lost }: Batch): string {
  const missing = lost === 0 ? "" : `event: lost\ndata: {"lost":${lost}}\n\n`;
  const texts = events.map((event) => `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`);
  // A comment, which readers leave out.
  return texts.length === 0 && missing === "" ? ":\n\n" : missing + texts.join("");
}

/** What a follower gets, as it takes it: nothing is made before it is asked for. */
function streamOf(follower: Follower): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let begun = false;
  return new ReadableStream({
    pull: async (controller) => {
      // The head and a comment go out at once: who asks knows that it follows.
      const batch = await follower.next(begun ? SIGN_MS : 0);
      begun = true;
      if (batch === null) controller.close();
      else controller.enqueue(encoder.encode(batchText(batch)));
    },
    cancel: () => follower.close(),
  }, { highWaterMark: 0 });
}

/** `GET /v1/events`. @throws {ControlError} */
export function eventsAnswer(
  request: Request,
  query: URLSearchParams,
  store: EventStore,
): readonly SwitchEvent[] | Response {
  const filter = readFilter(query);
  const accept = request.headers.get("accept") ?? "";
  if (!accept.toLowerCase().includes(EVENT_STREAM)) {
    return store.list(filter, readLast(query, EVENTS_MAX));
  }
  const after = request.headers.get("last-event-id");
  const follower = store.follow(filter, after, readLast(query, 0));
  return new Response(streamOf(follower), {
    headers: { "content-type": EVENT_STREAM, "cache-control": "no-store" },
  });
}
