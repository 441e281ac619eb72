/**
 * TCP of guests that are not emulated: two User-Mode Linux kernels, which are processes of this
 * machine, and iperf3 from one to the other. Their kernels run as fast as any code does, so that it
 * shows what each frame costs; what goes through a system call of the guest is slow.
 *
 * @module
 */
import { INIT_BEGIN, missingQemuPackages, writeInitrd } from "../../lib/demo/guest_image.ts";
import { CoreMeter, processNs } from "../busy.ts";
import { exists, type Rival } from "../rivals/rival.ts";
import { digits } from "../statistics.ts";
import type { Bench, Sample } from "../suite.ts";
import { parseIperf } from "./guest_tcp.ts";

const KERNEL = "/usr/bin/linux.uml";
const MODULES = "/usr/lib/uml/modules";
const IPERF = "/usr/bin/iperf3";
const ADDRESSES = ["10.77.0.1", "10.77.0.2"];
/** Not measured: connections open slowly. s */
const OMIT_SECONDS = 1;
/** The guests boot within this, ms. */
const BOOT_MS_MAX = 60_000;

/** Waits for the other guest, sends to it, and ends; the other one ends with the connection. */
const INIT = `${INIT_BEGIN}ip link set lo up
ip addr add "$vu_address/24" dev "$vu_device"
ip link set "$vu_device" up
if [ -z "$vu_peer" ]; then
  iperf3 -s -1
else
  until ping -c 1 -W 1 "$vu_peer"; do :; done
  iperf3 -c "$vu_peer" -Z -t "$vu_seconds" -O ${OMIT_SECONDS} -f m
fi
poweroff -f
`;

/** Why it cannot run here; empty when it can. */
export const UML_PACKAGES_MISSING: readonly string[] = [
  ...missingQemuPackages().filter((name) => name === "busybox-static"),
  ...exists(KERNEL) ? [] : ["user-mode-linux"],
  ...exists(IPERF) ? [] : ["iperf3"],
  // Its 6.1 expects less floating-point state than such processors have, and panics.
  ...hasAmx() ? ["a processor without AMX, for user-mode-linux"] : [],
];

function hasAmx(): boolean {
  return /^flags\s*:.* amx_tile/m.test(Deno.readTextFileSync("/proc/cpuinfo"));
}

function buildImage(folder: string): string {
  const [version] = Array.from(Deno.readDirSync(MODULES), ({ name }) => name).sort().reverse();
  return writeInitrd(folder, {
    ...{ init: INIT, root: `${MODULES}/${version}` },
    ...{ modules: ["virtio_net"], programs: [IPERF] },
  });
}

/** A guest. It is several processes, a group of their own. */
class UmlGuest implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #log: string;

  /** Starts it. @param within words before the command @param log file for what it prints */
  constructor(within: readonly string[], words: readonly string[], log: string) {
    const [program = "", ...args] = [
      ...[...within, "setsid", "sh", "-c", 'exec "$@" > "$0" 2>&1', log],
      ...[KERNEL, ...words],
    ];
    this.#log = log;
    this.#process = new Deno.Command(program, {
      args,
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).spawn();
  }

  /** What it printed until it ended. */
  async text(): Promise<string> {
    await this.#process.status;
    return Deno.readTextFileSync(this.#log);
  }

  kill(): void {
    new Deno.Command("kill", { args: ["-KILL", "--", `-${this.#process.pid}`] }).outputSync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await this.#process.status;
  }
}

/** How guest `i` reaches its port: words of its kernel. */
function nicWords(rival: Rival, i: number): string[] {
  const tap = rival.taps?.names[i];
  if (tap === undefined) return [`virtio_uml.device=${rival.sockets[i]}:1`, "vu_device=eth0"];
  return [`vec0:transport=tap,ifname=${tap},depth=128,gro=1`, "vu_device=vec0"];
}

/** Measures TCP from the second guest to the first. @throws if iperf3 does not come to an end */
export async function driveUmlTcp(rival: Rival, bench: Bench, folder: string): Promise<Sample> {
  const initrd = buildImage(folder);
  const { cpus, seconds } = bench;
  const start = (i: number, words: readonly string[]): UmlGuest =>
    new UmlGuest(rival.taps?.within ?? [], [
      ...["mem=192M", `initrd=${initrd}`, "con0=null,fd:1", "con=null", `uml_dir=${folder}/uml`],
      ...[`umid=g${i}`, `vu_address=${ADDRESSES[i]}`, ...nicWords(rival, i), ...words],
    ], `${folder}/g${i}.log`);
  await using server = start(0, []);
  await using client = start(1, [`vu_peer=${ADDRESSES[0]}`, `vu_seconds=${seconds}`]);
  const meter = new CoreMeter(cpus.switch, rival.pids);
  const [before, begin] = [processNs(rival.pids), performance.now()];
  const late = setTimeout(
    () => [server, client].forEach((guest) => guest.kill()),
    BOOT_MS_MAX + (OMIT_SECONDS + seconds) * 1000,
  );
  const text = await client.text();
  clearTimeout(late);
  const value = parseIperf(text);
  if (value === null) throw new Error(`iperf3: ${text.slice(-1000)}`);
  const ns = processNs(rival.pids) - before;
  return {
    value,
    more: { switchPercent: digits(ns / 1e4 / (performance.now() - begin), 3) },
    quantilesUs: null,
    switchCore: meter.read(await rival.readWork()),
    generatorCore: null,
    note: "",
  };
}
