/**
 * This switch, from source, as a user starts it.
 *
 * @module
 */
import { present } from "../../lib/base/assert.ts";
import { callSwitch } from "../../lib/cli/client.ts";
import type { WorkerStatus } from "../../lib/control/types.ts";
import { type Work as Worked, workBetween } from "../../lib/control/work.ts";
import type { Work } from "../busy.ts";
import type { Rival, RivalKind, RivalSettings } from "./rival.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** How the data plane waits for frames. */
export type Idle = "poll" | "adaptive";

/** What `worker show` has of the one data plane. */
async function askWork(ctl: string): Promise<Worked> {
  const workers = await callSwitch(ctl, "GET", "/v1/workers") as readonly WorkerStatus[];
  return present(workers[0], "a data plane").total;
}

/**
 * How much of the time that it ran it worked, from one look to the next: what it waited for its core
 * stands beside it in the record.
 */
export function workSince(first: Worked | null, last: Worked): Work {
  const { busy, waited } = workBetween(first?.counters ?? {}, last.counters);
  const ran = 1 - (waited ?? 0);
  // A round without frames is no poll of one queue.
  return { worked: busy === null || ran <= 0 ? null : Math.min(1, busy / ran), emptyPolls: null };
}

/** What is not as it is by default. */
export interface VuswitchWords {
  /** Behind each guest's port, such as `,offload=off`. */
  readonly port?: string;
  /** Further words of `vuswitch run`. @param folder for whatever they name */
  readonly more?: (folder: string) => readonly string[];
}

async function start(
  settings: RivalSettings,
  idle: Idle,
  words: VuswitchWords = {},
): Promise<Rival> {
  const { folder, cpu, ports, addresses } = settings;
  const sockets = Array.from({ length: ports }, (_, i) => `${folder}/vm${i + 1}.sock`);
  const ctl = `${folder}/ctl.sock`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", MAIN, "run", "-q", "--cpus", `${cpu}`, "--idle", idle],
      ...sockets.flatMap((path, i) => ["-p", `vm${i + 1}=${path}${words.port ?? ""}`]),
      ...words.more?.(folder) ?? [],
      ...["--ctl", ctl, "--fdb-age", "0"],
      ...["--fdb-entries", `${Math.max(16384, addresses)}`],
      ...["--fdb-port-entries", `${Math.max(1024, addresses)}`],
    ],
    ...{ stdin: "null", stdout: "piped", stderr: "piped" },
  }).spawn();
  let output = "";
  const errors = child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({
      write(text): void {
        output = (output + text).slice(-4000);
      },
    }),
  );
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!/^ready /m.test(output)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`vuswitch ended before it was ready: ${output}`);
    output += value;
  }
  const reading = (async (): Promise<void> => {
    while (!(await reader.read()).done);
  })();
  let first: Worked | null = null;
  return {
    sockets,
    pids: [child.pid],
    clearWork: async (): Promise<void> => {
      first = await askWork(ctl);
    },
    readWork: async (): Promise<Work> => workSince(first, await askWork(ctl)),
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill("SIGTERM");
      await Promise.all([child.status, errors, reading]);
    },
  };
}

/** vuswitch with a busy-polling data plane, as the others poll. */
export const vuswitch: RivalKind = {
  name: "vuswitch",
  missing: [],
  start: (settings) => start(settings, "poll"),
};

/** vuswitch as it runs by default: it spins a little, then sleeps. */
export const vuswitchAdaptive: RivalKind = {
  name: "vuswitch (adaptive)",
  missing: [],
  start: (settings) => start(settings, "adaptive"),
};

/** The same, with words of its own. @param name of the contender */
export function vuswitchWith(name: string, words: VuswitchWords): RivalKind {
  return { name, missing: [], start: (settings) => start(settings, "adaptive", words) };
}
