/**
 * What this process gives up for good: system calls (seccomp(2)) and writing outside of some folders
 * (landlock(7)). Neither can be taken back. Control thread only.
 *
 * @module
 */
import { O_CLOEXEC, O_PATH } from "./abi.ts";
import { errno, SystemError } from "./errno.ts";
import { libc } from "./symbols.ts";

/** Numbers of the same call on the two processors. */
const SYS_SECCOMP = { x86_64: 317n, aarch64: 277n }[Deno.build.arch];
const SYS_LANDLOCK_CREATE_RULESET = 444n;
const SYS_LANDLOCK_ADD_RULE = 445n;
const SYS_LANDLOCK_RESTRICT_SELF = 446n;

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1n;
const SECCOMP_FILTER_FLAG_TSYNC = 1n;
/** `struct sock_fprog`: count (u16), pointer. */
const SIZEOF_SOCK_FPROG = 16;
const SOCK_FPROG_FILTER = 8;
/** `struct sock_filter`: what a program's instructions take. */
const SIZEOF_SOCK_FILTER = 8;

const LANDLOCK_CREATE_RULESET_VERSION = 1n;
const LANDLOCK_RULE_PATH_BENEATH = 1n;
/** Rights by their bit: what each version of the kernel's interface added, from the first on. */
const LANDLOCK_ACCESS_FS_WRITE_FILE = 1n << 1n;
/** REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, _DIR, _REG, _SOCK, _FIFO, _BLOCK, _SYM: bits 4 to 12. */
const LANDLOCK_ACCESS_FS_MAKE_AND_REMOVE = 0b1_1111_1111n << 4n;
const LANDLOCK_ACCESS_FS_REFER = 1n << 13n;
const LANDLOCK_ACCESS_FS_TRUNCATE = 1n << 14n;
/** Those of a folder alone: a rule about a file must not have them. */
const LANDLOCK_FOLDER_RIGHTS = LANDLOCK_ACCESS_FS_MAKE_AND_REMOVE | LANDLOCK_ACCESS_FS_REFER;
/** `struct landlock_path_beneath_attr`: rights (u64), descriptor (i32), packed. */
const SIZEOF_PATH_BENEATH = 12;

/** The thread, and those it starts, never get more rights than they have: prctl(2). */
function giveUpPrivileges(): void {
  if (libc.prctl_value(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n) !== 0) {
    throw new SystemError("prctl", errno(), "PR_SET_NO_NEW_PRIVS");
  }
}

/**
 * Has a filter judge each system call of all threads from now on.
 * @param program classic BPF, `struct sock_filter` each, host byte order
 * @throws {SystemError} ENOSYS, EINVAL: the kernel has no filters; ESRCH: a thread has another one
 */
export function filterCalls(program: Uint8Array<ArrayBuffer>): void {
  giveUpPrivileges();
  const fprog = new Uint8Array(new ArrayBuffer(SIZEOF_SOCK_FPROG));
  const view = new DataView(fprog.buffer);
  view.setUint16(0, program.length / SIZEOF_SOCK_FILTER, true);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(program));
  view.setBigUint64(SOCK_FPROG_FILTER, address, true);
  const flags = SECCOMP_FILTER_FLAG_TSYNC;
  const result = libc.syscall_seccomp(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, flags, fprog);
  if (result === 0n) return;
  // Above 0: the thread that could not be brought along.
  throw new SystemError("seccomp", result > 0n ? 3 : errno());
}

/** The version of landlock(7) that the kernel has; 0: none, or it is switched off. */
export function landlockVersion(): number {
  const version = libc.syscall_landlock_create(
    SYS_LANDLOCK_CREATE_RULESET,
    null,
    0n,
    LANDLOCK_CREATE_RULESET_VERSION,
  );
  return Math.max(0, Number(version));
}

/**
 * Lets this thread, and those it starts from now on, change files below some paths only. Reading,
 * and what is open already, stays as it is. @param paths folders and files that there are
 * @throws {SystemError} ENOENT: a path is gone; ENOSYS, EOPNOTSUPP: see {@linkcode landlockVersion}
 */
export function writeOnlyBelow(paths: readonly string[]): void {
  const version = landlockVersion();
  const rights = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_AND_REMOVE |
    (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0n) |
    (version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0n);
  giveUpPrivileges();
  const attr = new Uint8Array(new BigUint64Array([rights]).buffer);
  const ruleset = Number(
    libc.syscall_landlock_create(SYS_LANDLOCK_CREATE_RULESET, attr, 8n, 0n),
  );
  if (ruleset < 0) throw new SystemError("landlock_create_ruleset", errno());
  try {
    for (const path of paths) allowBelow(ruleset, path, rights);
    if (libc.syscall_landlock_restrict(SYS_LANDLOCK_RESTRICT_SELF, BigInt(ruleset), 0n) !== 0n) {
      throw new SystemError("landlock_restrict_self", errno());
    }
  } finally {
    libc.close(ruleset);
  }
}

function allowBelow(ruleset: number, path: string, rights: bigint): void {
  const fd = libc.open(new TextEncoder().encode(`${path}\0`), O_PATH | O_CLOEXEC);
  if (fd < 0) throw new SystemError("open", errno(), path);
  try {
    const rule = new Uint8Array(new ArrayBuffer(SIZEOF_PATH_BENEATH));
    const view = new DataView(rule.buffer);
    const { isDirectory } = Deno.statSync(path);
    view.setBigUint64(0, isDirectory ? rights : rights & ~LANDLOCK_FOLDER_RIGHTS, true);
    view.setInt32(8, fd, true);
    const result = libc.syscall_landlock_add(
      ...[SYS_LANDLOCK_ADD_RULE, BigInt(ruleset), LANDLOCK_RULE_PATH_BENEATH] as const,
      ...[rule, 0n] as const,
    );
    if (result !== 0n) throw new SystemError("landlock_add_rule", errno(), path);
  } finally {
    libc.close(fd);
  }
}
