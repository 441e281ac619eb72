/** The guard's machine code: its bytes are what the assembler makes of the text beside them. */
import { strict as assert } from "node:assert";
import {
  GUARD_AARCH64,
  GUARD_TABLE_OFFSET,
  GUARD_X86_64,
  guardBytes,
  type GuardRow,
} from "../../../ffi/guard_code.ts";
import { hasProgram, peerTest } from "../../harness/peers.ts";

/** What the names of its binutils begin with, their package, and the first line of a source. */
const MACHINES = [
  ["x86-64", GUARD_X86_64, "x86_64-linux-gnu-", "x86-64-linux-gnu", ".intel_syntax noprefix"],
  ["arm64", GUARD_AARCH64, "aarch64-linux-gnu-", "aarch64-linux-gnu", ""],
] as const;

async function assemble(
  rows: readonly GuardRow[],
  prefix: string,
  first: string,
): Promise<Uint8Array> {
  const folder = await Deno.makeTempDir();
  try {
    const text = rows.map(([, line]) => `${line}\n`).join("");
    const source = `${first}\n.equ TABLE, handler + ${GUARD_TABLE_OFFSET}\n${text}`;
    await Deno.writeTextFile(`${folder}/guard.s`, source);
    await run(`${prefix}as`, "-o", `${folder}/guard.o`, `${folder}/guard.s`);
    const copied = ["-O", "binary", "-j", ".text", `${folder}/guard.o`, `${folder}/guard.bin`];
    await run(`${prefix}objcopy`, ...copied);
    return await Deno.readFile(`${folder}/guard.bin`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}

for (const [machine, rows, prefix, target, first] of MACHINES) {
  const missing = hasProgram(`${prefix}as`) ? [] : [`binutils-${target}`];
  const name = `the guard's bytes are what the assembler makes of its text, ${machine}`;
  peerTest(name, missing, async () => {
    const made = await assemble(rows, prefix, first);
    assert.deepEqual(guardBytes(rows), new Uint8Array(made));
  });

  Deno.test(`the guard's table of instructions is whole, ${machine}`, () => {
    const labels = new Set(rows.filter(([bytes]) => bytes === "").map(([, text]) => text));
    for (const [bytes, text] of rows) {
      if (bytes === "") assert.match(text, /^[a-z_]+:$/);
      else assert.match(bytes, /^[0-9a-f]{2}( [0-9a-f]{2})*$/, text);
      if (machine === "arm64" && bytes !== "") assert.equal(bytes.split(" ").length, 4, text);
      const jump = /^(?:j\w+|b(?:\.\w+)?|cbn?z \w+,) ([a-z_]{4,})$/.exec(text);
      if (jump) assert(labels.has(`${jump[1]}:`), text);
    }
    assert(guardBytes(rows).length < 4096, "it fits a page");
  });
}
