/**
 * vuswitch as a library: a switch inside a program, as in the tests of a VMM, and guests in
 * TypeScript to put on its ports. `vuswitch run` is `main.ts`.
 *
 * ```ts
 * import { BROADCAST, EmbeddedSwitch, ethernet } from "./mod.ts";
 *
 * await using network = await EmbeddedSwitch.start({ ports: ["vm1", "vm2"] });
 * using one = await network.connect("vm1", { mac: "52:54:00:00:00:01" });
 * using two = await network.connect("vm2", { mac: "52:54:00:00:00:02", packed: true });
 * one.send(ethernet(BROADCAST, one.mac, 0x88b5, new Uint8Array(46)));
 * console.log(await two.waitFor(() => true, 1000));
 * ```
 *
 * Linux on x86-64 or arm64; `deno run` needs `-A`, for FFI is as good as all permissions. What
 * happens with a frame's bytes happens on a thread of the switch; everything here is called on the
 * thread that started it.
 *
 * @module
 */
export { EmbeddedSwitch, type EmbeddedSwitchOptions } from "./lib/embed/embedded_switch.ts";
export type { SwitchEvent } from "./lib/control/events/store.ts";
export type { LogFields, LogLevel } from "./lib/control/log.ts";
export {
  ControlError,
  type FdbStatus,
  type LinkStatus,
  type ListenerStatus,
  type PortStatus,
  type SwitchStatus,
  type VringStatus,
} from "./lib/control/types.ts";
export { Guest, type GuestOptions } from "./lib/embed/guest.ts";
export {
  answer,
  arpReplyFrom,
  arpRequest,
  BROADCAST,
  echoRequest,
  ethernet,
  type Host,
  ipv4,
  isEchoReply,
} from "./lib/guest/frames.ts";
