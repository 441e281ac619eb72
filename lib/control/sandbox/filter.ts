/**
 * The filter of system calls, as a program of classic BPF over `struct seccomp_data` (seccomp(2)).
 * Pure: it is only put together here.
 *
 * @module
 */
import { assert } from "../../base/assert.ts";
import { callNumber, type CallRow, DENIED_CALLS, JUDGED_CALLS } from "./denied_calls.ts";

/** Processors that there are filters for. */
export type Arch = "x86_64" | "aarch64";

/** What an instruction does: linux/bpf_common.h. */
const BPF_LD_W_ABS = 0x20;
const BPF_JMP_JEQ_K = 0x15;
const BPF_JMP_JGE_K = 0x35;
const BPF_JMP_JSET_K = 0x45;
const BPF_RET_K = 0x06;
/** Verdicts: linux/seccomp.h; the lower half of the second is an errno. */
const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_ERRNO = 0x00050000;
const EPERM = 1;
const ENOSYS = 38;
/** Offsets in `struct seccomp_data`; of the first argument its lower half. */
const DATA_NR = 0;
const DATA_ARCH = 4;
const DATA_ARG0 = 16;
/** linux/audit.h. */
const AUDIT_ARCH = { x86_64: 0xc000003e, aarch64: 0xc00000b7 } as const;
/** Calls of x32, another table of an x86-64 kernel, begin here. */
const X32_SYSCALL_BIT = 0x40000000;
/** CLONE_NEWNS, _CGROUP, _UTS, _IPC, _USER, _PID, _NET of clone(2). */
const CLONE_NAMESPACES = 0x7e020000;
const BYTES = 8;
/** A jump's distance is a byte. */
const JUMP_MAX = 255;

interface Instruction {
  readonly code: number;
  readonly k: number;
  /** Label to go to if the comparison holds; otherwise the next instruction is. */
  readonly to?: string;
  /** Label of this instruction. */
  readonly label?: string;
}

const load = (k: number, label?: string): Instruction => ({
  ...{ code: BPF_LD_W_ABS, k },
  ...label === undefined ? {} : { label },
});
const jumpIf = (code: number, k: number, to: string): Instruction => ({ code, k, to });
const answer = (k: number, label: string): Instruction => ({ code: BPF_RET_K, k, label });

/** Instructions of a filter. @param families of sockets that may be made */
function instructions(arch: Arch, families: readonly number[]): Instruction[] {
  const equal = (row: CallRow, to: string): Instruction[] => {
    const number = callNumber(row, arch);
    return number === null ? [] : [jumpIf(BPF_JMP_JEQ_K, number, to)];
  };
  const { socket, socketpair, clone, clone3 } = JUDGED_CALLS;
  return [
    load(DATA_ARCH),
    jumpIf(BPF_JMP_JEQ_K, AUDIT_ARCH[arch], "known"),
    answer(SECCOMP_RET_ERRNO | EPERM, "foreign"),
    load(DATA_NR, "known"),
    ...arch === "x86_64" ? [jumpIf(BPF_JMP_JGE_K, X32_SYSCALL_BIT, "deny")] : [],
    ...equal(socket, "family"),
    ...equal(socketpair, "family"),
    ...equal(clone, "flags"),
    ...equal(clone3, "unknown"),
    ...Object.values(DENIED_CALLS).flat().flatMap((row) => equal(row, "deny")),
    answer(SECCOMP_RET_ALLOW, "allow"),
    load(DATA_ARG0, "family"),
    ...families.map((family) => jumpIf(BPF_JMP_JEQ_K, family, "made")),
    answer(SECCOMP_RET_ERRNO | EPERM, "deny"),
    load(DATA_ARG0, "flags"),
    jumpIf(BPF_JMP_JSET_K, CLONE_NAMESPACES, "namespace"),
    answer(SECCOMP_RET_ALLOW, "made"),
    answer(SECCOMP_RET_ERRNO | EPERM, "namespace"),
    answer(SECCOMP_RET_ERRNO | ENOSYS, "unknown"),
  ];
}

/** The filter's program, `struct sock_filter` each. @param families AF_ of sockets it may make */
export function callFilter(arch: Arch, families: readonly number[]): Uint8Array<ArrayBuffer> {
  const list = instructions(arch, families);
  const places = new Map(list.map(({ label }, place) => [label, place]));
  const bytes = new Uint8Array(new ArrayBuffer(BYTES * list.length));
  const view = new DataView(bytes.buffer);
  list.forEach(({ code, k, to }, place) => {
    const jump = to === undefined ? 0 : (places.get(to) ?? -1) - place - 1;
    assert(jump >= 0 && jump <= JUMP_MAX, "Jumps go forward, and not far");
    view.setUint16(BYTES * place, code, true);
    view.setUint8(BYTES * place + 2, jump);
    view.setUint32(BYTES * place + 4, k >>> 0, true);
  });
  return bytes;
}
