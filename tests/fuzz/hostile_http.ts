/**
 * A process that says anything at the control socket: requests framed and cut in any way, with a few
 * bytes of them changed. What is understood must not depend on how they were cut; requests that are
 * whole and right are understood as they were meant; of all others no more is said than that they are
 * bad, and nothing behind them is read.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { Incoming } from "../../lib/control/api/incoming.ts";
import { ControlError } from "../../lib/control/types.ts";
import { often } from "./often.ts";

/** What came of cases, to see that they get far. */
export interface HttpTally {
  /** Requests that were understood, and their bodies. */
  requests: number;
  bodies: number;
  refused: number;
  /** Connections that ended inside of a request or between two. */
  ended: number;
}

/** Nothing came of anything yet. */
export function newHttpTally(): HttpTally {
  return { requests: 0, bodies: 0, refused: 0, ended: 0 };
}

/** More than a body and a head can need of a buffer, bytes. */
const BUFFER_BYTES_MAX = 2 ** 19;
const BASE = "http://vuswitch";

/** A request as it is meant. */
interface Meant {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly framing: "none" | "length" | "chunked";
  readonly chunk: number;
  readonly lineEnd: string;
  readonly minor: number;
}

const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,11}$/).map((name) => `x-${name}`);
const text = fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/);
const meant: fc.Arbitrary<Meant> = fc.record({
  method: fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"),
  target: fc.stringMatching(/^(\/[a-z0-9._~-]{0,8}){1,4}(\?[a-z0-9=&%2]{0,8})?$/),
  headers: fc.array(fc.tuple(token, text), { maxLength: 6 }),
  body: often([8, fc.stringMatching(/^[\n -~]{0,80}$/)], [1, fc.constant("b".repeat(70_000))]),
  framing: fc.constantFrom("none" as const, "length" as const, "chunked" as const),
  chunk: fc.integer({ min: 1, max: 30_000 }),
  lineEnd: often([4, fc.constant("\r\n")], [1, fc.constant("\n")]),
  minor: often([6, fc.constant(1)], [1, fc.constant(0)]),
});

/** A few bytes that become others. */
interface Damage {
  readonly at: number;
  readonly drop: number;
  readonly put: Uint8Array;
}

const pieces = [
  ...["\r", "\n", "\r\n\r\n", ":", " ", "\0", "\x80", "\xff", "0\r\n\r\n", "ffffffff\r\n"],
  ...["content-length: 5\r\n", "content-length: 99999999\r\n", "transfer-encoding: chunked\r\n"],
  ...["expect: 100-continue\r\n", "connection: close\r\n", "HTTP/1.1", "http://[", "*", "%zz"],
];
const damage: fc.Arbitrary<Damage> = fc.record({
  at: fc.nat(400),
  drop: often([2, fc.constant(0)], [2, fc.nat(4)], [1, fc.nat(100_000)]),
  put: fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc.constantFrom(...pieces).map((piece) => Uint8Array.from(piece, (c) => c.charCodeAt(0))),
  ),
});

const cases = fc.record({
  requests: fc.array(meant, { minLength: 1, maxLength: 4 }),
  damages: often<Damage[]>([1, fc.constant([])], [
    2,
    fc.array(damage, { minLength: 1, maxLength: 3 }),
  ]),
  /** Bytes of each piece that arrives, over and over. */
  cuts: fc.array(
    often([3, fc.integer({ min: 1, max: 40 })], [2, fc.integer({ min: 1, max: 5000 })]),
    { minLength: 1, maxLength: 5 },
  ),
});

