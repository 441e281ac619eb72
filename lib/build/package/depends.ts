/**
 * Debian packages that the binary needs, from what its file says.
 *
 * @module
 */
import type { Needs } from "./elf.ts";

/**
 * Of glibc by what this program looks up itself when it runs (ffi/symbols.ts), which its file does
 * not say: fstat() and threads in libc.so.6 are of these versions.
 */
export const GLIBC_OF_FFI = "2.34";

/** Who brings a library, and the prefix of its symbols' versions. */
const PACKAGES: readonly (readonly [library: RegExp, name: string, prefix: string])[] = [
  [/^(lib(c|m|dl|rt|pthread)\.so\.\d+|ld-linux-[\w-]+\.so\.\d+)$/, "libc6", "GLIBC_"],
  [/^libgcc_s\.so\.1$/, "libgcc-s1", "GCC_"],
];

/** The unit's user is made by systemd's program. */
const SYSUSERS = "systemd | systemd-standalone-sysusers | systemd-sysusers";

/** Whether a version is later: numbers with dots. */
function compare(one: string, other: string): number {
  const [a, b] = [one, other].map((text) => text.split(".").map(Number));
  for (let i = 0; i < Math.max(a?.length ?? 0, b?.length ?? 0); i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The latest of some versions. */
export function latest(versions: readonly string[]): string {
  return versions.toSorted(compare).at(-1) ?? "0";
}

/** The text of `Depends`. @throws nobody is known to bring a library */
export function dependsOf({ libraries, versions }: Needs): string {
  const names = new Set<string>();
  for (const library of libraries) {
    const found = PACKAGES.find(([pattern]) => pattern.test(library));
    if (!found) throw new Error(`it needs ${library}: say in depends.ts which package has that`);
    names.add(found[1]);
  }
  const all = PACKAGES.filter(([, name]) => names.has(name)).map(([, name, prefix]) => {
    const of = versions.filter((version) => version.startsWith(prefix))
      .map((version) => version.slice(prefix.length)).filter((version) => /^[\d.]+$/.test(version));
    return `${name} (>= ${latest(name === "libc6" ? [...of, GLIBC_OF_FFI] : of)})`;
  });
  return [...all, SYSUSERS].join(", ");
}
