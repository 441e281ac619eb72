/**
 * The client of the control API: HTTP over the switch's control socket, within a time.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { request } from "node:http";
import { ControlError } from "../control/types.ts";
import { trustedControlPath } from "./control_path.ts";
import { CliError, EXIT_FAILED, EXIT_PERMISSION, EXIT_UNREACHABLE, EXIT_USAGE } from "./failure.ts";

/** How long a command waits for a switch, s, unless `--timeout` or VSW_TIMEOUT says otherwise. */
export const TIMEOUT_SECONDS = 2;
const TIMEOUT_SECONDS_MAX = 3600;
/** Limit of callers that name none: programs, which can wait longer than people. ms. */
const PATIENT_MS = 60_000;
/** 256 ports with everything about them take some 2 MiB. */
const ANSWER_BYTES_MAX = 64 << 20;

/** How to reach a switch, as typed. */
export interface ClientFlags {
  /** Control socket; by default the one of {@linkcode trustedControlPath}. */
  readonly ctl?: string;
  /** Seconds, from 0.01 to 3600. */
  readonly timeout?: string;
}

/** Reads a time such as `2` or `0.5`, s. @returns ms @throws {CliError} */
export function timeoutMs(flags: ClientFlags): number {
  const env = Deno.env.get("VSW_TIMEOUT");
  const [name, text] = flags.timeout !== undefined
    ? ["--timeout", flags.timeout]
    : ["VSW_TIMEOUT", env || String(TIMEOUT_SECONDS)];
  const seconds = /^\d*\.?\d+$/.test(text) ? Number(text) : NaN;
  if (seconds >= 0.01 && seconds <= TIMEOUT_SECONDS_MAX) return seconds * 1000;
  throw new CliError(
    EXIT_USAGE,
    `${name} ${text} must be seconds from 0.01 to ${TIMEOUT_SECONDS_MAX}, such as 2`,
  );
}

/** Asks the switch that a command's flags name. @throws as {@linkcode callSwitch} */
export async function ask(
  flags: ClientFlags,
  method: string,
  path: string,
  body: unknown = null,
): Promise<unknown> {
  const ctl = flags.ctl ?? trustedControlPath();
  return await callSwitch(ctl, method, path, body, timeoutMs(flags));
}

/** What came back. */
export interface Answer {
  /** Of HTTP. */
  readonly status: number;
  /** All of it. */
  readonly body: string;
}

/** Why there is no answer: nobody there, nothing in time, or not what a switch says. */
export class NoAnswer extends Error {
  /** Which of them. */
  readonly why: "late" | "foreign";

  /** One of the two. */
  constructor(why: NoAnswer["why"]) {
    super(why);
    this.why = why;
  }
}

function send(
  ctl: string,
  method: string,
  path: string,
  body: string | null,
  limitMs: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host: "vuswitch", connection: "close" };
    const call = request({ socketPath: ctl, method, path, headers }, (response) => {
      const parts: Uint8Array[] = [];
      let bytes = 0;
      response.on("data", (part: Uint8Array) => {
        parts.push(part);
        bytes += part.length;
        if (bytes > ANSWER_BYTES_MAX) end(new NoAnswer("foreign"));
      });
      response.on("error", end);
      response.on("end", () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() });
      });
    });
    // One limit from connecting to the last byte: a half answer is none.
    const timer = setTimeout(() => end(new NoAnswer("late")), limitMs);
    function end(error: Error): void {
      clearTimeout(timer);
      reject(error);
      call.destroy();
    }
    call.on("error", end);
    if (body !== null) call.write(body);
    call.end();
  });
}

/**
 * Asks the switch behind `ctl`. @returns the parsed answer, or undefined where there is none
 * @param limitMs from connecting to the last byte of the answer
 * @throws {CliError} unreachable, or silent; {ControlError} the switch refused
 */
export async function callSwitch(
  ctl: string,
  method: string,
  path: string,
  body: unknown = null,
  limitMs = PATIENT_MS,
): Promise<unknown> {
  let answer: Answer;
  try {
    answer = await send(ctl, method, path, body === null ? null : JSON.stringify(body), limitMs);
  } catch (error) {
    throw await unreachable(ctl, error, limitMs);
  }
  if (answer.status >= 300 || answer.status < 200) throw refusal(ctl, answer);
  if (answer.body === "") return undefined;
  try {
    return JSON.parse(answer.body);
  } catch {
    throw foreign(ctl);
  }
}

function foreign(ctl: string): CliError {
  return new CliError(
    EXIT_UNREACHABLE,
    `What answers at ${ctl} is not the control socket of a switch`,
    "name it with --ctl PATH",
  );
}

/** Why nobody answers, for whoever typed. @throws {ControlError} no socket can have that path */
export async function unreachable(ctl: string, error: unknown, limitMs: number): Promise<CliError> {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof NoAnswer) {
    return error.why === "foreign" ? foreign(ctl) : await silent(ctl, limitMs);
  }
  if (/EACCES|EPERM|permission denied/i.test(message)) {
    return new CliError(EXIT_PERMISSION, `No permission to use ${ctl}`, "run as the switch's user");
  }
  // A full queue of connections: somebody listens and takes none.
  if (/EAGAIN|unavailable|os error 11/i.test(message)) return await silent(ctl, limitMs);
  if (/Parse Error|HPE_|invalid http|invalid header/i.test(message)) return foreign(ctl);
  if (/ECONNRESET|EPIPE|hang up|reset|aborted/i.test(message)) {
    return new CliError(
      EXIT_UNREACHABLE,
      `The switch at ${ctl} hung up before it had answered`,
      "it may be ending: see its log",
    );
  }
  // Loaded here, as below.
  const { checkSocketPath } = await import("../control/sockets/bind.ts");
  checkSocketPath(ctl, "connect to");
  return new CliError(
    EXIT_UNREACHABLE,
    `No switch answers at ${ctl}`,
    "start one with: vuswitch run, or name its socket with --ctl PATH",
  );
}

async function silent(ctl: string, limitMs: number): Promise<CliError> {
  // Loaded here: it needs libc, and commands that are answered do not.
  const { listenerOf } = await import("../control/sockets/process.ts");
  const process = listenerOf(ctl);
  const who = process ? `Process ${process.pid} (${process.command})` : "The process";
  return new CliError(
    EXIT_UNREACHABLE,
    `${who} that listens at ${ctl} does not answer within ${limitMs / 1000} s`,
    process?.stopped
      ? `it is stopped: kill -CONT ${process.pid}`
      : "give it more time with --timeout SECONDS, or see its log",
  );
}

/** What an answer other than a good one says. */
export function refusal(ctl: string, answer: Answer): Error {
  try {
    const { title, detail, hint } = JSON.parse(answer.body);
    const kinds: readonly string[] = ["not-found", "conflict", "invalid", "failed"];
    if (kinds.includes(title) && typeof detail === "string") {
      return new ControlError(title, detail, typeof hint === "string" ? hint : null);
    }
  } catch {
    // Said below.
  }
  if (answer.status === 500) return new CliError(EXIT_FAILED, "The switch failed to answer");
  return foreign(ctl);
}
