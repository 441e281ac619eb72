/** What `doctor` says of machines that are made up. */
import { strict as assert } from "node:assert";
import { type CheckName, examine, type Level } from "../../../../lib/control/doctor/checks.ts";
import { numbersOf } from "../../../../lib/control/doctor/running.ts";
import { VERSION } from "../../../../lib/version.ts";
import type { Machine } from "../../../../lib/control/doctor/machine.ts";
import type { PortStatus } from "../../../../lib/control/types.ts";

const FILES: Readonly<Record<string, string>> = {
  "/proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
  "/proc/self/limits": "Max processes             4096   4096   processes\n" +
    "Max open files            65536  65536  files\n" +
    "Max locked memory         8192   8192   bytes\n" +
    "Max address space         unlimited  unlimited  bytes\n",
  "/proc/sys/kernel/seccomp/actions_avail": "kill_process errno allow\n",
  "/proc/meminfo": "HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize: 2048 kB\n",
  "/etc/group": "root:x:0:\nkvm:x:105:\n",
};

const PORT = {
  ...{ name: "vm1", kind: "vhost", mode: "listen", socket: "/run/v/vm1.sock", device: null },
  ...{ memory: [{ guestAddr: "0x0", sizeBytes: 2 ** 30, userAddr: "0x0" }], problems: [] },
  peer: { pid: 1, uid: 0, command: "qemu" },
} as unknown as PortStatus;

const RUNNING = { pid: 7, version: VERSION, cpus: [2], idle: "adaptive" } as const;
const ADDED: Readonly<Record<string, string>> = {
  "/proc/7/limits": "Max open files            1024  4096  files\n",
  "/proc/7/smaps": "Size: 2048 kB\nKernelPageSize: 4 kB\n",
  "/sys/devices/system/cpu/online": "0-3\n",
  "/sys/devices/system/cpu/isolated": "2-3\n",
  "/proc/sys/fs/aio-max-nr": "65536\n",
  "/proc/sys/fs/aio-nr": "20\n",
  "/sys/kernel/security/lsm": "lockdown,landlock,yama\n",
};

/** Files of user 5. */
const OWN: Machine["node"] = (path) => ({
  ...{ kind: path.endsWith(".sock") ? "other" : "folder", uid: 5, mode: 0o755 },
});

function machine(changes: Partial<Machine>, files: Readonly<Record<string, string>> = {}): Machine {
  return {
    ...{ uid: 0, arch: "x86_64", processors: 4, deno: "2.9.6", ctl: "/run/v/ctl.sock" },
    text: (path) => ({ ...FILES, ...ADDED, ...files })[path] ?? null,
    node: (path) => ({ kind: path.endsWith(".sock") ? "other" : "folder", uid: 0, mode: 0o755 }),
    opens: () => true,
    entries: () => 30,
    version: () => Promise.resolve("QEMU emulator version 7.2.0"),
    asked: { ports: [PORT], running: RUNNING },
    ...changes,
  };
}

function asking(more: object): Machine {
  return machine({ asked: { ports: [PORT], running: { ...RUNNING, ...more } } });
}

function limits(name: string, soft: string): Record<string, string> {
  const lines = FILES["/proc/self/limits"] ?? "";
  return { "/proc/self/limits": lines.replace(new RegExp(`(${name} +)\\S+`), `$1${soft}`) };
}

const problem = { code: "no-memory", text: "no memory came", hint: "share=on" };

