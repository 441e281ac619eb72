/** Filters: which frames pass, what is said of bad ones, and that tcpdump's agree where they should. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { compileFilter } from "../../../../lib/control/capture/expression.ts";
import { readFields } from "../../../../lib/switch/capture/fields.ts";
import { FILTER_NUMBERS_MAX, passes } from "../../../../lib/switch/capture/filter.ts";
import { ARP, CLASSIC_IP, hex, LONG_IP6, tagged } from "../../switch/capture/frames.ts";
import { controlError } from "../support.ts";

function matches(filter: string, frame: Uint8Array): boolean {
  readFields(new DataView(frame.buffer), 0, frame.length);
  return passes(Int32Array.from(compileFilter(filter)));
}

const FRAMES = {
  tcp: CLASSIC_IP(),
  arp: ARP(),
  udp6: LONG_IP6(),
  tagged: tagged(CLASSIC_IP(), 0x2064),
  double: tagged(tagged(ARP(), 7), 0x1005, 0x88a8),
  icmp: hex(
    `525400000002 525400000001 0800 4500001c00000000 40010000 7f000001 7f000002 0800 0000 00000000`,
  ),
  later: hex(
    `525400000002 525400000001 0800 4500001c00000001 40060000 0a000001 0a000002 c350 01bb 00000000`,
  ),
  lldp: hex(`0180c200000e 525400000001 88cc 0207`),
  runt: hex(`525400000002 5254`),
};

const ALL = Object.keys(FRAMES) as (keyof typeof FRAMES)[];
const IP4 = ["tcp", "tagged", "icmp", "later"];

/** Filter, and the frames that pass it. */
const TABLE: readonly (readonly [filter: string, passing: readonly string[]])[] = [
  ["", ALL],
  ["tcp", ["tcp", "tagged", "later"]],
  ["udp", ["udp6"]],
  ["icmp", ["icmp"]],
  ["icmp6", []],
  ["arp", ["arp", "double"]],
  ["ip", IP4],
  ["ip6", ["udp6"]],
  ["proto 6", ["tcp", "tagged", "later"]],
  ["proto 0x11", ["udp6"]],
  ["host 10.0.0.1", ["tcp", "tagged", "later", "arp", "double"]],
  ["src host 10.0.0.2", []],
  ["dst 10.0.0.2", ["arp", "double", "later"]],
  ["host 10.0.0.0/8", ["tcp", "tagged", "later", "arp", "double"]],
  ["dst net 192.168.0.0/16", ["tcp", "tagged"]],
  ["net 0.0.0.0/0", [...IP4, "arp", "double"]],
  ["host fe80::1", ["udp6"]],
  ["dst host fe80::1", []],
  ["net 2001:db8::/32", ["udp6"]],
  ["dst host 2001:DB8:0:0::2", ["udp6"]],
  ["host ::ffff:1.2.3.4", []],
  ["src mac 52:54:00:00:00:01", [...IP4, "arp", "double", "udp6", "lldp"]],
  ["ether dst 52-54-00-00-00-02", IP4],
  ["ether host ff:ff:ff:ff:ff:ff", ["arp", "double"]],
  ["ether proto 0x88cc", ["lldp"]],
  ["ethertype arp", ["arp", "double"]],
  ["vlan", ["tagged", "double"]],
  ["vlan 100", ["tagged"]],
  ["vlan 7", ["double"]],
  ["vlan 5", ["double"]],
  ["vlan 9", []],
  ["port 443", ["tcp", "tagged"]],
  ["src port 443", []],
  ["portrange 5000-6000", ["udp6"]],
  ["dst port 5353", ["udp6"]],
  ["tcp port 443", ["tcp", "tagged"]],
  ["udp port 443", []],
  ["udp src port 53", ["udp6"]],
  ["broadcast", ["arp", "double"]],
  ["multicast", ["arp", "double", "udp6", "lldp"]],
  ["not ip", ["arp", "double", "udp6", "lldp", "runt"]],
  ["!vlan && tcp", ["tcp", "later"]],
  ["arp or tcp and vlan", ["arp", "double", "tagged"]],
  ["(arp or tcp) and vlan", ["double", "tagged"]],
  ["not (arp || not not tcp)", ["udp6", "icmp", "lldp", "runt"]],
  ["ARP OR LLDP or ethertype 35020".replace("LLDP or ", ""), ["arp", "double", "lldp"]],
];

for (const [filter, passing] of TABLE) {
  Deno.test(`filter "${filter}"`, () => {
    const found = ALL.filter((name) => matches(filter, FRAMES[name]));
    assert.deepEqual(found.toSorted(), passing.toSorted());
  });
}

