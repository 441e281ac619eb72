/**
 * What a binary needs is read from its file, and said as Debian says it.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { SYMBOLS } from "../../../../ffi/symbols.ts";
import { dependsOf, GLIBC_OF_FFI, latest } from "../../../../lib/build/package/depends.ts";
import { readNeeds } from "../../../../lib/build/package/elf.ts";
import { hasProgram, peerTest } from "../../../harness/peers.ts";

const SYSUSERS = "systemd | systemd-standalone-sysusers | systemd-sysusers";

Deno.test("versions are compared by their numbers", () => {
  assert.equal(latest(["2.9", "2.34", "2.4.1", "2.34"]), "2.34");
  assert.equal(latest(["4.2.1", "4.2", "4.10"]), "4.10");
  assert.equal(latest([]), "0");
});

Deno.test("libraries are packages, of the version that the file needs or the program looks up", () => {
  const needs = {
    architecture: "arm64",
    interpreter: "/lib/ld-linux-aarch64.so.1",
    libraries: ["libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libc.so.6", "ld-linux-aarch64.so.1"],
    versions: ["GLIBC_2.17", "GLIBC_PRIVATE", "GCC_3.3", "GCC_4.2.0"],
  } as const;
  const gcc = "libgcc-s1 (>= 4.2.0)";
  assert.equal(dependsOf(needs), `libc6 (>= ${GLIBC_OF_FFI}), ${gcc}, ${SYSUSERS}`);
  const newer = { ...needs, versions: ["GLIBC_2.38", "GCC_4.2.0"] };
  assert.equal(dependsOf(newer), `libc6 (>= 2.38), ${gcc}, ${SYSUSERS}`);
  assert.throws(() => dependsOf({ ...needs, libraries: ["libz.so.1"] }), /needs libz\.so\.1/);
});

Deno.test("what is no program is said", () => {
  const elf = Deno.readFileSync("/usr/bin/env").slice(0, 64);
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = elf.slice();
    bytes[at] = value;
    return bytes;
  };
  assert.throws(() => readNeeds(new Uint8Array(10)), /no 64-bit program/);
  assert.throws(() => readNeeds(new TextEncoder().encode("#!/bin/sh\n".repeat(10))), /no 64-bit/);
  assert.throws(() => readNeeds(changed(4, 1)), /no 64-bit program/);
  assert.throws(() => readNeeds(changed(18, 8)), /neither amd64 nor arm64/);
});

/** What binutils print. */
function printed(program: string, ...args: string[]): string {
  const { success, stdout } = new Deno.Command(program, { args }).outputSync();
  assert(success, `${program} ${args.join(" ")}`);
  return new TextDecoder().decode(stdout);
}

const missing = hasProgram("objdump") ? [] : ["binutils"];

peerTest("binutils read the same of programs", missing, () => {
  for (const program of ["/usr/bin/env", "/usr/bin/dpkg", "/usr/bin/bash"]) {
    const { libraries, versions, interpreter } = readNeeds(Deno.readFileSync(program));
    const text = printed("objdump", "-p", program);
    const needed = Array.from(text.matchAll(/^ +NEEDED +(\S+)$/gm), ([, name]) => name);
    const required = text.slice(text.indexOf("Version References:"));
    const names = Array.from(required.matchAll(/^ +0x\S+ 0x\S+ \d+ (\S+)$/gm), ([, name]) => name);
    assert.deepEqual(libraries, needed, program);
    assert.deepEqual(versions, names, program);
    assert(versions.length > 0 && Deno.statSync(interpreter).isFile);
  }
  return Promise.resolve();
});

/** In which version of glibc each of its functions got its present form. */
function glibcFunctions(): Map<string, string> {
  const line = /ldd|libc\.so\.6 => (\S+)/.exec(printed("ldd", "/usr/bin/env"))?.[1] ?? "";
  const rows = printed("objdump", "-T", line).matchAll(/ GLIBC_([\d.]+) +(\w+)$/gm);
  return new Map(Array.from(rows, ([, version = "", name = ""]) => [name, version]));
}

peerTest("no function that is looked up is newer than the package says", missing, () => {
  const known = glibcFunctions();
  const symbols = Object.entries(SYMBOLS).map(([key, symbol]) =>
    "name" in symbol ? symbol.name : key
  );
  const versions = symbols.flatMap((name) => known.get(name) ?? []);
  assert(versions.length > 50);
  assert.equal(latest([...versions, GLIBC_OF_FFI]), GLIBC_OF_FFI);
  return Promise.resolve();
});
