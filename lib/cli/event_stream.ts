/**
 * The client's end of a stream of events (WHATWG HTML, «Server-sent events»), as much of it as the
 * control API sends.
 *
 * @module
 */
import type { IncomingMessage } from "node:http";
import { request } from "node:http";
import { Buffer } from "node:buffer";
import { refusal, unreachable } from "./client.ts";
import { CliError, EXIT_UNREACHABLE } from "./failure.ts";

/** A switch says at least this often that it is there; twice as long without a word is too long, ms. */
const SILENCE_MS_MAX = 40_000;
/** Longer texts than any event. */
const PENDING_MAX = 1 << 20;

/** What came: a word, such as `message` or `lost`, and its data. */
export interface StreamItem {
  /** Of which kind. */
  readonly word: string;
  /** JSON. */
  readonly data: string;
}

/** Takes a stream apart. */
export class EventReader {
  #pending = "";

  /** More text of the stream. @returns what is whole by now */
  take(text: string): StreamItem[] {
    this.#pending += text;
    const blocks = this.#pending.split("\n\n");
    this.#pending = blocks.pop() ?? "";
    if (this.#pending.length > PENDING_MAX) this.#pending = "";
    return blocks.flatMap((block) => {
      const fields = block.split("\n").map((line) => /^(\w+): ?(.*)$/.exec(line) ?? []);
      const of = (name: string): string[] =>
        fields.flatMap(([, key, value = ""]) => key === name ? [value] : []);
      const data = of("data");
      return data.length === 0 ? [] : [{
        word: of("event")[0] ?? "message",
        data: data.join("\n"),
      }];
    });
  }
}

function open(ctl: string, path: string, limitMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { host: "vuswitch", accept: "text/event-stream" };
    const call = request({ socketPath: ctl, method: "GET", path, headers }, (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    const timer = setTimeout(() => {
      reject(new CliError(EXIT_UNREACHABLE, `No switch answers at ${ctl} in time`));
      call.destroy();
    }, limitMs);
    call.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    call.end();
  });
}

/**
 * Hands on what a switch streams, until `take` wants no more.
 * @param limitMs until it answers @param take false: it wants no more
 * @throws {CliError} nobody is there, or it ended; {ControlError} it refused
 */
export async function followSwitch(
  ctl: string,
  path: string,
  limitMs: number,
  take: (item: StreamItem) => boolean,
): Promise<void> {
  let response: IncomingMessage;
  try {
    response = await open(ctl, path, limitMs);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw await unreachable(ctl, error, limitMs);
  }
  const status = response.statusCode ?? 0;
  if (status !== 200) {
    const parts: Uint8Array[] = [];
    for await (const part of response) parts.push(part);
    throw refusal(ctl, { status, body: Buffer.concat(parts).toString() });
  }
  const reader = new EventReader();
  response.setEncoding("utf8");
  response.setTimeout(SILENCE_MS_MAX, () => response.destroy());
  try {
    for await (const text of response) {
      if (!reader.take(text).every(take)) return;
    }
  } catch {
    // Said below.
  } finally {
    response.destroy();
  }
  throw new CliError(EXIT_UNREACHABLE, `The switch at ${ctl} ended`);
}