function encode({ method, target, headers, body, framing, chunk, lineEnd, minor }: Meant): string {
  const lines = [`${method} ${target} HTTP/1.${minor}`];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (framing === "length") lines.push(`Content-Length: ${body.length}`);
  if (framing === "chunked") lines.push("Transfer-Encoding: chunked");
  const head = [...lines, "", ""].join(lineEnd);
  if (framing !== "chunked") return head + (framing === "length" ? body : "");
  let chunks = "";
  for (let at = 0; at < body.length; at += chunk) {
    const part = body.slice(at, at + chunk);
    chunks += part.length.toString(16) + lineEnd + part + lineEnd;
  }
  return `${head}${chunks}0${lineEnd}${lineEnd}`;
}

/** What was understood of a connection, a line each. */
type Understood = readonly string[];

function asLine(request: Request, body: string, keepsAlive: boolean): string {
  const headers = [...request.headers].filter(([name]) => name.startsWith("x-"));
  return JSON.stringify([request.method, request.url, headers, body, keepsAlive]);
}

/** Reads what comes in such pieces, as the server does. @throws if it may do worse than refuse */
async function read(
  bytes: Uint8Array,
  cuts: readonly number[],
  tally: HttpTally,
): Promise<Understood> {
  let at = 0;
  let number = 0;
  let begun = 0;
  const incoming = new Incoming({
    read: (into) => {
      assert(into.length > 0, "there is room");
      assert(into.length <= BUFFER_BYTES_MAX, `a buffer of ${into.length} bytes`);
      if (at === bytes.length) return Promise.resolve(null);
      const most = Math.min(into.length, cuts[number++ % cuts.length] ?? 1);
      const part = bytes.subarray(at, at + most);
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    },
    write: (answer) => Promise.resolve(answer.length),
  }, () => begun++);
  const understood: string[] = [];
  for (;;) {
    try {
      const asked = await incoming.next();
      if (asked === null) {
        tally.ended++;
        return [...understood, "the end"];
      }
      const body = await asked.request.text();
      understood.push(asLine(asked.request, body, asked.keepsAlive));
      assert.equal(begun, understood.length, "each begins once");
      tally.requests++;
      if (body !== "") tally.bodies++;
      if (!asked.keepsAlive) return [...understood, "no more"];
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      assert.equal(error.kind, "invalid");
      assert(error.message.length < 300, "it is said in a line");
      tally.refused++;
      return [...understood, `refused: ${error.message}`];
    }
  }
}

/** What is to be understood of requests that nobody damaged. */
function model(requests: readonly Meant[]): Understood {
  const understood: string[] = [];
  for (const { method, target, headers, body, framing, minor } of requests) {
    const bare = method === "GET" || method === "HEAD" || framing === "none";
    const request = new Request(BASE + target, {
      method,
      headers: headers.map(([name, value]): [string, string] => [name, value]),
    });
    if (framing !== "none" && body.length > 2 ** 17) {
      return [...understood, "refused: A request has at most 65536 bytes"];
    }
    understood.push(asLine(request, bare ? "" : body, minor === 1));
    if (minor === 0) return [...understood, "no more"];
  }
  return [...understood, "the end"];
}

function damaged(bytes: Uint8Array, damages: readonly Damage[]): Uint8Array {
  let whole = bytes;
  for (const { at, drop, put } of damages) {
    const from = at % (whole.length + 1);
    whole = new Uint8Array([...whole.subarray(0, from), ...put, ...whole.subarray(from + drop)]);
  }
  return whole;
}

/** Of any case: what is understood does not depend on how it came, and nothing else is thrown. */
export function hostileHttp(tally: HttpTally): fc.IAsyncPropertyWithHooks<[unknown]> {
  return fc.asyncProperty(cases, async ({ requests, damages, cuts }) => {
    const sent = new TextEncoder().encode(requests.map(encode).join(""));
    const bytes = damaged(sent, damages);
    const cut = await read(bytes, cuts, tally);
    assert.deepEqual(cut, await read(bytes, [Infinity], newHttpTally()), "however it is cut");
    if (damages.length === 0) assert.deepEqual(cut, model(requests));
  }) as fc.IAsyncPropertyWithHooks<[unknown]>;
}
