/**
 * Seeing that a thread of another process waits in a call on an eventfd.
 *
 * @module
 */
import { strict as assert } from "node:assert";

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    // A thread or a descriptor that is gone meanwhile, or one whose call is not shown.
    return "";
  }
}

/** The kernel's number of an eventfd, the same in every process that holds it. */
function eventFdId(pid: number, fd: number): string | undefined {
  return /^eventfd-id:\s*(\d+)/m.exec(read(`/proc/${pid}/fdinfo/${fd}`))?.[1];
}

/** Whether a thread of process `pid` is inside a system call on the eventfd that is `fd` here. */
export function isBlockedOn(pid: number, fd: number): boolean {
  const wanted = eventFdId(Deno.pid, fd);
  assert(wanted !== undefined, `${fd} is an eventfd whose number can be read`);
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    // proc(5): number and arguments of the call, hexadecimal; "running" outside of any.
    const [, first] = read(`/proc/${pid}/task/${name}/syscall`).split(" ");
    if (first && eventFdId(pid, Number(first)) === wanted) return true;
  }
  return false;
}
