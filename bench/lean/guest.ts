/**
 * A guest whose device a {@linkcode NetGuest} has set up, and whose rings are then driven by the
 * leanest of drivers.
 *
 * @module
 */
import { NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import { LeanPacked, type LeanRing, LeanSplit, type RingPlace } from "./ring.ts";

/** Bytes of every receive buffer, as NetGuest makes them. */
const RECEIVE_BYTES = 2048;
const DESC_BYTES = 16;
/** Where MAC addresses stand in a frame. */
const SOURCE_AT = 6;
const TYPE_AT = 12;
/** An EtherType for experiments (IEEE 802 local 1): no switch looks into it. */
const TYPE = 0x88b5;

/** What guests of a pair are like. */
export interface GuestShape {
  readonly packed: boolean;
  /** Of every frame, without FCS. */
  readonly bytes: number;
  readonly ringSize: number;
  /** Further virtio features, by bit. */
  readonly features?: readonly number[];
}

/** One of two guests; station `k` of side `s` is 02:0s:kk:kk:kk:kk. */
export class LeanGuest implements Disposable {
  readonly rx: LeanRing;
  readonly tx: LeanRing;
  readonly #guest: NetGuest;
  readonly #view: DataView;
  readonly #frameAt: number;
  readonly #stride: number;

  private constructor(guest: NetGuest, side: number, shape: GuestShape) {
    const { ram, headerBytes } = guest;
    this.#guest = guest;
    this.#view = ram.view;
    const bytes = headerBytes + shape.bytes;
    this.#stride = Math.ceil(bytes / 64) * 64;
    const first = ram.take(this.#stride * shape.ringSize, 64);
    this.#frameAt = ram.at(first) + headerBytes;
    const place = (areas: readonly [number, number, number]): RingPlace => ({
      buffer: ram.view.buffer as ArrayBuffer,
      areas: [ram.at(areas[0]), ram.at(areas[1]), ram.at(areas[2])],
      size: shape.ringSize,
    });
    const [rxPlace, txPlace] = [place(guest.rx.areas), place(guest.tx.areas)];
    for (let slot = 0; slot < shape.ringSize; slot++) {
      const desc = txPlace.areas[0] + DESC_BYTES * slot;
      ram.view.setBigUint64(desc, BigInt(first + this.#stride * slot), true);
      ram.view.setUint32(desc + 8, bytes, true);
      const frame = this.#frameAt + this.#stride * slot;
      ram.view.setUint16(frame, 0x0200 | (1 - side));
      ram.view.setUint16(frame + SOURCE_AT, 0x0200 | side);
      ram.view.setUint16(frame + TYPE_AT, TYPE);
    }
    const size = shape.ringSize;
    this.rx = shape.packed
      ? new LeanPacked(rxPlace, size, RECEIVE_BYTES, true)
      : new LeanSplit(rxPlace, size);
    this.tx = shape.packed ? new LeanPacked(txPlace, 0, bytes, false) : new LeanSplit(txPlace, 0);
  }

  /** Connects and starts a guest. @param side 0 or 1 */
  static async start(socket: string, side: number, shape: GuestShape): Promise<LeanGuest> {
    const guest = await NetGuest.start({
      ...{ socket, mac: `02:0${side}:00:00:00:00`, packed: shape.packed },
      ...{ eventIdx: false, indirect: false, ringSize: shape.ringSize },
      features: shape.features ?? [],
    });
    // It polls: nobody need call.
    guest.rx.wantCalls(false);
    guest.tx.wantCalls(false);
    return new LeanGuest(guest, side, shape);
  }

  /** Sends the next n frames; there is room for them. */
  send(count: number): void {
    if (this.tx.post(count)) this.#guest.kick(TX);
  }

  /** Sends the next n frames from and to as many stations as there are, one after the other. */
  sendAmong(count: number, stations: number, from: number): void {
    let slot = this.tx.next;
    for (let i = 0; i < count; i++) {
      const at = this.#frameAt + this.#stride * slot;
      const station = (from + i) % stations;
      this.#view.setUint32(at + 2, station);
      this.#view.setUint32(at + SOURCE_AT + 2, station);
      if (++slot === this.tx.size) slot = 0;
    }
    this.send(count);
  }

  /** Frames that have arrived; their buffers go back at once. */
  receive(): number {
    const count = this.rx.take();
    if (count > 0 && this.rx.post(count)) this.#guest.kick(RX);
    return count;
  }

  [Symbol.dispose](): void {
    this.#guest.close();
  }
}
