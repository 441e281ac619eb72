/** Events over HTTP: lists, streams that go on, and readers that are slow, many, or gone. */
import { strict as assert } from "node:assert";
import { HttpServer } from "../../../../lib/control/api/http.ts";
import { handle } from "../../../../lib/control/api/routes.ts";
import type { SwitchControl } from "../../../../lib/control/api/table.ts";
import { EventReader } from "../../../../lib/cli/event_stream.ts";
import { eventTypes } from "../../../../lib/control/events/answer.ts";
import { EventStore, FOLLOWERS_MAX, WAITING_MAX } from "../../../../lib/control/events/store.ts";
import { eventNames, reasonCodes } from "../../../docs/named.ts";
import { TempFolder } from "../../../harness/temp.ts";
import { until } from "../../../harness/until.ts";

/** A control socket with events behind it. */
class Bench implements AsyncDisposable {
  readonly #folder = new TempFolder();
  readonly path = this.#folder.file("ctl.sock");
  readonly store = new EventStore("t");
  readonly server = new HttpServer(
    Deno.listen({ transport: "unix", path: this.path }),
    (request) => handle(request, {} as SwitchControl, this.store),
  );

  async ask(path: string, ...headers: readonly string[]): Promise<Deno.UnixConn> {
    const connection = await Deno.connect({ transport: "unix", path: this.path });
    const head = [`GET ${path} HTTP/1.1`, "Host: x", ...headers, "", ""].join("\r\n");
    await connection.write(new TextEncoder().encode(head));
    return connection;
  }

  follow(query = "", ...headers: readonly string[]): Promise<Deno.UnixConn> {
    return this.ask(`/v1/events${query}`, "Accept: text/event-stream", ...headers);
  }

  async list(query = ""): Promise<{ event: string; msg: string }[]> {
    using connection = await this.ask(`/v1/events${query}`, "Connection: close");
    const text = await new Response(connection.readable).text();
    return JSON.parse(text.slice(text.indexOf("\r\n\r\n")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.close();
    await this.server.shutdown();
    this.#folder[Symbol.dispose]();
  }
}

/** What a stream has said. */
class Heard {
  readonly #connection: Deno.UnixConn;
  text = "";

  constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
  }

  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const bytes = new Uint8Array(65536);
    for (;;) {
      const found = pattern.exec(this.text);
      if (found) return found;
      const got = await this.#connection.read(bytes);
      assert(got !== null, `it ends without ${pattern}: ${this.text}`);
      this.text += new TextDecoder().decode(bytes.subarray(0, got));
    }
  }
}

Deno.test("what happened lately is a list, by port, name and number", async () => {
  await using bench = new Bench();
  bench.store.add("info", "port vm1", "link-up", "one");
  bench.store.add("info", "port vm2", "link-up", "two");
  bench.store.add("warn", "port vm1", "closed", "three");
  const said = async (query: string): Promise<string[]> =>
    (await bench.list(query)).map(({ msg }) => msg);
  assert.deepEqual(await said(""), ["one", "two", "three"]);
  assert.deepEqual(await said("?port=vm1"), ["one", "three"]);
  assert.deepEqual(await said("?type=closed,link-up&port=vm2"), ["two"]);
  assert.deepEqual(await said("?type=closed&type=link-up&last=2"), ["two", "three"]);
  assert.deepEqual(await said("?port=gone"), []);
  for (
    const [query, fault] of [
      ["?type=link-upp", /No event is called .*did you mean link-up/],
      ["?type=", /No event is called/],
      ["?last=-1", /last -1 must be/],
      ["?last=1025", /must be a whole number from 0 to 1024/],
      ["?last=1e3", /must be/],
    ] as const
  ) {
    const answer = await handle(
      new Request(`http://x/v1/events${query}`),
      {} as SwitchControl,
      bench.store,
    );
    assert.equal(answer.status, 400, query);
    assert.match(await answer.text(), fault);
  }
});

Deno.test("a stream begins with what is asked for and goes on with what happens", async () => {
  await using bench = new Bench();
  bench.store.add("info", "port vm1", "connected", "past");
  bench.store.add("info", "port vm1", "link-up", "a\nb");
  using connection = await bench.follow("?last=1");
  const heard = new Heard(connection);
  await heard.until(/^HTTP\/1\.1 200 OK\r\n[^]*content-type: text\/event-stream\r\n[^]*"a\\nb"/);
  assert(!heard.text.includes("past") && !/content-length/.test(heard.text));
  bench.store.add("warn", "port vm1", "closed", "now");
  await heard.until(/id: t-3\ndata: \{"id":"t-3",[^\n]*"now"[^\n]*\}\n\n$/);
  const body = heard.text.slice(heard.text.indexOf("\r\n\r\n") + 4);
  const events = new EventReader().take(body).map(({ data }) => JSON.parse(data).event);
  assert.deepEqual(events, ["link-up", "closed"]);
  using back = await bench.follow("", "Last-Event-ID: t-1");
  await new Heard(back).until(/"t-2"[^]*"t-3"/);
});

Deno.test("followers take no place of others, and leave none behind when they go", async () => {
  await using bench = new Bench();
  const followers: Deno.UnixConn[] = [];
  try {
    for (let i = 0; i < FOLLOWERS_MAX; i++) followers.push(await bench.follow());
    await until("all follow", () => bench.store.followers === FOLLOWERS_MAX);
    using refused = await bench.follow();
    await new Heard(refused).until(/^HTTP\/1\.1 409 Conflict[^]*follow events already/);
    bench.store.add("info", "switch", "metrics", "x");
    assert.equal((await bench.list()).length, 1, "others are answered");
  } finally {
    for (const each of followers) each.close();
  }
  await until("none follows", () => bench.store.followers === 0);
  using again = await bench.follow();
  await new Heard(again).until(/^HTTP\/1\.1 200 /);
});

Deno.test("a reader that stands still holds nothing up, and is told what it lost", async () => {
  await using bench = new Bench();
  using slow = await bench.follow();
  using quick = await bench.follow();
  const [first, other] = [new Heard(slow), new Heard(quick)];
  await Promise.all([first.until(/\r\n\r\n:/), other.until(/\r\n\r\n:/)]);
  // More than a socket holds, and than waits for one reader.
  const words = "x".repeat(4000);
  for (let round = 0; round < 40; round++) {
    for (let i = 0; i < WAITING_MAX / 4; i++) {
      bench.store.add("info", "port vm1", "refused", `${words} ${round}`);
    }
    await other.until(new RegExp(`x ${round}"`));
    other.text = "";
  }
  bench.store.add("info", "port vm1", "link-up", "the last");
  await first.until(/the last/);
  assert.match(first.text, /event: lost\ndata: \{"lost":\d+\}\n\n/);
  const got = first.text.match(/"refused"/g)?.length ?? 0;
  const lost = Array.from(first.text.matchAll(/"lost":(\d+)/g), ([, n]) => Number(n))
    .reduce((sum, n) => sum + n, 0);
  assert.equal(got + lost, 40 * WAITING_MAX / 4);
});

Deno.test("streams end with the switch", async () => {
  const bench = new Bench();
  using connection = await bench.follow();
  await new Heard(connection).until(/\r\n\r\n:/);
  await bench[Symbol.asyncDispose]();
  const rest = await connection.read(new Uint8Array(10)).catch(() => null);
  assert.equal(rest, null);
});

Deno.test("events can be chosen by every name that they have", () => {
  const lacks = [...eventNames(), ...reasonCodes()].filter((name) => !eventTypes().includes(name));
  assert.deepEqual(lacks, []);
});
