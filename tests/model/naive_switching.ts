/**
 * What a transmit queue, a receive queue and one copy between them must do, written as plainly as
 * possible: lists of frames and buffers, nothing about rings (virtio-v1.3 §5.1.6.4).
 *
 * @module
 */

const HEADER_BYTES = 12;

/** A receive chain as the driver offered it. */
export interface Room {
  readonly id: number;
  readonly bytes: number;
}

/** What becomes of a frame. */
export interface Fate {
  readonly outcome: "delivered" | "no buffer" | "too small";
  /** Chains that went back empty before: no room for a header, or waiting with one that has none. */
  readonly spent: readonly Room[];
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
    const spent: Room[] = [];
    for (;;) {
      const short = this.#shortBefore(bytes);
      if (short < 0) return { ...this.#fill(bytes), spent };
      spent.push(...this.rooms.splice(0, short + 1).map(({ id }) => ({ id, bytes: 0 })));
    }
  }

  /** The first chain without room for a header among those that the frame would take, or -1. */
  #shortBefore(bytes: number): number {
    let room = 0;
    for (let i = 0; i < this.rooms.length && room < bytes; i++) {
      const { bytes: most } = this.rooms[i] as Room;
      if (most < HEADER_BYTES) return i;
      if (!this.#mergeable) return -1;
      room += most;
    }
    return -1;
  }

  #fill(bytes: number): Omit<Fate, "spent"> {
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
