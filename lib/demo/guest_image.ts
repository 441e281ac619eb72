/**
 * A tiny Linux guest made from what Debian installs: the cloud kernel, busybox and the virtio
 * modules in an initramfs written here. Its init configures eth0 from the kernel command line and
 * then runs commands that come over the second serial port, or gives a shell on the serial port
 * that `vu_shell=` names.
 *
 * @module
 */
import { type CpioEntry, writeCpio } from "./cpio.ts";

/** Debian packages the guests need. */
export const QEMU_PACKAGES: readonly string[] = [
  "qemu-system-x86",
  "linux-image-cloud-amd64",
  "busybox-static",
];

const BUSYBOX = "/bin/busybox";
const MODULES = ["virtio_net", "virtio_pci", "virtio"];
const DIRECTORY = 0o040755;
const EXECUTABLE = 0o100755;
const REGULAR = 0o100644;

/** How what runs first in a guest begins: words of the kernel command line with vu_ are variables. */
export const INIT_BEGIN = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /etc /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for word in $(cat /proc/cmdline); do
  case $word in vu_*) export "$word" ;; esac
done
for module in $(cat /modules/order); do insmod /modules/$module; done
`;

/** Runs first in the guest; words of the kernel command line that start with vu_ configure it. */
const INIT = `${INIT_BEGIN}hostname "$vu_name"
ip link set lo up
ip link set eth0 mtu "\${vu_mtu:-1500}"
[ "$vu_address" = dhcp ] || ip addr add "$vu_address" dev eth0
ip link set eth0 up
[ "$vu_address" != dhcp ] || lease
if [ -n "$vu_shell" ]; then
  export PS1="$vu_name# "
  setsid -c sh -i < /dev/$vu_shell > /dev/$vu_shell 2>&1
  poweroff -f
fi
stty -F /dev/ttyS1 raw -echo
exec < /dev/ttyS1 > /dev/ttyS1 2>&1
echo "@@READY@@"
while IFS= read -r line; do
  if [ "$line" = "@@HELLO@@" ]; then echo "@@READY@@"; continue; fi
  sh -c "$line" < /dev/null
  echo "@@EXIT $?@@"
