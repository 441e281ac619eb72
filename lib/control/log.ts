/**
 * The log: one line an event on stderr, as text for people, JSON lines, or with the `<N>` prefix
 * that systemd's journal reads. Lines a tenant can cause are limited per component and event.
 *
 * @module
 */

/** How a switch reports. `event` is a stable name, `message` is for people. */
export interface Logger {
  debug(component: string, event: string, message: string, fields?: LogFields): void;
  info(component: string, event: string, message: string, fields?: LogFields): void;
  warn(component: string, event: string, message: string, fields?: LogFields): void;
  error(component: string, event: string, message: string, fields?: LogFields): void;
}

/** Further facts of an event. */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>;
/** Levels from quiet to talkative. */
export type LogLevel = "error" | "warn" | "info" | "debug";
/** `journal`: sd-daemon prefix, no time. */
export type LogFormat = "text" | "json" | "journal";

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

/** Makes a logger. @param write takes a whole line, newline included, and must not block */
export function createLogger(
  level: LogLevel,
  format: LogFormat,
  write: (line: string) => void,
  now: () => number = Date.now,
): Logger {
  const most = LEVELS.indexOf(level);
  const windows = new Map<string, Window>();

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
    if (LEVELS.indexOf(at) > most) return;
    const suppressed = allowed(component, event);
    if (suppressed < 0) return;
    const more = suppressed > 0 ? { ...fields, suppressed } : fields;
    write(`${formatLine(format, new Date(now()), at, component, event, message, more)}\n`);
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
  // A tenant's text must not break the line.
  // deno-lint-ignore no-control-regex
  const plain = message.replace(/[\x00-\x1f\x7f]/g, "?");
  const extra = Object.entries(fields).map(([key, value]) => ` ${key}=${value}`).join("");
  if (format === "journal") return `${JOURNAL_PREFIX[level]}${component}: ${plain}${extra}`;
  const clock = time.toTimeString().slice(0, 8);
  const millis = String(time.getMilliseconds()).padStart(3, "0");
  return `${clock}.${millis} ${level.padEnd(5)} ${component}: ${plain}${extra}`;
}

/** Writes lines to stderr; a closed or full pipe loses lines, never the switch. */
export function writeStderr(line: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(line));
  } catch {
    // Nobody reads: there is nobody to tell.
  }
}
