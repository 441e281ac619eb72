/**
 * A network namespace with the kernel's bridge in it, with its default settings but for the spanning
 * tree, which is off.
 *
 * @module
 */
import { exists } from "./rival.ts";

const BRIDGE = "br0";

/** Debian packages it lacks. */
export const MISSING: readonly string[] = [
  ...exists("/usr/bin/nsenter") && exists("/usr/bin/unshare") ? [] : ["util-linux"],
  ...exists("/sbin/ip") || exists("/usr/bin/ip") ? [] : ["iproute2"],
];

/** A namespace that is gone when its scope ends. */
export interface BridgeNamespace extends AsyncDisposable {
  /** Words that have a command run in it. */
  readonly within: readonly string[];
  /** Runs `ip` in it. @throws with its message */
  ip(...words: readonly string[]): Promise<void>;
  /** Has a device of it be a port of the bridge. */
  join(device: string): Promise<void>;
}

async function run(words: readonly string[]): Promise<void> {
  const [program = "", ...args] = words;
  const { code, stderr } = await new Deno.Command(program, { args }).output();
  if (code === 0) return;
  throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Makes one, with a bridge without ports. @throws as a rule for want of rights */
export async function makeBridge(): Promise<BridgeNamespace> {
  if (!exists("/dev/net/tun")) throw new Error("There is no /dev/net/tun: modprobe tun");
  // A process that does nothing holds the namespace, and the namespace holds the bridge.
  const holder = new Deno.Command("unshare", {
    args: ["-n", "sh", "-c", "echo ready; exec sleep infinity"],
    ...{ stdin: "null", stdout: "piped", stderr: "null" },
  }).spawn();
  const reader = holder.stdout.getReader();
  const { done } = await reader.read();
  if (done) throw new Error("Cannot make a network namespace: run as root");
  const within = ["nsenter", "-n", "-t", `${holder.pid}`];
  const ip = (...words: readonly string[]): Promise<void> => run([...within, "ip", ...words]);
  const end = async (): Promise<void> => {
    await reader.cancel();
    holder.kill("SIGKILL");
    await holder.status;
  };
  try {
    await ip("link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "forward_delay", "0");
    await ip("link", "set", BRIDGE, "up");
  } catch (error) {
    await end();
    throw error;
  }
  return {
    within,
    ip,
    join: (device) => ip("link", "set", device, "master", BRIDGE, "up"),
    [Symbol.asyncDispose]: end,
  };
}
