/**
 * What front-ends that come again and again cost: processor time of each thread of the switch, and
 * how long the control API takes meanwhile. `deno run -A bench/knocks.ts [--seconds N] [KIND...]`.
 *
 * Time is what the kernel says each thread was on a processor (/proc/PID/task/TID/schedstat, ns).
 * The control thread is the process's main thread: its TID is the PID.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { callSwitch } from "../lib/cli/client.ts";
import { NetGuest } from "../lib/guest/net_guest.ts";
import { KNOCKERS, Knocking } from "../tests/harness/knocking.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
/** The first of it is another matter: bursts are allowed. ms */
const WARM_UP_MS = 3000;
/** Pause between two calls of the API, ms. */
const CALL_MS = 10;
const USAGE = "usage: deno run -A bench/knocks.ts [--seconds N] [KIND...]";

/** What is measured: who knocks, and whether somebody has the port. */
interface Kind {
  readonly what: string;
  readonly taken: boolean;
  /** A kind of knocking.ts, or null. */
  readonly knocking: string | null;
}

const KINDS: Readonly<Record<string, Kind>> = {
  idle: { what: "nobody knocks", taken: true, knocking: null },
  "at-once": {
    what: `${KNOCKERS} knock at a taken port, again at once`,
    ...{ taken: true, knocking: "at-once" },
  },
  reconnect: {
    what: `${KNOCKERS} knock at a taken port, again after 1 s`,
    ...{ taken: true, knocking: "reconnect" },
  },
  garbage: {
    what: "one says garbage at a free port, again at once",
    ...{ taken: false, knocking: "garbage" },
  },
  "hang-up": {
    what: "one connects to a free port and hangs up",
    ...{ taken: false, knocking: "hang-up" },
  },
  "hang-up-taken": {
    what: "one connects to a taken port and hangs up",
    ...{ taken: true, knocking: "hang-up" },
  },
};

function fail(message: string): never {
  console.error(`${message}\n${USAGE}\nkinds: ${Object.keys(KINDS).join(" ")}`);
  Deno.exit(2);
}

/** Time on a processor, ns, by thread. */
function threadTimes(pid: number): Map<number, { readonly name: string; readonly ns: number }> {
  const times = new Map();
  for (const { name: tid } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const read = (file: string): string =>
      Deno.readTextFileSync(`/proc/${pid}/task/${tid}/${file}`).trim();
    try {
      const name = Number(tid) === pid ? "control" : read("comm");
      times.set(Number(tid), { name, ns: Number(read("schedstat").split(" ")[0]) });
    } catch {
      // It ended.
    }
  }
  return times;
}

/** Percent of a processor by thread name between two looks. */
function shares(pid: number, before: ReturnType<typeof threadTimes>, ms: number): string {
  const sums = new Map<string, number>();
  for (const [tid, { name, ns }] of threadTimes(pid)) {
    const spent = ns - (before.get(tid)?.ns ?? 0);
    sums.set(name, (sums.get(name) ?? 0) + spent / 1e4 / ms);
  }
  return [...sums].filter(([name, share]) => name === "control" || share >= 0.05)
    .map(([name, share]) => `${name} ${share.toFixed(2)} %`).join(", ");
}

function percentile(sorted: readonly number[], share: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN).toFixed(1);
}

/** Calls the API until the time is over. @returns ms each call took, sorted */
async function callTimes(ctl: string, ms: number): Promise<number[]> {
  const times: number[] = [];
  for (const end = performance.now() + ms; performance.now() < end; await delay(CALL_MS)) {
    const from = performance.now();
    await callSwitch(ctl, "GET", "/v1/ports");
    times.push(performance.now() - from);
  }
  return times.sort((a, b) => a - b);
}

/** Measures one kind with a fresh switch. */
async function measure(name: string, kind: Kind, seconds: number): Promise<void> {
  const folder = Deno.makeTempDirSync();
  const [ctl, socket] = [`${folder}/ctl.sock`, `${folder}/a.sock`];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", MAIN, "run", "--ctl", ctl, "-p", `a=${socket}`],
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  let lines = 0;
  const log = child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({
      write(text): void {
        lines += text.split("\n").length - 1;
      },
    }),
  );
  await child.stdout.getReader({ mode: "byob" }).read(new Uint8Array(64)).catch(() => {});
  const guest = kind.taken ? await NetGuest.start({ socket, mac: "02:00:00:00:00:01" }) : null;
  const other = kind.knocking === null ? null : new Knocking(kind.knocking, socket);
  // The first seconds by themselves: what a tenant may do in a burst shows there alone.
  const first = await callTimes(ctl, WARM_UP_MS);
  const [before, from, linesBefore] = [threadTimes(child.pid), performance.now(), lines];
  await delay(seconds * 1000);
  const used = shares(child.pid, before, performance.now() - from);
  const said = (lines - linesBefore) / (performance.now() - from) * 1000;
  // The calls cost the control thread something: they are not part of its share.
  const times = await callTimes(ctl, seconds * 500);
  console.log(`${name}: ${kind.what}`);
  console.log(`  ${used}; ${said.toFixed(1)} log lines a second`);
  for (const [when, ms] of [["first 3 s", first], ["later", times]] as const) {
    console.log(
      `  API, ${when}: p50 ${percentile(ms, 0.5)} ms, p99 ${percentile(ms, 0.99)} ms, most ${
        percentile(ms, 1)
      } ms of ${ms.length} calls`,
    );
  }
  await other?.stop();
  guest?.close();
  child.kill("SIGTERM");
  await Promise.all([child.status, log]);
  Deno.removeSync(folder, { recursive: true });
}

const timed = Deno.args[0] === "--seconds";
const seconds = timed ? Number(Deno.args[1]) : 20;
if (!(seconds > 0)) fail(`Not a time: ${Deno.args[1]}`);
const named = timed ? Deno.args.slice(2) : Deno.args;
for (const name of named.length > 0 ? named : Object.keys(KINDS)) {
  const kind = KINDS[name];
  if (!kind) fail(`Unknown kind: ${name}`);
  await measure(name, kind, seconds);
}
