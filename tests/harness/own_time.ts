/**
 * Time in which a switch could have moved a frame between two guests of this thread: without the
 * time in which others had the processor of its data plane or of this thread, and without what this
 * thread did itself. However busy the machine is, what is left of a gap is the switch's own.
 *
 * @module
 */
import { strict as assert } from "node:assert";

const DATA_PLANE = /^vuswitch-data/;

/** Time a thread ran, and time it was ready and did not, ms (proc(5), schedstat). */
function scheduled(path: string): [ranMs: number, readyMs: number] {
  const [ran = 0, ready = 0] = Deno.readTextFileSync(path).split(" ").map(Number);
  return [ran / 1e6, ready / 1e6];
}

/** A clock of such time, ms. @param pid of the switch, with one data plane */
export function ownClock(pid: number): () => number {
  const tasks = Array.from(Deno.readDirSync(`/proc/${pid}/task`), ({ name }) => name);
  const planes = tasks.filter((task) =>
    DATA_PLANE.test(Deno.readTextFileSync(`/proc/${pid}/task/${task}/comm`))
  );
  assert.equal(planes.length, 1, "there is one data plane");
  return () => {
    const [, planeMs] = scheduled(`/proc/${pid}/task/${planes[0]}/schedstat`);
    const [ranMs, readyMs] = scheduled("/proc/thread-self/schedstat");
    return performance.now() - planeMs - readyMs - ranMs;
  };
}
