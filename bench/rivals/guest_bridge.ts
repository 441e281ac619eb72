/**
 * The kernel's bridge with a TAP device for each Linux guest: QEMU moves the frames between device
 * and guest, or a thread of the kernel does (vhost-net).
 *
 * @module
 */
import { UNTOLD } from "../busy.ts";
import { makeBridge, MISSING } from "./bridge_namespace.ts";
import { exists, type GuestNic, type Rival, type RivalKind } from "./rival.ts";

const VHOST_NET = "/dev/vhost-net";

async function start(ports: number, vhost: "on" | "off"): Promise<Rival> {
  const bridge = await makeBridge();
  const nics: GuestNic[] = [];
  try {
    for (let i = 0; i < ports; i++) {
      const tap = `tap${i}`;
      await bridge.ip("tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr");
      await bridge.join(tap);
      const [binary = "", ...words] = [...bridge.within, "qemu-system-x86_64"];
      const netdev = `tap,id=n0,ifname=${tap},script=no,downscript=no,vhost=${vhost}`;
      nics.push({ socket: "", backEnd: ["-netdev", netdev], qemu: { binary, words } });
    }
  } catch (error) {
    await bridge[Symbol.asyncDispose]();
    throw error;
  }
  return {
    ...{ sockets: [], nics, pids: [] },
    taps: { names: nics.map((_, i) => `tap${i}`), within: bridge.within },
    clearWork: async (): Promise<void> => {},
    readWork: () => Promise.resolve(UNTOLD),
    [Symbol.asyncDispose]: () => bridge[Symbol.asyncDispose](),
  };
}

/** QEMU itself reads and writes the devices. */
export const guestBridge: RivalKind = {
  name: "Linux bridge (TAP)",
  missing: MISSING,
  start: ({ ports }) => start(ports, "off"),
};

/** vhost-net does; not where this kernel has none. */
export const guestBridgeVhost: RivalKind | null = exists(VHOST_NET)
  ? {
    name: "Linux bridge (TAP, vhost-net)",
    missing: MISSING,
    start: ({ ports }) => start(ports, "on"),
  }
  : null;
