/**
 * This switch, from source, as a user starts it.
 *
 * @module
 */
import type { Rival, RivalKind } from "./rival.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;

/** vuswitch with a busy-polling data plane, as the others poll. */
export const vuswitch: RivalKind = {
  name: "vuswitch",
  missing: [],
  async start(folder, cpu): Promise<Rival> {
    const sockets: [string, string] = [`${folder}/vm1.sock`, `${folder}/vm2.sock`];
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-check", MAIN, "run", "-q", "--cpus", `${cpu}`, "--idle", "poll"],
        ...sockets.flatMap((path, i) => ["-p", `vm${i + 1}=${path}`]),
        ...["--ctl", `${folder}/ctl.sock`],
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    let output = "";
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    while (!/^ready /m.test(output)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`vuswitch ended before it was ready: ${output}`);
      output += value;
    }
    reader.releaseLock();
    return {
      sockets,
      async [Symbol.asyncDispose](): Promise<void> {
        child.kill("SIGTERM");
        await child.status;
      },
    };
  },
};
