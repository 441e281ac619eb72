/**
 * Large frames: a guest that leaves it to others to cut 64 KiB of TCP, as fast as its ring is emptied.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import {
  addressOf,
  closeFd,
  errno,
  openTap,
  setTapHeader,
  SystemError,
  TUN_PATH,
  writeFrame,
} from "../../ffi/mod.ts";
import { NetGuest, TX } from "../../lib/guest/net_guest.ts";
import { askingHeader, frameOf, headersOf, type Packet } from "../../tests/model/packets.ts";
import { digits } from "../statistics.ts";
import { LeanGuest } from "./guest.ts";
import { LeanSplit } from "./ring.ts";
import type { LeanResult, LeanTask } from "./task.ts";

/** CSUM and HOST_TSO4; GUEST_CSUM and GUEST_TSO4. */
const SENDER_FEATURES = [0, 11];
const RECEIVER_FEATURES = { whole: [1, 7], plain: [] };
const HEADER_BYTES = 12;
/** The first piece of a frame that the switch writes has its header and so much of it. */
const HEAD_BYTES = 16;
const FRAMES = 64;
const BUFFERS = 1024;
const BUFFER_BYTES = 2048;
/** Payload of a segment, as at an MTU of 1500 with timestamps, and of as many as 64 KiB hold. */
const SEGMENT_BYTES = 1448;
const SEGMENTS = 45;
const WARM_UP_SECONDS = 0.5;
const START_MS_MAX = 20_000;
const DESC_BYTES = 16;

const PACKET: Packet = {
  ...{ tags: [], version: 4, extra: [], identification: 1, protocol: "tcp", sequence: 1 },
  ...{ flags: 0x10, tcpOptions: new Uint8Array(0), to: 0, from: 0 },
  payload: new Uint8Array(SEGMENT_BYTES * SEGMENTS),
};

/** From the first lean guest's address to the second's. */
export function largeFrame(): { readonly header: Uint8Array; readonly frame: Uint8Array } {
  const frame = frameOf(PACKET, "begun");
  frame.set([2, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0]);
  return { header: askingHeader(PACKET, SEGMENT_BYTES), frame };
}

/** Bytes of a large frame, its headers included. */
export const LARGE_FRAME_BYTES: number = headersOf(PACKET) + PACKET.payload.length;

/** Buffers of the receiver that a large frame fills. */
const BUFFERS_A_FRAME = {
  whole: Math.ceil((HEADER_BYTES + LARGE_FRAME_BYTES) / BUFFER_BYTES),
  plain: SEGMENTS,
};

/** A guest that has the same large frame in all buffers. */
class LargeSender implements Disposable {
  readonly tx: LeanSplit;
  readonly #guest: NetGuest;

  private constructor(guest: NetGuest) {
    this.#guest = guest;
    const { ram } = guest;
    const { header, frame } = largeFrame();
    const bytes = guest.headerBytes + frame.length;
    const [descriptors, driver, device] = guest.tx.areas;
    this.tx = new LeanSplit({
      buffer: ram.view.buffer as ArrayBuffer,
      areas: [ram.at(descriptors), ram.at(driver), ram.at(device)],
      size: FRAMES,
    }, 0);
    for (let slot = 0; slot < FRAMES; slot++) {
      const at = ram.take(Math.ceil(bytes / 64) * 64 + 128, 64);
      ram.write(at, header);
      ram.write(at + guest.headerBytes, frame);
      const desc = ram.at(descriptors) + DESC_BYTES * slot;
      ram.view.setBigUint64(desc, BigInt(at), true);
      ram.view.setUint32(desc + 8, bytes, true);
    }
  }

  static async start(socket: string): Promise<LargeSender> {
    const guest = await NetGuest.start({
      ...{ socket, mac: "02:00:00:00:00:00", eventIdx: false, indirect: false },
      ...{ ringSize: FRAMES, features: SENDER_FEATURES },
    });
    guest.tx.wantCalls(false);
    return new LargeSender(guest);
  }

  /** Sends as many frames as there is room for. */
  fill(): void {
    this.tx.take();
    const count = this.tx.size - this.tx.held;
    if (count > 0 && this.tx.post(count)) this.#guest.kick(TX);
  }

