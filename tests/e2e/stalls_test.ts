/**
 * What the switch does to itself: a guest of 64 GiB comes and goes beside a pair that exchanges
 * frames, and the data plane's thread collects no garbage for it, by V8's own account.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { viewBytesMax } from "../../ffi/mod.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import { ARENA_BYTES } from "../../lib/virtio/memory/window.ts";
import { Bystanders } from "../harness/bystanders.ts";
import { SwitchProcess, vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { macOf, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";
import { collections, TRACE_FLAGS } from "../harness/v8_trace.ts";

const GIB = 2 ** 30;
/** As much of 64 GiB as this test can have in one view itself. */
const BYTES = Math.min(64, Math.floor(viewBytesMax() / GIB)) * GIB;
const MAIN = new URL("../../main.ts", import.meta.url).pathname;

/** A guest that uses all of its memory: each buffer that is sent lies in another GiB. */
async function useAll(socket: string, packed: boolean): Promise<void> {
  using guest = await NetGuest.start({ socket, mac: macOf(3), packed, memoryBytes: BYTES });
  for (let gib = 1; gib < BYTES / GIB; gib++) {
    const frame = numberedFrame(macOf(0xb1), macOf(3), 2 ** 31 + gib, 100);
    const bytes = new Uint8Array(guest.headerBytes + frame.length);
    bytes.set(frame, guest.headerBytes);
    const address = gib * GIB + 4096;
    guest.ram.write(address, bytes);
    await until("there is room to send", () => {
      guest.reapTransmit();
      return guest.tx.free > 0;
    });
    assert(guest.sendChain([{ address, bytes: bytes.length }]));
  }
  await until("every buffer is back", () => {
    guest.reapTransmit();
    return guest.tx.free === guest.tx.size;
  });
}

Deno.test("a guest of 64 GiB comes, uses all of it and goes: the data plane collects nothing", async () => {
  using folder = new TempFolder();
  const sockets = [1, 2, 3].map((n) => folder.file(`vm${n}.sock`));
  const ports = sockets.flatMap((socket, i) => ["-p", `vm${i + 1}=${socket}`]);
  const words = [Deno.execPath(), "run", "-A", TRACE_FLAGS, MAIN];
  const [one = "", two = "", big = ""] = sockets;
  const running = await SwitchProcess.start(folder.path, ports, words);
  try {
    using bystanders = await Bystanders.attach(one, two);
    for (const packed of [false, true]) await useAll(big, packed);
    await bystanders.check();
  } finally {
    await running.stop();
  }
  const full = collections(running.output).filter(({ full, line }) =>
    full && line.includes("external memory")
  );
  // The arena's own buffers, as large as they can be made: one when the thread starts.
  const buffers = 1 + Math.ceil(2 * BYTES / viewBytesMax());
  assert(full.length > 0, `V8 tells of collections: ${running.output}`);
  const most = viewBytesMax() >= ARENA_BYTES ? 1 : buffers + 2;
  assert(full.length <= most, full.map(({ line }) => line).join("\n"));
});

Deno.test("with little address space there is a small arena, and a line that says so", async () => {
  using folder = new TempFolder();
  const sockets = [1, 2].map((n) => folder.file(`vm${n}.sock`));
  const ports = sockets.flatMap((socket, i) => ["-p", `vm${i + 1}=${socket}`]);
  const limited = ["sh", "-c", 'ulimit -v 104857600 && exec "$@"', "sh", ...vuswitchWords()];
  const [one = "", two = ""] = sockets;
  const running = await SwitchProcess.start(folder.path, ports, limited);
  try {
    const gib = Number(/together can have (\d+) GiB/.exec(running.log)?.[1]);
    assert(gib > 0 && gib < 100, running.log);
    using bystanders = await Bystanders.attach(one, two);
    await bystanders.check();
  } finally {
    assert.equal(await running.stop(), 0, running.log);
  }
});
