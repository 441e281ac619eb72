// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * Windows: views of mapped guest memory that every virtqueue of this thread shares, and the one
 * copy that moves a frame.
 *
 * V8 is fast only while byte offsets fit in 31 bits (one 64 GiB view ran at a tenth of the speed),
 * so the arena (arena.ts) is seen through windows of up to 2 GiB that start every 1 GiB: any range
 * of at most 1 GiB lies wholly inside the window it starts in. Windows are numbered across all
 * mappings; a window number and an offset name a byte of any guest.
 *
 * Pure: who owns the memory hands in the arena. Data-plane thread only.
 *
 * @module
 */
import { assert, present } from "../../base/assert.ts";
import { PORTS_MAX, QUEUE_PAIRS_MAX } from "../../base/limits.ts";
import { type Arena, WINDOW_BYTES_MAX, WINDOW_STRIDE } from "./arena.ts";

/**
 * Windows of guests' memory, the arena's granules: 17 TiB, for 16 guests of 1 TiB and what stays
 * free behind each, or 509 slots of each of 34 guests.
 */
export const GUEST_WINDOWS_MAX = 17 * 1024;
/** Bytes of the arena where nothing limits it. */
export const ARENA_BYTES: number = GUEST_WINDOWS_MAX * WINDOW_STRIDE;
/** The window of the arena's first granule; behind the arena's are windows of private memory. */
const FIRST_WINDOW = 1;
/** What a thread has once, or keeps for later, such as the buffers of its lanes: 20 at most. */
const THREAD_WINDOWS_MAX = 64;
/**
 * Windows of private memory: of each receive queue whose frames wait, and of each port's lane, a port
 * having either.
 */
export const PRIVATE_WINDOWS_MAX: number = PORTS_MAX * (QUEUE_PAIRS_MAX + 1) + THREAD_WINDOWS_MAX;
/** All windows. */
export const WINDOWS_MAX: number = FIRST_WINDOW + GUEST_WINDOWS_MAX + PRIVATE_WINDOWS_MAX;

/**
 * Up to here a JavaScript loop is not slower than a call into libc, ns measured side by side:
 * 48 bytes 11.5 against 14.0, 64 bytes 16.7 against 16.1, 112 bytes 20 against 15.
 */
export const LOOP_BYTES_MAX = 64;

const emptyView = new DataView(new ArrayBuffer(0));

/** Each window's view; an empty one where nothing is mapped or the number is free. */
export const windowView: DataView[] = new Array<DataView>(WINDOWS_MAX).fill(emptyView);
/** Each window's host address plus {@linkcode MANTISSA}, or 0: private memory, not asked for. */
const windowAddress = new Float64Array(WINDOWS_MAX);
/** Whose window it is; null where the number is free. */
export const windowOwner: (WindowSet | null)[] = new Array<WindowSet | null>(WINDOWS_MAX).fill(
  null,
);
/** Where each window starts in the mapping, bytes. */
export const windowStart: Float64Array<ArrayBuffer> = new Float64Array(WINDOWS_MAX);
const freeWindows = Array.from(
  { length: PRIVATE_WINDOWS_MAX },
  (_, i) => WINDOWS_MAX - 1 - i,
);

/** Window 0 is private memory of this thread: headers and checked frame heads are built here. */
export const PRIVATE_WINDOW = 0;
/** Bytes of the private window: a header and head in the first half, a frame of our own behind. */
export const PRIVATE_BYTES = 128;
/** The private window's view. */
export const privateView: DataView = new DataView(new ArrayBuffer(PRIVATE_BYTES));
windowView[PRIVATE_WINDOW] = privateView;

let copyHost: ((target: bigint, source: bigint, sizeBytes: number) => void) | null = null;

/** Gives the thread a memcpy by host address: mapped memory needs one. */
// cold
export function useHostCopy(
  copy: (target: bigint, source: bigint, sizeBytes: number) => void,
): void {
  copyHost = copy;
}

let addressHost: ((buffer: ArrayBuffer) => number) | null = null;

/** Gives the thread a way to find out where private memory lies. */
// cold
export function useHostAddress(addressOf: (buffer: ArrayBuffer) => number): void {
  addressHost = addressOf;
}

let arena: Arena | null = null;

/** Gives the thread the arena that all mappings of guests' memory lie in. */
// cold
export function useArena(of: Arena): void {
  assert(of.sizeBytes <= GUEST_WINDOWS_MAX * WINDOW_STRIDE, "The arena has a window per granule");
  arena = of;
}

