/** What the filter of system calls answers, by an interpreter of its own. */
import { strict as assert } from "node:assert";
import { DENIED_CALLS, JUDGED_CALLS } from "../../../../lib/control/sandbox/denied_calls.ts";
import { type Arch, callFilter } from "../../../../lib/control/sandbox/filter.ts";

const AUDIT_ARCH = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };
const ALLOWED = 0x7fff0000;
const EPERM = 0x50001;
const ENOSYS = 0x50026;

/** Runs a program of classic BPF, the few instructions that seccomp(2) filters are made of. */
function verdict(program: Uint8Array<ArrayBuffer>, arch: number, nr: number, arg0 = 0n): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, nr, true);
  data.setUint32(4, arch, true);
  data.setBigUint64(16, arg0, true);
  const code = new DataView(program.buffer);
  let accumulator = 0;
  for (let at = 0; at < program.length; at += 8) {
    const k = code.getUint32(at + 4, true);
    const jump = (holds: boolean): void => {
      at += 8 * code.getUint8(at + (holds ? 2 : 3));
    };
    switch (code.getUint16(at, true)) {
      case 0x20:
        accumulator = data.getUint32(k, true);
        break;
      case 0x15:
        jump(accumulator === k);
        break;
      case 0x35:
        jump(accumulator >= k);
        break;
      case 0x45:
        jump((accumulator & k) !== 0);
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`instruction ${at / 8} is unknown`);
    }
  }
  throw new Error("the program has no end");
}

const ARCHS = ["x86_64", "aarch64"] as const satisfies readonly Arch[];

Deno.test("what is denied is denied on both processors, and nothing else", () => {
  for (const [index, arch] of ARCHS.entries()) {
    const program = callFilter(arch, [1]);
    const judge = (nr: number, arg0 = 0n): number => verdict(program, AUDIT_ARCH[arch], nr, arg0);
    const numbers = (rows: readonly (readonly unknown[])[]): unknown[] =>
      rows.map((row) => row[index + 1]).filter((number) => number !== null);
    const denied = numbers(Object.values(DENIED_CALLS).flat());
    const judged = numbers(Object.values(JUDGED_CALLS));
    assert.equal(new Set([...denied, ...judged]).size, denied.length + judged.length);
    for (let nr = 0; nr < 600; nr++) {
      if (judged.includes(nr)) continue;
      assert.equal(judge(nr), denied.includes(nr) ? EPERM : ALLOWED, `${arch} ${nr}`);
    }
    const { socket, socketpair, clone, clone3 } = JUDGED_CALLS;
    const nr = (row: readonly [string, number, number]): number => row[index + 1] as number;
    for (const call of [socket, socketpair]) {
      assert.deepEqual([1n, 0n, 2n, 10n, 16n, 17n, 40n].map((family) => judge(nr(call), family)), [
        ...[ALLOWED, EPERM, EPERM, EPERM, EPERM, EPERM, EPERM],
      ]);
    }
    // A thread as libc makes one, and each kind of namespace.
    assert.equal(judge(nr(clone), 0x3d0f00n), ALLOWED);
    for (const bit of [17, 25, 26, 27, 28, 29, 30]) {
      assert.equal(judge(nr(clone), 0x3d0f00n | 1n << BigInt(bit)), EPERM, `bit ${bit}`);
    }
    assert.equal(judge(nr(clone3)), ENOSYS);
  }
});

Deno.test("calls of another table are denied, whatever their number means here", () => {
  const program = callFilter("x86_64", [1]);
  for (let nr = 0; nr < 600; nr++) {
    assert.equal(verdict(program, 0x40000003, nr), EPERM, "i386");
    assert.equal(verdict(program, AUDIT_ARCH.x86_64, 0x40000000 + nr), EPERM, "x32");
  }
});

Deno.test("a switch with devices may ask for news of them", () => {
  const program = callFilter("x86_64", [1, 16]);
  assert.deepEqual(
    [1n, 16n, 2n].map((family) => verdict(program, AUDIT_ARCH.x86_64, 41, family)),
    [ALLOWED, ALLOWED, EPERM],
  );
});
