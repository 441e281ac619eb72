/** Headers of frames, each found or refused for its one reason, however much of it is copied. */
import { strict as assert } from "node:assert";
import {
  findHeaders,
  found,
  HEADERS_BAD,
  HEADERS_BYTES_MAX,
  HEADERS_END,
  HEADERS_FOUND,
  HEADERS_MORE,
  NETWORK,
  PACKET_END,
  PROTOCOL,
  ROUTED,
  TRANSPORT,
  VERSION,
} from "../../../lib/offload/headers.ts";

/** Where the copy begins in its view. */
const AT = 5;
const TCP = 6;
const UDP = 17;
const OTHER = 1;
const NONE = -1;
const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION = 60;

/** An Ethernet header with tags of these types, and what is behind it. */
function ethernet(type: number, body: readonly number[], tags: readonly number[] = []): number[] {
  const words = [...tags.flatMap((tag) => [tag >> 8, tag & 255, 0x20, 7]), type >> 8, type & 255];
  return [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ...words, ...body];
}

interface V4 {
  readonly options?: readonly number[];
  readonly first?: number;
  readonly fragment?: number;
}

function v4(protocol: number, body: readonly number[], given: V4 = {}): number[] {
  const { options = [], fragment = 0, first = 0x45 + options.length / 4 } = given;
  const length = 20 + options.length + body.length;
  const fixed = [first, 0, length >> 8, length & 255, 0, 0, fragment >> 8, fragment & 255];
  return [...fixed, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, ...options, ...body];
}

/** @param extensions type of each, 8-byte units beyond the first, and its byte 3 */
function v6(
  protocol: number,
  body: readonly number[],
  extensions: readonly (readonly [type: number, more?: number, left?: number])[] = [],
  first = 0x60,
): number[] {
  const chain = extensions.flatMap(([, more = 0, left = 0], i) => {
    const next = extensions[i + 1]?.[0] ?? protocol;
    return [next, more, 0, left, ...new Array<number>(4 + 8 * more).fill(0)];
  });
  const length = chain.length + body.length;
  const next = extensions[0]?.[0] ?? protocol;
  const addresses = new Array<number>(32).fill(1);
  return [first, 0, 0, 0, length >> 8, length & 255, next, 64, ...addresses, ...chain, ...body];
}

function tcp(header = 20, words = header / 4): number[] {
  return Array.from({ length: header + 3 }, (_, i) => i === 12 ? words << 4 : 9);
}

const udp = new Array<number>(11).fill(9);

/** Finds headers of which `have` bytes are copied; what is behind them is anything. */
function find(frame: readonly number[], have: number, bytes = frame.length): number {
  const copy = new Uint8Array(AT + HEADERS_BYTES_MAX + 64).fill(0xff);
  copy.set(frame.slice(0, have), AT);
  found.fill(99);
  return findHeaders(new DataView(copy.buffer), AT, have, bytes);
}

interface Good {
  readonly what: string;
  readonly frame: readonly number[];
  readonly network: number;
  readonly version: number;
  readonly protocol: number;
  readonly transport: number;
  readonly end: number;
  /** Bytes that must be there to know, where that is more than `end`. */
  readonly least?: number;
  readonly routed?: number;
}

const V4 = 0x0800;
const V6 = 0x86dd;
const NOPS = new Array<number>(40).fill(1);

function overV4(what: string, options: readonly number[], routed: number): Good {
  const end = 34 + options.length;
  const at = { network: 14, version: 4, protocol: UDP, transport: end, end: end + 8 };
  return { what, frame: ethernet(V4, v4(UDP, udp, { options })), ...at, routed };
}

