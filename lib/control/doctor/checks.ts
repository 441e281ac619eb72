/**
 * What `doctor` looks at, a row each: the command and docs/reference.md have them from here.
 *
 * @module
 */
import { dirname } from "node:path";
import { fault, type Finding, type Level, ok, warning } from "./findings.ts";
import type { Machine } from "./machine.ts";
import {
  calls,
  guestPages,
  landlock,
  pinning,
  switchLimits,
  unprivileged,
  versions,
} from "./running.ts";

export type { Finding, Level };

/** A check. */
export interface CheckRow {
  /** What it looks at, Markdown. */
  readonly meaning: string;
  /** Looks. */
  readonly look: (machine: Machine) => Finding[] | Promise<Finding[]>;
}

/** Descriptors of a switch without guests, and of a port with one queue pair, with room. */
const FDS_FAULT = 256;
/** Those of 60 guests with 8 queue pairs. */
const FDS_WARNING = 4096;
const THREADS_WARNING = 64;
/** The oldest kernel that has all that is used. */
const KERNEL_OLDEST = [5, 4] as const;
const GIB_KIB = 2 ** 20;
/** 100 times the major version, and the minor one. */
const QEMU_OLDEST = 702;

/** A limit of this process; Infinity: none; null: unknown. */
function limit({ text }: Machine, name: string): number | null {
  const line = text("/proc/self/limits")?.split("\n").find((each) => each.startsWith(name));
  const word = line?.slice(name.length).trim().split(/\s+/)[0];
  return word === undefined ? null : word === "unlimited" ? Infinity : Number(word);
}

function kernel({ text, arch }: Machine): Finding[] {
  const release = text("/proc/sys/kernel/osrelease")?.trim() ?? "unknown";
  if (arch !== "x86_64" && arch !== "aarch64") {
    return fault(`processors are ${arch}`, "use a machine with x86_64 or aarch64");
  }
  const [major = 0, minor = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
  const [oldMajor, oldMinor] = KERNEL_OLDEST;
  if (major > oldMajor || (major === oldMajor && minor >= oldMinor)) {
    return ok(`Linux ${release}, ${arch}`);
  }
  return warning(
    `Linux ${release} is older than ${KERNEL_OLDEST.join(".")}`,
    "use a newer kernel; tests run on 6.1 and later",
  );
}

function descriptors(machine: Machine): Finding[] {
  const most = limit(machine, "Max open files");
  if (most === null) return warning("the limit of descriptors cannot be read", "mount /proc");
  const fix = "ulimit -n 65536, or LimitNOFILE=65536 in the unit";
  if (most < FDS_FAULT) return fault(`${most} descriptors are too few for a few ports`, fix);
  if (most < FDS_WARNING) return warning(`${most} descriptors are few for many queues`, fix);
  return ok(`${most} descriptors`);
}

function addressSpace(machine: Machine): Finding[] {
  const most = limit(machine, "Max address space");
  if (most === null || most === Infinity) return ok("address space is not limited");
  return fault(
    `address space is limited to ${Math.floor(most / 2 ** 30)} GiB, and guests' memory needs more`,
    "ulimit -v unlimited, or no LimitAS in the unit",
  );
}

function threads(machine: Machine): Finding[] {
  const most = limit(machine, "Max processes");
  if (most === null || most >= THREADS_WARNING) return ok("threads enough");
  return warning(`${most} threads may be too few`, "ulimit -u 1024, or TasksMax=1024 in the unit");
}

function lockedMemory(machine: Machine): Finding[] {
  const most = limit(machine, "Max locked memory");
  const what = most === null || most === Infinity ? "not limited" : `${most / 1024} KiB`;
  return ok(`locked memory ${what}: the switch locks none`);
}

/** Whether others may put something where the control socket is. */
function folder({ ctl, node, uid }: Machine): Finding[] {
  const path = dirname(ctl);
  const there = node(path);
  if (there === null) return ok(`${path} is not there yet: run makes it`);
  if (there.kind === "link") {
    return fault(`${path} is a symbolic link`, "name the real folder: --ctl PATH");
  }
  if (there.kind !== "folder") return fault(`${path} is no folder`, "name another: --ctl PATH");
  if ((there.mode & 0o022) !== 0 && (there.mode & 0o1000) === 0) {
    return fault(
      `others may write in ${path} (mode 0${there.mode.toString(8)})`,
      `chmod go-w ${path}`,
    );
  }
  if (there.uid !== uid && uid !== 0) {
    return warning(
      `${path} is user ${there.uid}'s`,
      "run as that user, or name another folder: --ctl PATH",
    );
  }
  return ok(`${path} is user ${there.uid}'s, mode 0${there.mode.toString(8)}`);
}

function sockets({ asked, node }: Machine): Finding[] {
  if (!("ports" in asked)) return [];
  return asked.ports.flatMap(({ name, kind, mode, socket }) => {
    if (kind !== "vhost" || mode !== "listen" || !socket.startsWith("/")) return [];
    const there = node(socket);
    if (there === null) {
      return warning(
        `port ${name}: ${socket} is not to be seen`,
        `run as root, or vuswitch port show ${name}`,
      );
    }
    if ((there.mode & 0o066) !== 0) return ok(`port ${name}: ${socket} is open to others' VMMs`);
    return ok(`port ${name}: ${socket} is for processes of user ${there.uid} and root alone`);
  });
}

function group({ text }: Machine): Finding[] {
  const names = (text("/etc/group") ?? "").split("\n").map((line) => line.split(":")[0]);
  const found = ["kvm", "libvirt-qemu", "qemu"].filter((name) => names.includes(name));
  if (found.length > 0) return ok(`groups for --socket-group: ${found.join(", ")}`);
  return ok("no group of VMMs, as kvm: they run as the switch's user, or sockets have an owner=");
}

function hugepages({ text, asked }: Machine): Finding[] {
  const info = text("/proc/meminfo") ?? "";
  const value = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(info)?.[1] ?? 0);
  const [total, free, kib] = [
    value("HugePages_Total"),
    value("HugePages_Free"),
    value("Hugepagesize"),
  ];
  if (total === 0) return ok("no huge pages are set aside: guests have ordinary memory");
  const used = "ports" in asked
    ? asked.ports.flatMap(({ memory }) => memory).reduce((sum, each) => sum + each.sizeBytes, 0)
    : 0;
  const words = `${total} huge pages of ${kib} KiB, ${free} free; connected guests have ` +
    `${(used / 1024 / GIB_KIB).toFixed(1)} GiB`;
  if (free > 0) return ok(words);
  return warning(words, "sysctl vm.nr_hugepages=N, if more guests with huge pages are to come");
}

