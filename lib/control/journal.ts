/**
 * Events as systemd's journal takes them from programs, each with fields to search by
 * (systemd.journal-fields(7), «Native Journal Protocol»), if stderr is the journal's: otherwise
 * whoever started us wants to read it.
 *
 * @module
 */
import { sendDatagram } from "../../ffi/mod.ts";
import { plainText } from "../base/plain_text.ts";
import type { LogFields, LogLevel } from "./log.ts";

/** Where the journal listens. */
const SOCKET = "/run/systemd/journal/socket";
/** Longest name of a field. */
const NAME_BYTES_MAX = 64;
/** Of syslog(3). */
const PRIORITIES: Readonly<Record<LogLevel, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** A field's name in the journal: capitals, digits and underscores. */
function fieldName(name: string): string {
  const words = name.replaceAll(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
  return `VUSWITCH_${words.replaceAll(/[^A-Z0-9]+/g, "_")}`.slice(0, NAME_BYTES_MAX);
}

/** An event with its fields, one a line, the last line's end left out. */
export function journalText(
  level: LogLevel,
  component: string,
  event: string,
  message: string,
  fields: LogFields,
): string {
  const port = component.startsWith("port ") ? component.slice("port ".length) : null;
  const own = Object.entries(fields).filter(([, value]) => value !== null)
    .map(([name, value]): [string, unknown] => [fieldName(name), value]);
  const all: readonly (readonly [string, unknown])[] = [
    ["MESSAGE", `${component}: ${message}`],
    ["PRIORITY", PRIORITIES[level]],
    ["SYSLOG_IDENTIFIER", "vuswitch"],
    ["VUSWITCH_EVENT", event],
    ["VUSWITCH_COMPONENT", component],
    ...port === null ? [] : [["VUSWITCH_PORT", port] as const],
    // Facts of an event do not stand in for what every event has.
    ...own.filter(([name]) => !/^VUSWITCH_(EVENT|COMPONENT|PORT)$/.test(name)),
  ];
  // A tenant's text in one must not become the next one.
  return all.map(([name, value]) => `${name}=${plainText(String(value))}`).join("\n");
}

/** Device and number of the file behind stderr, as the environment has them; null: none to be had. */
function stderrIdentity(): string | null {
  try {
    const { dev, ino } = Deno.statSync("/proc/self/fd/2");
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

/**
 * Whether stderr leads to the journal, and not to where somebody has directed it
 * (systemd.exec(5), «$JOURNAL_STREAM»).
 */
export function isJournal(
  stream: string | undefined = Deno.env.get("JOURNAL_STREAM"),
  identity: string | null = stderrIdentity(),
): boolean {
  return stream !== undefined && stream === identity;
}

/** Whether the journal is where it should be: in a root of its own a service may not see it. */
export function journalTakes(socket: string = SOCKET): boolean {
  try {
    return Deno.statSync(socket).isSocket ?? false;
  } catch {
    return false;
  }
}

/** Sends what {@linkcode journalText} made; does not block. @returns false: it is lost */
export function journalWriter(socket: string = SOCKET): (text: string) => boolean {
  return (text) => sendDatagram(socket, text);
}
