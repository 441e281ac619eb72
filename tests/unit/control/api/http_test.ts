/** The server of the control API: what it understands, what it refuses, and whom it waits for. */
import { strict as assert } from "node:assert";
import { CONNECTIONS_MAX, HttpServer } from "../../../../lib/control/api/http.ts";
import { HEAD_BYTES_MAX } from "../../../../lib/control/api/incoming.ts";
import { PCAPNG } from "../../../../lib/control/api/stream.ts";
import { TempFolder } from "../../../harness/temp.ts";
import { until } from "../../../harness/until.ts";

/** A server that says what it was asked. */
class Bench implements AsyncDisposable {
  readonly #folder = new TempFolder();
  readonly path = this.#folder.file("http.sock");
  readonly server = new HttpServer(
    Deno.listen({ transport: "unix", path: this.path }),
    async (request) => {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/none") return new Response(null, { status: 204 });
      if (pathname === "/stream") return this.#stream(request.signal);
      return Response.json([request.method, pathname + search, await request.text()]);
    },
  );

  /** Streams under way. */
  streams = 0;

  /** An answer that ends when somebody says so. */
  #stream(signal: AbortSignal): Response {
    this.streams++;
    let isOver = false;
    const over = (): void => {
      if (!isOver) this.streams--;
      isOver = true;
    };
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode("begun;"));
        signal.addEventListener("abort", () => {
          if (isOver) return;
          controller.enqueue(new TextEncoder().encode("ended"));
          controller.close();
          over();
        });
      },
      cancel: over,
    });
    return new Response(body, { headers: { "content-type": PCAPNG } });
  }

  connect(): Promise<Deno.UnixConn> {
    return Deno.connect({ transport: "unix", path: this.path });
  }

  /** Says it all and hangs up. @returns what is answered */
  async say(words: string | Uint8Array): Promise<string> {
    using connection = await this.connect();
    const bytes = typeof words === "string" ? new TextEncoder().encode(words) : words;
    try {
      for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
      await connection.closeWrite();
    } catch {
      // It has heard enough.
    }
    return await readAll(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.shutdown();
    this.#folder[Symbol.dispose]();
  }
}

async function readAll(connection: Deno.UnixConn): Promise<string> {
  let text = "";
  const bytes = new Uint8Array(65536);
  for (;;) {
    const got = await connection.read(bytes).catch(() => null);
    if (got === null) return text;
    text += new TextDecoder().decode(bytes.subarray(0, got));
  }
}

const GET = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n";

Deno.test("requests are understood however they are cut, framed and put in a row", async () => {
  await using bench = new Bench();
  const ok = async (words: string, ...answers: unknown[]): Promise<void> => {
    const text = await bench.say(words);
    assert.deepEqual(text.match(/^\[.*\]/gm)?.map((each) => JSON.parse(each)) ?? [], answers);
  };
  await ok(GET, ["GET", "/a?b=c", ""]);
  await ok(`\r\n${GET.replaceAll("\r\n", "\n")}`, ["GET", "/a?b=c", ""]);
  await ok("GET http://other/a HTTP/1.1\r\n\r\n", ["GET", "/a", ""]);
  await ok("GET //a/b HTTP/1.1\r\n\r\n", ["GET", "//a/b", ""]);
  await ok("GET // HTTP/1.1\r\n\r\n", ["GET", "//", ""]);
  await ok("POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nxyz", ["POST", "/a", "xyz"]);
  await ok("GET /a HTTP/1.1\r\ncontent-length: 3\r\n\r\nxyz", ["GET", "/a", ""]);
  const chunked = "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  await ok(`${chunked}2;a=b\r\nxy\r\n1\r\nz\r\n0\r\nx: y\r\n\r\n`, ["PUT", "/a", "xyz"]);
  await ok(GET + GET, ["GET", "/a?b=c", ""], ["GET", "/a?b=c", ""]);
  await ok(`GET /a HTTP/1.0\r\n\r\n${GET}`, ["GET", "/a", ""]);
  await ok(GET.replace("Host: x", "Connection: Close") + GET, ["GET", "/a?b=c", ""]);
  await ok("");
  assert.match(await bench.say("DELETE /none HTTP/1.1\r\n\r\n"), /^HTTP\/1.1 204 No Content\r\n/);
  assert.match(await bench.say("HEAD /a HTTP/1.1\r\n\r\n"), /content-length: 16\r\n.*\r\n\r\n$/s);
  const expected = "POST /a HTTP/1.1\r\ncontent-length: 1\r\nExpect: 100-continue\r\n\r\nx";
  assert.match(await bench.say(expected), /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK\r\n/);
  using slow = await bench.connect();
  for (const byte of new TextEncoder().encode(GET)) await slow.write(Uint8Array.of(byte));
  await slow.closeWrite();
  assert.match(await readAll(slow), /^HTTP\/1.1 200 OK\r\n/);
});

