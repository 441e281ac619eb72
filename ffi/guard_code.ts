/**
 * The machine code of the guard (guard.ts): what runs when a page of mapped memory cannot be had. No
 * JavaScript can, for the thread stands in the middle of an instruction of its own.
 *
 * It is a signal handler, `void (int signal, siginfo_t *info, void *context)`, of one page, which
 * calls nothing. It looks for the address in the ranges of a table 64 KiB behind its first byte, maps
 * anonymous memory (zeros) over the page, counts, and returns; the access is made again and succeeds.
 * Whatever else raised the signal goes to the handler that was there before, with the same arguments.
 *
 * ```
 *   table   0 u64  faults that were helped     record  0 u64  first address of the range
 *           8 u64  of these, seen to                   8 u64  the address behind its last byte
 *          16 u64  records there are                  16 u64  its page size, a power of two
 *          24 u64  the handler before                 24 u64  faults in it
 *          32      struct sigaction: zeros            32 u64  address of the last one
 *          64      records, 64 bytes each
 * ```
 *
 * A tenant must not keep a thread in here. As long as nobody has seen to the faults, the first 16 map
 * a page each and every further one twice as many as the one before, until a fault takes all of its
 * range: a tebibyte costs 45 faults of 3 us, and as many mappings.
 *
 * The bytes are what GNU as makes of the text beside them; tests/unit/ffi/guard_code_test.ts has it
 * make them again, and calls the code as a function.
 *
 * @module
 */

/** Bytes in hex, the instruction or label, what it means. */
export type GuardRow = readonly [bytes: string, text: string, meaning?: string];

/** From the first byte of the code to the table: a page of any kernel. */
export const GUARD_TABLE_OFFSET = 65536;

