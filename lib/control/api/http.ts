/**
 * HTTP/1.1 at a socket (RFC 9112), as much of it as a control API needs and no more: bounded
 * requests, each whole within a time, on a bounded number of connections. Who comes when all are taken
 * takes the place of one that is waited for: a silent one first, then one whose request is not whole.
 *
 * The runtime's own server knows neither a limit of connections nor of time.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { ControlError } from "../types.ts";
import { Incoming } from "./incoming.ts";
import { problem } from "./routes.ts";
import { endsBySignal, isStream, sendStream } from "./stream.ts";

/** Connections at once. A command has one for as long as it runs, a browser six. */
export const CONNECTIONS_MAX = 64;
/** A request that has begun is whole within this, ms; it is little, and comes from this machine. */
export const REQUEST_MS_MAX = 5000;
/** A connection without one is kept for as long, ms. */
export const IDLE_MS_MAX = 30_000;
/** An answer is taken within this, ms. */
const ANSWER_MS_MAX = 30_000;
/** After a failure to accept, ms: for want of descriptors, as a rule. */
const REST_MS = 100;

/** What a server does with a request. It must not reject. */
export type Answer = (request: Request) => Promise<Response>;

/** One connection. */
interface Client {
  readonly connection: Deno.Conn;
  /** What it does: is silent, sends a request, is answered, or gets an answer without an end. */
  state: "silent" | "asking" | "answered" | "follows";
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Aborted when it has heard enough of an answer without an end. */
  readonly enough: AbortController;
}

/** A server at one listening socket, which it owns. Control thread only. */
export class HttpServer {
  readonly #listener: Deno.Listener;
  readonly #answer: Answer;
  /** Oldest first, each behind those that changed their state before it. */
  readonly #clients = new Set<Client>();
  readonly #serving = new Set<Promise<void>>();
  readonly #closed: () => void;
  #closing = false;

  /** Serves at once. @param closed called when the listening socket is closed */
  constructor(listener: Deno.Listener, answer: Answer, closed: () => void = () => {}) {
    this.#listener = listener;
    this.#answer = answer;
    this.#closed = closed;
    void this.#accept();
  }

  /** Connections there are. */
  get connections(): number {
    return this.#clients.size;
  }

  async #accept(): Promise<void> {
    while (!this.#closing) {
      try {
        const connection = await this.#listener.accept();
        if (this.#makeRoom()) this.#take(connection);
        else connection.close();
      } catch {
        if (!this.#closing) await delay(REST_MS);
      }
    }
  }

  /** @returns false: all are being answered */
  #makeRoom(): boolean {
    if (this.#clients.size < CONNECTIONS_MAX) return true;
    const all = [...this.#clients];
    const waited = all.find(({ state }) => state === "silent") ??
      all.find(({ state }) => state === "asking");
    if (waited === undefined) return false;
    this.#drop(waited);
    return true;
  }

  #take(connection: Deno.Conn): void {
    const enough = new AbortController();
    const client: Client = { connection, state: "silent", timer: undefined, enough };
    const served = this.#serve(client).catch(() => {}).finally(() => {
      this.#drop(client);
      this.#serving.delete(served);
    });
    this.#serving.add(served);
  }

  #drop(client: Client): void {
    clearTimeout(client.timer);
    if (!this.#clients.delete(client)) return;
    try {
      client.connection.close();
    } catch {
      // The other end was first.
    }
  }

  /** Its state changes, and it has a time for what comes. */
  #await(client: Client, state: Client["state"], msMax: number): void {
    clearTimeout(client.timer);
    client.state = state;
    this.#clients.delete(client);
    this.#clients.add(client);
    client.timer = setTimeout(() => this.#drop(client), msMax);
  }

  async #serve(client: Client): Promise<void> {
    const { connection } = client;
    this.#await(client, "silent", IDLE_MS_MAX);
    const began = (): void => this.#await(client, "asking", REQUEST_MS_MAX);
    const incoming = new Incoming(connection, began, client.enough.signal);
    for (let more = true; more && !this.#closing;) {
      let response: Response;
      let isHead = false;
      try {
        const asked = await incoming.next();
        if (asked === null) return;
        this.#await(client, "answered", ANSWER_MS_MAX);
        more = asked.keepsAlive;
        isHead = asked.request.method === "HEAD";
        response = await this.#answer(asked.request);
      } catch (error) {
        if (!(error instanceof ControlError)) throw error;
        more = false;
        response = problem(error);
      }
      if (isStream(response) && response.body !== null) {
        return await this.#follow(client, response, response.body);
      }
      await writeAll(connection, await encode(response, more && !this.#closing, isHead));
      if (!more) await connection.closeWrite();
      else if (!incoming.hasMore) this.#await(client, "silent", IDLE_MS_MAX);
    }
  }

  /**
   * Sends an answer that goes on until one side ends, each piece of which is taken in time; but for
   * captures, whose readers lose what they do not take.
   */
  async #follow(client: Client, response: Response, body: ReadableStream): Promise<void> {
    const { connection, enough } = client;
    const isCapture = endsBySignal(response);
    const write = async (piece: Uint8Array): Promise<void> => {
      this.#await(client, "follows", ANSWER_MS_MAX);
      if (isCapture) clearTimeout(client.timer);
      await writeAll(connection, piece);
      clearTimeout(client.timer);
    };
    const head = headOf(response, new Headers(response.headers), false);
    await sendStream(connection, head, body, write, isCapture ? () => enough.abort() : null);
  }

  /**
   * Takes nobody else, and ends when requests under way are answered. Those without an end are ended
   * by whoever answers them.
   */
  async shutdown(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#listener.close();
      this.#closed();
    }
    for (const client of [...this.#clients]) {
      if (client.state === "silent" || client.state === "asking") this.#drop(client);
    }
    await Promise.all(this.#serving);
  }
}

/** A response as it goes out. */
async function encode(response: Response, keeps: boolean, isHead: boolean): Promise<Uint8Array> {
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  const hasBody = response.status !== 204 && response.status !== 304;
  if (hasBody) headers.set("content-length", String(body.length));
  const head = headOf(response, headers, keeps);
  const all = new Uint8Array(head.length + (hasBody && !isHead ? body.length : 0));
  all.set(head);
  if (all.length > head.length) all.set(body, head.length);
  return all;
}

/** Everything in front of a body. @param headers changed */
function headOf({ status }: Response, headers: Headers, keeps: boolean): Uint8Array {
  headers.set("connection", keeps ? "keep-alive" : "close");
  const lines = [`HTTP/1.1 ${status} ${REASONS[status] ?? ""}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  204: "No Content",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
