/**
 * The log: one line an event on stderr, as text for people, JSON lines, or with the `<N>` prefix
 * that systemd's journal reads; or fields in that journal. Lines a tenant can cause are limited per
 * component and event.
 *
 * @module
 */
import { Epoll, EPOLLOUT } from "../../ffi/mod.ts";
import { plainText } from "../base/plain_text.ts";
import { journalText } from "./journal.ts";

const STDERR = 2;

/** How a switch reports. `event` is a stable name, `message` is for people. */
export interface Logger {
  /** A detail, for whoever looks for a fault. `component`: `switch` or `port NAME`. */
  debug(component: string, event: string, message: string, fields?: LogFields): void;
  /** Something happened that is as it should be. */
  info(component: string, event: string, message: string, fields?: LogFields): void;
  /** Something that somebody should look at. */
  warn(component: string, event: string, message: string, fields?: LogFields): void;
  /** Something does not work. */
  error(component: string, event: string, message: string, fields?: LogFields): void;
}

/** Further facts of an event. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;
/** Levels from quiet to talkative. */
export type LogLevel = "error" | "warn" | "info" | "debug";
/** `journal`: sd-daemon prefix, no time. `journald`: fields, see journal.ts. */
export type LogFormat = "text" | "json" | "journal" | "journald";

/** Keeps an event for those who ask later. */
export type KeepEvent = (
  level: LogLevel,
  component: string,
  event: string,
  message: string,
  fields: LogFields,
  atMs: number,
) => void;

const LEVELS: readonly LogLevel[] = ["error", "warn", "info", "debug"];
const JOURNAL_PREFIX: Readonly<Record<LogLevel, string>> = {
  error: "<3>",
  warn: "<4>",
  info: "<6>",
  debug: "<7>",
};

/** Lines of one component and event per window; the rest is counted. */
const LINES_PER_WINDOW = 20;
const WINDOW_MS = 1000;

interface Window {
  startMs: number;
  lines: number;
}

/**
 * Makes a logger.
 * @param write takes a whole line, newline included, and must not block; false: the line is lost
 * @param keep gets the same events, and those of level info also if `level` is quieter
 */
export function createLogger(
  level: LogLevel,
  format: LogFormat,
  write: (line: string) => boolean | void,
  now: () => number = Date.now,
  keep: KeepEvent = () => {},
): Logger {
  const most = LEVELS.indexOf(level);
  const kept = Math.max(most, LEVELS.indexOf("info"));
  const windows = new Map<string, Window>();
  let lost = 0;

  function allowed(component: string, event: string): number {
    const key = `${component} ${event}`;
    const time = now();
    const window = windows.get(key);
    if (!window || time - window.startMs >= WINDOW_MS) {
      const suppressed = window ? Math.max(0, window.lines - LINES_PER_WINDOW) : 0;
      windows.set(key, { startMs: time, lines: 1 });
      return suppressed;
    }
    return ++window.lines > LINES_PER_WINDOW ? -1 : 0;
  }

  function log(
    at: LogLevel,
    component: string,
    event: string,
    message: string,
    fields: LogFields = {},
  ): void {
    if (LEVELS.indexOf(at) > kept) return;
    const suppressed = allowed(component, event);
    if (suppressed < 0) return;
    const facts = { ...fields, ...(suppressed > 0 ? { suppressed } : {}) };
    keep(at, component, event, message, facts, now());
    if (LEVELS.indexOf(at) > most) return;
    const more = {
      ...facts,
      ...(lost > 0 ? { lost } : {}),
    };
    const line = formatLine(format, new Date(now()), at, component, event, message, more);
    lost = write(`${line}\n`) === false ? lost + 1 : 0;
  }

  return {
    debug: (...rest) => log("debug", ...rest),
    info: (...rest) => log("info", ...rest),
    warn: (...rest) => log("warn", ...rest),
    error: (...rest) => log("error", ...rest),
  };
}

function formatLine(
  format: LogFormat,
  time: Date,
  level: LogLevel,
  component: string,
  event: string,
  message: string,
  fields: LogFields,
): string {
  if (format === "json") {
    return JSON.stringify({
      ts: time.toISOString(),
      level,
      component,
      event,
      msg: message,
      ...fields,
    });
  }
  if (format === "journald") return journalText(level, component, event, message, fields);
  // A tenant's text must neither break the line nor steer the terminal that shows it.
  const plain = plainText(message);
  const extra = Object.entries(fields).map(([key, value]) => ` ${key}=${value}`).join("");
  if (format === "journal") return `${JOURNAL_PREFIX[level]}${component}: ${plain}${extra}`;
  const clock = time.toTimeString().slice(0, 8);
  const millis = String(time.getMilliseconds()).padStart(3, "0");
  return `${clock}.${millis} ${level.padEnd(5)} ${component}: ${plain}${extra}`;
}

/** What a pipe takes in one piece once it has room at all (POSIX's PIPE_BUF on Linux), bytes. */
const LINE_BYTES_MAX = 4096;

/**
 * Writes lines to stderr. A closed or full pipe loses lines, never the switch: whoever reads the
 * log may stand still, and this thread must not stand still with it.
 * @returns what writes a line, and says whether it could
 */
export function stderrWriter(): (line: string) => boolean {
  const room = watchStderr();
  const encoder = new TextEncoder();
  return (line) => {
    if (room !== null && room.wait(0) === 0) return false;
    const bytes = encoder.encode(line);
    const whole = bytes.length <= LINE_BYTES_MAX;
    try {
      Deno.stderr.writeSync(whole ? bytes : encoder.encode(`${line.slice(0, 1000)}…\n`));
      return true;
    } catch {
      // Nobody reads: there is nobody to tell.
      return false;
    }
  };
}

/** Tells whether stderr has room; null where that is no question, as for a file. */
function watchStderr(): Epoll | null {
  const epoll = new Epoll(1);
  try {
    epoll.add(STDERR, EPOLLOUT, 0);
    return epoll;
  } catch {
    epoll.close();
    return null;
  }
}
