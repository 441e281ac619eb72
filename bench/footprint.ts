/**
 * What the switch costs besides frames: time until it is ready, memory, and processor time while
 * its guests are idle. `deno run -A bench/footprint.ts`.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { NetGuest } from "../lib/guest/net_guest.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const STARTS = 11;
const IDLE_MS = 5000;
/** Clock ticks of /proc/PID/stat a second, on every Linux. */
const TICKS = 100;

/** Starts a switch with two ports. @returns it and the ms until its ready line */
async function start(folder: string): Promise<[Deno.ChildProcess, number]> {
  const from = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", MAIN, "run", "-q", "--ctl", `${folder}/ctl.sock`],
      ...["-p", `a=${folder}/a.sock`, "-p", `b=${folder}/b.sock`],
    ],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  const ms = performance.now() - from;
  reader.releaseLock();
  return [child, ms];
}

async function end(child: Deno.ChildProcess): Promise<void> {
  child.kill("SIGTERM");
  await child.stdout.cancel();
  await child.status;
}

/** Memory that is the process's own: anonymous pages, and file pages it has touched. */
function residentMib(pid: number): { anonymous: number; file: number } {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const kib = (name: string): number => Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)?.[1]);
  return { anonymous: kib("RssAnon") / 1024, file: kib("RssFile") / 1024 };
}

function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

const folder = Deno.makeTempDirSync();
try {
  const times: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const [child, ms] = await start(folder);
    times.push(ms);
    await end(child);
  }
  times.sort((a, b) => a - b);
  const median = times[STARTS >> 1] ?? 0;
  console.log(
    `ready: median ${median.toFixed(0)} ms of ${STARTS}, best ${times[0]?.toFixed(0)} ms`,
  );

  const [child] = await start(folder);
  {
    using _one = await NetGuest.start({ socket: `${folder}/a.sock`, mac: "02:00:00:00:00:01" });
    using _two = await NetGuest.start({ socket: `${folder}/b.sock`, mac: "02:00:00:00:00:02" });
    await delay(1000);
    const before = cpuSeconds(child.pid);
    await delay(IDLE_MS);
    const busy = (cpuSeconds(child.pid) - before) / (IDLE_MS / 1000);
    const { anonymous, file } = residentMib(child.pid);
    console.log(`two idle guests: ${(100 * busy).toFixed(1)} % of a core`);
    console.log(
      `memory: ${anonymous.toFixed(0)} MiB of its own, ${
        file.toFixed(0)
      } MiB of the runtime's file`,
    );
  }
  await end(child);
} finally {
  Deno.removeSync(folder, { recursive: true });
}
