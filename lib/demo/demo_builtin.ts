/**
 * The demo with two guests in TypeScript: real vhost-user front-ends with real virtqueues, on any
 * machine.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import {
  answer,
  arpReplyFrom,
  arpRequest,
  echoRequest,
  type Host,
  isEchoReply,
} from "../guest/frames.ts";
import { NetGuest } from "../guest/net_guest.ts";
import { tcpAsk } from "../guest/tcp.ts";
import type { DemoIo } from "./demo_qemu.ts";

const COUNT = 5;
const BYTES = 56;
const INTERVAL_MS = 200;
/** How long a page may take, ms. */
const FETCH_MS_MAX = 10_000;
/** The gateway is asked for again after this, ms. */
const ASK_MS = 300;

/** Has a guest fetch the host's page. @returns false: it did not come */
async function fetchPage(guest: NetGuest, mac: string, io: DemoIo): Promise<boolean> {
  const server = await io.web?.() ?? null;
  if (server === null) return true;
  const from: Host = { mac, ip: server.guest };
  let reply: Uint8Array | null = null;
  // Whoever answers may be about to come.
  for (const end = performance.now() + FETCH_MS_MAX; !reply && performance.now() < end;) {
    guest.send(arpRequest(from, server.gateway));
    const isReply = (frame: Uint8Array): boolean => arpReplyFrom(frame, server.gateway) !== null;
    reply = await guest.waitFor(isReply, ASK_MS);
  }
  const way = reply && arpReplyFrom(reply, server.gateway);
  if (!way) return false;
  const ends = {
    from,
    fromPort: 40_000,
    to: { mac: way, ip: server.address },
    toPort: server.port,
  };
  io.print(`vm1, now ${from.ip}: GET http://${server.address}:${server.port}/`);
  const answer = await tcpAsk(guest, ends, "GET / HTTP/1.0\r\n\r\n", FETCH_MS_MAX);
  if (answer === null) return false;
  for (const line of answer.trim().split(/\r?\n/)) io.print(line);
  return answer.includes(server.page);
}

/** Connects two guests to two sockets of a switch and pings. @returns whether none was lost */
export async function builtinDemo(
  io: DemoIo,
  sockets: { readonly a: string; readonly b: string },
): Promise<boolean> {
  const first: Host = { mac: "52:54:00:00:00:01", ip: "10.77.0.1" };
  const other: Host = { mac: "52:54:00:00:00:02", ip: "10.77.0.2" };
  io.print("connecting two built-in guests, one with a split and one with a packed ring");
  using one = await NetGuest.start({ socket: sockets.a, mac: first.mac });
  using two = await NetGuest.start({ socket: sockets.b, mac: other.mac, packed: true });
  const timer = setInterval(() => {
    for (const frame of two.receive()) {
      const reply = answer(other, frame);
      if (reply) two.send(reply);
    }
  }, 1);
  try {
    one.send(arpRequest(first, other.ip));
    const reply = await one.waitFor((frame) => arpReplyFrom(frame, other.ip) !== null, 10_000);
    const mac = reply && arpReplyFrom(reply, other.ip);
    if (!mac) return false;
    io.print(`vm1: ${other.ip} is at ${mac}`);
    const target = { mac, ip: other.ip };
    let received = 0;
    io.print(`PING ${other.ip}: ${BYTES} data bytes`);
    for (let sequence = 0; sequence < COUNT; sequence++) {
      const start = performance.now();
      one.send(echoRequest(first, target, sequence, BYTES));
      if (await one.waitFor((frame) => isEchoReply(frame, sequence), 2000)) {
        received++;
        const ms = (performance.now() - start).toFixed(3);
        io.print(`${BYTES + 8} bytes from ${other.ip}: seq=${sequence} time=${ms} ms`);
      }
      await delay(INTERVAL_MS);
    }
    const lost = ((COUNT - received) / COUNT) * 100;
    io.print(`${COUNT} packets transmitted, ${received} packets received, ${lost}% packet loss`);
    const isFetched = await fetchPage(one, first.mac, io);
    await io.inspect?.();
    return received === COUNT && isFetched;
  } finally {
    clearInterval(timer);
  }
}
