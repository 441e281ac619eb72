// deno-lint-ignore-file no-non-null-assertion
/**
 * What a guarded port may not say does not pass, wherever it hides, and what passes is what was judged:
 * a sender that changes its bytes afterwards, or whose frame is cut anywhere, gains nothing.
 */
import { strict as assert } from "node:assert";
import { guardOf, readIps } from "../../../../lib/control/config/guard_options.ts";
import { PORT, portBase } from "../../../../lib/switch/counters.ts";
import { AddressSet } from "../../../../lib/switch/guard/addresses.ts";
import { type Guard, GUARD_REASONS, guardBurst } from "../../../../lib/switch/guard/guard.ts";
import { NullPort } from "../../../../lib/switch/ports/null_port.ts";
import {
  beginPlainBurst,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  isPlainBurst,
} from "../../../../lib/virtio/burst.ts";
import {
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../../../lib/virtio/memory/guest_memory.ts";
import { windowView } from "../../../../lib/virtio/memory/window.ts";
import { putFrames, readFrames, TestMemory } from "../../../harness/burst_frames.ts";
import { makeDatapath } from "../../../harness/datapath.ts";
import {
  ALL_NODES,
  arp,
  ECHO_REQUEST6,
  ethernet,
  fragment,
  ipv4,
  type Ipv6,
  ipv6,
  type Link,
  neighbour,
  OWN_LINK_LOCAL,
  padding,
  ROUTER_ADVERTISEMENT,
  ROUTER_SOLICITATION,
  row,
  udp,
} from "../../../harness/lan_packets.ts";

type Reason = (typeof GUARD_REASONS)[number];
/** What it is, the frame, and why it is dropped, if it is. */
type Case = readonly [what: string, frame: Uint8Array, reason: Reason | null];

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const UDP = 17;
const TCP = 6;
const ICMPV6 = 58;
const OTHER_LINK_LOCAL = "fe80::1";
const VICTIM = "10.0.0.1";
const VICTIM6 = "2001:db8::1";

const v4 = (body: Uint8Array, link?: Link): Uint8Array => ethernet(IPV4, body, link);
const v6 = (next: number, body: Uint8Array, given?: Ipv6 & Link & { source?: string }) =>
  ethernet(IPV6, ipv6(given?.source ?? OWN_LINK_LOCAL, next, body, given), {
    tags: [],
    ...given,
    to: ALL_NODES,
  });

function guard(words: readonly ("dhcp" | "ra")[], ips?: readonly string[]): Guard {
  const { addresses, ...rest } = guardOf({ guard: words, ...(ips && { ip: readIps(ips) }) });
  return { ...rest, addresses: addresses === null ? null : new AddressSet(addresses) };
}

const BOTH = guard(["dhcp", "ra"]);
const OWN = guard([], ["10.0.0.10", "10.9.0.0/16", "2001:db8::a", "2001:db8:9::/48"]);

const offer = ipv4("10.0.0.66", UDP, udp(67, 68, new Uint8Array(240)));
const advertisement = ROUTER_ADVERTISEMENT;

/** Places where a message hides, and what is right there. */
const HIDDEN_SERVERS: readonly Case[] = [
  ["a DHCP offer", v4(offer), "dhcp"],
  ["a DHCP offer from another port", v4(ipv4("10.0.0.66", UDP, udp(1067, 68))), "dhcp"],
  ["a DHCP offer to a relay", v4(ipv4("10.0.0.66", UDP, udp(67, 67))), "dhcp"],
  [
    "behind IPv4 options",
    v4(ipv4("10.0.0.66", UDP, udp(67, 68), { options: [1, 1, 1, 0] })),
    "dhcp",
  ],
  [
    "behind the most IPv4 options",
    v4(ipv4("10.0.0.66", UDP, udp(67, 68), { options: new Uint8Array(40).fill(1) })),
    "dhcp",
  ],
  ["behind a tag", v4(offer, { tags: [[0x8100, 10]] }), "dhcp"],
  ["behind two", v4(offer, { tags: [[0x88a8, 10], [0x8100, 0]] }), "dhcp"],
  ["behind old ones", v4(offer, { tags: [[0x9100, 10], [0x8100, 0]] }), "dhcp"],
  [
    "behind three of VLAN 0",
    v4(offer, { tags: [[0x8100, 0], [0x8100, 0], [0x8100, 0]] }),
    "hidden",
  ],
  ["in SNAP", v4(offer, { snap: true }), "dhcp"],
  ["in SNAP behind tags", v4(offer, { snap: true, tags: [[0x8100, 0], [0x8100, 0]] }), "dhcp"],
  ["a first fragment", v4(ipv4("10.0.0.66", UDP, udp(67, 68), { fragment: 0x2000 })), "dhcp"],
  [
    "a first fragment without ports",
    v4(ipv4("10.0.0.66", UDP, [0, 67], { fragment: 0x2000 })),
    "hidden",
  ],
  [
    "ports behind the end of the packet",
    v4(row(ipv4("10.0.0.66", UDP, [], { fragment: 0x2000 }), udp(9, 9))),
    "hidden",
  ],
  ["IPv4 of version 6", v4(row([0x65], offer.subarray(1))), "hidden"],
  ["IPv4 with a short header", v4(row([0x44], offer.subarray(1))), "hidden"],
  [
    "IPv4 shorter than its header",
    v4(ipv4("1.2.3.4", UDP, udp(9, 9), { totalLength: 19 })),
    "hidden",
  ],
  ["DHCPv6", v6(UDP, udp(547, 546)), "dhcp"],
  ["DHCPv6 from another port", v6(UDP, udp(4000, 546)), "dhcp"],
  ["DHCPv6 to a relay", v6(UDP, udp(547, 547)), "dhcp"],
  ["DHCPv6 behind options", v6(60, row(padding(UDP), udp(547, 546))), "dhcp"],
];

const HIDDEN_ROUTERS: readonly Case[] = [
  ["a router advertisement", v6(ICMPV6, advertisement), "router"],
  ["one of another source", v6(ICMPV6, advertisement, { source: "2001:db8::7" }), "router"],
  ["one of few hops", v6(ICMPV6, advertisement, { hops: 64 }), "router"],
  ["a redirect", v6(ICMPV6, neighbour(137, VICTIM6)), "router"],
  ["one behind tags", v6(ICMPV6, advertisement, { tags: [[0x88a8, 5], [0x8100, 6]] }), "router"],
  ["one in SNAP", v6(ICMPV6, advertisement, { snap: true }), "router"],
  // RFC 7113 §2.1.
  ["one behind destination options", v6(60, row(padding(ICMPV6), advertisement)), "router"],
  ["one behind hop-by-hop options", v6(0, row(padding(ICMPV6, 256), advertisement)), "router"],
  [
    "one behind a routing header and what is for experiments",
    v6(43, row(padding(253), padding(ICMPV6, 16), advertisement)),
    "router",
  ],
  [
    "one behind authentication",
    v6(51, row([ICMPV6, 4], new Uint8Array(22), advertisement)),
    "router",
  ],
  ["one in a fragment alone", v6(44, row(fragment(ICMPV6, 0, false), advertisement)), "router"],
  [
    "one in fragments in fragments",
    v6(44, row(fragment(44, 0, false), fragment(ICMPV6, 0, true), advertisement)),
    "router",
  ],
  // RFC 7113 §2.2: the options are cut, and the advertisement is in the next fragment.
  [
    "a first fragment of a long header",
    v6(44, row(fragment(60, 0, true), padding(ICMPV6, 64).subarray(0, 32))),
    "hidden",
  ],
  [
    "a first fragment that ends with a header",
    v6(44, row(fragment(60, 0, true), padding(ICMPV6))),
    "hidden",
  ],
  [
    "headers that go on behind the end of the packet",
    ethernet(
      IPV6,
      row(
        ipv6(OWN_LINK_LOCAL, 44, row(fragment(60, 0, true), padding(ICMPV6))),
        ECHO_REQUEST6,
      ),
    ),
    "hidden",
  ],
  ["a fragment header that is cut", v6(44, fragment(ICMPV6, 0, true).subarray(0, 6)), "hidden"],
  [
    "more headers than anybody has",
    v6(60, row(...Array.from({ length: 20 }, () => padding(60)), advertisement)),
    "hidden",
  ],
  ["headers of more than 512 bytes", v6(60, row(padding(ICMPV6, 600), advertisement)), "hidden"],
  ["an empty payload", v6(ICMPV6, advertisement, { payloadLength: 0 }), "hidden"],
  ["IPv6 of version 4", ethernet(IPV6, ipv4("1.2.3.4", 1, advertisement)), "hidden"],
  ["ICMP's redirect", v4(ipv4(VICTIM, 1, [5, 1, 0, 0, 1, 2, 3, 4])), "router"],
  ["ICMP's router advertisement", v4(ipv4(VICTIM, 1, [9, 0, 0, 0, 1, 2, 7, 8])), "router"],
];

const HONEST: readonly Case[] = [
  ["a DHCP discover", v4(ipv4("0.0.0.0", UDP, udp(68, 67, new Uint8Array(240)))), null],
  ["a DHCP renewal", v4(ipv4("10.0.0.10", UDP, udp(68, 67), { to: VICTIM })), null],
  ["DHCPv6 solicit", v6(UDP, udp(546, 547)), null],
  ["a router solicitation", v6(ICMPV6, ROUTER_SOLICITATION), null],
  ["an echo request", v6(ICMPV6, ECHO_REQUEST6), null],
  ["one behind options", v6(60, row(padding(ICMPV6), ECHO_REQUEST6)), null],
  ["a later fragment", v6(44, row(fragment(ICMPV6, 185, false), new Uint8Array(32))), null],
  ["a first fragment", v6(44, row(fragment(ICMPV6, 0, true), ECHO_REQUEST6)), null],
  ["TCP", v4(ipv4("10.0.0.10", TCP, new Uint8Array(1400).fill(0x44))), null],
  ["a later fragment of IPv4", v4(ipv4("10.0.0.10", UDP, [0, 67, 0, 68], { fragment: 5 })), null],
  ["an ARP request", arp(1, "10.0.0.10", VICTIM), null],
  ["no next header", v6(59, row([])), null],
  ["encrypted", v6(50, new Uint8Array(40)), null],
  ["spanning tree in LLC", ethernet(0x26, row([0x42, 0x42, 3], new Uint8Array(43))), null],
  ["a frame of 14 bytes", ethernet(0x88b5, []), null],
  ["a frame of 15 bytes of length 1", ethernet(1, [0x42]), null],
];

/** Of a port that has the addresses of OWN. */
const ADDRESSES: readonly Case[] = [
  ["IPv4 of its own", v4(ipv4("10.9.3.4", TCP, new Uint8Array(20))), null],
  ["IPv4 of another", v4(ipv4(VICTIM, TCP, new Uint8Array(20))), "ip"],
  ["one next to a prefix", v4(ipv4("10.10.0.1", TCP, new Uint8Array(20))), "ip"],
  ["a later fragment of another", v4(ipv4(VICTIM, UDP, new Uint8Array(20), { fragment: 9 })), "ip"],
  ["another behind tags", v4(ipv4(VICTIM, TCP, []), { tags: [[0x88a8, 1], [0x8100, 2]] }), "ip"],
  ["another in SNAP", v4(ipv4(VICTIM, TCP, []), { snap: true }), "ip"],
  ["none, but no question", v4(ipv4("0.0.0.0", UDP, udp(68, 69))), "ip"],
  ["none, and its groups", v4(ipv4("0.0.0.0", 2, [0x22, 0, 0, 0, 0, 0, 0, 0])), null],
  ["ARP of another", arp(2, VICTIM, "10.0.0.10"), "ip"],
  ["gratuitous ARP of another", arp(1, VICTIM, VICTIM), "ip"],
  ["gratuitous ARP of its own", arp(1, "10.0.0.10", "10.0.0.10"), null],
  ["ARP of another behind a tag", arp(2, VICTIM, VICTIM, { tags: [[0x8100, 7]] }), "ip"],
  ["ARP of another in SNAP", arp(2, VICTIM, VICTIM, { snap: true }), "ip"],
  ["a probe for its own", arp(1, "0.0.0.0", "10.0.0.10"), null],
  ["a probe for another's", arp(1, "0.0.0.0", VICTIM), "ip"],
  ["an answer from nobody", arp(2, "0.0.0.0", "10.0.0.10"), "ip"],
  ["RARP that asks, as after a migration", arp(3, "0.0.0.0", "0.0.0.0", {}, 0x8035), null],
  ["RARP that answers", arp(4, VICTIM, "0.0.0.0", {}, 0x8035), "ip"],
  ["ARP of other lengths", row(arp(1, "10.0.0.10", VICTIM).map((b, i) => i === 18 ? 7 : b)), "ip"],
  ["ARP that is cut", arp(1, "10.0.0.10", VICTIM).subarray(0, 41), "hidden"],
  ["IPv6 of its own", v6(TCP, new Uint8Array(20), { source: "2001:db8:9::77" }), null],
  ["IPv6 of another", v6(TCP, new Uint8Array(20), { source: VICTIM6 }), "ip"],
  ["link-local of another", v6(TCP, new Uint8Array(20), { source: OTHER_LINK_LOCAL }), "ip"],
  ["link-local of another sender", v6(TCP, row([]), { from: "52:54:00:00:00:0b" }), "ip"],
  ["a neighbour's word on itself", v6(ICMPV6, neighbour(136, "2001:db8::a")), null],
  ["on its own link-local", v6(ICMPV6, neighbour(136, OWN_LINK_LOCAL)), null],
  ["a neighbour's word on another", v6(ICMPV6, neighbour(136, VICTIM6)), "ip"],
  ["on another's link-local", v6(ICMPV6, neighbour(136, OTHER_LINK_LOCAL)), "ip"],
  ["one behind options", v6(60, row(padding(ICMPV6), neighbour(136, VICTIM6))), "ip"],
  [
    "one in a fragment",
    v6(44, row(fragment(ICMPV6, 0, false), neighbour(136, "2001:db8::a"))),
    "hidden",
  ],
  ["one that is cut", v6(ICMPV6, neighbour(136, "2001:db8::a").subarray(0, 20)), "hidden"],
  ["a question for another", v6(ICMPV6, neighbour(135, VICTIM6)), null],
  ["a question by another", v6(ICMPV6, neighbour(135, VICTIM6), { source: VICTIM6 }), "ip"],
  ["DAD of its own", v6(ICMPV6, neighbour(135, "2001:db8::a"), { source: "::" }), null],
  ["DAD of its own link-local", v6(ICMPV6, neighbour(135, OWN_LINK_LOCAL), { source: "::" }), null],
  ["DAD of another's", v6(ICMPV6, neighbour(135, VICTIM6), { source: "::" }), "ip"],
  ["a question to routers", v6(ICMPV6, ROUTER_SOLICITATION, { source: "::" }), null],
  ["groups", v6(0, row(padding(ICMPV6), [143, 0, 0, 0, 0, 0, 0, 0]), { source: "::" }), null],
  ["anything else of nobody", v6(UDP, udp(546, 547), { source: "::" }), "ip"],
  ["IPv6 that is cut", v6(TCP, row([])).subarray(0, 50), "hidden"],
];

const memory = new TestMemory(2 ** 16);

/** Judges frames whose memory is cut at `cuts`. @returns why each is dropped */
function judge(
  given: Guard,
  frames: readonly Uint8Array[],
  cuts: readonly number[] = [],
  around = 0,
): (Reason | null)[] {
  const port = new NullPort(0, portBase(0, 2));
  const told: number[] = [];
  const path = makeDatapath([port], { host: { guarded: (_, reason) => void told.push(reason) } });
  memory.bytes.fill(around);
  putFrames(frames.map((bytes) => ({ bytes, cuts })), memory);
  guardBurst(path, port, given, 0, frames.length);
  const at = (reason: number): number =>
    path.counters[port.counterBase + PORT.rxDroppedDhcp + reason]!;
  GUARD_REASONS.forEach((_, reason) =>
    assert.equal(at(reason), told.filter((each) => each === reason).length)
  );
  return frames.map((_, frame) =>
    frameBytes[frame]! >= 0 ? null : GUARD_REASONS[told.shift()!] ?? assert.fail("told")
  );
}

const SETS: readonly (readonly [Guard, readonly Case[]])[] = [
  [BOTH, [...HIDDEN_SERVERS, ...HIDDEN_ROUTERS, ...HONEST]],
  [OWN, [...ADDRESSES, ...HONEST]],
  [guard(["dhcp"]), [...HIDDEN_SERVERS, ...HONEST]],
  [guard(["ra"]), [...HIDDEN_ROUTERS, ...HONEST]],
];

Deno.test("a guard drops what it guards against, and nothing else", () => {
  for (const [given, cases] of SETS) {
    for (const [what, frame, reason] of cases) {
      assert.equal(judge(given, [frame])[0], reason, what);
    }
  }
});

Deno.test("each guard is its own", () => {
  for (const [what, frame, reason] of HIDDEN_SERVERS) {
    if (reason === "dhcp") assert.equal(judge(guard(["ra"]), [frame])[0], null, what);
  }
  for (const [what, frame, reason] of HIDDEN_ROUTERS) {
    if (reason === "router") assert.equal(judge(guard(["dhcp"]), [frame])[0], null, what);
  }
});

/** Every frame of every set, with the guard that judges it. */
const ALL = SETS.flatMap(([given, cases]) =>
  cases.map(([what, frame, reason]) => ({ given, what, frame, reason }))
);

Deno.test("it makes no difference where a frame's memory is cut", () => {
  for (const { given, what, frame, reason } of ALL) {
    const bytes = Array.from(frame.keys());
    for (const cuts of [bytes, bytes.filter((i) => i % 7 === 3), [17], [40, 41]]) {
      assert.equal(judge(given, [frame], cuts)[0], reason, what);
      if (reason === null) assert.deepEqual(readFrames(1), [frame], what);
    }
  }
});

Deno.test("nothing outside of a frame is looked at, wherever it ends", () => {
  for (const { given, what, frame } of ALL) {
    for (let length = 14; length < Math.min(frame.length, 200); length++) {
      const part = frame.subarray(0, length);
      const verdicts = [0, 0xff, 0x3a].map((around) => judge(given, [part], [], around)[0]);
      assert.equal(new Set(verdicts).size, 1, `${what}, ${length} bytes: ${verdicts}`);
      if (verdicts[0] === null) assert.deepEqual(readFrames(1), [part], what);
    }
  }
});

Deno.test("what is delivered was judged: bytes that change afterwards are not", () => {
  for (const { given, what, frame, reason } of ALL) {
    if (reason !== null || frame.length < 20) continue;
    for (const cuts of [[], Array.from(frame.keys())]) {
      judge(given, [frame], cuts);
      // The sender makes anything it likes of its memory, such as each of the forgeries.
      for (const { frame: forged, reason: why } of ALL) {
        if (why === null) continue;
        const was = judgeAgain(given, frame, forged, cuts);
        assert.equal(was, null, `${what}, changed into another`);
      }
    }
  }
});

/** Judges a frame, has its sender overwrite it, and judges what is delivered then. */
function judgeAgain(
  given: Guard,
  frame: Uint8Array,
  forged: Uint8Array,
  cuts: readonly number[],
): Reason | null {
  assert.equal(judge(given, [frame], cuts)[0], null);
  // Byte for byte where putFrames has put them, which leaves one free between pieces.
  let from = 16;
  let at = 1;
  const ends = [...cuts.filter((cut) => cut > 16 && cut < frame.length), frame.length];
  for (const end of ends) {
    for (let i = from; i < end; i++) memory.bytes[at + i - from] = forged[i] ?? 0;
    at += end - from + 1;
    from = end;
  }
  const [delivered] = readFrames(1);
  return judge(given, [delivered!])[0]!;
}

/** Makes a plain burst of these frames: frame n is segment n. */
function putPlainFrames(frames: readonly Uint8Array[]): void {
  putFrames(frames.map((bytes) => ({ bytes })), memory);
  const places = frames.map((_, frame) => {
    const segment = frameSegment[frame]!;
    return [segmentWindow[segment]!, segmentOffset[segment]!, segmentBytes[segment]!] as const;
  });
  places.forEach(([window, offset, bytes], frame) => {
    segmentWindow[frame] = window;
    segmentOffset[frame] = offset;
    segmentBytes[frame] = bytes;
  });
  beginPlainBurst();
}

Deno.test("frames of a burst are judged each by itself, and a plain burst may stay one", () => {
  const cases = ALL.filter(({ given, frame }) => given === BOTH && frame.length > 16);
  const frames = cases.map(({ frame }) => frame);
  assert.deepEqual(judge(BOTH, frames), cases.map(({ reason }) => reason));
  const port = new NullPort(0, portBase(0, 2));
  const path = makeDatapath([port]);
  putPlainFrames(frames);
  guardBurst(path, port, BOTH, 0, frames.length);
  assert.equal(isPlainBurst(), false);
  const passed = cases.flatMap(({ reason }, frame) => reason === null ? [frame] : []);
  assert.deepEqual(frames.flatMap((_, i) => frameBytes[i]! >= 0 ? [i] : []), passed);
  memory.bytes.fill(0xee, 0, 60);
  for (const frame of passed) {
    // What is behind the headers may be the sender's to change.
    const got = readFrame(frame);
    assert.deepEqual(got.subarray(0, 40), frames[frame]!.subarray(0, 40));
  }
  // Nothing of these is looked at but the head, which is private in any burst.
  const dull = Array.from({ length: 5 }, () => ethernet(0x88b5, new Uint8Array(60)));
  putPlainFrames(dull);
  guardBurst(path, port, BOTH, 0, dull.length);
  assert.equal(isPlainBurst(), true);
});

/** One frame of the burst, whole. */
function readFrame(frame: number): Uint8Array {
  const bytes = new Uint8Array(frameBytes[frame]!);
  bytes.set(new Uint8Array(frameHead.buffer, frame * HEAD_BYTES, HEAD_BYTES));
  let at = HEAD_BYTES;
  for (let i = frameSegment[frame]!; i < frameSegmentEnd[frame]!; i++) {
    const view = windowView[segmentWindow[i]!]!;
    const part = new Uint8Array(view.buffer, view.byteOffset + segmentOffset[i]!, segmentBytes[i]);
    bytes.set(part, at);
    at += part.length;
  }
  assert.equal(at, bytes.length);
  return bytes;
}
