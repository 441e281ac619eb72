// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Windows: views of mapped guest memory that every virtqueue of this thread shares, and the one
 * copy that moves a frame.
 *
 * V8 is fast only while byte offsets fit in 31 bits (one 64 GiB view ran at a tenth of the speed),
 * so a mapping is seen through windows of up to 2 GiB that start every 1 GiB: any range of at most
 * 1 GiB lies wholly inside the window it starts in. Windows are numbered across all mappings; a
 * window number and an offset name a byte of any guest.
 *
 * Pure: who owns the memory hands in the views. Data-plane thread only.
 *
 * @module
 */

/** Windows start at multiples of this, bytes. */
export const WINDOW_STRIDE = 2 ** 30;
/** Longest window, bytes: offsets and ends stay below 2^31. */
export const WINDOW_BYTES_MAX = 2 ** 31 - 4096;
/** Windows alive at once: 4 TiB of guest memory. */
export const WINDOWS_MAX = 4096;

/** Up to here a JavaScript loop beats a call into libc: 12 ns against 13 at 128 bytes. */
const LOOP_BYTES_MAX = 128;
/** Sign bit, for unsigned comparison of int32 values. */
const SIGN = 1 << 31;

const emptyView = new DataView(new ArrayBuffer(0));
const emptyBytes = new Uint8Array(0);

/** Each window's view; an empty one where the number is free. */
export const windowView: DataView[] = new Array<DataView>(WINDOWS_MAX).fill(emptyView);
const windowBytes: Uint8Array[] = new Array<Uint8Array>(WINDOWS_MAX).fill(emptyBytes);
/** Low and high half of each window's host address; both 0 where it has none (tests). */
const windowLow = new Int32Array(WINDOWS_MAX);
const windowHigh = new Int32Array(WINDOWS_MAX);
const freeWindows = Array.from({ length: WINDOWS_MAX - 1 }, (_, i) => WINDOWS_MAX - 1 - i);

/** Window 0 is private memory of this thread: headers and checked frame heads are built here. */
export const PRIVATE_WINDOW = 0;
/** Bytes of the private window. */
export const PRIVATE_BYTES = 64;
/** The private window's view. */
export const privateView: DataView = new DataView(new ArrayBuffer(PRIVATE_BYTES));
windowView[PRIVATE_WINDOW] = privateView;
windowBytes[PRIVATE_WINDOW] = new Uint8Array(privateView.buffer);

let copyLow: ((target: number, source: number, sizeBytes: number) => void) | null = null;
let copyAny: ((target: bigint, source: bigint, sizeBytes: number) => void) | null = null;

/** Gives the thread a memcpy by host address: below 4 GiB, and anywhere. Without it, views copy. */
export function useHostCopy(
  low: (target: number, source: number, sizeBytes: number) => void,
  any: (target: bigint, source: bigint, sizeBytes: number) => void,
): void {
  copyLow = low;
  copyAny = any;
}

/** The windows over one mapping. Windows are made when first touched. */
export class WindowSet {
  readonly address: number;
  readonly sizeBytes: number;
  readonly #view: (address: number, sizeBytes: number) => ArrayBuffer;
  readonly #windows = new Map<number, number>();

  /**
   * @param address host address of the mapping, or 0 if there is none (memory of a test)
   * @param view makes a view of mapped memory, given address and bytes
   */
  constructor(
    address: number,
    sizeBytes: number,
    view: (address: number, sizeBytes: number) => ArrayBuffer,
  ) {
    this.address = address;
    this.sizeBytes = sizeBytes;
    this.#view = view;
  }

  /** The window in which `offset` (bytes from the mapping's start) lies in the first GiB. */
  window(offset: number): number {
    const index = Math.floor(offset / WINDOW_STRIDE);
    const known = this.#windows.get(index);
    if (known !== undefined) return known;
    const number = freeWindows.pop();
    if (number === undefined) throw new Error("Cannot view guest memory: all windows are in use");
    const start = index * WINDOW_STRIDE;
    const sizeBytes = Math.min(WINDOW_BYTES_MAX, this.sizeBytes - start);
    const buffer = this.#view(this.address + start, sizeBytes);
    windowView[number] = new DataView(buffer);
    windowBytes[number] = new Uint8Array(buffer);
    windowLow[number] = this.address === 0 ? 0 : (this.address + start) | 0;
    windowHigh[number] = this.address === 0 ? 0 : Math.floor((this.address + start) / 2 ** 32);
    this.#windows.set(index, number);
    return number;
  }

