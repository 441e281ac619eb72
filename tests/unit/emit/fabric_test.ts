/** What an operator says of a network of several hosts: what is left out, and what cannot be. */
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { describeFailure } from "../../../lib/cli/failure.ts";
import { ControlError } from "../../../lib/control/types.ts";
import {
  type Fabric,
  type FabricWords,
  type HostAddress,
  PEERS_MAX,
  readFabric,
  STATIC_PEERS_MAX,
} from "../../../lib/emit/fabric.ts";

const NONE = { static: false, reflector: false };
const USUAL = { ...NONE, vni: "100", local: "10.77.0.1", peer: ["10.77.0.2", "10.77.0.3"] };

function read(words: Partial<FabricWords>, addresses: readonly HostAddress[] = []): Fabric {
  return readFabric({ ...USUAL, ...words }, addresses);
}

/** The line and its fix. */
function refusal(words: FabricWords, addresses: readonly HostAddress[] = []): string {
  try {
    readFabric(words, addresses);
  } catch (error) {
    assert(error instanceof ControlError, String(error));
    assert.equal(error.kind, "invalid");
    return describeFailure(error).line;
  }
  assert.fail(`${JSON.stringify(words)} is refused`);
}

function refused(words: Partial<FabricWords>, expected: RegExp): void {
  const line = refusal({ ...USUAL, ...words });
  assert.match(line, expected);
  assert(!line.includes("\n"));
}

const peers = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `10.78.${i >> 8}.${i & 0xff}`);

Deno.test("what is left out has a value that works", () => {
  assert.deepEqual(read({}), {
    ...{ vni: 100, local: "10.77.0.1", peers: ["10.77.0.2", "10.77.0.3"], family: 4 },
    ...{ as: 65000, tap: "vsw100", bridge: "br100", vxlan: "vx100", user: "root" },
    ...{ mtu: 1450, underlayMtu: 1500, static: false, reflector: false },
  });
  const six = read({ local: "fd77:0:0::1", peer: ["FD77::2"], static: true });
  assert.deepEqual([six.local, six.peers, six.family], ["fd77::1", ["fd77::2"], 6]);
  assert.deepEqual([six.mtu, six.underlayMtu], [1430, 1500]);
  const jumbo = read({ mtu: "9000", as: "4200000000", tap: "up", bridge: "lan0", user: "vusw" });
  assert.deepEqual([jumbo.underlayMtu, jumbo.as], [9050, 4200000000]);
});

Deno.test("every number has its range, to the edge", () => {
  for (const vni of ["1", "16777215"]) assert.equal(read({ vni }).vni, Number(vni));
  for (const vni of ["0", "16777216", "-1", "1.5", "0x10", "", " 1", "99999999999"]) {
    refused({ vni }, /^--vni .* must be a number from 1 to 16777215/);
  }
  for (const as of ["1", "4294967294"]) assert.equal(read({ as }).as, Number(as));
  for (const as of ["0", "4294967295", "65000.1"]) refused({ as }, /^--as .* must be a number/);
  for (const as of ["23456", "65535"]) refused({ as }, /is reserved: use a private number/);
  for (const mtu of ["68", "65485"]) assert.equal(read({ mtu }).mtu, Number(mtu));
  for (const mtu of ["67", "65486"]) refused({ mtu }, /^--mtu .* from 68 to 65485/);
});

