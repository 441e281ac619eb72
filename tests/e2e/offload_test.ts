/**
 * Real guests with and without offloads on either side: Linux in QEMU with a NIC for each way to
 * negotiate, so that one boot shows every pair of them. What arrives is what was sent, no kernel
 * counts a bad checksum, and large frames go whole where both sides have them.
 *
 * USO is not among them: QEMU 7.2 and Linux 6.1 know none (tests/model/offload_test.ts has it).
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { Bed } from "../harness/bed.ts";
import type { GuestChoice } from "../harness/guests.ts";
import { peerTest } from "../harness/peers.ts";

/** What a NIC has, by QEMU's properties that leave out the rest. */
const NO_SEGMENTS = ["tso4", "tso6", "ecn"].flatMap((name) => [
  `host_${name}=off`,
  `guest_${name}=off`,
]);
const OFFLOADS: Readonly<Record<string, readonly string[]>> = {
  tso: [],
  csum: NO_SEGMENTS,
  off: ["csum=off", "guest_csum=off", ...NO_SEGMENTS],
};
const RINGS: readonly (readonly string[])[] = [
  [],
  ["packed=on", "mrg_rxbuf=off"],
  ["mrg_rxbuf=off"],
  ["packed=on"],
];

/** One way to negotiate. */
interface Nic {
  readonly offload: string;
  readonly properties: readonly string[];
  readonly number: number;
}

const NICS: readonly Nic[] = Object.entries(OFFLOADS).flatMap(([offload, properties], i) =>
  RINGS.map((ring, j) => ({
    offload,
    properties: [...properties, ...ring],
    number: RINGS.length * i + j,
  }))
);

/** Port of a guest's NIC: those of the first guest, then those of the second. */
function portOf(guest: number, nic: number): string {
  return `vm${guest * NICS.length + nic + 1}`;
}

function macOf(guest: number, nic: number): string {
  // The first NIC's is what every guest of these tests has.
  if (nic === 0) return `52:54:00:00:00:0${guest + 1}`;
  return `52:54:00:00:1${guest}:${nic.toString(16).padStart(2, "0")}`;
}

function addressOf(guest: number, nic: number): string {
  return `10.${200 + guest}.${nic}.1`;
}

function address6Of(guest: number, nic: number): string {
  return `fd00:${200 + guest}:${nic}::1`;
}

/** A guest with all NICs; QEMU's words add those behind the first. */
function choiceOf(bed: Bed, guest: number): GuestChoice {
  const socket = (nic: number): string => bed.file(`${portOf(guest, nic)}.sock`);
  const words = NICS.slice(1).flatMap(({ properties, number }) => [
    ...["-chardev", `socket,id=vhost${number},path=${socket(number)}`],
    ...["-netdev", `vhost-user,id=n${number},chardev=vhost${number}`, "-device"],
    [
      ...["virtio-net-pci", `netdev=n${number}`, `mac=${macOf(guest, number)}`, "vectors=0"],
      ...["romfile=", ...properties],
    ].join(","),
  ]);
  return { socket: socket(0), words, memoryMib: 320 };
}

/**
 * Runs a command in a guest. QEMU's serial port loses characters while a guest has much to do: a
 * command comes with its sum, and is sent again until it came as it was.
 */
async function ok(guest: QemuGuest, command: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(command));
  const sum = new Uint8Array(hash).toHex();
  for (let time = 0; time < TRIES_MAX; time++) {
    const { output } = await guest.run(
      `c=${btoa(command)}; [ $(echo $c | base64 -d | sha256sum | cut -c 1-64) = ${sum} ] && ` +
        '{ sh -c "$(echo $c | base64 -d)"; echo "ran $?"; }',
    );
    const ran = /^([^]*?)\n?ran (\d+)$/.exec(output);
    if (!ran) continue;
    assert.equal(ran[2], "0", `${command}: ${output}`);
    return ran[1] ?? "";
  }
  throw new Error(`${guest.options.name} never got: ${command}`);
}