  /** Detaches every view of this mapping, those of rings included, and frees the windows. */
  release(): void {
    for (const number of this.#windows.values()) {
      const buffer = windowView[number]!.buffer as ArrayBuffer;
      windowView[number] = emptyView;
      windowBytes[number] = emptyBytes;
      windowLow[number] = 0;
      windowHigh[number] = 0;
      freeWindows.push(number);
      // A stale view would read the next tenant's memory once the address is reused.
      buffer.transfer(0);
    }
    this.#windows.clear();
  }
}

// The two addresses of a long copy: a BigInt read from here reaches libc without being allocated.
const addresses = new BigUint64Array(2);
const addressWords = new Int32Array(addresses.buffer);

/** Copies between windows. Ranges must be inside their windows; they must not overlap. */
export function copyBytes(
  targetWindow: number,
  targetOffset: number,
  sourceWindow: number,
  sourceOffset: number,
  sizeBytes: number,
): void {
  if (sizeBytes > LOOP_BYTES_MAX) {
    copyLong(targetWindow, targetOffset, sourceWindow, sourceOffset, sizeBytes);
    return;
  }
  const target = windowView[targetWindow]!;
  const source = windowView[sourceWindow]!;
  let done = 0;
  // Optimised code moves 64-bit words here; no BigInt comes into being.
  for (; done + 16 <= sizeBytes; done += 16) {
    target.setBigUint64(targetOffset + done, source.getBigUint64(sourceOffset + done, true), true);
    target.setBigUint64(
      targetOffset + done + 8,
      source.getBigUint64(sourceOffset + done + 8, true),
      true,
    );
  }
  for (; done + 4 <= sizeBytes; done += 4) {
    target.setInt32(targetOffset + done, source.getInt32(sourceOffset + done, true), true);
  }
  for (; done < sizeBytes; done++) {
    target.setUint8(targetOffset + done, source.getUint8(sourceOffset + done));
  }
}

function copyLong(
  targetWindow: number,
  targetOffset: number,
  sourceWindow: number,
  sourceOffset: number,
  sizeBytes: number,
): void {
  const targetBase = windowLow[targetWindow]!;
  const sourceBase = windowLow[sourceWindow]!;
  const targetHigh = windowHigh[targetWindow]!;
  const sourceHigh = windowHigh[sourceWindow]!;
  if ((targetHigh | sourceHigh) === 0) {
    if (copyLow === null || targetBase === 0 || sourceBase === 0) {
      copyViews(targetWindow, targetOffset, sourceWindow, sourceOffset, sizeBytes);
    } else {
      copyLow((targetBase + targetOffset) >>> 0, (sourceBase + sourceOffset) >>> 0, sizeBytes);
    }
    return;
  }
  const targetLow = (targetBase + targetOffset) | 0;
  const sourceLow = (sourceBase + sourceOffset) | 0;
  addressWords[0] = targetLow;
  addressWords[1] = targetHigh + ((targetLow ^ SIGN) < (targetBase ^ SIGN) ? 1 : 0);
  addressWords[2] = sourceLow;
  addressWords[3] = sourceHigh + ((sourceLow ^ SIGN) < (sourceBase ^ SIGN) ? 1 : 0);
  copyAny!(addresses[0]!, addresses[1]!, sizeBytes);
}

// cold: memory without a host address, as in tests.
function copyViews(
  targetWindow: number,
  targetOffset: number,
  sourceWindow: number,
  sourceOffset: number,
  sizeBytes: number,
): void {
  const source = windowBytes[sourceWindow]!;
  windowBytes[targetWindow]!.set(
    source.subarray(sourceOffset, sourceOffset + sizeBytes),
    targetOffset,
  );
}
