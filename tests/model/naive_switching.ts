/**
 * What a transmit queue, a receive queue and one copy between them must do, written as plainly as
 * possible: lists of frames and buffers, nothing about rings (virtio-v1.3 §5.1.6.4).
 *
 * @module
 */

/** A receive chain as the driver offered it. */
export interface Room {
  readonly id: number;
  readonly bytes: number;
}

/** What becomes of a frame. */
export interface Fate {
  readonly outcome: "delivered" | "no buffer" | "too small";
  /** Chains used and the bytes written in each. */
  readonly used: readonly Room[];
}

/** A receive queue: chains, the oldest first. */
export class NaiveReceiver {
  readonly rooms: Room[] = [];
  readonly #mergeable: boolean;

  constructor(mergeable: boolean) {
    this.#mergeable = mergeable;
  }

  /** Delivers header and frame, `bytes` together. */
  deliver(bytes: number): Fate {
    const needed: Room[] = [];
    let left = bytes;
    for (const room of this.rooms) {
      if (left === 0) break;
      const written = Math.min(left, room.bytes);
      needed.push({ id: room.id, bytes: written });
      left -= written;
      if (!this.#mergeable) break;
    }
    if (needed.length > 0 && left > 0 && !this.#mergeable) {
      return { outcome: "too small", used: [] };
    }
    if (left > 0) return { outcome: "no buffer", used: [] };
    this.rooms.splice(0, needed.length);
    return { outcome: "delivered", used: needed };
  }
}