Deno.test("a bad filter is one clear line that says where", () => {
  const cases: [string, RegExp][] = [
    ["hots 10.0.0.1", /"hots" at character 1 is no test/],
    ["host", /ends where an IP address is missing, behind "host"/],
    ["host 10.0.0", /"10.0.0" at character 6 is no IP address/],
    ["host 10.0.0.0/33", /at character 6 is no IP address/],
    ["net 10.0.0.0", /at character 5 needs its length/],
    ["tcp and", /ends where a test is missing, behind "and"/],
    ["tcp udp", /"udp" at character 5 needs and or or in front/],
    ["(tcp", /ends where \) is missing/],
    ["tcp)", /"\)" at character 4 has no \( in front/],
    ["(tcp udp)", /"udp" at character 6 needs and, or or \)/],
    ["port 99999", /"99999" at character 6 is no port/],
    ["port 9-1", /is no port/],
    ["vlan 4096", /"4096" at character 6 must be a number from 0 to 4095/],
    ["mac 52:54", /"52:54" at character 5 is no MAC address/],
    ["tcp & udp", /"&" at character 5/],
    ["and tcp", /"and" at character 1 is no test/],
    ["ethertype x", /"x" at character 11 must be a number/],
    ["constructor", /is no test/],
    ["ethertype constructor", /must be a number/],
    ["not ".repeat(300) + "tcp", /too many tests/],
    ["(".repeat(1999), /too many tests|missing/],
    ["tcp or ".repeat(200) + "tcp", /too many tests/],
    [`${"(tcp or ".repeat(40)}tcp${")".repeat(40)}`, /too many tests/],
    ["x".repeat(3000), /at most 2000 characters/],
  ];
  for (const [filter, text] of cases) {
    assert.throws(() => compileFilter(filter), controlError("invalid", text), filter);
  }
});

Deno.test("whatever is typed compiles to a program within bounds, or is refused in one line", () => {
  const word = fc.constantFrom(
    ...[
      "tcp",
      "and",
      "or",
      "not",
      "(",
      ")",
      "!",
      "host",
      "src",
      "dst",
      "10.0.0.1",
      "::1/64",
      "port",
    ],
    ...["80", "1-2", "vlan", "ether", "mac", "52:54:00:00:00:01", "&&", "x", "net", "proto"],
  );
  const frames = Object.values(FRAMES);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 20 }), (words) => {
      let program: number[];
      try {
        program = compileFilter(words.join(" "));
      } catch (error) {
        controlError("invalid", /./)(error);
        return;
      }
      assert(program.length <= FILTER_NUMBERS_MAX);
      for (const frame of frames) {
        readFields(new DataView(frame.buffer), 0, frame.length);
        passes(Int32Array.from(program));
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("fields of any bytes are read within them", () => {
  const bytes = fc.tuple(
    fc.constantFrom(...Object.values(FRAMES)),
    fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }),
    fc.nat(90),
  );
  fc.assert(
    fc.property(bytes, ([frame, changes, end]) => {
      const cut = frame.slice(0, end);
      for (const [at, byte] of changes) if (at < cut.length) cut[at] = byte;
      // A view that ends with the frame: what is read behind it throws.
      readFields(new DataView(cut.buffer), 0, cut.length);
    }),
    { numRuns: 5000 },
  );
});

Deno.test("operators are those of a naive evaluation", () => {
  type Tree = boolean | readonly ["not", Tree] | readonly ["and" | "or", Tree, Tree];
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.boolean(),
      fc.tuple(fc.constant("not" as const), tie("tree")),
      fc.tuple(fc.constantFrom("and" as const, "or" as const), tie("tree"), tie("tree")),
    ),
  }));
  const write = (of: Tree): string => {
    if (typeof of === "boolean") return of ? "ip" : "ip6";
    if (of[0] === "not") return `not ${write(of[1])}`;
    return `(${write(of[1])} ${of[0]} ${write(of[2])})`;
  };
  const evaluate = (of: Tree): boolean => {
    if (typeof of === "boolean") return of;
    if (of[0] === "not") return !evaluate(of[1]);
    const [one, other] = [evaluate(of[1]), evaluate(of[2])];
    return of[0] === "and" ? one && other : one || other;
  };
  fc.assert(
    fc.property(tree, (of) => {
      assert.equal(matches(write(of), FRAMES.tcp), evaluate(of), write(of));
    }),
    { numRuns: 1000 },
  );
});
