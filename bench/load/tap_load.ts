/**
 * Large frames into a TAP device, whose other side drops them as somebody else's: what the device
 * counts is what came.
 *
 * @module
 */
import { PacketPeer, TapDevice, tapMissing } from "../../tests/harness/tap.ts";
import { largeFrame } from "../lean/large.ts";
import { vuswitchWith } from "../rivals/vuswitch.ts";
import { type Bench, type Contender, type Sample, withRival } from "../suite.ts";
import { driveLean, type LeanWish } from "./lean_load.ts";

const WISH: LeanWish = { kind: "large", ring: "split", bytes: 64, receiver: "elsewhere" };

function needDevices(): void {
  const [lack] = tapMissing();
  if (lack !== undefined) throw new Error(`There is no ${lack}`);
}

/** A guest sends, and the switch writes. */
async function throughSwitch(bench: Bench, folder: string): Promise<Sample> {
  needDevices();
  using device = new TapDevice();
  const kind = vuswitchWith("", { more: () => ["-p", `up=tap:${device.name}`] });
  const settings = { ports: 1, frameBytes: 1514, addresses: 2, folder };
  return await withRival(kind, settings, bench, async (rival) => {
    {
      // The frames' destination says a word, and is known from now on.
      using peer = new PacketPeer(device.name);
      const { frame } = largeFrame();
      const word = new Uint8Array(60);
      word.set([...frame.subarray(6, 12), ...frame.subarray(0, 6), 0x88, 0xb5]);
      peer.send(word);
    }
    const [socket = ""] = rival.sockets;
    return await driveLean({ sockets: [socket, device.name], pids: rival.pids }, WISH, bench);
  });
}

/** No switch: a loop that writes the same frames from memory. */
async function bareWrites(bench: Bench): Promise<Sample> {
  needDevices();
  using device = new TapDevice();
  const wish: LeanWish = { ...WISH, kind: "writev" };
  return await driveLean({ sockets: ["", device.name], pids: [] }, wish, bench);
}

/** This switch. */
export const tapThroughSwitch: Contender = {
  ...{ name: "vuswitch (adaptive)", missing: [], run: throughSwitch },
};

/** See the module. */
export const tapBareWrites: Contender = { name: "writev alone", missing: [], run: bareWrites };
