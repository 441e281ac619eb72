/**
 * The kernel's bridge between two TAP devices, in a network namespace of its own. The generator
 * writes frames into one device and reads them from the other; the kernel forwards them within the
 * writing call, on the generator's core: there is no core of the switch, and no virtqueue.
 *
 * @module
 */
import { hasTestpmd } from "../../lib/demo/testpmd.ts";
import { UNTOLD } from "../busy.ts";
import { makeBridge, MISSING } from "./bridge_namespace.ts";
import type { Rival, RivalKind } from "./rival.ts";

const TAPS = ["tap0", "tap1"] as const;

/** See the module. */
export const linuxBridge: RivalKind = {
  name: "Linux bridge (TAP)",
  missing: [...hasTestpmd() ? [] : ["dpdk-dev"], ...MISSING],
  async start({ frameBytes }): Promise<Rival> {
    const bridge = await makeBridge();
    return {
      sockets: [],
      pids: [],
      ownPorts: {
        vdevs: [`net_tap0,iface=${TAPS[0]},mac=fixed`, `net_tap1,iface=${TAPS[1]},mac=fixed`],
        // What `mac=fixed` gives: "dtap" in hexadecimal, and the number.
        macs: ["00:64:74:61:70:00", "00:64:74:61:70:01"],
        within: bridge.within,
        async ready(): Promise<void> {
          for (const [i, tap] of TAPS.entries()) {
            // A bridge keeps frames to its own devices' addresses to itself.
            await bridge.ip("link", "set", tap, "address", `02:00:00:00:ff:0${i}`);
            await bridge.ip("link", "set", tap, "mtu", `${Math.max(1500, frameBytes - 14)}`);
            await bridge.join(tap);
          }
        },
      },
      clearWork: async (): Promise<void> => {},
      readWork: () => Promise.resolve(UNTOLD),
      [Symbol.asyncDispose]: () => bridge[Symbol.asyncDispose](),
    };
  },
};
