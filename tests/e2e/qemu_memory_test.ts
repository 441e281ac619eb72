/**
 * QEMU set up in ways that cannot work, as they are met in practice: guest memory that is not shared
 * with the switch, and an IOMMU that the port does not offer. What is wrong and what helps stands in
 * the log once and in `port show` as long as it is so; a guest that is only idle is accused of nothing.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { PortProblem } from "../../lib/control/types.ts";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { Bed } from "../harness/bed.ts";
import type { GuestChoice } from "../harness/guests.ts";
import { stopGuests } from "../harness/guests.ts";
import { peerTest } from "../harness/peers.ts";
import { until } from "../harness/until.ts";

const HINT = "add share=on to the guest's memory backend";
const FRAMES = "ip link set eth0 up; arping -c 5 -w 6 -I eth0 10.77.0.99; true";
/**
 * Linux takes memory from the node of the processor that asks. So the driver starts on the first, and
 * its rings lie in that node; the second starts later, and what is sent from there lies in its own.
 */
const TWO_NODES = { kernelWords: ["maxcpus=1"], processors: 2 };
const FRAMES_OF_SECOND = "echo 1 > /sys/devices/system/cpu/cpu1/online; " +
  "ip neigh add 10.77.0.99 lladdr 52:54:00:00:00:99 dev eth0; " +
  "taskset 2 ping -A -c 10 -s 1400 -W 1 10.77.0.99; true";

function backends(...kinds: readonly string[]): string[] {
  return kinds.flatMap((kind, i) => [
    ...["-object", `${kind.replace(",", `,id=m${i},size=${160 / kinds.length}M,`)}`],
    ...["-numa", `node,memdev=m${i}${kinds.length > 1 ? `,cpus=${i}` : ""}`],
  ]);
}

const RAM = "memory-backend-ram,share=off";
const PRIVATE = "memory-backend-memfd,share=off";
const SHARED = "memory-backend-memfd,share=on";

interface Case {
  readonly name: string;
  readonly choice: GuestChoice;
  readonly text: RegExp;
  /** What helps, if it is not only `share=on`. */
  readonly hint?: string;
  /** How the guest sends. */
  readonly frames?: string;
}

const PRIVATE_TEXT = /driver kicks and its rings stay empty/;
const NAME_IT = `${HINT}, and let -numa name that backend (memdev=)`;
const CASES: readonly Case[] = [
  {
    name: "a backend is shared, and no node names it",
    choice: { memoryWords: backends(SHARED).slice(0, 2) },
    text: /its rings are set up and no memory came/,
    hint: NAME_IT,
  },
  {
    name: "no memory has a file",
    choice: { memoryWords: backends(RAM) },
    text: /its rings are set up and no memory came/,
    hint: NAME_IT,
  },
  {
    name: "a memfd that is not shared, split ring",
    choice: { memoryWords: backends(PRIVATE) },
    text: PRIVATE_TEXT,
  },
  {
    name: "a memfd that is not shared, packed ring",
    choice: { memoryWords: backends(PRIVATE), nic: ["packed=on"] },
    text: PRIVATE_TEXT,
  },
  {
    name: "the node with the buffers is not shared",
    choice: { memoryWords: backends(SHARED, RAM), ...TWO_NODES },
    text: /vring [01]: address 0x[0-9a-f]+ is in no shared region/,
    frames: FRAMES_OF_SECOND,
  },
];

/** Each case has a port of its own. */
async function saidAndShown(bed: Bed, guest: QemuGuest, index: number): Promise<void> {
  const { name, text, hint = HINT, frames = FRAMES } = CASES[index] as Case;
  const port = `vm${index + 1}`;
  const problems = async (): Promise<readonly PortProblem[]> =>
    (await bed.process.port(port)).problems;
  await guest.run(frames);
  await until(`${name}: the problem is shown`, async () => (await problems()).length > 0);
  const [problem] = await problems();
  assert.equal(problem?.code, "memory-not-shared", name);
  assert.equal(problem?.hint, hint, name);
  assert.match(problem?.text ?? "", text, name);
  // Looked at again, and again: it stands, and is not said twice.
  for (let i = 0; i < 3; i++) {
    await guest.run("sleep 1");
    assert.equal((await problems()).length, 1, name);
  }
  const said = bed.process.log.split("\n").filter((line) =>
    line.includes(`port ${port}: `) && line.includes(HINT)
  );
  assert.equal(said.length, 1, bed.process.log);
  await guest.stop();
  await until(
    `${name}: it is gone with the front-end`,
    async () => (await problems()).length === 0,
  );
}

peerTest(
  "QEMU memory: whatever of it is not shared is said once, shown as long",
  missingQemuPackages(),
  async () => {
    await using bed = await Bed.make(CASES.length);
    const guests = await bed.linux(CASES.map(({ choice }) => choice));
    await Promise.all(guests.map((guest, index) => saidAndShown(bed, guest, index)));
  },
);

peerTest(
  "QEMU memory: the node with the rings is not shared: the address is named",
  missingQemuPackages(),
  async () => {
    await using bed = await Bed.make(1);
    await bed.linux([{ memoryWords: backends(RAM, SHARED), ...TWO_NODES }]);
    const line = /connection closed: vring 0: address 0x[0-9a-f]+ is in no shared region: (.*) r/;
    await until("the connection is closed", () => Promise.resolve(line.test(bed.process.log)));
    assert.equal(line.exec(bed.process.log)?.[1], HINT);
  },
);

peerTest("QEMU memory: shared, and the guest does nothing", missingQemuPackages(), async () => {
  await using bed = await Bed.make(2);
  const guests = await bed.linux([{}, { nic: ["packed=on"] }]);
  await Promise.all(guests.map(async (guest, i) => {
    const none = async (): Promise<void> =>
      assert.deepEqual((await bed.process.port(`vm${i + 1}`)).problems, []);
    await guest.run("sleep 3");
    await none();
    // A driver that is loaded and not in use has rings of zeros.
    const device = "$(basename $(readlink -f /sys/class/net/eth0/device))";
    const driver = "/sys/bus/virtio/drivers/virtio_net";
    const { output } = await guest.run(
      `ip link set eth0 down; d=${device}; echo $d > ${driver}/unbind; ` +
        `echo $d > ${driver}/bind; sleep 3; ip link show eth0`,
    );
    assert.match(output, /eth0: /);
    await none();
  }));
  assert(!bed.process.log.includes(HINT), bed.process.log);
});

peerTest(
  "QEMU behind an IOMMU that is not offered is told why",
  missingQemuPackages(),
  async () => {
    await using bed = await Bed.make(1);
    const hint = "if its guest has an IOMMU (iommu_platform=on), add offer=iommu to the port";
    const lines = (): number => bed.process.log.split(hint).length - 1;
    const failing = { nic: ["iommu_platform=on"] };
    for (let i = 0; i < 2; i++) {
      await assert.rejects(bed.linux([failing]));
      await until(
        "both are gone",
        () => Promise.resolve(bed.process.log.split("front-end disconnected").length - 1 === i + 1),
      );
      assert.equal(lines(), 1, "said once until something else happens");
    }
    const shown = async (): Promise<PortProblem[]> => [...(await bed.process.port("vm1")).problems];
    assert.deepEqual((await shown()).map(({ code }) => code), ["iommu-not-offered"]);
    const good = await bed.linux([{}]);
    assert.deepEqual(await shown(), []);
    await stopGuests(good);
    await assert.rejects(bed.linux([failing]));
    await until("it is said again", () => Promise.resolve(lines() === 2));
  },
);
