/**
 * The machine a session ran on, as far as its figures depend on it, and which of its processors to
 * use.
 *
 * @module
 */
import { VERSION } from "../lib/version.ts";
import { freeHugePagesMib } from "../tests/harness/hugepages.ts";

/** Which processor does what. */
export interface Cpus {
  readonly switch: number;
  readonly generator: number;
}

/** A processor, as `/sys` describes it. */
export interface Topology {
  readonly cpu: number;
  /** Threads of the same core share its caches and units. */
  readonly siblings: readonly number[];
  readonly node: number;
}

const DAEMON = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";
const SYS = "/sys/devices/system";

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch {
    return "";
  }
}

/** Numbers of a list as the kernel writes it, such as `0-2,5`. */
export function readList(text: string): number[] {
  return text.split(",").filter((part) => part !== "").flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** All processors this process may use. */
export function readTopology(): Topology[] {
  const allowed = readList(/Cpus_allowed_list:\s*(\S+)/.exec(read("/proc/self/status"))?.[1] ?? "");
  const nodes = readList(read(`${SYS}/node/online`)).map((node) =>
    [node, readList(read(`${SYS}/node/node${node}/cpulist`))] as const
  );
  return allowed.map((cpu) => {
    const siblings = readList(read(`${SYS}/cpu/cpu${cpu}/topology/thread_siblings_list`));
    return {
      cpu,
      siblings: siblings.length > 0 ? siblings : [cpu],
      node: nodes.find(([, cpus]) => cpus.includes(cpu))?.[0] ?? 0,
    };
  });
}

/** Memory nodes: huge pages are spread over all of them, and a program takes those of its own. */
export function memoryNodes(): number {
  return Math.max(1, readList(read(`${SYS}/node/online`)).length);
}

/**
 * Two processors that are not threads of one core, of one memory node if there are such, and of the
 * first one, whose memory OVS-DPDK takes. Processor 0, which takes most interrupts, comes last.
 * @returns null if there are no two
 */
export function chooseCpus(topology: readonly Topology[]): Cpus | null {
  const order = [...topology].sort((a, b) => a.node - b.node || b.cpu - a.cpu);
  for (const sameNode of [true, false]) {
    for (const one of order) {
      const other = order.find(({ cpu, node }) =>
        cpu !== one.cpu && !one.siblings.includes(cpu) && (!sameNode || node === one.node)
      );
      if (other) return { switch: one.cpu, generator: other.cpu };
    }
  }
  const [one, other] = order;
  return one && other ? { switch: one.cpu, generator: other.cpu } : null;
}

function outputOf(program: string, ...args: string[]): string {
  try {
    const { stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).trim();
  } catch {
    return "";
  }
}

/** What a reader needs to judge the figures. */
export function describeMachine(cpus: Cpus, pages: string): Record<string, string | number> {
  const info = read("/proc/cpuinfo");
  const field = (name: string): string =>
    new RegExp(`^${name}\\s*: (.*)`, "m").exec(info)?.[1] ?? "?";
  const root = new URL("..", import.meta.url).pathname;
  const changed = outputOf("git", "-C", root, "status", "--porcelain", "-uno") === ""
    ? ""
    : ", changed";
  const governor = read(`${SYS}/cpu/cpu${cpus.switch}/cpufreq/scaling_governor`);
  const siblings = read(`${SYS}/cpu/cpu${cpus.switch}/topology/thread_siblings_list`);
  return {
    cpu: `${field("model name")} (family ${field("cpu family")}, model ${field("model")})`,
    mhz: field("cpu MHz"),
    cores: navigator.hardwareConcurrency,
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(info) ? "virtual machine" : "no hypervisor",
    governor: governor || "none shown",
    isolated: read(`${SYS}/cpu/isolated`) || "none",
    memoryGib: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    pages,
    hugePagesFreeMib: freeHugePagesMib(),
    kernel: Deno.osRelease(),
    loadAverageBefore: Deno.loadavg()[0] ?? NaN,
    switchCpu: cpus.switch,
    switchCpuSiblings: siblings || "?",
    generatorCpu: cpus.generator,
    vuswitch: VERSION,
    commit: (outputOf("git", "-C", root, "rev-parse", "--short=12", "HEAD") || "?") + changed,
    deno: `${Deno.version.deno}, V8 ${Deno.version.v8}`,
    ovs: outputOf(DAEMON, "--version").replace(/\n/g, ", ") || "not installed",
    dpdk: outputOf("dpkg-query", "-W", "-f", "${Version}", "dpdk-dev") || "not installed",
  };
}
