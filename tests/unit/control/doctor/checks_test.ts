/** What `doctor` says of machines that are made up. */
import { strict as assert } from "node:assert";
import { type CheckName, examine, type Level } from "../../../../lib/control/doctor/checks.ts";
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

function machine(changes: Partial<Machine>, files: Readonly<Record<string, string>> = {}): Machine {
  return {
    ...{ uid: 0, arch: "x86_64", processors: 4, deno: "2.9.6", ctl: "/run/v/ctl.sock" },
    text: (path) => ({ ...FILES, ...files })[path] ?? null,
    node: (path) => ({ kind: path.endsWith(".sock") ? "other" : "folder", uid: 0, mode: 0o755 }),
    opens: () => true,
    version: () => Promise.resolve("QEMU emulator version 7.2.0"),
    asked: { ports: [PORT] },
    ...changes,
  };
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
    }),
    "hugepages",
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
