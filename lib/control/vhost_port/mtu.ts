/**
 * The MTU in force at a port: the operator's, or less where the front-end says so.
 *
 * @module
 */
import { frameLimit } from "../../switch/ports/port.ts";

/** One port's. Control thread only. */
export class PortMtu {
  readonly #own: number | null;
  readonly #apply: (frameBytesMax: number) => void;
  #mtu: number | null;
  /** What the data plane has of it, bytes. */
  #frameMax = frameLimit(null);

  /** The operator's, null: there is none. @param apply tells the data plane, bytes of a frame */
  constructor(own: number | null, apply: (frameBytesMax: number) => void) {
    this.#own = this.#mtu = own;
    this.#apply = apply;
    this.set(own);
  }

  /** Bytes, or null: nobody named one. */
  get value(): number | null {
    return this.#mtu;
  }

  /** Another one from now on. */
  set(mtu: number | null): void {
    this.#mtu = mtu;
    const frameMax = frameLimit(mtu);
    if (frameMax === this.#frameMax) return;
    this.#frameMax = frameMax;
    this.#apply(frameMax);
  }

  /** The operator's again: the front-end is gone. */
  reset(): void {
    this.set(this.#own);
  }
}