/** Has each NIC answer for its own address alone, all being on one network. @returns their names */
async function setUp(guest: QemuGuest, index: number): Promise<string[]> {
  await ok(
    guest,
    "for f in arp_ignore arp_filter; do echo 1 > /proc/sys/net/ipv4/conf/all/$f; done; " +
      "echo 2 > /proc/sys/net/ipv4/conf/all/arp_announce; ip addr flush dev eth0",
  );
  for (const [name, script] of Object.entries(SCRIPTS)) {
    await ok(guest, `echo ${btoa(script)} | base64 -d > /tmp/${name}`);
  }
  const names: string[] = [];
  for (const { number } of NICS) {
    const mac = macOf(index, number);
    const path = await ok(guest, `grep -l ${mac} /sys/class/net/*/address`);
    const name = path.split("/")[4] ?? "";
    await ok(
      guest,
      `echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_dad; ip link set ${name} up; ip addr add ${
        addressOf(index, number)
      }/32 dev ${name}; ` +
        `ip addr add ${address6Of(index, number)}/128 dev ${name}`,
    );
    names.push(name);
  }
  return names;
}

/** Has two NICs reach each other, and no other way. */
async function route(
  guest: QemuGuest,
  own: readonly [guest: number, nic: number, name: string],
  other: readonly [guest: number, nic: number],
): Promise<void> {
  const [index, nic, name] = own;
  const [to, to6] = [addressOf(...other), address6Of(...other)];
  await ok(
    guest,
    `ip route replace ${to}/32 dev ${name} src ${addressOf(index, nic)}; ` +
      `ip -6 route replace ${to6}/128 dev ${name} src ${address6Of(index, nic)}`,
  );
}

/** Times a command is sent to a guest. */
const TRIES_MAX = 20;

/** Datagrams of an exchange, and bytes of each. */
const DATAGRAMS = 8;
const DATAGRAM_BYTES = 700;

/** Perl's socket address: of family, port 5002 and an address in hexadecimal digits. */
function socketAddress(address: string): { readonly family: number; readonly packed: string } {
  if (!address.includes(":")) {
    return { family: 2, packed: `pack("SnC4x8", 2, 5002, ${address.replaceAll(".", ",")})` };
  }
  const [head = "", tail = ""] = address.split("::");
  const words = head.split(":").map((word) => `0x${word}`);
  const zeros = new Array<string>(7 - words.length).fill("0");
  const all = [...words, ...zeros, `0x${tail}`].join(",");
  return { family: 10, packed: `pack("SnNn8N", 10, 5002, 0, ${all}, 0)` };
}

/** Scripts of the guests: to receive by TCP and UDP, to send datagrams, to tell what came. */
const SCRIPTS: Readonly<Record<string, string>> = {
  receive: `
[ -p /tmp/hold ] || mkfifo /tmp/hold
rm -f /tmp/sum /tmp/bound /tmp/got
(nc -l -p 5001 <> /tmp/hold | sha256sum > /tmp/sum) > /dev/null 2>&1 &
perl -e 'socket(S, $ARGV[0], 2, 17) or die; bind(S, eval $ARGV[1]) or die; alarm 20;
  open(B, ">/tmp/bound"); close(B);
  for (1..${DATAGRAMS}) { recv(S, $d, 9000, 0); $all .= $d }
  open(G, ">/tmp/got"); print G $all; close(G)' "$1" "$2" > /dev/null 2>&1 &
while ! netstat -ltn | grep -q :5001 || [ ! -f /tmp/bound ]; do usleep 20000; done
`,
  send: `
nc -w 60 "$3" 5001 < /tmp/file || exit 1
perl -e 'socket(S, $ARGV[0], 2, 17) or die;
  for (1..${DATAGRAMS}) { send(S, $_ x ${DATAGRAM_BYTES}, 0, eval $ARGV[1]) or die;
    select(undef, undef, undef, 0.01) }' "$1" "$2"
`,
  tell: `
for i in $(seq 500); do [ -s /tmp/sum ] && [ -s /tmp/got ] && break; usleep 20000; done
cat /tmp/sum
sha256sum < /tmp/got
`,
  make: `
dd if=/dev/urandom of=/tmp/file bs=1M count=1 2> /dev/null
sha256sum < /tmp/file
perl -e 'for (1..${DATAGRAMS}) { print $_ x ${DATAGRAM_BYTES} }' | sha256sum
`,
};

