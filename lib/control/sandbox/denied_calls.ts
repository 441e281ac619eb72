/**
 * System calls that a running switch never needs, and that help whoever took it over: each with its
 * number on x86-64 and aarch64 (Linux's syscall tables), null where there is none.
 *
 * @module
 */

/** Name, number on x86-64, number on aarch64. */
export type CallRow = readonly [name: string, x86_64: number, aarch64: number | null];

/** By what they are for. */
export const DENIED_CALLS = {
  "other programs": [
    ["execve", 59, 221],
    ["execveat", 322, 281],
  ],
  "other processes": [
    ["ptrace", 101, 117],
    ["process_vm_readv", 310, 270],
    ["process_vm_writev", 311, 271],
    ["process_madvise", 440, 440],
    ["pidfd_getfd", 438, 438],
    ["kcmp", 312, 272],
    ["migrate_pages", 256, 238],
    ["move_pages", 279, 239],
  ],
  "other users and roots": [
    ["setuid", 105, 146],
    ["setgid", 106, 144],
    ["setresuid", 117, 147],
    ["setresgid", 119, 149],
    ["setgroups", 116, 159],
    ["capset", 126, 91],
    ["chroot", 161, 51],
    ["pivot_root", 155, 41],
    ["unshare", 272, 97],
    ["setns", 308, 268],
  ],
  "file systems": [
    ["mount", 165, 40],
    ["umount2", 166, 39],
    ["move_mount", 429, 429],
    ["open_tree", 428, 428],
    ["fsopen", 430, 430],
    ["fsconfig", 431, 431],
    ["fsmount", 432, 432],
    ["fspick", 433, 433],
    ["mount_setattr", 442, 442],
    ["swapon", 167, 224],
    ["swapoff", 168, 225],
    ["quotactl", 179, 60],
    ["acct", 163, 89],
    ["fanotify_init", 300, 262],
    ["name_to_handle_at", 303, 264],
    ["open_by_handle_at", 304, 265],
    ["lookup_dcookie", 212, 18],
    ["nfsservctl", 180, 42],
  ],
  "the machine": [
    ["reboot", 169, 142],
    ["init_module", 175, 105],
    ["finit_module", 313, 273],
    ["delete_module", 176, 106],
    ["kexec_load", 246, 104],
    ["kexec_file_load", 320, 294],
    ["settimeofday", 164, 170],
    ["clock_settime", 227, 112],
    ["clock_adjtime", 305, 266],
    ["adjtimex", 159, 171],
    ["sethostname", 170, 161],
    ["setdomainname", 171, 162],
    ["syslog", 103, 116],
    ["vhangup", 153, 58],
    ["iopl", 172, null],
    ["ioperm", 173, null],
    ["modify_ldt", 154, null],
    ["personality", 135, 92],
  ],
  "parts of the kernel that had many faults": [
    ["bpf", 321, 280],
    ["perf_event_open", 298, 241],
    ["userfaultfd", 323, 282],
    ["keyctl", 250, 219],
    ["add_key", 248, 217],
    ["request_key", 249, 218],
    ["io_uring_setup", 425, 425],
    ["io_uring_enter", 426, 426],
    ["io_uring_register", 427, 427],
  ],
} as const satisfies Record<string, readonly CallRow[]>;

/** Calls whose arguments decide. */
export const JUDGED_CALLS = {
  /** Families of sockets. */
  socket: ["socket", 41, 198],
  socketpair: ["socketpair", 53, 199],
  /** Threads may be made, namespaces not. */
  clone: ["clone", 56, 220],
  /** Its flags are in memory, where no filter sees them: libc makes threads with clone instead. */
  clone3: ["clone3", 435, 435],
} as const satisfies Record<string, CallRow>;

/** The number of a call on a processor; null: it has none. */
export function callNumber(
  [, x86_64, aarch64]: CallRow,
  arch: "x86_64" | "aarch64",
): number | null {
  return arch === "x86_64" ? x86_64 : aarch64;
}
