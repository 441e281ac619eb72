/**
 * The load of users: two Linux guests in QEMU, and iperf3 from one to the other. They are emulated
 * (TCG), share all processors with the switch, and are as a rule what takes the time.
 *
 * @module
 */
import { buildGuestImage, missingQemuPackages } from "../../lib/demo/guest_image.ts";
import { QemuGuest } from "../../lib/demo/qemu.ts";
import { CoreMeter, processNs } from "../busy.ts";
import { exists, type Rival } from "../rivals/rival.ts";
import { digits } from "../statistics.ts";
import type { Bench, Sample } from "../suite.ts";

const IPERF = "/usr/bin/iperf3";
/** Not measured: connections open slowly. s */
const OMIT_SECONDS = 1;
const ADDRESSES = ["10.77.0.1", "10.77.0.2"];
/** A guest answers a command within this beyond the time it takes, ms. */
const ANSWER_MS_MAX = 60_000;

/** Debian packages this load lacks. */
export const GUEST_PACKAGES_MISSING: readonly string[] = [
  ...missingQemuPackages(),
  ...exists(IPERF) ? [] : ["iperf3"],
];

/** Starts the guests. @throws with what QEMU says */
async function startGuests(rival: Rival, folder: string): Promise<QemuGuest[]> {
  const image = buildGuestImage(folder, [IPERF]);
  const nics = rival.nics ?? rival.sockets.map((socket) => ({ socket }));
  const guests = ADDRESSES.map((address, i) =>
    QemuGuest.start({
      ...{ name: `guest${i}`, address: `${address}/24`, mac: `52:54:00:00:00:0${i + 1}` },
      ...{ image, folder },
      ...nics[i] ?? { socket: "" },
    })
  );
  try {
    await Promise.all(guests.map((guest) => guest.ready()));
    return guests;
  } catch (error) {
    await stop(guests);
    throw error;
  }
}

async function stop(guests: readonly QemuGuest[]): Promise<void> {
  await Promise.all(guests.map((guest) => guest.stop()));
}

/** What the server got, Mbit/s, in what iperf3 prints. */
export function parseIperf(text: string): number | null {
  const value = /([\d.]+) Mbits\/sec +receiver/.exec(text)?.[1];
  return value === undefined ? null : Number(value);
}

/**
 * Measures TCP from the first guest to the second, from its page cache (`-Z`): copies in emulation say
 * nothing of a switch. @throws if iperf3 does not come to an end
 */
export async function driveGuestTcp(rival: Rival, bench: Bench, folder: string): Promise<Sample> {
  const guests = await startGuests(rival, folder);
  try {
    const [from, to] = guests as [QemuGuest, QemuGuest];
    await to.run(`${IPERF} -s -D -1; while ! netstat -ltn | grep -q :5201; do sleep 0.1; done`);
    const { cpus, seconds } = bench;
    const pids = guests.map(({ pid }) => pid);
    const meter = new CoreMeter(cpus.switch, rival.pids);
    const [before, guestsBefore, begin] = [
      ...[processNs(rival.pids), processNs(pids), performance.now()],
    ] as [number, number, number];
    const client = `${IPERF} -c ${ADDRESSES[1]} -Z -t ${seconds} -O ${OMIT_SECONDS} -f m`;
    // A serial port in emulation loses characters: what is printed is one line.
    const { output } = await from.run(
      `${client} 2>&1 | grep -E 'receiver|error'`,
      (OMIT_SECONDS + seconds) * 1000 + ANSWER_MS_MAX,
    );
    const share = (ns: number): number => digits(ns / 1e4 / (performance.now() - begin), 3);
    const value = parseIperf(output);
    if (value === null) throw new Error(`iperf3: ${output}`);
    return {
      value,
      more: {
        switchPercent: share(processNs(rival.pids) - before),
        guestsPercent: share(processNs(pids) - guestsBefore),
      },
      quantilesUs: null,
      switchCore: meter.read(await rival.readWork()),
      generatorCore: null,
      note: "",
    };
  } finally {
    await stop(guests);
  }
}
