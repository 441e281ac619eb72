/**
 * Which ports brought the same memory files: those of one guest, as a rule.
 *
 * @module
 */
import type { ServedPort } from "./served_port.ts";

/** Names of ports by the memory files they brought. */
export type MemoryUsers = ReadonlyMap<string, readonly string[]>;

/** Finds out who brought what. */
export function memoryUsers(ports: Iterable<ServedPort>): MemoryUsers {
  const users = new Map<string, string[]>();
  for (const { memoryFiles, config } of ports) {
    for (const file of memoryFiles) users.set(file, [...users.get(file) ?? [], config.name]);
  }
  return users;
}

/** Names of other ports that brought a file of this one's. */
export function sharersOf(port: ServedPort, users: MemoryUsers): string[] {
  const sharing = new Set(port.memoryFiles.flatMap((file) => users.get(file) ?? []));
  sharing.delete(port.config.name);
  return [...sharing];
}