  [Symbol.dispose](): void {
    this.#guest.close();
  }
}

/** Sends for a time. @returns receive buffers that were filled, and the time it took, s */
function floodFor(
  sender: LargeSender,
  receiver: LeanGuest | null,
  seconds: number,
): { readonly buffers: number; readonly seconds: number } {
  const begin = performance.now();
  let [buffers, now] = [0, begin];
  while (now - begin < seconds * 1000) {
    for (let i = 0; i < 64; i++) {
      sender.fill();
      buffers += receiver?.receive() ?? 0;
    }
    now = performance.now();
  }
  return { buffers, seconds: (now - begin) / 1000 };
}

/** Bytes that a device got from whoever has its queue. */
function deviceBytes(name: string): number {
  return Number(Deno.readTextFileSync(`/sys/class/net/${name}/statistics/rx_bytes`));
}

function result(bytes: number, seconds: number): LeanResult {
  const value = digits(bytes * 8 / seconds / 1e9);
  return { value, more: {}, quantilesUs: null, emptyPolls: null };
}

/** Tells when the measured time begins and ends. */
type Measured = <T>(work: () => Promise<T> | T) => Promise<T>;

/** Waits until a receiver's address is known. */
async function introduce(receiver: LeanGuest): Promise<void> {
  receiver.send(1);
  for (const end = performance.now() + START_MS_MAX; receiver.tx.take() === 0; await delay(5)) {
    if (performance.now() > end) throw new Error("No frame comes through the switch");
  }
}

/** A guest sends large frames through a switch. */
export async function floodLarge(
  { sockets: [socket, other], receiver: kind, seconds }: LeanTask,
  measured: Measured,
): Promise<LeanResult> {
  using sender = await LargeSender.start(socket);
  if (kind === "elsewhere") {
    floodFor(sender, null, WARM_UP_SECONDS);
    const before = deviceBytes(other);
    const got = await measured(() => floodFor(sender, null, seconds));
    sender.tx.check();
    return result(deviceBytes(other) - before, got.seconds);
  }
  using receiver = await LeanGuest.start(other, 1, {
    ...{ packed: false, bytes: 64, ringSize: BUFFERS, features: RECEIVER_FEATURES[kind] },
  });
  await introduce(receiver);
  floodFor(sender, receiver, WARM_UP_SECONDS);
  const got = await measured(() => floodFor(sender, receiver, seconds));
  sender.tx.check();
  receiver.rx.check();
  return result(LARGE_FRAME_BYTES * got.buffers / BUFFERS_A_FRAME[kind], got.seconds);
}

/** No switch: the same frames, as many, are written into a device, each in two pieces. */
export async function writeLarge(
  { sockets: [, device], seconds }: LeanTask,
  measured: Measured,
): Promise<LeanResult> {
  const { fd } = openTap(TUN_PATH, device, false);
  setTapHeader(fd, HEADER_BYTES);
  const { header, frame } = largeFrame();
  const stride = Math.ceil((HEADER_BYTES + frame.length) / 4096) * 4096;
  const memory = new Uint8Array(new ArrayBuffer(FRAMES * stride));
  const address = addressOf(memory.buffer);
  const vectors = Array.from({ length: FRAMES }, (_, i) => {
    memory.set(header, i * stride);
    memory.set(frame, i * stride + HEADER_BYTES);
    const at = BigInt(address + i * stride);
    const [first, all] = [BigInt(HEADER_BYTES + HEAD_BYTES), BigInt(HEADER_BYTES + frame.length)];
    return new Uint8Array(BigUint64Array.of(at, first, at + first, all - first).buffer);
  });
  const writeFor = (seconds: number): number => {
    const begin = performance.now();
    let now = begin;
    for (; now - begin < seconds * 1000; now = performance.now()) {
      for (const vector of vectors) {
        if (writeFrame(fd, vector, 2) < 0) throw new SystemError("writev", errno());
      }
    }
    return (now - begin) / 1000;
  };
  try {
    writeFor(WARM_UP_SECONDS);
    const before = deviceBytes(device);
    const took = await measured(() => writeFor(seconds));
    return result(deviceBytes(device) - before, took);
  } finally {
    closeFd(fd);
  }
}
