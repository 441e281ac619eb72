/**
 * What may differ from one guest in TypeScript to another.
 *
 * @module
 */
import type { RamRegion } from "./driver.ts";

/** How a guest is made. */
export interface NetGuestOptions {
  /** Path of the port's socket. */
  readonly socket: string;
  /** Its address, as `52:54:00:00:00:01`. Only the caller uses it. */
  readonly mac: string;
  /** VIRTIO_F_RING_PACKED; default false. */
  readonly packed?: boolean;
  /** VIRTIO_NET_F_MRG_RXBUF; default true. */
  readonly mergeable?: boolean;
  /** VIRTIO_RING_F_EVENT_IDX; default true. */
  readonly eventIdx?: boolean;
  /** VIRTIO_RING_F_INDIRECT_DESC; default true. */
  readonly indirect?: boolean;
  /** VIRTIO_F_IN_ORDER; default false. */
  readonly inOrder?: boolean;
  /**
   * VIRTIO_F_VERSION_1, default true; without it and without mergeable buffers the header has 10
   * bytes.
   */
  readonly version1?: boolean;
  /** Descriptors of each ring; default 256. */
  readonly ringSize?: number;
  /** Memory in one region at guest-physical address 0; default 16 MiB. */
  readonly memoryBytes?: number;
  /** Memory in several regions, one behind the other in the file, instead of `memoryBytes`. */
  readonly regions?: readonly RamRegion[];
  /** Where the driver's own data starts, bytes from the memory's start. */
  readonly dataStart?: number;
  /** Memory file of another guest to work in, beyond `dataStart`; it stays the other's. */
  readonly memoryFd?: number;
  /** Bytes of each descriptor of a receive chain. */
  readonly bufferPieces?: readonly number[];
  /** Receive chains stand in indirect tables. */
  readonly indirectBuffers?: boolean;
  /** Receive chains, default as many as fit the ring. */
  readonly buffers?: number;
  /** Kicks and calls are messages, and there are no eventfds. */
  readonly inBand?: boolean;
  /** User addresses are guest addresses (VHOST_USER_PROTOCOL_F_GPA_ADDRESSES). */
  readonly guestAddresses?: boolean;
  /** Further virtio features, by bit. */
  readonly features?: readonly number[];
}
