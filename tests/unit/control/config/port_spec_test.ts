/**
 * What an operator may write of ports and links, everywhere they may be written, and the one line
 * each fault gets.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { handle } from "../../../../lib/control/api/routes.ts";
import { mergeConfig, parseLink } from "../../../../lib/control/config/config.ts";
import { readConfigObject } from "../../../../lib/control/config/read_config.ts";
import { checkAddition, checkNames } from "../../../../lib/control/config/names.ts";
import { parsePortSpec } from "../../../../lib/control/config/port_spec.ts";
import type { SwitchControl } from "../../../../lib/control/api/table.ts";
import { ControlError, type PortConfig } from "../../../../lib/control/types.ts";
import { makeOffer } from "../../../../lib/vhost/offer.ts";
import { BIT, hasFeature } from "../../../../lib/vhost/features/bits.ts";

/** What the control API makes of a port. */
async function posted(body: unknown): Promise<{ given: PortConfig | null; answer: string }> {
  let given: PortConfig | null = null;
  const control = {
    addPort: (port: PortConfig) => {
      given = port;
      return {};
    },
  } as unknown as SwitchControl;
  const request = new Request("http://x/v1/ports", { method: "POST", body: JSON.stringify(body) });
  const answer = await (await handle(request, control)).text();
  return { given, answer };
}

const SAME: readonly (readonly [string, Record<string, unknown>, Partial<PortConfig>])[] = [
  ["a", {}, {}],
  ["a,mode=connect", { mode: "connect" }, { mode: "connect" }],
  ["a,mode=listen,mtu=68", { mode: "listen", mtu: 68 }, { mode: "listen", mtu: 68 }],
  ["a{n},multi=256", { name: "a{n}", multi: 256 }, { name: "a{n}", multi: 256 }],
  ["a,queues=1,announce=off", { queues: 1, announce: false }, { queuePairs: 1, announce: false }],
  ["a,announce=on", { announce: "on" }, { announce: true }],
  ["a,offload=off", { offload: false }, { offload: "off" }],
  ["a,offload=tso", { offload: "tso" }, { offload: "tso" }],
  [
    "a,forward=lldp+lacp+eapol",
    { forward: ["lldp", "lacp", "eapol"] },
    { forward: ["lldp", "lacp", "eapol"] },
  ],
  ["a,forward=0e+e+stp+8", { forward: "0e+e+stp+8" }, { forward: ["lldp", "stp", "08"] }],
  [
    "a,forward=01:80:C2:00:00:0D+01-80-c2-00-00-02",
    { forward: ["0D", "LACP"] },
    { forward: ["0d", "lacp"] },
  ],
  ["b{n},multi=3,forward=eapol", { name: "b{n}", multi: 3, forward: ["03"] }, {
    ...{ name: "b{n}", multi: 3, forward: ["eapol"] },
  }],
  ["a,owner=0", { owner: "root" }, { owner: { uid: 0, gid: null } }],
  ["a,owner=root:7", { owner: "0:7" }, { owner: { uid: 0, gid: 7 } }],
  ["a,peer-uid=0+77+root", { "peer-uid": ["root", 77] }, { peerUids: [0, 77] }],
  ["a,peer-uid=4294967294", { "peer-uid": 4294967294 }, { peerUids: [4294967294] }],
  ["a,offer=gpa+inband", { offer: ["gpa", "inband"] }, { offer: ["gpa", "inband"] }],
];

Deno.test("a port's options are the same in specification, file and API", async () => {
  for (const [spec, options, expected] of SAME) {
    const { name = "a" } = expected;
    const port = { name, path: `/r/${name}.sock`, ...expected };
    assert.deepEqual(parsePortSpec(spec, "/r"), port);
    const file = { port: [{ name: "a", socket: port.path, ...options }] };
    assert.deepEqual(readConfigObject(file).ports, [port]);
    const { given, answer } = await posted({ name: "a", path: port.path, ...options });
    assert.deepEqual(given, port, answer);
  }
});