/** A file by TCP and datagrams by UDP. @param sent what is to be told of them */
async function exchange(
  from: QemuGuest,
  to: QemuGuest,
  address: string,
  sent: string,
): Promise<void> {
  const { family, packed } = socketAddress(address);
  await ok(to, `sh /tmp/receive ${family} '${packed}'`);
  await ok(from, `sh /tmp/send ${family} '${packed}' ${address}`);
  assert.equal(await ok(to, "sh /tmp/tell"), sent, `what came to ${address}`);
}

/** Counters of errors of a kernel: of checksums, and of packets that were no good. */
async function faults(guest: QemuGuest): Promise<string[]> {
  const names = "InCsumErrors|InErrs|InHdrErrors|InErrors";
  const output = await ok(
    guest,
    "awk '/^(Ip|Tcp|Udp|Icmp): [A-Z]/ { split($0, n); next } " +
      `/^(Ip|Tcp|Udp|Icmp): / { for (i = 2; i <= NF; i++) if (n[i] ~ /^(${names})$/) print $1 n[i], $i }' ` +
      "/proc/net/snmp; " +
      `grep -E '(${names}) ' /proc/net/snmp6`,
  );
  const counters = output.split("\n").map((line) => line.trim().split(/\s+/));
  assert(counters.length > 8, `counters are found: ${output}`);
  return counters.filter(([, value]) => value !== "0").map((counter) => counter.join(" "));
}

peerTest(
  "QEMU offloads: every pair of TSO, checksums alone and none",
  missingQemuPackages(),
  async () => {
    await using bed = await Bed.make(2 * NICS.length);
    const guests = await bed.linux([choiceOf(bed, 0), choiceOf(bed, 1)], ["/usr/bin/perl"]);
    const [first, second] = guests;
    assert(first && second);
    const names = await Promise.all(guests.map(setUp));
    const sent = await ok(first, "sh /tmp/make");
    let turn = 0;
    for (const a of Object.keys(OFFLOADS)) {
      for (const b of Object.keys(OFFLOADS)) {
        for (let ring = 0; ring < RINGS.length; ring++) {
          const from = NICS.filter(({ offload }) => offload === a)[ring];
          // Each kind of ring meets each other one in turn.
          const to = NICS.filter(({ offload }) => offload === b)[(ring + turn) % RINGS.length];
          assert(from && to);
          await Promise.all([
            route(first, [0, from.number, names[0]?.[from.number] ?? ""], [1, to.number]),
            route(second, [1, to.number, names[1]?.[to.number] ?? ""], [0, from.number]),
          ]);
          const receiver = portOf(1, to.number);
          const before = (await bed.process.port(receiver)).counters;
          const address = (ring + turn) % 2 === 0 ? addressOf : address6Of;
          await exchange(first, second, address(1, to.number), sent);
          const after = (await bed.process.port(receiver)).counters;
          const more = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
          const what = `${a} to ${b}, ${from.properties.join()} to ${to.properties.join()}`;
          const large = more("txBytes") / more("txFrames") > 2000;
          assert.equal(large, a === "tso" && b === "tso", `${what}: large frames go whole`);
          assert.equal(more("txCut") > 0, a === "tso" && b !== "tso", `${what}: cut`);
          assert.equal(more("txCompleted") > 0, a !== "off" && b === "off", `${what}: completed`);
        }
        turn++;
      }
    }
    for (const guest of guests) assert.deepEqual(await faults(guest), []);
    for (let port = 1; port <= 2 * NICS.length; port++) {
      const { counters } = await bed.port(port);
      assert.equal(counters.rxDroppedBadOffload, 0, `vm${port}: what a kernel asks for is good`);
    }
  },
);
