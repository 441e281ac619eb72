/**
 * This switch, from source, as a user starts it.
 *
 * @module
 */
import { UNTOLD, type Work } from "../busy.ts";
import type { Rival, RivalKind, RivalSettings } from "./rival.ts";

const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** How the data plane waits for frames. */
export type Idle = "poll" | "adaptive";

async function start(settings: RivalSettings, idle: Idle): Promise<Rival> {
  const { folder, cpu, ports, addresses } = settings;
  const sockets = Array.from({ length: ports }, (_, i) => `${folder}/vm${i + 1}.sock`);
  const ctl = `${folder}/ctl.sock`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "-A", "--no-check", MAIN, "run", "-q", "--cpus", `${cpu}`, "--idle", idle],
      ...sockets.flatMap((path, i) => ["-p", `vm${i + 1}=${path}`]),
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
  return {
    sockets,
    pids: [child.pid],
    clearWork: async (): Promise<void> => {},
    readWork: (): Promise<Work> => Promise.resolve(UNTOLD),
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