let lostSets = 0;

/** Whether pages of any mapping could not be had: as good as never. */
export function anyLost(): boolean {
  return lostSets > 0;
}

/** The windows over one mapping, or over private memory. */
export class WindowSet {
  /** Host address of the first byte, or 0: private memory. */
  readonly address: number;
  /** Bytes of the mapping. */
  readonly sizeBytes: number;
  /** Where the mapping starts in its first window, bytes. */
  readonly skew: number;
  #isLost = false;
  readonly #first: number;
  readonly #count: number;

  private constructor(
    address: number,
    sizeBytes: number,
    skew: number,
    first: number,
    views: readonly DataView[],
  ) {
    this.address = address;
    this.sizeBytes = sizeBytes;
    this.skew = skew;
    this.#first = first;
    this.#count = views.length;
    for (const [i, view] of views.entries()) this.#show(i, view);
  }

  /** Windows over a mapping in the arena. */
  static mapped(address: number, sizeBytes: number): WindowSet {
    const whole = present(arena, "the arena");
    const origin = address - whole.address;
    assert(origin >= 0 && origin + sizeBytes <= whole.sizeBytes, "A mapping lies in the arena");
    const granule = Math.floor(origin / WINDOW_STRIDE);
    const skew = origin % WINDOW_STRIDE;
    const count = Math.ceil((skew + sizeBytes) / WINDOW_STRIDE);
    const views = Array.from({ length: count }, (_, i) => whole.window(granule + i));
    return new WindowSet(address, sizeBytes, skew, FIRST_WINDOW + granule, views);
  }

  /** The window over private memory, at most WINDOW_BYTES_MAX. @throws {Error} all are in use */
  static over(buffer: ArrayBuffer): WindowSet {
    assert(buffer.byteLength <= WINDOW_BYTES_MAX, "Private memory has one window");
    const number = freeWindows.pop();
    if (number === undefined) throw new Error("Cannot view private memory: no window is free");
    return new WindowSet(0, buffer.byteLength, 0, number, [new DataView(buffer)]);
  }

  #show(index: number, view: DataView): void {
    const number = this.#first + index;
    const start = index * WINDOW_STRIDE - this.skew;
    assert(windowOwner[number] === null, "A window is of one mapping");
    windowView[number] = view;
    windowAddress[number] = this.address === 0 ? 0 : MANTISSA + this.address + start;
    windowOwner[number] = this;
    windowStart[number] = start;
  }

  /** The window in which `offset` (bytes from the mapping's start) lies in the first GiB. */
  window(offset: number): number {
    return this.#first + Math.floor((this.skew + offset) / WINDOW_STRIDE);
  }

  /** Pages of it could not be had: what is seen there is no guest's. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Pages of it could not be had. */
  lose(): void {
    if (!this.#isLost) lostSets++;
    this.#isLost = true;
  }

  /** Frees the windows: their numbers show nothing from now on. */
  release(): void {
    if (this.#isLost) lostSets--;
    this.#isLost = false;
    for (let number = this.#first; number < this.#first + this.#count; number++) {
      windowView[number] = emptyView;
      windowAddress[number] = 0;
      windowOwner[number] = null;
      if (this.address === 0) freeWindows.push(number);
    }
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

/**
 * Where a byte of a window lies on the host: its address plus 2^52, a float64 whose lower 52 bits are
 * the address.
 */
export function hostPlace(window: number, offset: number): number {
  const start = windowAddress[window]!;
  return (start === 0 ? findPlace(window) : start) + offset;
}

// cold: once for each window of private memory.
function findPlace(window: number): number {
  const { buffer, byteOffset } = windowView[window]!;
  const address = present(addressHost, "a way to find addresses")(buffer as ArrayBuffer);
  return windowAddress[window] = MANTISSA + address + byteOffset;
}

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
    copyPrivate(targetWindow, targetOffset, sourceWindow, sourceOffset, sizeBytes);
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

/**
 * Copies between views, up to {@linkcode LOOP_BYTES_MAX} bytes best. 64-bit words move without a
 * BigInt coming into being; the last one may overlap the one before.
 */
export function copyShort(
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

// cold: private memory has no host address, and typed arrays over the ranges would be garbage.
function copyPrivate(
  targetWindow: number,
  targetOffset: number,
  sourceWindow: number,
  sourceOffset: number,
  sizeBytes: number,
): void {
  const target = windowView[targetWindow]!;
  copyShort(target, targetOffset, windowView[sourceWindow]!, sourceOffset, sizeBytes);
}