Deno.test("what is no request is refused with 400 and a problem document, never with 500", async () => {
  await using bench = new Bench();
  const cases = [
    ["GET http://[::1/ HTTP/1.1\r\n\r\n", "is no target"],
    ["GET * HTTP/1.1\r\n\r\n", "is no target"],
    ["GET ftp://x/ HTTP/1.1\r\n\r\n", "is no target"],
    ["CONNECT x:80 HTTP/1.1\r\n\r\n", "is no target"],
    ["TRACE / HTTP/1.1\r\n\r\n", "has the method"],
    ["GET / HTTP/2.0\r\n\r\n", "request line"],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "request line"],
    ["G(T / HTTP/1.1\r\n\r\n", "request line"],
    ["hello\r\n", "request line"],
    ["\x16\x03\x01\x02\x00\x01\x00\r\n", "control character"],
    ["GET / HTTP/1.1\r\nno colon\r\n\r\n", "NAME: VALUE"],
    ["GET / HTTP/1.1\r\nname : x\r\n\r\n", "NAME: VALUE"],
    ["GET / HTTP/1.1\r\n folded: x\r\n\r\n", "NAME: VALUE"],
    ["GET / HTTP/1.1\r\nhost: x\r\n", "ends in its headers"],
    ["POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "must be a number"],
    ["POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx", "must be a number"],
    ["POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\nxx", "ends in its body"],
    ["POST / HTTP/1.1\r\ncontent-length: 1073741824\r\n\r\n", "at most 65536"],
    ["POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", "transfer-encoding chunked"],
    ["POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n", "chunked"],
    ["POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", "hex digits"],
    ["POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxyz\r\n", "control|line end|hex"],
    ["POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n", "at most 65536"],
    [`GET /${"a".repeat(HEAD_BYTES_MAX)} HTTP/1.1\r\n\r\n`, "at most 16384"],
    [`GET / HTTP/1.1\r\n${"a: b\r\n".repeat(HEAD_BYTES_MAX)}\r\n`, "at most 16384"],
  ] as const;
  for (const [words, why] of cases) {
    const text = await bench.say(words);
    const shown = `${JSON.stringify(words.slice(0, 60))}: ${text}`;
    assert.match(text, /^HTTP\/1.1 400 Bad Request\r\n/, shown);
    assert.match(text, /content-type: application\/problem\+json\r\n/i, shown);
    assert.match(text, new RegExp(why), shown);
  }
  assert.match(await bench.say(GET), / 200 OK/);
});

Deno.test("silent and slow ones make room for who comes, and all end with the server", async () => {
  await using bench = new Bench();
  const silent = [];
  for (let i = 0; i < 3 * CONNECTIONS_MAX; i++) {
    const connection = await bench.connect();
    // Every other one has begun to say something.
    if (i % 2 === 0) await connection.write(new TextEncoder().encode("GET / HT"));
    silent.push(connection);
  }
  assert.match(await bench.say(GET), / 200 OK/);
  await until("the first to be gone", () => bench.server.connections <= CONNECTIONS_MAX);
  assert.equal(await readAll(silent[1] as Deno.UnixConn), "");
  await bench.server.shutdown();
  for (const connection of silent) {
    assert.equal(await readAll(connection), "");
    connection.close();
  }
  assert.equal(bench.server.connections, 0);
});

Deno.test("what is streamed ends when its reader has enough, and with a reader that is gone", async () => {
  await using bench = new Bench();
  const stream = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n";
  assert.match(await bench.say(stream), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nbegun;ended$/);
  assert.doesNotMatch(await bench.say(stream), /content-length/i);
  for (const reads of [false, true]) {
    const gone = await bench.connect();
    await gone.write(new TextEncoder().encode(stream));
    if (reads) await gone.read(new Uint8Array(4096));
    gone.close();
    await until(
      "nobody is streamed to",
      () => bench.streams === 0 && bench.server.connections === 0,
    );
  }
});
