/**
 * The kernel's bridge between two TAP devices, in a network namespace of its own. The generator
 * writes frames into one device and reads them from the other; the kernel forwards them within the
 * writing call, on the generator's core: there is no core of the switch, and no virtqueue.
 *
 * @module
 */
import { hasTestpmd } from "../../lib/demo/testpmd.ts";
import { UNTOLD } from "../busy.ts";
import { exists, type Rival, type RivalKind } from "./rival.ts";

const BRIDGE = "br0";
const TAPS = ["tap0", "tap1"] as const;

async function run(words: readonly string[]): Promise<void> {
  const [program = "", ...args] = words;
  const { code, stderr } = await new Deno.Command(program, { args }).output();
  if (code === 0) return;
  throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

function missing(): string[] {
  const packages = hasTestpmd() ? [] : ["dpdk-dev"];
  if (!exists("/usr/bin/nsenter") || !exists("/usr/bin/unshare")) packages.push("util-linux");
  if (!exists("/sbin/ip") && !exists("/usr/bin/ip")) packages.push("iproute2");
  return packages;
}

/** A bridge with its default settings but for the spanning tree, which is off. */
export const linuxBridge: RivalKind = {
  name: "Linux bridge (TAP)",
  missing: missing(),
  async start({ frameBytes }): Promise<Rival> {
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
    const ip = (...words: string[]): Promise<void> => run([...within, "ip", "link", ...words]);
    const end = async (): Promise<void> => {
      await reader.cancel();
      holder.kill("SIGKILL");
      await holder.status;
    };
    try {
      await ip("add", BRIDGE, "type", "bridge", "stp_state", "0", "forward_delay", "0");
      await ip("set", BRIDGE, "up");
    } catch (error) {
      await end();
      throw error;
    }
    return {
      sockets: [],
      pids: [],
      ownPorts: {
        vdevs: [`net_tap0,iface=${TAPS[0]},mac=fixed`, `net_tap1,iface=${TAPS[1]},mac=fixed`],
        // What `mac=fixed` gives: "dtap" in hexadecimal, and the number.
        macs: ["00:64:74:61:70:00", "00:64:74:61:70:01"],
        within,
        async ready(): Promise<void> {
          for (const [i, tap] of TAPS.entries()) {
            // A bridge keeps frames to its own devices' addresses to itself.
            await ip("set", tap, "address", `02:00:00:00:ff:0${i}`);
            await ip("set", tap, "mtu", `${Math.max(1500, frameBytes - 14)}`);
            await ip("set", tap, "master", BRIDGE, "up");
          }
        },
      },
      clearWork: async (): Promise<void> => {},
      readWork: () => Promise.resolve(UNTOLD),
      [Symbol.asyncDispose]: end,
    };
  },
};
