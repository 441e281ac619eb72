/**
 * Users and groups of this host, by name or number.
 *
 * @module
 */
import { ControlError } from "../types.ts";

/** Numbers of users and groups end before the one that means nobody's (chown(2): -1). */
const ID_MAX = 2 ** 32 - 2;

/**
 * The number of an account. Names come from the host's files alone: a directory service is not
 * asked. @param what continues "Cannot" in the error @throws {ControlError} there is none
 */
function idOf(kind: "user" | "group", name: string, what: string): number {
  const file = kind === "user" ? "/etc/passwd" : "/etc/group";
  if (/^\d+$/.test(name)) {
    if (Number(name) <= ID_MAX) return Number(name);
  } else {
    for (const line of Deno.readTextFileSync(file).split("\n")) {
      const [known, , id] = line.split(":");
      if (known === name) return Number(id);
    }
  }
  throw new ControlError(
    "invalid",
    `Cannot ${what} ${kind} ${name}: there is no such ${kind}`,
    `see ${file}, or give its number`,
  );
}

/** The number of a user. @param what continues "Cannot" @throws {ControlError} there is none */
export function userId(name: string, what: string): number {
  return idOf("user", name, what);
}

/** The number of a group. @param what continues "Cannot" @throws {ControlError} there is none */
export function groupId(name: string, what: string): number {
  return idOf("group", name, what);
}