/** x86-64: the System V calling convention, system calls by `syscall`. */
export const GUARD_X86_64: readonly GuardRow[] = [
  ["", "handler:"],
  ["53", "push rbx", "what the handler uses, and the three arguments, for a handler before it"],
  ["55", "push rbp"],
  ["41 54", "push r12"],
  ["41 55", "push r13"],
  ["57", "push rdi", "signal number"],
  ["56", "push rsi", "siginfo"],
  ["52", "push rdx", "context"],
  ["4c 8d 25 f0 ff 00 00", "lea r12, [rip + TABLE]", "r12: the table"],
  [
    "8b 46 08",
    "mov eax, [rsi + 8]",
    "si_code: BUS_ADRERR 2, BUS_OBJERR 3 or BUS_MCEERR_AR 4, nothing else",
  ],
  ["83 e8 02", "sub eax, 2"],
  ["83 f8 02", "cmp eax, 2"],
  ["0f 87 e6 00 00 00", "ja chain"],
  ["48 8b 6e 10", "mov rbp, [rsi + 16]", "rbp: si_addr"],
  ["49 8b 4c 24 10", "mov rcx, [r12 + 16]", "rcx: ranges still to be looked at"],
  ["49 8d 5c 24 40", "lea rbx, [r12 + 64]", "rbx: the range"],
  ["", "next:"],
  ["48 83 e9 01", "sub rcx, 1"],
  ["0f 82 ce 00 00 00", "jb chain", "the address is in none of them"],
  ["48 3b 6b 08", "cmp rbp, [rbx + 8]", "end"],
  ["73 05", "jae other"],
  ["48 3b 2b", "cmp rbp, [rbx]", "start"],
  ["73 06", "jae found"],
  ["", "other:"],
  ["48 83 c3 40", "add rbx, 64"],
  ["eb e5", "jmp next"],
  ["", "found:"],
  ["b8 01 00 00 00", "mov eax, 1"],
  ["f0 48 0f c1 43 18", "lock xadd [rbx + 24], rax", "rax: faults of the range before this one"],
  [
    "48 3d 80 00 00 00",
    "cmp rax, 128",
    "more than there can be: mapping does not help, and it must not go on for ever",
  ],
  ["0f 83 a6 00 00 00", "jae chain"],
  ["49 8b 0c 24", "mov rcx, [r12]", "all faults, less those that were seen to,"],
  ["49 2b 4c 24 08", "sub rcx, [r12 + 8]"],
  ["48 39 c8", "cmp rax, rcx"],
  ["48 0f 42 c1", "cmovb rax, rcx", "if they are more"],
  ["31 c9", "xor ecx, ecx"],
  [
    "48 83 e8 10",
    "sub rax, 16",
    "after so many pages one by one each fault takes twice as many as the one before",
  ],
  ["48 0f 42 c1", "cmovb rax, rcx"],
  ["48 03 43 10", "add rax, [rbx + 16]", "as a power of two, bytes"],
  ["b9 2e 00 00 00", "mov ecx, 46"],
  ["48 39 c8", "cmp rax, rcx"],
  ["48 0f 47 c1", "cmova rax, rcx"],
  ["49 89 c5", "mov r13, rax", "r13: that power"],
  ["", "map:"],
  ["44 89 e9", "mov ecx, r13d"],
  ["b8 01 00 00 00", "mov eax, 1"],
  ["48 d3 e0", "shl rax, cl"],
  ["48 89 c7", "mov rdi, rax"],
  ["48 f7 df", "neg rdi"],
  ["48 21 ef", "and rdi, rbp", "rdi: the address rounded down,"],
  ["48 01 f8", "add rax, rdi", "rax: where the piece ends,"],
  ["48 8b 0b", "mov rcx, [rbx]"],
  ["48 39 cf", "cmp rdi, rcx"],
  ["48 0f 42 f9", "cmovb rdi, rcx", "neither beyond the range"],
  ["48 8b 73 08", "mov rsi, [rbx + 8]"],
  ["48 39 f0", "cmp rax, rsi"],
  ["48 0f 42 f0", "cmovb rsi, rax"],
  ["48 29 fe", "sub rsi, rdi", "rsi: bytes"],
  ["ba 03 00 00 00", "mov edx, 3", "PROT_READ | PROT_WRITE"],
  [
    "41 ba 32 40 00 00",
    "mov r10d, 0x4032",
    "MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE",
  ],
  ["49 c7 c0 ff ff ff ff", "mov r8, -1"],
  ["45 31 c9", "xor r9d, r9d"],
  ["b8 09 00 00 00", "mov eax, 9", "mmap"],
  ["0f 05", "syscall"],
  ["48 3d 00 f0 ff ff", "cmp rax, -4096"],
  ["77 0b", "ja failed"],
  ["48 89 6b 20", "mov [rbx + 32], rbp", "where it was"],
  ["f0 49 ff 04 24", "lock inc qword ptr [r12]", "one more, last of all"],
  ["eb 4a", "jmp done"],
  ["", "failed:"],
  [
    "41 83 fd 2f",
    "cmp r13d, 47",
    "the piece, then one page (less memory), then all of the range (fewer mappings)",
  ],
  ["74 15", "je chain"],
  ["b8 2f 00 00 00", "mov eax, 47"],
  ["48 8b 4b 10", "mov rcx, [rbx + 16]"],
  ["49 39 cd", "cmp r13, rcx"],
  ["49 89 cd", "mov r13, rcx"],
  ["4c 0f 44 e8", "cmove r13, rax"],
  ["eb 87", "jmp map"],
  ["", "chain:"],
  ["49 8b 44 24 18", "mov rax, [r12 + 24]", "who had the signal before"],
  ["48 83 f8 01", "cmp rax, 1", "SIG_DFL or SIG_IGN"],
  ["76 0b", "jbe default_action"],
  ["5a", "pop rdx"],
  ["5e", "pop rsi"],
  ["5f", "pop rdi"],
  ["41 5d", "pop r13"],
  ["41 5c", "pop r12"],
  ["5d", "pop rbp"],
  ["5b", "pop rbx"],
  ["ff e0", "jmp rax", "as if the signal had gone there"],
  ["", "default_action:"],
  ["bf 07 00 00 00", "mov edi, 7", "SIGBUS"],
  [
    "49 8d 74 24 20",
    "lea rsi, [r12 + 32]",
    "an action of zeros: SIG_DFL. The access is tried again, and ends the process",
  ],
  ["31 d2", "xor edx, edx"],
  ["41 ba 08 00 00 00", "mov r10d, 8", "bytes of a signal set"],
  ["b8 0d 00 00 00", "mov eax, 13", "rt_sigaction"],
  ["0f 05", "syscall"],
  ["", "done:"],
  ["5a", "pop rdx"],
  ["5e", "pop rsi"],
  ["5f", "pop rdi"],
  ["41 5d", "pop r13"],
  ["41 5c", "pop r12"],
  ["5d", "pop rbp"],
  ["5b", "pop rbx"],
  ["c3", "ret", "to the restorer of libc, which makes the access again"],
];