/** A machine, and the one thing that is wrong with it. */
const WRONG: readonly [string, Machine, CheckName, Level][] = [
  ["old kernel", machine({}, { "/proc/sys/kernel/osrelease": "4.19.0" }), "kernel", "warning"],
  ["other processor", machine({ arch: "riscv64" }), "kernel", "fault"],
  ["one processor", machine({ processors: 1 }), "processors", "warning"],
  ["few descriptors", machine({}, limits("Max open files", "1024")), "descriptors", "warning"],
  ["no descriptors", machine({}, limits("Max open files", "64")), "descriptors", "fault"],
  ["ulimit -v", machine({}, limits("Max address space", "8589934592")), "address-space", "fault"],
  ["few threads", machine({}, limits("Max processes", "20")), "threads", "warning"],
  [
    "no seccomp",
    machine({}, { "/proc/sys/kernel/seccomp/actions_avail": "" }),
    "sandbox",
    "warning",
  ],
  ["no KVM", machine({ opens: (path) => path === "/dev/kvm" ? null : true }), "kvm", "warning"],
  ["no TUN", machine({ opens: (path) => path !== "/dev/net/tun" }), "tap", "warning"],
  [
    "no huge page left",
    machine({}, {
      "/proc/meminfo": "HugePages_Total: 9\nHugePages_Free: 0\nHugepagesize: 2048 kB\n",
      "/proc/7/smaps": "Size: 2048 kB\nKernelPageSize: 2048 kB\n",
    }),
    "hugepages",
    "warning",
  ],
  ["no landlock", machine({}, { "/sys/kernel/security/lsm": "yama" }), "landlock", "warning"],
  ["no AIO", machine({}, { "/proc/sys/fs/aio-nr": "65536\n" }), "calls", "warning"],
  [
    "no namespaces",
    machine({ uid: 5, node: OWN }, { "/proc/sys/user/max_user_namespaces": "0\n" }),
    "unprivileged",
    "warning",
  ],
  [
    "AppArmor",
    machine(
      { uid: 5, node: OWN },
      { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n" },
    ),
    "unprivileged",
    "warning",
  ],
  ["another version", asking({ version: "0.0.1" }), "versions", "warning"],
  [
    "a switch with few descriptors",
    machine({
      ...{ entries: () => 1020 },
      asked: { ports: [{ ...PORT, peer: null, memory: [] }], running: RUNNING },
    }),
    "switch-limits",
    "warning",
  ],
  ["a poll that anybody may move", asking({ cpus: [], idle: "poll" }), "pinning", "warning"],
  ["an offline processor", asking({ cpus: [9] }), "pinning", "warning"],
  [
    "a slow processor",
    machine({}, { "/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor": "powersave\n" }),
    "pinning",
    "warning",
  ],
  [
    "huge pages that no guest has",
    machine({}, {
      "/proc/meminfo": "HugePages_Total:  9\nHugePages_Free:  9\nHugepagesize: 2048 kB\n",
    }),
    "guest-pages",
    "warning",
  ],
  [
    "old QEMU",
    machine({ version: () => Promise.resolve("QEMU emulator version 5.2.0 (Debian)") }),
    "programs",
    "warning",
  ],
  ["no QEMU", machine({ version: () => Promise.resolve(null) }), "programs", "warning"],
  ["a link", machine({ node: () => ({ kind: "link", uid: 0, mode: 0o777 }) }), "folder", "fault"],
  [
    "a folder of all",
    machine({ node: () => ({ kind: "folder", uid: 0, mode: 0o777 }) }),
    "folder",
    "fault",
  ],
  [
    "another's folder",
    machine({ uid: 1000 }),
    "folder",
    "warning",
  ],
  [
    "no switch",
    machine({ asked: { error: "No switch answers", fix: "start one", absent: true } }),
    "switch",
    "warning",
  ],
  [
    "a silent switch",
    machine({ asked: { error: "it does not answer", fix: "kill -CONT 7", absent: false } }),
    "switch",
    "fault",
  ],
  [
    "memory not shared",
    machine({ asked: { ports: [{ ...PORT, problems: [problem] } as unknown as PortStatus] } }),
    "guests",
    "warning",
  ],
  [
    "another's TAP",
    machine({
      uid: 7,
      node: () => ({ kind: "folder", uid: 7, mode: 0o755 }),
      asked: {
        ports: [{ ...PORT, kind: "tap", device: { name: "t0" } } as unknown as PortStatus],
      },
    }, { "/sys/class/net/t0/owner": "5\n" }),
    "tap",
    "warning",
  ],
];

Deno.test("a machine on which all is well has nothing but ok, and no fix", async () => {
  for (const { level, fix, text } of await examine(machine({}))) {
    assert.deepEqual([level, fix], ["ok", null], text);
  }
});

Deno.test("what is wrong is found by its check, and nothing else is", async () => {
  for (const [what, made, check, level] of WRONG) {
    const found = (await examine(made)).filter((each) => each.level !== "ok");
    assert.deepEqual(found.map((each) => [each.check, each.level]), [[check, level]], what);
    assert(found[0]?.fix && !/\n/.test(found[0].text + found[0].fix), what);
  }
});

Deno.test("a machine of which nothing can be read is judged nevertheless", async () => {
  const blind = machine({
    ...{ text: () => null, node: () => null, opens: () => null },
    version: () => Promise.resolve(null),
  });
  assert((await examine(blind)).length > 10);
});

Deno.test("doctor tells what it cannot see, and what is well, of a switch that runs", async () => {
  const said = async (of: Machine): Promise<string> =>
    (await examine(of)).map(({ check, text }) => `${check}: ${text}`).join("\n");
  const well = await said(machine({}));
  assert.match(
    well,
    /^switch-limits: the switch may have 1024 descriptors, enough for 0 ports without/m,
  );
  assert.match(well, /^pinning: .* processor 2, which is isolated$/m);
  assert.match(well, /^guest-pages: guests have 0\.0 GiB in huge pages$/m);
  const smaps = "Size: 1048576 kB\nKernelPageSize: 2048 kB\nSize: 99 kB\nKernelPageSize: 4 kB\n";
  assert.match(await said(machine({}, { "/proc/7/smaps": smaps })), /guests have 1\.0 GiB in huge/);
  const blind = await said(machine({ entries: () => null }, { "/proc/7/smaps": "" }));
  assert.match(blind, /^switch-limits: .* cannot be seen: run doctor as its user$/m);
  assert.match(blind, /^guest-pages: .* cannot be seen/m);
  assert.deepEqual([...numbersOf("0-2,7\n")], [0, 1, 2, 7]);
  assert.deepEqual([...numbersOf("\n")], []);
});
