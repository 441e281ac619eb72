/**
 * What `doctor` looks at of a switch that runs, and of what unprivileged ones need of the kernel.
 *
 * @module
 */
import { VERSION } from "../../version.ts";
import { type Finding, ok, warning } from "./findings.ts";
import type { Machine } from "./machine.ts";

/** Descriptors that a guest with one queue pair brings, with room; see fd_limit.ts. */
const FDS_OF_A_GUEST = 16;
const SMALL_PAGE_KIB = 64;
const GIB_KIB = 2 ** 20;

/** Numbers of a list as the kernel writes it, such as `0-3,7`. */
export function numbersOf(list: string): Set<number> {
  const numbers = new Set<number>();
  for (const [, first = "", last = first] of list.matchAll(/(\d+)(?:-(\d+))?/g)) {
    for (let each = Number(first); each <= Number(last); each++) numbers.add(each);
  }
  return numbers;
}

/** Whether the running switch has descriptors left for the guests that may come. */
export function switchLimits({ asked, text, entries }: Machine): Finding[] {
  if (!("ports" in asked) || asked.running === undefined) return [];
  const { pid } = asked.running;
  const line = /^Max open files +(\S+)/m.exec(text(`/proc/${pid}/limits`) ?? "");
  const open = entries(`/proc/${pid}/fd`);
  if (line === null || open === null) {
    return ok(`what process ${pid} may have cannot be seen: run doctor as its user`);
  }
  const most = line[1] === "unlimited" ? Infinity : Number(line[1]);
  const waiting = asked.ports.filter(({ kind, peer }) => kind === "vhost" && peer === null).length;
  const needed = open + FDS_OF_A_GUEST * waiting;
  // What is open changes from look to look: it is said only where it matters.
  const ports = `${waiting} port${waiting === 1 ? "" : "s"} without guests`;
  if (needed <= most) return ok(`the switch may have ${most} descriptors, enough for ${ports}`);
  return warning(
    `the switch has ${open} of ${most} descriptors, and ${ports}`,
    `ulimit -n ${2 * needed}, or LimitNOFILE=${2 * needed} in its unit`,
  );
}

/** Where the data plane runs. */
export function pinning({ asked, text, processors }: Machine): Finding[] {
  if (!("ports" in asked) || asked.running === undefined) return [];
  const { cpus, idle } = asked.running;
  if (cpus.length === 0) {
    if (idle !== "poll" || processors < 2) return ok("the data plane runs on any processor");
    return warning("the data plane polls, and no processor is its own", "run with --cpus N");
  }
  const named = cpus.join(",");
  const online = text("/sys/devices/system/cpu/online");
  const missing = online === null ? [] : cpus.filter((cpu) => !numbersOf(online).has(cpu));
  if (missing.length > 0) {
    return warning(
      `processor ${missing.join(",")} of the data plane is offline`,
      `echo 1 > /sys/devices/system/cpu/cpu${missing[0]}/online, or run with other --cpus`,
    );
  }
  const slow = cpus.filter((cpu) =>
    text(`/sys/devices/system/cpu/cpu${cpu}/cpufreq/scaling_governor`)?.trim() === "powersave"
  );
  if (slow.length > 0) {
    const fix = `cpupower -c ${slow.join(",")} frequency-set -g performance`;
    return warning(`processor ${slow.join(",")} of the data plane saves power`, fix);
  }
  const isolated = numbersOf(text("/sys/devices/system/cpu/isolated") ?? "");
  const own = cpus.every((cpu) => isolated.has(cpu));
  return ok(
    `the data plane runs on processor ${named}` +
      (own ? ", which is isolated" : ": isolcpus= or a cpuset would keep others off it"),
  );
}

/** How much of a process' memory is in pages larger than usual, KiB; null: it cannot be seen. */
function hugeKib(smaps: string | null): number | null {
  if (smaps === null || smaps === "") return null;
  let kib = 0;
  let size = 0;
  for (const [, name, value] of smaps.matchAll(/^(Size|KernelPageSize): +(\d+) kB/gm)) {
    if (name === "Size") size = Number(value);
    else if (Number(value) > SMALL_PAGE_KIB) kib += size;
  }
  return kib;
}

/** Whether connected guests have the huge pages that are set aside. */
export function guestPages({ asked, text }: Machine): Finding[] {
  if (!("ports" in asked) || asked.running === undefined) return [];
  const guests = asked.ports.filter(({ memory }) => memory.length > 0);
  if (guests.length === 0) return [];
  const huge = hugeKib(text(`/proc/${asked.running.pid}/smaps`));
  if (huge === null) return ok("pages of guests cannot be seen: run doctor as the switch's user");
  const total = Number(/^HugePages_Total: +(\d+)/m.exec(text("/proc/meminfo") ?? "")?.[1] ?? 0);
  const what = `guests have ${(huge / GIB_KIB).toFixed(1)} GiB in huge pages`;
  if (huge > 0 || total === 0) return ok(what);
  return warning(
    `${what}, and ${total} of them are set aside`,
    "memory-backend-file,mem-path=/dev/hugepages,share=on for guests, or sysctl vm.nr_hugepages=0",
  );
}

/** Whether the switch that runs is of this version. */
export function versions({ asked }: Machine): Finding[] {
  if (!("ports" in asked) || asked.running === undefined) return [];
  const { version } = asked.running;
  if (version === VERSION) return ok(`the switch and this command are ${VERSION}`);
  return warning(
    `the switch is ${version}, this command ${VERSION}`,
    "start the switch again with the new version, guests reconnect",
  );
}

/** Calls that cannot wait: the data plane signals guests by them. */
export function calls({ text }: Machine): Finding[] {
  const [most, used] = ["aio-max-nr", "aio-nr"].map((name) => text(`/proc/sys/fs/${name}`));
  if (!most || !used) return ok("asynchronous I/O cannot be seen");
  if (Number(used) < Number(most)) return ok("asynchronous I/O is there");
  return warning(
    "no asynchronous I/O is left: a guest that fills its call eventfd holds others up, once",
    "sysctl fs.aio-max-nr=1048576",
  );
}

/** What keeps a sandboxed switch to its folders. */
export function landlock({ text }: Machine): Finding[] {
  const modules = text("/sys/kernel/security/lsm");
  if (modules === null) return ok("whether there is landlock cannot be seen");
  if (modules.trim().split(",").includes("landlock")) {
    return ok("landlock is there: --sandbox keeps it to its folders");
  }
  return warning(
    "no landlock: --sandbox does not keep it to its folders",
    "lsm=landlock,… on the kernel's command line, of those in /sys/kernel/security/lsm",
  );
}

/** Namespaces that slirp4netns and passt make for NAT without root. */
export function unprivileged({ text, uid }: Machine): Finding[] {
  if (uid === 0) return ok("root asks: NAT, TAP devices and owner= are possible");
  const value = (path: string): string | null => text(`/proc/sys/${path}`)?.trim() ?? null;
  const denied = value("kernel/unprivileged_userns_clone") === "0" ||
    value("user/max_user_namespaces") === "0";
  if (denied) {
    return warning(
      "users may not make namespaces: no NAT without root",
      "sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000",
    );
  }
  if (value("kernel/apparmor_restrict_unprivileged_userns") === "1") {
    return warning(
      "AppArmor restricts users' namespaces: NAT without root may fail",
      "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or a profile for slirp4netns",
    );
  }
  return ok("users may make namespaces: NAT works without root");
}