const GOOD: readonly Good[] = [
  {
    what: "TCP over IPv4",
    frame: ethernet(V4, v4(TCP, tcp())),
    ...{ network: 14, version: 4, protocol: TCP, transport: 34, end: 54 },
  },
  {
    what: "the longest of IPv4 and TCP behind two tags",
    frame: ethernet(V4, v4(TCP, tcp(60), { options: NOPS }), [0x88a8, 0x8100]),
    ...{ network: 22, version: 4, protocol: TCP, transport: 82, end: 142 },
  },
  {
    what: "UDP over IPv4 that may not be fragmented, behind a tag",
    frame: ethernet(V4, v4(UDP, udp, { fragment: 0x4000 }), [0x8100]),
    ...{ network: 18, version: 4, protocol: UDP, transport: 38, end: 46 },
  },
  {
    what: "something else over IPv4",
    frame: ethernet(V4, v4(OTHER, udp)),
    ...{ network: 14, version: 4, protocol: OTHER, transport: 34, end: 34 },
  },
  ...[0x2000, 1, 0x1fff].map((fragment): Good => ({
    what: `a fragment, 0x${fragment.toString(16)}`,
    frame: ethernet(V4, v4(TCP, tcp(), { fragment })),
    ...{ network: 14, version: 4, protocol: NONE, transport: 34, end: 34 },
  })),
  overV4("no route in options", NOPS, 0),
  overV4("an end of options in front of what looks like a route", [0, 131, 4, 0], 0),
  overV4("an end of options in front of what would be no option", [0, 1, 131, 4], 0),
  overV4("a loose route", [131, 4, 0, 0], 1),
  overV4("a strict route behind other options", [1, 7, 3, 0, 137, 3, 4, 0], 1),
  overV4("other options alone", [7, 3, 0, 1, 68, 4, 5, 0], 0),
  overV4("an option without a length", [7, 1, 0, 0], 1),
  overV4("an option whose length would be behind the options", [1, 1, 1, 7], 1),
  overV4("an option of the shortest length, in front of a route", [7, 2, 131, 3], 1),
  {
    what: "TCP over IPv6",
    frame: ethernet(V6, v6(TCP, tcp(24))),
    ...{ network: 14, version: 6, protocol: TCP, transport: 54, end: 78 },
  },
  {
    what: "UDP over IPv6 behind extension headers",
    frame: ethernet(V6, v6(UDP, udp, [[HOP_BY_HOP, 1], [DESTINATION], [ROUTING]])),
    ...{ network: 14, version: 6, protocol: UDP, transport: 86, end: 94 },
  },
  {
    what: "as many extension headers as are gone through",
    frame: ethernet(V6, v6(UDP, udp, new Array(8).fill([DESTINATION]))),
    ...{ network: 14, version: 6, protocol: UDP, transport: 118, end: 126 },
  },
  {
    what: "a route that is not at its end",
    frame: ethernet(V6, v6(UDP, udp, [[ROUTING, 0, 1]])),
    ...{ network: 14, version: 6, protocol: UDP, transport: 62, end: 70, routed: 1 },
  },
  {
    what: "options whose fourth byte is set are no route",
    frame: ethernet(V6, v6(UDP, udp, [[DESTINATION, 0, 1]])),
    ...{ network: 14, version: 6, protocol: UDP, transport: 62, end: 70 },
  },
  {
    what: "a fragment of IPv6, wherever it would go on",
    frame: ethernet(V6, v6(TCP, tcp(), [[DESTINATION], [FRAGMENT]])),
    ...{ network: 14, version: 6, protocol: NONE, transport: 62, end: 62, least: 70 },
  },
  ...[[], [0x8100], [0x8100, 0x88a8], [0x8100, 0x8100, 0x8100]].map((tags): Good => {
    const network = 14 + 4 * Math.min(2, tags.length);
    return {
      what: `no IP, behind ${tags.length} tags`,
      frame: ethernet(0x0806, new Array<number>(30).fill(4), tags),
      ...{ network, version: 0, protocol: NONE, transport: network, end: network },
    };
  }),
];

for (const { what, frame, network, version, protocol, transport, end, least, routed } of GOOD) {
  Deno.test(`findHeaders() finds ${what}, once it has them all`, () => {
    const enough = least ?? end;
    for (let have = 0; have <= frame.length; have++) {
      const wanted = have < 14 ? HEADERS_BAD : have < enough ? HEADERS_MORE : HEADERS_FOUND;
      assert.equal(find(frame, have), wanted, `${have} bytes`);
      if (wanted !== HEADERS_FOUND) continue;
      assert.deepEqual(
        [NETWORK, VERSION, PROTOCOL, TRANSPORT, HEADERS_END].map((at) => found[at]),
        [network, version, protocol, transport, end],
      );
      assert.equal(found[PACKET_END], frame.length);
      assert.equal(found[ROUTED], routed ?? 0);
    }
    // A frame that ends before its headers do has none.
    for (let bytes = 14; bytes < enough; bytes++) {
      assert.equal(find(frame, bytes, bytes), HEADERS_BAD, `a frame of ${bytes} bytes`);
    }
  });
}

Deno.test("findHeaders() takes an IP packet's word for where it ends, not the frame's", () => {
  for (const body of [ethernet(V4, v4(UDP, udp)), ethernet(V6, v6(UDP, udp))]) {
    assert.equal(find([...body, 0, 0, 0, 0, 0], body.length + 5), HEADERS_FOUND);
    assert.equal(found[PACKET_END], body.length);
  }
});

Deno.test("findHeaders() refuses what are no headers", () => {
  const bad: readonly (readonly [string, readonly number[]])[] = [
    ["IPv4 of another version", ethernet(V4, v4(UDP, udp, { first: 0x65 }))],
    ["IPv4 shorter than its header", ethernet(V4, v4(UDP, udp, { first: 0x44 }))],
    ["IPv6 of another version", ethernet(V6, v6(UDP, udp, [], 0x40))],
    ["TCP shorter than its header", ethernet(V4, v4(TCP, tcp(20, 4)))],
    ["one extension header more", ethernet(V6, v6(UDP, udp, new Array(9).fill([DESTINATION])))],
  ];
  for (const [what, frame] of bad) assert.equal(find(frame, frame.length), HEADERS_BAD, what);
  // It goes on further than any headers that are copied.
  const far = ethernet(V6, v6(UDP, udp, [[DESTINATION, 60]]));
  assert.equal(find(far, 64), HEADERS_BAD);
  const most = ethernet(V6, v6(UDP, udp, [[DESTINATION, 15], [DESTINATION]]));
  assert(most.length < HEADERS_BYTES_MAX);
  assert.equal(find(most, 64), HEADERS_MORE);
});
