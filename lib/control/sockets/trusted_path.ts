/**
 * The way to a socket that somebody else has made, in a folder that a tenant may write. Links lead
 * anywhere: to another tenant's socket, or to one of this switch's. So the socket itself must be no
 * link, and links on the way to it must be root's or this user's.
 *
 * @module
 */
import { dirname, join, resolve } from "node:path";
import { nameFileOffThread } from "../../../ffi/mod.ts";

/** As many links as the kernel follows (path_resolution(7)). */
const LINKS_MAX = 40;

/** A path is not trusted. The message says why, for an operator. */
export class UntrustedPath extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "UntrustedPath";
}

/**
 * Resolves links one by one. @returns the path without any
 * @throws {UntrustedPath}, {Deno.errors.NotFound} and the like
 */
export async function resolveTrusted(path: string): Promise<string> {
  const rest = resolve(path).split("/").filter(Boolean);
  let at = "/";
  let links = 0;
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "..") {
      at = dirname(at);
      continue;
    }
    const next = join(at, word);
    const info = await Deno.lstat(next);
    if (!info.isSymlink) {
      at = next;
      continue;
    }
    if (rest.length === 0) {
      throw new UntrustedPath("it is a symbolic link: name the socket itself");
    }
    if (info.uid !== 0 && info.uid !== Deno.uid()) {
      throw new UntrustedPath(`${next} is a symbolic link of user ${info.uid}`);
    }
    if (++links > LINKS_MAX) throw new UntrustedPath("links of its path go round");
    const target = await Deno.readLink(next);
    if (target.startsWith("/")) at = "/";
    rest.unshift(...target.split("/").filter((each) => each !== "" && each !== "."));
  }
  return at;
}

/**
 * A descriptor that names what stands at a trusted path, whatever is put there meanwhile. Off the
 * thread; the caller owns it. @returns -1: it cannot be had
 * @throws {UntrustedPath}, {Deno.errors.NotFound} and the like
 */
export async function nameTrusted(path: string): Promise<number> {
  const real = await resolveTrusted(path);
  const named = await nameFileOffThread(real);
  if (named < 0 || Deno.readLinkSync(`/proc/self/fd/${named}`) === real) return named;
  throw new UntrustedPath("its path leads elsewhere from one moment to the next");
}
