/**
 * A web server of this host for the demo's guests, and their way to it: a port of the demo's switch
 * that does NAT.
 *
 * @module
 */
import { ControlError, type PortStatus } from "../control/types.ts";
import type { DemoServer } from "../demo/demo_qemu.ts";
import { callSwitch } from "./client.ts";

/** What a guest gets that asks for it. */
const PAGE = "hello from the host, through the switch\n";

/** Last byte of the address of a guest that does not ask for one. */
const GUEST = "99";

/** An address of this host that is not its loopback's, or null. */
function ownAddress(): string | null {
  const addresses = Deno.networkInterfaces().filter(({ family }) => family === "IPv4");
  return addresses.find(({ address }) => !address.startsWith("127."))?.address ?? null;
}

/**
 * Adds the port and starts the server, at an address that guests can reach, and nobody else if the
 * kernel translates. @returns null: that cannot be had here, and why was printed
 */
export async function openDemoWeb(
  ctl: string,
  print: (text: string) => void,
): Promise<DemoServer & AsyncDisposable | null> {
  let nat: PortStatus["nat"];
  try {
    const port = await callSwitch(ctl, "POST", "/v1/ports", { name: "up", path: "nat" });
    ({ nat } = port as PortStatus);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    const fix = error.hint === null ? "" : ` (${error.hint})`;
    print(`no page of this host for guests: ${error.message}${fix}\n`);
    return null;
  }
  const address = nat?.by === "tap" ? nat.gateway : ownAddress();
  if (nat === null || address === null) {
    print("no page of this host for guests: it has no address but its loopback's\n");
    return null;
  }
  const what = `guests have ${nat.subnet} by ${nat.by === "tap" ? "the kernel's NAT" : nat.by}`;
  const server = Deno.serve(
    { hostname: address, port: 0, onListen: () => {} },
    () => new Response(PAGE),
  );
  const { port } = server.addr;
  const { gateway } = nat;
  print(`switch: port up, ${what}; a web server of this host is at ${address}:${port}\n`);
  return {
    ...{ address, gateway, port, page: PAGE.trim() },
    guest: nat.subnet.replace(/\d+\/24$/, GUEST),
    async [Symbol.asyncDispose](): Promise<void> {
      await server.shutdown();
    },
  };
}
