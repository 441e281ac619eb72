/**
 * Answers of the control API without a known end, read as they come.
 *
 * @module
 */
import { type ClientFlags, NoAnswer, refusal, timeoutMs, unreachable } from "./client.ts";
import { trustedControlPath } from "./control_path.ts";

const HEAD_BYTES_MAX = 16384;

/** An answer that goes on. */
export interface OpenStream {
  /** Its pieces, to its end. */
  readonly parts: AsyncIterable<Uint8Array>;
  /** Tells the switch that this is enough; what is on its way still comes. */
  end(): void;
}

/** Asks the switch that a command's flags name. @throws as `ask` of client.ts does */
export async function openStream(flags: ClientFlags, path: string): Promise<OpenStream> {
  const ctl = flags.ctl ?? trustedControlPath();
  const limitMs = timeoutMs(flags);
  let connection: Deno.UnixConn | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new NoAnswer("late")), limitMs);
    });
    connection = await Deno.connect({ transport: "unix", path: ctl });
    const head = await Promise.race([late, ask(connection, path)]);
    if (head.status === 200) return streamOf(connection, head.rest);
    const body = await Promise.race([late, readAll(connection, head.rest)]);
    connection.close();
    throw refusal(ctl, { status: head.status, body });
  } catch (error) {
    if (
      error instanceof Deno.errors.PermissionDenied || error instanceof NoAnswer ||
      error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused
    ) {
      connection?.close();
      throw await unreachable(ctl, error, limitMs);
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

interface Head {
  readonly status: number;
  /** What came behind it already. */
  readonly rest: Uint8Array;
}

async function ask(connection: Deno.UnixConn, path: string): Promise<Head> {
  const lines = [`GET ${path} HTTP/1.1`, "host: vuswitch", "connection: close", "", ""];
  const request = new TextEncoder().encode(lines.join("\r\n"));
  for (let at = 0; at < request.length;) at += await connection.write(request.subarray(at));
  const bytes = new Uint8Array(HEAD_BYTES_MAX);
  for (let have = 0;;) {
    const got = await connection.read(bytes.subarray(have));
    if (got === null || got === 0) throw new NoAnswer("foreign");
    have += got;
    const text = new TextDecoder("latin1").decode(bytes.subarray(0, have));
    const end = text.indexOf("\r\n\r\n");
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1];
    if (status === undefined) {
      if (have >= 16) throw new NoAnswer("foreign");
    } else if (end >= 0) return { status: Number(status), rest: bytes.slice(end + 4, have) };
  }
}

async function readAll(connection: Deno.UnixConn, rest: Uint8Array): Promise<string> {
  const parts = [rest];
  for await (const part of partsOf(connection)) parts.push(part);
  return await new Blob(parts as BlobPart[]).text();
}

async function* partsOf(connection: Deno.UnixConn): AsyncGenerator<Uint8Array> {
  for (;;) {
    const bytes = new Uint8Array(65536);
    const got = await connection.read(bytes);
    if (got === null) return;
    yield bytes.subarray(0, got);
  }
}

function streamOf(connection: Deno.UnixConn, rest: Uint8Array): OpenStream {
  async function* parts(): AsyncGenerator<Uint8Array> {
    try {
      if (rest.length > 0) yield rest;
      yield* partsOf(connection);
    } finally {
      connection.close();
    }
  }
  return { parts: parts(), end: () => void connection.closeWrite().catch(() => {}) };
}
