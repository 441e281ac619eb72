/**
 * The kernel as a judge: what the switch makes of a large frame, or of one with a checksum that is
 * begun, for a guest without offloads is what Linux makes of the same frame for a device without.
 */
import { strict as assert } from "node:assert";
import {
  closeFd,
  errno,
  openTap,
  readFrame,
  setTapHeader,
  setTapOffload,
  SystemError,
  TUN_PATH,
} from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { TapDevice, tapTest } from "../harness/tap.ts";
import { until } from "../harness/until.ts";
import { askingHeader, frameOf, type Packet } from "../model/packets.ts";
import { Bench, makePath, poll } from "../model/two_ports.ts";

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK = 3 | 0o4000;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const HEADER_BYTES = 12;
const FRAME_BYTES_MAX = 2000;

/** A device that takes finished frames alone, and a socket that asks the kernel to finish them. */
class KernelWay implements Disposable {
  readonly #device = new TapDevice();
  readonly #tap: number;
  readonly #socket: number;
  readonly #buffer = new Uint8Array(new ArrayBuffer(HEADER_BYTES + FRAME_BYTES_MAX));

  constructor() {
    const { name } = this.#device;
    this.#tap = openTap(TUN_PATH, name, false).fd;
    setTapHeader(this.#tap, HEADER_BYTES);
    assert(setTapOffload(this.#tap, 0));
    this.#socket = libc.socket(AF_PACKET, SOCK_RAW_NONBLOCK, 0);
    const on = new Int32Array([1]);
    assert.equal(libc.setsockopt(this.#socket, SOL_PACKET, PACKET_VNET_HDR, on, 4), 0);
    const address = new DataView(new ArrayBuffer(20));
    address.setUint16(0, AF_PACKET, true);
    address.setInt32(4, Number(Deno.readTextFileSync(`/sys/class/net/${name}/ifindex`)), true);
    if (libc.bind(this.#socket, address.buffer, 20) !== 0) throw new SystemError("bind", errno());
  }

  /** What comes out at the device. @throws {SystemError} this kernel knows no such frame */
  async pass(header: Uint8Array, frame: Uint8Array, count: number): Promise<Uint8Array[]> {
    const whole = Uint8Array.from([...header, ...frame]);
    if (libc.write(this.#socket, whole, BigInt(whole.length)) < 0n) {
      throw new SystemError("write", errno());
    }
    const frames: Uint8Array[] = [];
    await until("all segments are there", () => {
      for (;;) {
        const got = readFrame(this.#tap, this.#buffer, this.#buffer.length);
        if (got < 0) return frames.length >= count;
        assert(this.#buffer.subarray(0, 10).every((byte) => byte === 0), "they ask for nothing");
        frames.push(this.#buffer.slice(HEADER_BYTES, got));
      }
    });
    return frames;
  }

  [Symbol.dispose](): void {
    closeFd(this.#socket);
    closeFd(this.#tap);
    this.#device[Symbol.dispose]();
  }
}

const SENDS = { csum: true, hostTso4: true, hostTso6: true, hostEcn: true, hostUso: true };

/** What a guest without offloads gets of a frame of one with all of them. */
function ourWay(header: Uint8Array, frame: Uint8Array): Uint8Array[] {
  const shape = { packed: false, size: 128, mergeable: true, eventIdx: false, start: 0 };
  const sender = new Bench(0, { ...shape, offloads: SENDS }, 0);
  const receiver = new Bench(1, shape, 0);
  while (receiver.offer([2048], false));
  const path = makePath([sender, receiver]);
  assert(sender.send(frame, [], false, header));
  while (poll(path, sender) > 0);
  return receiver.received();
}

const PACKET: Packet = {
  ...{ tags: [], version: 4, extra: [], identification: 0xfffe, protocol: "tcp" },
  ...{ sequence: 0xffff_f800, flags: 0x18, tcpOptions: new Uint8Array(), to: 2, from: 1 },
  payload: new Uint8Array(9001).map((_, i) => (i * 7 + (i >> 8)) & 0xff),
};
const STAMPS = Uint8Array.of(1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8);
const TAG = [0x8100, 0x2064] as const;

/** What is looked at, over both versions of IP. */
const CASES: Readonly<Record<string, Partial<Packet>>> = {
  ...{ "TCP": {}, "TCP with a time stamp": { tcpOptions: STAMPS } },
  "TCP whose window is halved (CWR), and that ends": { flags: 0x99 },
  "TCP in a tag": { tags: [TAG], tcpOptions: STAMPS },
  "TCP in two tags": { tags: [[0x88a8, 0x0065], TAG] },
  ...{ "UDP": { protocol: "udp" }, "UDP in a tag": { protocol: "udp", tags: [TAG] } },
};
/** Options of IPv4, and a header of IPv6 between it and TCP. */
const EXTRA = { 4: [new Uint8Array(8).fill(1)], 6: [Uint8Array.of(1, 4, 0, 0, 0, 0)] } as const;

tapTest("segments and checksums are what the kernel makes of the same frames", async () => {
  using kernel = new KernelWay();
  let frames = 0;
  for (const version of [4, 6] as const) {
    const cases = { ...CASES, "options": { extra: EXTRA[version] } };
    for (const [what, own] of Object.entries(cases)) {
      for (const size of [0, 536, 1440]) {
        const whole: Packet = { ...PACKET, version, ...own };
        const payload = size === 0 ? whole.payload.slice(0, 1201) : whole.payload;
        const packet = { ...whole, payload };
        const header = askingHeader(packet, size);
        const frame = frameOf(packet, "begun");
        const ours = ourWay(header, frame);
        assert.equal(ours.length, size === 0 ? 1 : Math.ceil(payload.length / size));
        const theirs = await kernel.pass(header, frame, ours.length);
        const name = `${what}, IPv${version}, by ${size}`;
        assert.equal(theirs.length, ours.length, name);
        for (const [i, one] of theirs.entries()) {
          assert.deepEqual(ours[i], one, `${name}, segment ${i}`);
        }
        frames += ours.length;
      }
    }
  }
  assert(frames > 200, `${frames} frames are the same`);
});
