/**
 * `events`: what happened lately, and what happens.
 *
 * @module
 */
import { plainText } from "../../base/plain_text.ts";
import { checkRange } from "../../control/config/config.ts";
import type { DocumentOf } from "../../control/schema/mod.ts";
import {
  ask,
  CLIENT_FLAGS,
  type CommandRow,
  type Flags,
  type FlagsOf,
  LIVE,
  type Print,
  printing,
} from "../command.ts";

/** As typed. */
export const EVENTS_FLAGS = {
  ...CLIENT_FLAGS,
  follow: { brief: "print what happens from now on as well, until Ctrl-c", yes: true, alias: "f" },
  count: { brief: "with --follow: end after so many", placeholder: "N" },
  port: { brief: "of this port alone", placeholder: "PORT", words: LIVE.ports },
  type: {
    brief: "of this name alone, such as link-up; may be given again",
    placeholder: "EVENT",
    many: true,
    words: async () => (await import("../../control/events/answer.ts")).eventTypes(),
  },
  last: { brief: "of the past, so many (all; with --follow 10)", placeholder: "N" },
} as const satisfies Flags;

/** Flags of `events`. */
export type EventsFlags = FlagsOf<typeof EVENTS_FLAGS>;

/** Something that happened. */
export type Event = DocumentOf<"event">;

function pathOf({ port, type, last }: EventsFlags, otherwise: string | null): string {
  const query = new URLSearchParams();
  if (port !== undefined) query.set("port", port);
  for (const each of type ?? []) query.append("type", each);
  const count = last ?? otherwise;
  if (count !== null) query.set("last", count);
  return `/v1/events${query.size === 0 ? "" : `?${query}`}`;
}

/** More than anybody waits for. */
const COUNT_MAX = 1_000_000;

/** A line of the log, with its date, in this host's time. */
function eventLine({ ts, level, component, event, msg, fields }: Event): string {
  const at = new Date(ts);
  const day = [at.getFullYear(), at.getMonth() + 1, at.getDate()]
    .map((part) => String(part).padStart(2, "0")).join("-");
  const clock = `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  const more = Object.entries(fields).map(([key, value]) => ` ${key}=${value}`).join("");
  return plainText(`${day} ${clock} ${level.padEnd(5)} ${component}: ${event}: ${msg}${more}`);
}

/** A line for each event. */
export function eventLines(events: readonly Event[]): string {
  return events.map((event) => `${eventLine(event)}\n`).join("");
}

/** How many it lost, said where the events are. */
function lostText(output: EventsFlags["output"], data: string): string {
  const { lost } = JSON.parse(data);
  return output === "json" ? `${JSON.stringify({ lost })}\n` : `(${lost} events lost)\n`;
}

async function follow(flags: EventsFlags, print: Print): Promise<void> {
  const { followSwitch } = await import("../event_stream.ts");
  const { timeoutMs } = await import("../client.ts");
  const { trustedControlPath } = await import("../control_path.ts");
  const ctl = flags.ctl ?? trustedControlPath();
  let left = flags.count === undefined
    ? Infinity
    : checkRange("--count", flags.count, 1, COUNT_MAX);
  await followSwitch(ctl, pathOf(flags, "10"), timeoutMs(flags), ({ word, data }) => {
    if (word === "lost") return print(lostText(flags.output, data)) !== false;
    const event: Event = JSON.parse(data);
    const text = flags.output === "json" ? `${JSON.stringify(event)}\n` : eventLines([event]);
    return print(text) !== false && --left > 0;
  });
}

const ONCE = printing({
  words: ["events"],
  brief: "what happened lately, and with --follow what happens",
  examples: [
    "vuswitch events",
    "vuswitch events --follow",
    "vuswitch events --follow --port vm1 --type link-up --type link-down",
    "vuswitch events --follow --last 0 --count 1 --port vm1 --type link-up",
    "vuswitch events --last 20 -o json",
  ],
  flags: EVENTS_FLAGS,
}, () => ({
  document: () => "events",
  read: (flags) => ask<DocumentOf<"events">>(flags, "GET", pathOf(flags, null)),
  draw: eventLines,
}));

/** In the order help lists them. */
export const EVENTS_COMMANDS: readonly CommandRow[] = [{
  ...ONCE,
  load: async () => {
    const once = await ONCE.load();
    return async (flags: EventsFlags, print: Print): Promise<void> => {
      if (flags.follow) await follow(flags, print);
      else await once(flags as never, print);
    };
  },
}];
