/**
 * What a program for Linux needs of other files, as the dynamic linker reads it (elf(5)): 64 bits,
 * little-endian, as Deno is built.
 *
 * @module
 */

/** What a program needs. */
export interface Needs {
  /** Its processor, as Debian names it. */
  readonly architecture: "amd64" | "arm64";
  /** The dynamic linker. */
  readonly interpreter: string;
  /** Names of libraries. */
  readonly libraries: readonly string[];
  /** Versions of their symbols, such as GLIBC_2.27. */
  readonly versions: readonly string[];
}

const ARCHITECTURES: Readonly<Record<number, Needs["architecture"]>> = {
  62: "amd64",
  183: "arm64",
};
const MAGIC = 0x464c457f;
const PT_INTERP = 3;
const SHT_DYNAMIC = 6;
const SHT_GNU_VERNEED = 0x6ffffffe;
const DT_NEEDED = 1;

/** Part of a file. */
interface Section {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  /** Number of the section with its texts. */
  readonly link: number;
}

/** Numbers and texts of a file by their place. */
class Reader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, true);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  u64(at: number): number {
    return Number(this.#view.getBigUint64(at, true));
  }

  text(at: number): string {
    const end = this.#bytes.indexOf(0, at);
    return new TextDecoder().decode(this.#bytes.subarray(at, end < 0 ? at : end));
  }
}

function sectionsOf(file: Reader): Section[] {
  const [at, size, count] = [file.u64(40), file.u16(58), file.u16(60)];
  return Array.from({ length: count }, (_, i) => ({
    type: file.u32(at + i * size + 4),
    offset: file.u64(at + i * size + 24),
    size: file.u64(at + i * size + 32),
    link: file.u32(at + i * size + 40),
  }));
}

function interpreterOf(file: Reader): string | null {
  const [at, size, count] = [file.u64(32), file.u16(54), file.u16(56)];
  for (let i = 0; i < count; i++) {
    if (file.u32(at + i * size) === PT_INTERP) return file.text(file.u64(at + i * size + 8));
  }
  return null;
}

function librariesOf(file: Reader, { offset, size }: Section, texts: number): string[] {
  const found: string[] = [];
  for (let at = offset; at < offset + size; at += 16) {
    if (file.u64(at) === DT_NEEDED) found.push(file.text(texts + file.u64(at + 8)));
  }
  return found;
}

/** Each library has a list of versions, each entry the way to the next. */
function versionsOf(file: Reader, { offset }: Section, texts: number): string[] {
  const found: string[] = [];
  let next = 1;
  for (let need = offset; next !== 0; need += next) {
    next = file.u32(need + 12);
    let step = 1;
    for (let version = need + file.u32(need + 8); step !== 0; version += step) {
      step = file.u32(version + 12);
      found.push(file.text(texts + file.u32(version + 8)));
    }
  }
  return found;
}

/** Reads what a program needs. @throws it is no program for Linux that needs libraries */
export function readNeeds(bytes: Uint8Array): Needs {
  const file = new Reader(bytes);
  // 2: 64 bits, 1: little-endian.
  if (bytes.length < 64 || file.u32(0) !== MAGIC || file.u16(4) !== 0x0102) {
    throw new Error("it is no 64-bit program for Linux");
  }
  const architecture = ARCHITECTURES[file.u16(18)];
  if (architecture === undefined) throw new Error("it is for neither amd64 nor arm64");
  const sections = sectionsOf(file);
  const textsOf = ({ link }: Section): number => sections[link]?.offset ?? 0;
  const dynamic = sections.find(({ type }) => type === SHT_DYNAMIC);
  const verneed = sections.find(({ type }) => type === SHT_GNU_VERNEED);
  const interpreter = interpreterOf(file);
  if (!dynamic || !verneed || interpreter === null) throw new Error("it needs no libraries");
  return {
    architecture,
    interpreter,
    libraries: librariesOf(file, dynamic, textsOf(dynamic)),
    versions: versionsOf(file, verneed, textsOf(verneed)),
  };
}
