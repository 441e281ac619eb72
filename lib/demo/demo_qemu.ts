/**
 * The demo with two Linux guests in QEMU.
 *
 * @module
 */
import { buildGuestImage } from "./guest_image.ts";
import { QemuGuest } from "./qemu.ts";

/** What a demo prints to. */
export interface DemoIo {
  /** Prints one line, without newline. */
  print(line: string): void;
  /** Called while the guests are still connected. */
  inspect?(): Promise<void>;
  /** Aborted when the demo is to end early: guests stop, and their folder goes. */
  readonly signal?: AbortSignal;
}

/** Boots two guests on two sockets of a switch and pings. @returns whether no ping was lost */
export async function qemuDemo(
  io: DemoIo,
  sockets: { readonly a: string; readonly b: string },
): Promise<boolean> {
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-demo-" });
  try {
    io.print("building a guest from Debian's kernel and busybox");
    const image = buildGuestImage(folder);
    const start = (name: string, number: number, socket: string): QemuGuest =>
      QemuGuest.start({
        name,
        address: `10.77.0.${number}/24`,
        mac: `52:54:00:00:00:0${number}`,
        socket,
        image,
        folder,
      });
    await using first = start("vm1", 1, sockets.a);
    await using second = start("vm2", 2, sockets.b);
    io.signal?.addEventListener("abort", () => {
      first.stop();
      second.stop();
    });
    io.print("booting two guests in QEMU (software emulation, a few seconds)");
    await Promise.all([first.ready(), second.ready()]);
    io.print("vm1# ping -c 5 10.77.0.2");
    const { code, output } = await first.run("ping -c 5 -i 0.2 10.77.0.2");
    for (const line of output.split("\n")) io.print(line);
    await io.inspect?.();
    return code === 0 && output.includes(" 0% packet loss");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