function tap({ opens, asked, text, uid }: Machine): Finding[] {
  const ports = "ports" in asked ? asked.ports.filter(({ kind }) => kind === "tap") : [];
  const may = opens("/dev/net/tun");
  const what = may === null ? "/dev/net/tun is not there" : "/dev/net/tun may not be opened";
  const fix = may === null ? "modprobe tun" : "chmod 0666 /dev/net/tun, as udev has it";
  const device = may ? ok("/dev/net/tun can be opened") : warning(`${what}: no TAP, no NAT`, fix);
  const owners = ports.flatMap(({ device: there }) => {
    const owner = there === null
      ? null
      : text(`/sys/class/net/${there.name}/owner`)?.trim() ?? null;
    if (there === null || owner === null || owner === "-1") return [];
    if (Number(owner) === uid || uid === 0) return ok(`${there.name} is user ${owner}'s`);
    return warning(
      `${there.name} is user ${owner}'s`,
      `ip tuntap add ${there.name} mode tap user ${uid}, once it is removed`,
    );
  });
  return [...device, ...owners];
}

function kvm({ opens }: Machine): Finding[] {
  const may = opens("/dev/kvm");
  if (may) return ok("/dev/kvm can be opened");
  return warning(
    may === null ? "there is no /dev/kvm: guests are emulated" : "/dev/kvm may not be opened",
    may === null
      ? "switch on virtualisation in the firmware, or for this VM"
      : "usermod -aG kvm USER",
  );
}

function sandbox({ text }: Machine): Finding[] {
  const actions = text("/proc/sys/kernel/seccomp/actions_avail");
  if (actions?.split(/\s+/).includes("errno")) return ok("seccomp is there: --sandbox works");
  return warning("the kernel has no seccomp: no --sandbox", "use a kernel with CONFIG_SECCOMP");
}

function processors({ processors: count, text }: Machine): Finding[] {
  const governor = text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")?.trim() ?? null;
  const slow = governor === "powersave"
    ? warning("processors save power", "cpupower frequency-set -g performance")
    : [];
  if (count > 1) return [...ok(`${count} processors`), ...slow];
  return [
    ...warning("one processor for guests and switch", "give it two, or run with --idle sleep"),
    ...slow,
  ];
}

