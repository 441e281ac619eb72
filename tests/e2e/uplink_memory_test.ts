/**
 * Guests that take memory away whose frames the kernel is to copy out of it, into a TAP device or a
 * socket: each costs its own connection, and nobody else a frame.
 */
import { strict as assert } from "node:assert";
import { closeFd } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders } from "../harness/bystanders.ts";
import { StreamPeer } from "../harness/stream_peer.ts";
import { PacketPeer, TapDevice, tapTest } from "../harness/tap.ts";
import { TempFolder } from "../harness/temp.ts";
import { isNumbered, macOf, numberedFrame } from "../harness/traffic.ts";
import { until } from "../harness/until.ts";

const MEMORY_BYTES = 16 << 20;
/** What is behind this is taken away. */
const KEPT_BYTES = 8 << 20;
const MFD_CLOEXEC = 1;

/** A memory file that takes no seals: nobody can keep its owner from cutting it. */
class CutFile implements Disposable {
  readonly fd = libc.memfd_create(new TextEncoder().encode("guest\0"), MFD_CLOEXEC);

  constructor() {
    assert(this.fd >= 0);
    this.cutTo(MEMORY_BYTES);
  }

  cutTo(bytes: number): void {
    assert.equal(libc.ftruncate(this.fd, BigInt(bytes)), 0);
  }

  [Symbol.dispose](): void {
    closeFd(this.fd);
  }
}

/** Whoever is behind an uplink. */
interface Peer {
  readonly mac: string;
  say(frame: Uint8Array): Promise<unknown>;
  waitFor(what: string, wanted: (frame: Uint8Array) => boolean): Promise<Uint8Array>;
}

/** A guest with whole memory gets a frame out by an uplink, by port 3. */
async function passes(bed: Bed, { mac, waitFor }: Peer, number: number): Promise<void> {
  const guest = await bed.guest(3);
  const frame = numberedFrame(mac, guest.options.mac, number, 1000);
  await until("there is room", () => guest.send(frame));
  assert.deepEqual(
    await waitFor("its frame", (got) => isNumbered(got) && got[17] === number),
    frame,
  );
  guest.close();
}

/** A guest at port 3 sends what it has cut away, alone and behind frames that are whole. */
async function cuts(bed: Bed, { mac }: Peer, packed: boolean): Promise<void> {
  using file = new CutFile();
  const guest = await bed.guest(3, { packed, memoryFd: file.fd, memoryBytes: MEMORY_BYTES });
  const before = (await bed.port(3)).errors["bad-page"] ?? 0;
  file.cutTo(KEPT_BYTES);
  const whole = numberedFrame(mac, guest.options.mac, 0, 200);
  for (let i = 0; i < 4; i++) guest.send(whole);
  const head = guest.ram.take(128, 64);
  guest.ram.write(head + guest.headerBytes, whole.subarray(0, 100));
  guest.sendChain([
    { address: head, bytes: guest.headerBytes + 100 },
    { address: KEPT_BYTES + 4096, bytes: 1000 },
  ]);
  await until("its connection ends", async () => {
    return ((await bed.port(3)).errors["bad-page"] ?? 0) > before;
  });
  const { lastError } = await bed.port(3);
  assert.match(lastError?.detail ?? "", /a page of .* is gone/);
  guest.close();
}

tapTest("memory that is gone under a write costs the guest that took it away", async () => {
  using device = new TapDevice();
  using folder = new TempFolder();
  const sockets = { stream: folder.file("a.sock"), seqpacket: folder.file("b.sock") };
  await using bed = await Bed.in(
    ...[folder, 3, "-p", `up=tap:${device.name}`] as const,
    ...["-p", `a=stream:${sockets.stream}`, "-p", `b=seqpacket:${sockets.seqpacket}`],
  );
  using others = await Bystanders.attach(bed.socket(1), bed.socket(2));
  using tap = new PacketPeer(device.name);
  using stream = StreamPeer.connect(sockets.stream);
  using packets = StreamPeer.connect(sockets.seqpacket, "seqpacket");
  const peers: readonly Peer[] = [tap, stream, packets].map((peer, i) => ({
    mac: macOf(0x70 + i),
    say: async (frame) => await peer.send(frame),
    waitFor: (...wanted) => peer.waitFor(...wanted),
  }));
  for (const [i, peer] of peers.entries()) {
    // Known: a frame to it is a frame to it alone.
    await peer.say(numberedFrame(macOf(0xb1), peer.mac, 0, 60));
    await until("its address is known", async () => {
      return (await bed.process.fdb()).some(({ mac }) => mac === peer.mac);
    });
    for (const packed of [false, true]) {
      await cuts(bed, peer, packed);
      await passes(bed, peer, 1 + 2 * i + (packed ? 1 : 0));
    }
  }
  await others.check();
  for (const port of [1, 2]) assert.deepEqual((await bed.port(port)).errors, {});
  assert.equal((await bed.portNamed("up")).link, "up");
});
