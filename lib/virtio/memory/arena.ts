/**
 * The arena as the data plane sees it: one stretch of address space, reserved when the thread
 * starts, into which the control thread maps all guests' memory. Its views are cut out of it once
 * and stay: what is mapped behind them changes, and no view is made or detached for that.
 *
 * A buffer over mapped memory counts as its bytes on V8's heap, so that one made per GiB when it was
 * first touched meant a full collection of 5-7 ms for each, 0.6 s for a guest of 64 GiB. Here one
 * buffer is over everything, and a view cut out of it weighs a hundred bytes. Deno before 2.7 makes
 * no buffer of 32 GiB: there it takes several, made when a guest needs the next.
 *
 * Pure: who owns the memory hands in the buffers. Data-plane thread only.
 *
 * @module
 */
import { assert } from "../../base/assert.ts";

/** Windows start at multiples of this in the arena, bytes: its granules. */
export const WINDOW_STRIDE = 2 ** 30;
/** Longest window, bytes: offsets and ends stay below 2^31. */
export const WINDOW_BYTES_MAX = 2 ** 31 - 4096;
/** Windows that are made when the thread starts: 256 GiB. The others are when they are first used. */
export const WINDOWS_AT_START = 256;
/** Granules that the views overlap by, rounded up. */
const OVERLAP = 1;

/** Where the arena is. */
export interface ArenaPlace {
  /** Host address of its first byte, a multiple of {@linkcode WINDOW_STRIDE}. */
  readonly address: number;
  /** A multiple of {@linkcode WINDOW_STRIDE}. */
  readonly sizeBytes: number;
  /** Longest buffer that can be made, bytes; at least 2 GiB. */
  readonly viewBytesMax: number;
}

/** The views of an arena. */
export class Arena {
  /** Host address of its first byte. */
  readonly address: number;
  /** Bytes of it. */
  readonly sizeBytes: number;
  readonly #view: (address: number, sizeBytes: number) => ArrayBuffer;
  readonly #viewBytesMax: number;
  /** Granules whose windows lie in one buffer. */
  readonly #granulesPerBuffer: number;
  readonly #buffers: (ArrayBuffer | undefined)[] = [];
  readonly #windows: (DataView | undefined)[] = [];

  /** Makes the first views. @param view makes a view of mapped memory, given address and bytes */
  constructor(
    { address, sizeBytes, viewBytesMax }: ArenaPlace,
    view: (address: number, sizeBytes: number) => ArrayBuffer,
  ) {
    assert(address % WINDOW_STRIDE === 0, "The arena starts at a granule");
    assert(sizeBytes > 0 && sizeBytes % WINDOW_STRIDE === 0, "The arena has whole granules");
    assert(viewBytesMax >= (1 + OVERLAP) * WINDOW_STRIDE, "A buffer holds a window");
    this.address = address;
    this.sizeBytes = sizeBytes;
    this.#view = view;
    this.#viewBytesMax = viewBytesMax;
    this.#granulesPerBuffer = viewBytesMax >= sizeBytes
      ? sizeBytes / WINDOW_STRIDE
      : Math.floor(viewBytesMax / WINDOW_STRIDE) - OVERLAP;
    // While there is no traffic, and as far as one buffer goes.
    const first = Math.min(WINDOWS_AT_START, this.#granulesPerBuffer, sizeBytes / WINDOW_STRIDE);
    for (let granule = 0; granule < first; granule++) this.window(granule);
  }

  /** The view that starts with granule `granule`; made once. */
  window(granule: number): DataView {
    const known = this.#windows[granule];
    if (known !== undefined) return known;
    const start = granule * WINDOW_STRIDE;
    const sizeBytes = Math.min(WINDOW_BYTES_MAX, this.sizeBytes - start);
    assert(sizeBytes > 0, "A window lies in the arena");
    const offset = (granule % this.#granulesPerBuffer) * WINDOW_STRIDE;
    const window = new DataView(this.#bufferOf(granule), offset, sizeBytes);
    this.#windows[granule] = window;
    return window;
  }

  #bufferOf(granule: number): ArrayBuffer {
    const index = Math.floor(granule / this.#granulesPerBuffer);
    const start = index * this.#granulesPerBuffer * WINDOW_STRIDE;
    const sizeBytes = Math.min(this.#viewBytesMax, this.sizeBytes - start);
    return this.#buffers[index] ??= this.#view(this.address + start, sizeBytes);
  }
}