/** arm64: AAPCS64, system calls by `svc`. Run under qemu-aarch64 only, never on a processor. */
export const GUARD_AARCH64: readonly GuardRow[] = [
  ["", "handler:"],
  ["e0 07 be a9", "stp x0, x1, [sp, #-32]!", "the arguments, for a handler before it"],
  ["e2 0b 00 f9", "str x2, [sp, #16]"],
  ["c9 ff 07 10", "adr x9, TABLE", "x9: the table"],
  [
    "2a 08 40 b9",
    "ldr w10, [x1, #8]",
    "si_code: BUS_ADRERR 2, BUS_OBJERR 3 or BUS_MCEERR_AR 4, nothing else",
  ],
  ["4a 09 00 51", "sub w10, w10, #2"],
  ["5f 09 00 71", "cmp w10, #2"],
  ["a8 07 00 54", "b.hi chain"],
  ["2b 08 40 f9", "ldr x11, [x1, #16]", "x11: si_addr"],
  ["2c 09 40 f9", "ldr x12, [x9, #16]", "x12: ranges still to be looked at"],
  ["2d 01 01 91", "add x13, x9, #64", "x13: the range"],
  ["", "next:"],
  ["2c 07 00 b4", "cbz x12, chain", "the address is in none of them"],
  ["8c 05 00 d1", "sub x12, x12, #1"],
  ["ae 3d 40 a9", "ldp x14, x15, [x13]", "x14, x15: its start and end"],
  ["7f 01 0f eb", "cmp x11, x15"],
  ["62 00 00 54", "b.hs other"],
  ["7f 01 0e eb", "cmp x11, x14"],
  ["62 00 00 54", "b.hs found"],
  ["", "other:"],
  ["ad 01 01 91", "add x13, x13, #64"],
  ["f8 ff ff 17", "b next"],
  ["", "found:"],
  ["b0 61 00 91", "add x16, x13, #24"],
  ["", "count_range:"],
  ["0a fe 5f c8", "ldaxr x10, [x16]", "x10: faults of the range before this one"],
  ["51 05 00 91", "add x17, x10, #1"],
  ["11 fe 0c c8", "stlxr w12, x17, [x16]"],
  ["ac ff ff 35", "cbnz w12, count_range"],
  [
    "5f 01 02 f1",
    "cmp x10, #128",
    "more than there can be: mapping does not help, and it must not go on for ever",
  ],
  ["42 05 00 54", "b.hs chain"],
  ["2c 45 40 a9", "ldp x12, x17, [x9]", "all faults, less those that were seen to,"],
  ["8c 01 11 cb", "sub x12, x12, x17"],
  ["5f 01 0c eb", "cmp x10, x12"],
  ["4a 21 8c 9a", "csel x10, x10, x12, hs", "if they are more"],
  [
    "4a 41 00 f1",
    "subs x10, x10, #16",
    "after so many pages one by one each fault takes twice as many as the one before",
  ],
  ["4a 21 9f 9a", "csel x10, x10, xzr, hs"],
  ["b1 09 40 f9", "ldr x17, [x13, #16]", "x17: a page as a power of two, bytes"],
  ["50 01 11 8b", "add x16, x10, x17"],
  ["cc 05 80 d2", "mov x12, #46"],
  ["1f 02 0c eb", "cmp x16, x12"],
  ["10 32 8c 9a", "csel x16, x16, x12, lo", "x16: the piece as a power of two"],
  ["", "map:"],
  ["2c 00 80 d2", "mov x12, #1"],
  ["8c 21 d0 9a", "lsl x12, x12, x16"],
  ["e0 03 0c cb", "neg x0, x12"],
  ["00 00 0b 8a", "and x0, x0, x11", "x0: the address rounded down,"],
  ["01 00 0c 8b", "add x1, x0, x12", "x1: where the piece ends,"],
  ["1f 00 0e eb", "cmp x0, x14"],
  ["00 80 8e 9a", "csel x0, x0, x14, hi", "neither beyond the range"],
  ["3f 00 0f eb", "cmp x1, x15"],
  ["21 30 8f 9a", "csel x1, x1, x15, lo"],
  ["21 00 00 cb", "sub x1, x1, x0", "x1: bytes"],
  ["62 00 80 52", "mov w2, #3", "PROT_READ | PROT_WRITE"],
  ["43 06 88 52", "mov w3, #0x4032", "MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE"],
  ["04 00 80 92", "mov x4, #-1"],
  ["05 00 80 d2", "mov x5, #0"],
  ["c8 1b 80 d2", "mov x8, #222", "mmap"],
  ["01 00 00 d4", "svc #0"],
  ["1f fc 3f b1", "cmn x0, #4095"],
  ["e2 00 00 54", "b.hs failed"],
  ["ab 11 00 f9", "str x11, [x13, #32]", "where it was"],
  ["", "count_all:"],
  ["2a fd 5f c8", "ldaxr x10, [x9]", "one more, last of all"],
  ["4a 05 00 91", "add x10, x10, #1"],
  ["2a fd 0c c8", "stlxr w12, x10, [x9]"],
  ["ac ff ff 35", "cbnz w12, count_all"],
  ["13 00 00 14", "b done"],
  ["", "failed:"],
  [
    "1f be 00 f1",
    "cmp x16, #47",
    "the piece, then one page (less memory), then all of the range (fewer mappings)",
  ],
  ["a0 00 00 54", "b.eq chain"],
  ["ec 05 80 d2", "mov x12, #47"],
  ["1f 02 11 eb", "cmp x16, x17"],
  ["90 01 91 9a", "csel x16, x12, x17, eq"],
  ["e3 ff ff 17", "b map"],
  ["", "chain:"],
  ["2a 0d 40 f9", "ldr x10, [x9, #24]", "who had the signal before"],
  ["5f 05 00 f1", "cmp x10, #1", "SIG_DFL or SIG_IGN"],
  ["89 00 00 54", "b.ls default_action"],
  ["e2 0b 40 f9", "ldr x2, [sp, #16]"],
  ["e0 07 c2 a8", "ldp x0, x1, [sp], #32"],
  ["40 01 1f d6", "br x10", "as if the signal had gone there"],
  ["", "default_action:"],
  ["e0 00 80 52", "mov w0, #7", "SIGBUS"],
  [
    "21 81 00 91",
    "add x1, x9, #32",
    "an action of zeros: SIG_DFL. The access is tried again, and ends the process",
  ],
  ["02 00 80 d2", "mov x2, #0"],
  ["03 01 80 d2", "mov x3, #8", "bytes of a signal set"],
  ["c8 10 80 d2", "mov x8, #134", "rt_sigaction"],
  ["01 00 00 d4", "svc #0"],
  ["", "done:"],
  ["ff 83 00 91", "add sp, sp, #32"],
  ["c0 03 5f d6", "ret", "to the restorer, which makes the access again"],
];

/** Puts the bytes of all rows together. */
export function guardBytes(rows: readonly GuardRow[]): Uint8Array<ArrayBuffer> {
  const hex = rows.flatMap(([bytes]) => bytes === "" ? [] : bytes.split(" "));
  return Uint8Array.from(hex, (byte) => parseInt(byte, 16));
}