const FAULTS: readonly (readonly [Record<string, unknown>, RegExp])[] = [
  [{ mode: "server" }, /mode "server" must be listen \(the switch binds.*or connect/],
  [{ multi: "0" }, /multi 0 must be a number from 1 to 256/],
  [{ multi: "257" }, /1 to 256/],
  [{ multi: "2x" }, /1 to 256/],
  [{ multi: "4" }, /"a" needs \{n\} once, the number of each of its multi=4 ports/],
  [{ name: "a{n}{n}", multi: "4" }, /needs \{n\} once/],
  [{ name: "a{n}" }, /"a\{n\}" is a template: .* multi=N/],
  [{ name: "a{n}", multi: "4", mode: "connect" }, /cannot have multi and mode=connect/],
  [{ name: `${"a".repeat(31)}{n}`, multi: "11" }, /1-32/],
  [{ name: "a{n}", multi: "4", mac: "52:54:00:00:00:01" }, /cannot have multi and mac/],
  [{ announce: "no" }, /announce no must be on or off/],
  [{ offload: "tos" }, /offload "tos" is unknown, did you mean tso\?/],
  [{ offload: "ufo" }, /offload "ufo" is unknown/],
  [{ offload: "on" }, /offload "on" is unknown/],
  [{ offload: "csum+tso" }, /offload "csum\+tso" is unknown/],
  [{ queues: "33" }, /1 to 32/],
  [{ forward: "lldp+cdp" }, /forward "cdp" is unknown; known: stp, lacp, eapol, lldp, or .* "0e"/],
  [{ forward: "lldp+" }, /forward "" is unknown/],
  [{ forward: "10" }, /forward "10" is unknown/],
  [{ forward: "01:80:c2:00:00:10" }, /is unknown/],
  [{ forward: "01:80:c2:00:01:0e" }, /is unknown/],
  [{ forward: "toString" }, /is unknown/],
  [{ forward: "lldp+01" }, /forward "01" is the address of PAUSE frames.*leave it out/],
  [{ forward: "01:80:c2:00:00:01" }, /PAUSE/],
];

Deno.test("a port's faults are named in specification, file and API alike", async () => {
  for (const [options, fault] of FAULTS) {
    const { name = "a", ...rest } = options;
    const words = Object.entries(rest).map(([key, value]) => `,${key}=${value}`);
    assert.throws(() => parsePortSpec(`${name}${words.join("")}`, "/r"), fault);
    const file = { port: [{ name, ...rest }] };
    assert.throws(() => readConfigObject(file), (error) => {
      assert(error instanceof ControlError);
      assert.match(error.message, fault);
      assert.match(error.message, /^\[\[port\]\] 1: /);
      return true;
    });
    const { given, answer } = await posted({ name, path: "/r/a", ...rest });
    assert.equal(given, null);
    assert.match(JSON.parse(answer).detail, fault);
  }
  assert.throws(() => parsePortSpec("a,mtu=70,mtu=80", "/r"), /mtu is given twice: keep one/);
  const { answer } = await posted({ name: "a", path: "/r/a", colour: 1 });
  assert.match(JSON.parse(answer).detail, /unknown "colour"; known: name, path, mode, /);
});

Deno.test("announce=off leaves GUEST_ANNOUNCE out of a port's offer and nothing else", () => {
  const [on, off] = [true, false].map((announce) => makeOffer({ announce }).features);
  assert(on !== undefined && off !== undefined);
  assert(hasFeature(on, BIT.VIRTIO_NET_F_GUEST_ANNOUNCE));
  assert.equal(on ^ off, 1n << BigInt(BIT.VIRTIO_NET_F_GUEST_ANNOUNCE));
  assert.equal(makeOffer({}).features, on);
});

const A = { name: "a", path: "/a" };
const B = { name: "b", path: "/b" };
const MANY = { name: "m{n}", path: "/m", multi: 3 };

Deno.test("mergeConfig() refuses ports and links that cannot be together", () => {
  const together: readonly (readonly [PortConfig[], [string, string][], RegExp])[] = [
    [[MANY, { name: "m2", path: "/x" }], [], /"m2" is given twice, .* template "m\{n\}"/],
    [[{ name: "m0", path: "/x" }, MANY], [], /"m0" is given twice, .* template "m\{n\}"/],
    [[MANY, { ...MANY, name: "q{n}" }], [], /share \/m: change one/],
    [[A, B], [["a", "a"]], /link a:a: "a" cannot be linked with itself/],
    [[A, B], [["a", "c"]], /link a:c: there is no port "c"/],
    [[A, B, MANY], [["a", "b"], ["b", "m0"]], /link b:m0: port "b" is in another link already/],
    [[A, MANY], [["a", "m3"]], /no port "m3"/],
    [[A, MANY], [["a", "m{n}"]], /no port "m\{n\}"/],
  ];
  for (const [ports, pairs, fault] of together) {
    const links = pairs.map((pair) => ({ ports: pair }));
    assert.throws(() => mergeConfig({ ports }, { links }, "/c"), fault);
  }
  const good = { ports: [A, MANY, { name: "m3", path: "/x" }] };
  const config = mergeConfig(good, { links: [parseLink("a:m2")] }, "/c");
  assert.deepEqual(config.links, [{ ports: ["a", "m2"] }]);
});

Deno.test("links are read from flags and files", () => {
  assert.deepEqual(parseLink("vm1:vm2"), { ports: ["vm1", "vm2"] });
  for (const text of ["", "a", "a:", ":b", "a:b:c"]) {
    assert.throws(() => parseLink(text), /must be the names of two ports such as vm1:vm2/);
  }
  assert.deepEqual(readConfigObject({ link: [{ ports: ["a", "b"] }] }).links, [{
    ports: ["a", "b"],
  }]);
  for (const ports of [undefined, "a", ["a"], ["a", 1], ["a", "b", "c"]]) {
    assert.throws(() => readConfigObject({ link: [{ ports }] }), /\[\[link\]\] 1: ports must be/);
  }
  assert.throws(() => readConfigObject({ link: { ports: [] } }), /\[\[link\]\], two brackets/);
  assert.throws(() => readConfigObject({ link: [{ port: [] }] }), /unknown key "port"/);
});

Deno.test("checkAddition() refuses a port whose name or socket is another's", () => {
  const conflict = (port: PortConfig, others: PortConfig[], fault: RegExp): void => {
    assert.throws(() => checkAddition(port, others), (error) => {
      assert(error instanceof ControlError && error.kind === "conflict");
      assert.match(error.message, fault);
      return true;
    });
  };
  conflict(A, [B, A], /"a" exists already/);
  conflict({ name: "m1", path: "/x" }, [MANY], /"m1" would be there twice: template "m\{n\}"/);
  conflict(MANY, [{ name: "m1", path: "/x" }], /"m1" would be there twice: template "m\{n\}"/);
  conflict({ name: "x", path: "/a", mode: "connect" }, [A], /"a" has the socket \/a already/);
  checkAddition({ name: "m3", path: "/x" }, [A, B, MANY]);
});

Deno.test("checkAddition() refuses a port whose device is another's, in whatever way it is written", () => {
  const read = (name: string, what: string): PortConfig =>
    parsePortSpec(`${name}=tap:${what}`, "/run");
  const pairs = [["t2", "t2"], ["fd=5", "fd=05"], ["/dev/tap7", "/dev/./net/..//tap7"]] as const;
  for (const [one, other] of pairs) {
    assert.throws(
      () => checkAddition(read("b", other), [A, read("a", one)]),
      (error) => {
        assert(error instanceof ControlError && error.kind === "conflict");
        assert.equal(error.message, `Port "a" has tap:${one} already`);
        return true;
      },
    );
  }
  // The kernel gives each a device of its own.
  const template = read("a", "vusw%d");
  checkAddition(read("b", "vusw%d"), [template]);
  checkNames([template, read("b", "vusw%d")]);
});