Deno.test("an address must be that of one host, and of another one", () => {
  const words = { ...USUAL, peer: [] };
  for (
    const peer of ["10.77.0", "host2", "10.77.0.2/24", "010.77.0.2", "", "fe80::1%eth0", "a:b"]
  ) {
    refused({ peer: [peer] }, /^--peer .* must be an IP address, such as 10.77.0.1/);
  }
  const odd: readonly (readonly [string, RegExp])[] = [
    ["0.0.0.0", /of no host/],
    ["127.0.0.1", /a loopback address/],
    ["239.1.1.1", /a multicast address/],
    ["255.255.255.255", /a reserved address/],
    ["::", /of no host/],
    ["::1", /a loopback address/],
    ["ff02::1", /a multicast address/],
    ["fe80::1", /a link-local address/],
    ["::ffff:10.77.0.2", /an IPv4 address written as IPv6/],
  ];
  for (const [peer, expected] of odd) {
    refused({ peer: [peer], static: true }, expected);
    assert.match(refusal({ ...words, local: peer }), expected);
  }
  refused({ peer: ["10.77.0.1"] }, /is this host's own address: name the other hosts/);
  refused({ peer: ["10.77.0.2", "10.77.0.2"] }, /is given twice/);
  refused({ local: "fd77::1", peer: ["FD77:0::2", "fd77::2"], static: true }, /is given twice/);
  refused({ peer: ["fd77::2"] }, /not both IPv4 or both IPv6/);
  refused({ local: "fd77::1", peer: ["fd77::2"] }, /no tunnels between IPv6.*--static/);
  assert.match(refusal(words), /^--peer is missing \(once for each other host/);
  assert.match(refusal({ ...NONE, peer: ["10.77.0.2"] }), /^--vni is missing/);
});

Deno.test("too many hosts are told what there is for them", () => {
  assert.equal(read({ peer: peers(STATIC_PEERS_MAX), static: true }).peers.length, 9);
  refused({ peer: peers(10), static: true }, /^10 peers .* at most 9.*leave --static out/);
  assert.equal(read({ peer: peers(PEERS_MAX) }).peers.length, PEERS_MAX);
  refused({ peer: peers(PEERS_MAX + 1) }, /^257 peers are too many, at most 256.*reflectors/);
});

Deno.test("names stand in a shell's line and in Linux, and differ", () => {
  for (const tap of ["a", "abcdefghijklmno", "vsw_1.2-x"]) assert.equal(read({ tap }).tap, tap);
  const bad = ["", "abcdefghijklmnop", "a b", "a;b", "$(id)", "a/b", "..", ".a", "-a", "a\nb", "ü"];
  for (const name of bad) {
    refused({ tap: name }, /^--tap [^]* must be a device's name/);
    refused({ bridge: name }, /^--bridge [^]* must be a device's name/);
  }
  for (const user of ["", "a b", "-x", "$USER"]) refused({ user }, /^--user .* must be a user's/);
  refused({ tap: "same", bridge: "same" }, /both same: rename one/);
  refused({ tap: "vx100" }, /--tap vx100 is the VXLAN device's name/);
  refused({ bridge: "vx100" }, /--bridge vx100 is the VXLAN device's name/);
});

Deno.test("what does not go together is said", () => {
  refused({ static: true, reflector: true }, /leave one out/);
  refused({ static: true, as: "65001" }, /leave one out/);
});

Deno.test("this host's address is the one in the first peer's network", () => {
  const words = { ...NONE, vni: "100", peer: ["10.77.0.2", "192.0.2.9"] };
  const lo = { address: "127.0.0.1", netmask: "255.0.0.0" };
  const near = { address: "10.77.0.1", netmask: "255.255.255.0" };
  const far = { address: "10.78.0.1", netmask: "255.255.255.0" };
  const six = { address: "fd77::1", netmask: "ffff:ffff:ffff:ffff::" };
  assert.equal(readFabric(words, [lo, far, six, near]).local, "10.77.0.1");
  assert.match(refusal(words, [lo, far, six]), /has no address in .*10.77.0.2 \(.*--local ADDRESS/);
  const second = { ...near, address: "10.77.0.9" };
  assert.match(refusal(words, [near, second]), /has several addresses in .*--local ADDRESS/);
  // The same words on every host.
  const all = { ...words, peer: ["10.77.0.1", "10.77.0.2"] };
  assert.match(refusal(all, [near]), /--peer 10.77.0.1 is this host's own address/);
  const overSix = { ...words, peer: ["fd77::2"], static: true };
  assert.equal(readFabric(overSix, [near, six]).local, "fd77::1");
  // An address without a network is in none.
  assert.match(refusal(words, [{ address: "10.77.0.1", netmask: "0.0.0.0" }]), /has no address/);
});

Deno.test("whatever is said is read or refused in a line", () => {
  const word = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.ipV4(),
    fc.ipV6(),
    fc.integer({ min: -1, max: 2 ** 33 }).map(String),
  );
  const maybe = fc.option(word, { nil: undefined });
  const words = fc.record({
    ...{ vni: maybe, local: maybe, as: maybe, tap: maybe, bridge: maybe, user: maybe, mtu: maybe },
    ...{ peer: fc.array(word, { maxLength: 12 }), static: fc.boolean(), reflector: fc.boolean() },
  });
  fc.assert(
    fc.property(words, (given) => {
      const said = Object.fromEntries(
        Object.entries(given).filter(([, value]) => value !== undefined),
      );
      try {
        readFabric(said as unknown as FabricWords, []);
      } catch (error) {
        assert(error instanceof ControlError, String(error));
      }
    }),
    { numRuns: 2000, seed: 7 },
  );
});