async function programs({ version, deno }: Machine): Promise<Finding[]> {
  const qemu = await version("qemu-system-x86_64") ?? await version("qemu-system-aarch64");
  return [
    ...ok(`Deno ${deno}`),
    ...qemu === null
      ? warning("no QEMU is found", "apt-get install qemu-system-x86, if guests are to be QEMU's")
      : oldQemu(qemu),
  ];
}

/** QEMU of a version that tests run with, or a newer one. */
function oldQemu(text: string): Finding[] {
  const [, major = "", minor = ""] = /version (\d+)\.(\d+)/.exec(text) ?? [];
  const isOld = major !== "" && 100 * Number(major) + Number(minor) < QEMU_OLDEST;
  if (!isOld) return ok(text);
  return warning(`${text} is older than 7.2`, "use a newer one; tests run with 7.2 and 10");
}

function running({ asked, ctl }: Machine): Finding[] {
  if ("ports" in asked) return ok(`a switch with ${asked.ports.length} ports answers at ${ctl}`);
  return asked.absent ? warning(asked.error, asked.fix) : fault(asked.error, asked.fix);
}

/** Whether guests share their memory is among the problems of their ports. */
function guests({ asked }: Machine): Finding[] {
  if (!("ports" in asked)) return [];
  return asked.ports.flatMap(({ name, problems, memory, peer }) => {
    const wrong = problems.flatMap(({ text, hint }) =>
      warning(`port ${name}: ${text}`, hint ?? `vuswitch port show ${name}`)
    );
    if (wrong.length > 0 || peer === null || memory.length === 0) return wrong;
    return ok(`port ${name}: the guest's memory is shared`);
  });
}

/** In the order in which they are shown. */
export const CHECKS = {
  kernel: { meaning: "kernel and kind of processor", look: kernel },
  processors: { meaning: "how many, and whether they save power", look: processors },
  descriptors: { meaning: "`ulimit -n`", look: descriptors },
  "address-space": { meaning: "`ulimit -v`: guests' memory is mapped", look: addressSpace },
  threads: { meaning: "`ulimit -u`", look: threads },
  "locked-memory": { meaning: "`ulimit -l`", look: lockedMemory },
  sandbox: { meaning: "what `--sandbox` needs", look: sandbox },
  landlock: { meaning: "what keeps `--sandbox` to its folders", look: landlock },
  calls: { meaning: "asynchronous I/O, by which guests are notified", look: calls },
  unprivileged: { meaning: "namespaces, for NAT without root", look: unprivileged },
  kvm: { meaning: "`/dev/kvm`, which VMMs open", look: kvm },
  tap: { meaning: "`/dev/net/tun`, and who owns the TAP devices of ports", look: tap },
  hugepages: { meaning: "huge pages, and memory of connected guests", look: hugepages },
  programs: { meaning: "Deno and QEMU", look: programs },
  group: { meaning: "groups of VMMs on this host", look: group },
  folder: { meaning: "folder of the control socket: owner, mode, no link", look: folder },
  switch: { meaning: "whether a switch answers", look: running },
  versions: { meaning: "versions of the switch and of this command", look: versions },
  "switch-limits": {
    meaning: "descriptors of the running switch, and what guests to come need",
    look: switchLimits,
  },
  pinning: { meaning: "processors of the data plane: pinned, isolated, awake", look: pinning },
  "guest-pages": { meaning: "huge pages that connected guests have", look: guestPages },
  sockets: { meaning: "who may open the ports' sockets", look: sockets },
  guests: { meaning: "ports with problems, and shared memory of guests", look: guests },
} as const satisfies Readonly<Record<string, CheckRow>>;

/** Name of a check. */
export type CheckName = keyof typeof CHECKS;

/** A finding, and whose it is. */
export interface NamedFinding extends Finding {
  /** The check. */
  readonly check: CheckName;
}

/** What is printed. */
export interface Diagnosis {
  /** The worst of all. */
  readonly worst: Level;
  /** In the order of the checks. */
  readonly findings: readonly NamedFinding[];
}

/** All findings, in the order of the checks. */
export async function examine(machine: Machine): Promise<NamedFinding[]> {
  const found: NamedFinding[] = [];
  for (const [check, row] of Object.entries<CheckRow>(CHECKS)) {
    for (const each of await row.look(machine)) found.push({ check: check as CheckName, ...each });
  }
  return found;
}
