/**
 * Memory files with pages that cannot be had, and a region that brings one to a guest's front-end. The
 * test's own process never touches such a page.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, F_SEAL_GROW, F_SEAL_SHRINK, openFile, truncateFd } from "../../ffi/mod.ts";
import { MFD_ALLOW_SEALING, MFD_CLOEXEC } from "../../ffi/abi.ts";
import { addFdSeals } from "../../ffi/fd.ts";
import { libc } from "../../ffi/symbols.ts";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { TempFolder } from "./temp.ts";

const MIB = 2 ** 20;
/** memfd_create(2): huge pages, and how large, as a power of two. */
const MFD_HUGETLB = 0x4;
const MFD_HUGE_SHIFT = 26;
/** Where the region is in the guest, and in its front-end. */
const GUEST_ADDR = 2 ** 41;
const USER_ADDR = 2 ** 46;

/** How pages come to be missing. */
export interface BadFile {
  /** Descriptor of the file; whoever made it closes it. */
  readonly fd: number;
  readonly sizeBytes: number;
  /** Takes the pages away, when the switch has mapped the file. */
  spoil(): void;
}

/** A kind of such files; null: this machine has none. */
export type BadKind = (sizeBytes?: number) => BadFile | null;

function memfd(name: string, sizeBytes: number, flags: number): number {
  const bytes = new TextEncoder().encode(`${name}\0`);
  const fd = libc.memfd_create(bytes, MFD_CLOEXEC | flags);
  if (fd >= 0) truncateFd(fd, sizeBytes);
  return fd;
}

/** A memfd that takes no seals is truncated. */
export function truncated(sizeBytes = 4 * MIB): BadFile {
  const fd = memfd("guest-bad", sizeBytes, 0);
  return { fd, sizeBytes, spoil: () => truncateFd(fd, 0) };
}

/**
 * Huge pages that nobody reserved, and a file that nobody can shrink.
 * @param bits of a page's size, as a power of two
 */
function hugeWithout(bits: number, sizeBytes: number): BadFile | null {
  const size = (bits << MFD_HUGE_SHIFT) >>> 0;
  const fd = memfd("guest-bad", sizeBytes, MFD_HUGETLB | MFD_ALLOW_SEALING | size);
  if (fd < 0) return null;
  assert(addFdSeals(fd, F_SEAL_SHRINK | F_SEAL_GROW));
  return { fd, sizeBytes, spoil: () => {} };
}

/**
 * The same, of 1 GiB, or of 2 MiB: of these there may be some the next moment, for a test that runs
 * beside this one.
 */
export function hugeWithoutPages(): BadFile | null {
  return hugeWithout(30, 2 ** 30) ?? hugeWithout(21, 4 * MIB);
}

/** Huge pages that are truncated. */
export function hugeTruncated(): BadFile | null {
  const sizeBytes = 4 * MIB;
  const fd = memfd("guest-bad", sizeBytes, MFD_HUGETLB);
  return fd < 0 ? null : { fd, sizeBytes, spoil: () => truncateFd(fd, 0) };
}

/**
 * A file system that is full: of its sparse file it has no further page, and if it is one of huge pages
 * none at all, however many the system has. Dispose it.
 */
export class FullFileSystem implements Disposable {
  readonly #folder = new TempFolder();
  #fds: number[] = [];

  /** @returns null where this process may not mount one */
  static mount(kind: "tmpfs" | "hugetlbfs"): FullFileSystem | null {
    const made = new FullFileSystem();
    const size = kind === "tmpfs" ? "size=1m" : "size=0";
    if (run("mount", "-t", kind, "-o", size, "vuswitch-test", made.#folder.path)) return made;
    made.#folder[Symbol.dispose]();
    return null;
  }

  /** Makes a file there that is larger than the file system, and fills what is left when spoilt. */
  file(): BadFile {
    const path = this.#folder.file("guest-bad");
    Deno.createSync(path).close();
    const fd = openFile(path);
    this.#fds.push(fd);
    const sizeBytes = 8 * MIB;
    truncateFd(fd, sizeBytes);
    const fill = (): void => {
      try {
        Deno.writeFileSync(this.#folder.file("fill"), new Uint8Array(2 * MIB));
      } catch {
        // Full, as it should be.
      }
    };
    return { fd, sizeBytes, spoil: fill };
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds) closeFd(fd);
    this.#fds = [];
    run("umount", "-l", this.#folder.path);
    this.#folder[Symbol.dispose]();
  }
}

function run(program: string, ...args: string[]): boolean {
  const { success } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
  return success;
}

/** Gives the switch a bad file as one more region of a guest's. @returns its guest address */
export async function addRegion(guest: NetGuest, { fd, sizeBytes }: BadFile): Promise<number> {
  const own = guest.memoryTable();
  const regions = guest.ram.regions.length;
  const table = new Uint8Array(own.length + 32);
  table.set(own);
  const view = new DataView(table.buffer);
  view.setUint32(0, regions + 1, true);
  const words = [GUEST_ADDR, sizeBytes, USER_ADDR, 0];
  for (const [i, word] of words.entries()) {
    view.setBigUint64(own.length + 8 * i, BigInt(word), true);
  }
  const fds = [...guest.ram.regions.map(() => guest.memoryFd), fd];
  assert.equal(await guest.frontEnd.ask(id.VHOST_USER_SET_MEM_TABLE, table, fds), 0n);
  return GUEST_ADDR;
}