done
`;

/** Asks for an address, and is what udhcpc runs when it has got one. */
const LEASE = `#!/bin/busybox sh
if [ $# = 0 ]; then exec udhcpc -q -n -t 30 -T 1 -i eth0 -s /bin/lease > /dev/null 2>&1; fi
[ -n "$ip" ] || exit 0
ip addr flush dev $interface to "$ip/$mask"
ip addr add "$ip/$mask" dev $interface
[ -z "$router" ] || ip route replace default via "\${router%% *}"
for server in $dns; do echo "nameserver $server"; done > /etc/resolv.conf
[ -z "$mtu" ] || ip link set $interface mtu "$mtu"
`;

/** Kernel and initramfs of a guest, as files. */
export interface GuestImage {
  /** Path of the kernel, on this machine. */
  readonly kernel: string;
  /** Path of the initramfs. */
  readonly initrd: string;
}

function newestKernel(): string | null {
  try {
    const names = Array.from(Deno.readDirSync("/boot"), (entry) => entry.name)
      .filter((name) => /^vmlinuz-.*cloud-amd64$/.test(name));
    // By number: 6.1.0-9 is older than 6.1.0-42.
    return names.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1) ?? null;
  } catch {
    return null;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Debian packages that are missing for QEMU guests; empty when all is there. */
export function missingQemuPackages(): string[] {
  const missing: string[] = [];
  if (!exists("/usr/bin/qemu-system-x86_64")) missing.push("qemu-system-x86");
  if (newestKernel() === null) missing.push("linux-image-cloud-amd64");
  if (!exists(BUSYBOX)) missing.push("busybox-static");
  return missing;
}

/** Modules with what they depend on, in the order they must be loaded. */
function moduleFiles(root: string, names: readonly string[]): string[] {
  const depends = new Map<string, string[]>();
  for (const line of Deno.readTextFileSync(`${root}/modules.dep`).split("\n")) {
    const [file = "", rest = ""] = line.split(":");
    depends.set(file, rest.trim().split(" ").filter((path) => path !== ""));
  }
  const ordered: string[] = [];
  const add = (file: string): void => {
    for (const other of depends.get(file) ?? []) add(other);
    if (!ordered.includes(file)) ordered.push(file);
  };
  for (const name of names) {
    const file = [...depends.keys()].find((path) => path.endsWith(`/${name}.ko`));
    if (!file) throw new Error(`Cannot build a guest: ${root} has no ${name}.ko`);
    add(file);
  }
  return ordered;
}

/** A program of this machine and the libraries it loads, at the same places in the guest. */
function programFiles(program: string): CpioEntry[] {
  const { stdout } = new Deno.Command("ldd", { args: [program] }).outputSync();
  const libraries = new TextDecoder().decode(stdout).match(/\/\S+(?= \(0x)/g) ?? [];
  const files = [program, ...libraries].map((path) => path.slice(1));
  const folders = new Set<string>();
  for (const file of files) {
    const parts = file.split("/");
    for (let i = 1; i < parts.length; i++) folders.add(parts.slice(0, i).join("/"));
  }
  return [
    ...Array.from(folders, (name) => ({ name, mode: DIRECTORY, data: new Uint8Array() })),
    ...files.map((name) => ({ name, mode: EXECUTABLE, data: Deno.readFileSync(`/${name}`) })),
  ];
}

/** What is in an initramfs besides busybox. */
export interface Initrd {
  /** What runs first: a script of busybox. */
  readonly init: string;
  /** Folder of the kernel's modules on this machine. */
  readonly root: string;
  /** Those that `/modules/order` names, with what they depend on. */
  readonly modules: readonly string[];
  /** Paths of this machine's programs that the guest shall have. */
  readonly programs: readonly string[];
}

/** Writes an initramfs into `folder`. @returns its path @throws if a module is missing */
export function writeInitrd(folder: string, { init, root, modules, programs }: Initrd): string {
  const files = moduleFiles(root, modules);
  const base = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const entries: CpioEntry[] = [
    ...programs.flatMap(programFiles),
    { name: "bin", mode: DIRECTORY, data: text("") },
    { name: "modules", mode: DIRECTORY, data: text("") },
    { name: "bin/busybox", mode: EXECUTABLE, data: Deno.readFileSync(BUSYBOX) },
    { name: "bin/lease", mode: EXECUTABLE, data: text(LEASE) },
    { name: "init", mode: EXECUTABLE, data: text(init) },
    { name: "modules/order", mode: REGULAR, data: text(files.map(base).join("\n")) },
    ...files.map((path) => ({
      name: `modules/${base(path)}`,
      mode: REGULAR,
      data: Deno.readFileSync(`${root}/${path}`),
    })),
  ];
  const initrd = `${folder}/initrd`;
  Deno.writeFileSync(initrd, writeCpio(entries));
  return initrd;
}

/**
 * Writes the guest's initramfs into `folder`. `programs` are paths of this machine's programs that
 * the guest shall have besides busybox. @throws if a package is missing
 */
export function buildGuestImage(folder: string, programs: readonly string[] = []): GuestImage {
  const kernel = newestKernel();
  if (kernel === null) throw new Error("Cannot build a guest: install linux-image-cloud-amd64");
  const root = `/lib/modules/${kernel.replace("vmlinuz-", "")}`;
  const initrd = writeInitrd(folder, { init: INIT, root, modules: MODULES, programs });
  return { kernel: `/boot/${kernel}`, initrd };
}

if (import.meta.main) {
  const [folder = "guest"] = Deno.args;
  const missing = missingQemuPackages();
  if (missing.length > 0) {
    console.error(`Cannot build a guest: apt-get install ${missing.join(" ")}`);
    Deno.exit(1);
  }
  Deno.mkdirSync(folder, { recursive: true });
  const { kernel, initrd } = buildGuestImage(folder);
  Deno.copyFileSync(kernel, `${folder}/kernel`);
  console.log(`${folder}/kernel\n${initrd}`);
}
