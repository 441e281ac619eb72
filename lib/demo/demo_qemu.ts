/**
 * The demo with two Linux guests in QEMU.
 *
 * @module
 */
import { buildGuestImage } from "./guest_image.ts";
import { QemuGuest } from "./qemu.ts";

/** A web server of this host. */
export interface DemoServer {
  /** IPv4 address that guests reach once they have asked for one of their own. */
  readonly address: string;
  /** The way to it. */
  readonly gateway: string;
  /** An address that a guest may have there which cannot ask for one. */
  readonly guest: string;
  /** Its TCP port. */
  readonly port: number;
  /** What it answers, a line. */
  readonly page: string;
}

/** What a demo prints to. */
export interface DemoIo {
  /** Prints one line, without newline. */
  print(line: string): void;
  /** Starts a web server of this host, and a way to it; null: it cannot be had here. */
  web?(): Promise<DemoServer | null>;
  /** Called while the guests are still connected. */
  inspect?(): Promise<void>;
  /** Aborted when the demo is to end early: guests stop, and their folder goes. */
  readonly signal?: AbortSignal;
}

/** Has a guest ask for an address and fetch the host's page. @returns false: it did not come */
async function fetchPage(guest: QemuGuest, io: DemoIo): Promise<boolean> {
  const server = await io.web?.() ?? null;
  if (server === null) return true;
  const { address, port, page } = server;
  io.print("vm1# udhcpc -i eth0 -q; ip route");
  const { output } = await guest.run("lease; ip route show default");
  io.print(output || "no lease");
  const get = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${address} ${port}`;
  io.print(`vm1# ${get}`);
  const answer = await guest.run(get);
  for (const line of answer.output.split("\n")) io.print(line);
  return answer.output.includes(page);
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
    const isFetched = await fetchPage(first, io);
    await io.inspect?.();
    return code === 0 && output.includes(" 0% packet loss") && isFetched;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
