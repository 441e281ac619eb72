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
/** Windows of guests' memory alive at once: 16 TiB, or 509 slots of each of 32 guests. */
export const GUEST_WINDOWS_MAX = 16384;
/** All windows: besides, one for the private memory, and one a receive queue whose frames wait. */
export const WINDOWS_MAX: number = GUEST_WINDOWS_MAX + 8192 + 1;

/**
 * Up to here a JavaScript loop is not slower than a call into libc, ns measured side by side:
 * 48 bytes 11.5 against 14.0, 64 bytes 16.7 against 16.1, 112 bytes 20 against 15.
 */
const LOOP_BYTES_MAX = 64;

const emptyView = new DataView(new ArrayBuffer(0));
const emptyBytes = new Uint8Array(0);

/** Each window's view; an empty one where the number is free. */
export const windowView: DataView[] = new Array<DataView>(WINDOWS_MAX).fill(emptyView);
const windowBytes: Uint8Array[] = new Array<Uint8Array>(WINDOWS_MAX).fill(emptyBytes);
/** Each window's host address plus {@linkcode MANTISSA}; 0 where it has none (tests). */
const windowAddress = new Float64Array(WINDOWS_MAX);
/** Whose window it is; null where the number is free. */
export const windowOwner: (WindowSet | null)[] = new Array<WindowSet | null>(WINDOWS_MAX).fill(
  null,
);
/** Where each window starts in the mapping, bytes. */
export const windowStart: Float64Array<ArrayBuffer> = new Float64Array(WINDOWS_MAX);
const freeWindows = Array.from({ length: WINDOWS_MAX - 1 }, (_, i) => WINDOWS_MAX - 1 - i);

/** Window 0 is private memory of this thread: headers and checked frame heads are built here. */
export const PRIVATE_WINDOW = 0;
/** Bytes of the private window: a header and head in the first half, a frame of our own behind. */
export const PRIVATE_BYTES = 128;
/** The private window's view. */
export const privateView: DataView = new DataView(new ArrayBuffer(PRIVATE_BYTES));
windowView[PRIVATE_WINDOW] = privateView;
windowBytes[PRIVATE_WINDOW] = new Uint8Array(privateView.buffer);

let copyHost: ((target: bigint, source: bigint, sizeBytes: number) => void) | null = null;

/** Gives the thread a memcpy by host address. Without it, views copy. */
// cold
export function useHostCopy(
  copy: (target: bigint, source: bigint, sizeBytes: number) => void,
): void {
  copyHost = copy;
}

/** The windows over one mapping. Windows are made when first touched. */
export class WindowSet {
  /** Host address of the first byte, or 0. */
  readonly address: number;
  /** Bytes of the mapping. */
  readonly sizeBytes: number;
  readonly #view: (address: number, sizeBytes: number) => ArrayBuffer;
  readonly #windows = new Map<number, number>();

  /**
   * Windows over a mapping; none is made yet.
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

  // cold
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
    windowAddress[number] = this.address === 0 ? 0 : MANTISSA + this.address + start;
    windowOwner[number] = this;
    windowStart[number] = start;
    this.#windows.set(index, number);
    return number;
  }

  /** Detaches every view of this mapping, those of rings included, and frees the windows. */
  release(): void {
    for (const number of this.#windows.values()) {
      const buffer = windowView[number]!.buffer as ArrayBuffer;
      windowView[number] = emptyView;
      windowBytes[number] = emptyBytes;
      windowAddress[number] = 0;
      windowOwner[number] = null;
      freeWindows.push(number);
      // A stale view would read the next tenant's memory once the address is reused.
      buffer.transfer(0);
    }
    this.#windows.clear();
  }
}

/**
 * An address is computed as a float64 and reaches libc as a 64-bit integer: 2^52 + address has the
 * address in the 52 bits of its mantissa. One 8-byte store and load each, and optimised code makes
 * no BigInt of it: 3 ns a copy above 32-bit addresses, against 8 for two halves put together.
 */
const MANTISSA = 2 ** 52;
const addressFloats = new Float64Array(2);
const addressBits = new BigUint64Array(addressFloats.buffer);

/** Copies between windows. Ranges must be inside their windows; they must not overlap. */
export function copyBytes(
  targetWindow: number,
  targetOffset: number,
  sourceWindow: number,
  sourceOffset: number,
  sizeBytes: number,
): void {
  if (sizeBytes <= LOOP_BYTES_MAX) {
    copyShort(
      windowView[targetWindow]!,
      targetOffset,
      windowView[sourceWindow]!,
      sourceOffset,
      sizeBytes,
    );
    return;
  }
  const target = windowAddress[targetWindow]!;
  const source = windowAddress[sourceWindow]!;
  if (target === 0 || source === 0) {
    copyViews(targetWindow, targetOffset, sourceWindow, sourceOffset, sizeBytes);
    return;
  }
  addressFloats[0] = target + targetOffset;
  addressFloats[1] = source + sourceOffset;
  copyHost!(
    BigInt.asUintN(52, addressBits[0]!),
    BigInt.asUintN(52, addressBits[1]!),
    sizeBytes,
  );
}

/** 64-bit words move without a BigInt coming into being; the last one may overlap the one before. */
function copyShort(
  target: DataView,
  targetOffset: number,
  source: DataView,
  sourceOffset: number,
  sizeBytes: number,
): void {
  if (sizeBytes < 8) {
    for (let i = 0; i < sizeBytes; i++) {
      target.setUint8(targetOffset + i, source.getUint8(sourceOffset + i));
    }
    return;
  }
  let done = 0;
  for (; done + 16 <= sizeBytes; done += 16) {
    const first = source.getBigUint64(sourceOffset + done, true);
    const second = source.getBigUint64(sourceOffset + done + 8, true);
    target.setBigUint64(targetOffset + done, first, true);
    target.setBigUint64(targetOffset + done + 8, second, true);
  }
  if (done === sizeBytes) return;
  if (done + 8 < sizeBytes) {
    target.setBigUint64(targetOffset + done, source.getBigUint64(sourceOffset + done, true), true);
  }
  const last = sizeBytes - 8;
  target.setBigUint64(targetOffset + last, source.getBigUint64(sourceOffset + last, true), true);
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
