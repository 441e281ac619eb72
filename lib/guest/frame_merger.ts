/**
 * Frames out of the chains of a receive queue: one chain each, or several with mergeable buffers
 * (virtio-v1.3 §5.1.6.4.1), of which the first begins with a header that says how many. It is strict:
 * what a device may not do is an error.
 *
 * @module
 */
import { concat } from "@std/bytes/concat";
import { netNumBuffers, netOffloads } from "../virtio/net_header.ts";

/** Puts the chains of one receive queue together, in the order in which they come back. */
export class FrameMerger {
  readonly #headerBytes: number;
  /** The frame that is not whole yet: what is there of it, and how many chains are missing. */
  #begun: { readonly parts: Uint8Array[]; left: number } | null = null;

  /** Begins between two frames. @param headerBytes of the virtio-net header: 10 or 12 */
  constructor(headerBytes: number) {
    this.#headerBytes = headerBytes;
  }

  /** Forgets a frame that is not whole. */
  reset(): void {
    this.#begun = null;
  }

  /**
   * Takes the next chain.
   * @param data what the device wrote; empty: the chain could not hold a header, and comes back so
   * @param room of the chain that holds `data`, bytes
   * @returns the frame that it completes, without its header, or null
   * @throws if the device broke a rule
   */
  add(data: Uint8Array, room: number): Uint8Array | null {
    if (data.length === 0) {
      if (this.#begun) throw new Error("A frame goes through an empty buffer");
      return null;
    }
    if (this.#begun === null) this.#begun = this.#begin(data);
    else this.#begun.parts.push(data);
    if (--this.#begun.left > 0) {
      if (data.length === room) return null;
      throw new Error(`A merged frame leaves ${room - data.length} bytes of a buffer unused`);
    }
    const { parts } = this.#begun;
    this.#begun = null;
    return concat(parts);
  }

  #begin(data: Uint8Array): { readonly parts: Uint8Array[]; left: number } {
    if (data.length < this.#headerBytes) {
      throw new Error(`The device returned ${data.length} bytes, less than a header`);
    }
    const view = new DataView(data.buffer, data.byteOffset);
    const buffers = netNumBuffers(view, 0, this.#headerBytes);
    if (buffers < 1) throw new Error("A received header says 0 buffers");
    if (netOffloads(view, 0)) throw new Error("A received header asks for offload");
    return { parts: [data.subarray(this.#headerBytes)], left: buffers };
  }
}
