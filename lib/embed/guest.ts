/**
 * A guest in TypeScript as a program that uses this library sees it: frames in, frames out. Its
 * memory, rings and front-end are {@linkcode NetGuest}'s, which tests and the demo use in full.
 *
 * @module
 */
import { NetGuest } from "../guest/net_guest.ts";

/** How a guest is made. */
export interface GuestOptions {
  /** Its address, as `52:54:00:00:00:01`. The guest does not enforce it: a frame says what it says. */
  readonly mac: string;
  /** VIRTIO_F_RING_PACKED; default false. */
  readonly packed?: boolean;
  /** VIRTIO_NET_F_MRG_RXBUF; default true. */
  readonly mergeable?: boolean;
  /** VIRTIO_RING_F_EVENT_IDX; default true. */
  readonly eventIdx?: boolean;
  /** VIRTIO_F_IN_ORDER; default false. */
  readonly inOrder?: boolean;
  /** Descriptors of each ring, a power of two; default 256. */
  readonly ringSize?: number;
  /** Bytes of its memory; default 16 MiB. */
  readonly memoryBytes?: number;
}

/** A guest on a port. Close it, or leave its `using` scope. The thread that made it uses it. */
export class Guest implements Disposable {
  /** Its address, as given. */
  readonly mac: string;
  readonly #guest: NetGuest;

  private constructor(guest: NetGuest) {
    this.mac = guest.options.mac;
    this.#guest = guest;
  }

  /**
   * Connects to a port's socket as QEMU does and starts both rings; the link is up then. Any
   * vhost-user-net back-end will do.
   * @throws {Error} nobody listens, or it is refused
   */
  static async connect(socket: string, options: GuestOptions): Promise<Guest> {
    return new Guest(await NetGuest.start({ ...options, socket }));
  }

  /** Sends an Ethernet frame, without FCS. @returns false: the ring is full, try again later */
  send(frame: Uint8Array): boolean {
    return this.#guest.send(frame);
  }

  /**
   * Frames that have arrived since, in order; their buffers go back to the switch.
   * @throws {Error} the back-end broke a rule of virtio, such as writing behind what it used
   */
  receive(): Uint8Array[] {
    return this.#guest.receive();
  }

  /**
   * Waits for the next frame that `wanted` accepts; those before it are dropped.
   * @returns it, or null if none came within `ms`
   */
  waitFor(wanted: (frame: Uint8Array) => boolean, ms: number): Promise<Uint8Array | null> {
    return this.#guest.waitFor(wanted, ms);
  }

  /** Disconnects. Without effect the second time. */
  close(): void {
    this.#guest.close();
  }

  /** As {@linkcode Guest.close}. */
  [Symbol.dispose](): void {
    this.close();
  }
}
