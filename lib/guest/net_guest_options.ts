/**
 * What may differ from one guest in TypeScript to another.
 *
 * @module
 */
import type { RamRegion } from "./driver.ts";

/** How a guest is made. */
export interface NetGuestOptions {
  readonly socket: string;
  readonly mac: string;
  readonly packed?: boolean;
  readonly mergeable?: boolean;
  readonly eventIdx?: boolean;
  readonly indirect?: boolean;
  readonly inOrder?: boolean;
  /** VIRTIO_F_VERSION_1; without it and without mergeable buffers the header has 10 bytes. */
  readonly version1?: boolean;
  readonly ringSize?: number;
  /** Memory in one region at guest-physical address 0. */
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
