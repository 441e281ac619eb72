/**
 * Whose a thing is that may outlive its process: a process by its number, when it started, and where
 * that number counts.
 *
 * @module
 */

/** A process that made something. */
export interface Owner {
  /** Its number. */
  readonly pid: number;
  /** When it started, in the kernel's ticks since boot: numbers are used again. */
  readonly start: number;
  /** The PID namespace that the number is of. */
  readonly space: number;
}

/** State and start of a process, from /proc; null: there is none of that number. */
function processFacts(pid: number | "self"): { state: string; start: number } | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", start: Number(fields[19]) };
  } catch {
    return null;
  }
}

function ownSpace(): number {
  try {
    return Number(/\d+/.exec(Deno.readLinkSync("/proc/self/ns/pid"))?.[0] ?? 0);
  } catch {
    return 0;
  }
}

/** This process. */
export function thisOwner(): Owner {
  return { pid: Deno.pid, start: processFacts("self")?.start ?? 0, space: ownSpace() };
}

/** As a part of a name. */
export function ownerText({ pid, start, space }: Owner): string {
  return `${pid}-${start}-${space}`;
}

/** Reads {@linkcode ownerText}, or null. */
export function readOwner(text: string): Owner | null {
  const [, pid, start, space] = /^(\d+)-(\d+)-(\d+)$/.exec(text) ?? [];
  return pid === undefined
    ? null
    : { pid: Number(pid), start: Number(start), space: Number(space) };
}

/** Whether a process is there still; null: its number is another PID namespace's. */
export function isAlive({ pid, start, space }: Owner): boolean | null {
  if (space !== ownSpace()) return null;
  const facts = processFacts(pid);
  return facts !== null && facts.start === start && !/^[ZX]/.test(facts.state);
}
