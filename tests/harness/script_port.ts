/**
 * A port that sends what a test gives it and keeps what it gets, for tests of where frames go.
 *
 * @module
 */
import { portBase } from "../../lib/switch/counters.ts";
import { Port, type Sink, type Source } from "../../lib/switch/ports/port.ts";
import {
  beginBurst,
  frameBytes,
  frameHead,
  frameSegment,
  frameSegmentEnd,
  HEAD_BYTES,
  openFrames,
  spacedSegment,
} from "../../lib/virtio/burst.ts";
import {
  segmentBytes,
  segmentOffset,
  segmentWindow,
} from "../../lib/virtio/memory/guest_memory.ts";
import { WindowSet, windowView } from "../../lib/virtio/memory/window.ts";
import { ALL_OFFLOADS } from "../../lib/virtio/offloads.ts";

/** One such port. Release it: it has a window. */
export class ScriptPort extends Port implements Source, Sink {
  readonly port = this;
  readonly polled = false;
  readonly accepts: number = ALL_OFFLOADS;
  /** To be sent. */
  readonly out: Uint8Array[] = [];
  /** What came. */
  readonly got: Uint8Array[] = [];
  readonly #windows = WindowSet.over(new ArrayBuffer(2 ** 17));

  /** @param index its number, of ports with `vringsPerPort` virtqueues */
  constructor(index: number, vringsPerPort = 2) {
    super(index, portBase(index, vringsPerPort));
  }

  get enabled(): boolean {
    return this.adminUp;
  }

  override refresh(): void {
    this.receivers.length = 0;
    if (this.adminUp) this.receivers.push(this);
  }

  override appendSources(list: Source[]): void {
    list.push(this);
  }

  override tick(): void {}

  take(): number {
    const window = this.#windows.window(0);
    const view = windowView[window] as DataView;
    const frames = this.out.splice(0, 64);
    beginBurst();
    let at = 0;
    for (const [frame, bytes] of frames.entries()) {
      const segment = spacedSegment(frame);
      for (const byte of bytes) view.setUint8(at++, byte);
      segmentWindow[segment] = window;
      segmentOffset[segment] = at - bytes.length;
      segmentBytes[segment] = frameBytes[frame] = bytes.length;
      frameSegment[frame] = segment;
      frameSegmentEnd[frame] = segment + 1;
    }
    openFrames(frames.length, 0);
    return frames.length;
  }

  finish(): void {}

  setKicks(wanted: boolean): boolean {
    return wanted && this.out.length > 0;
  }

  deliver(_path: unknown, list: Uint16Array, start: number, count: number): void {
    for (const frame of list.subarray(start, start + count)) {
      const whole = new Uint8Array(frameBytes[frame] as number);
      const head = new Uint8Array(frameHead.buffer, frame * HEAD_BYTES, HEAD_BYTES);
      whole.set(head.subarray(0, Math.min(HEAD_BYTES, whole.length)));
      let at = HEAD_BYTES;
      for (let segment = frameSegment[frame] as number; at < whole.length; segment++) {
        const view = windowView[segmentWindow[segment] as number] as DataView;
        for (let i = 0; i < (segmentBytes[segment] as number) && at < whole.length; i++) {
          whole[at++] = view.getUint8((segmentOffset[segment] as number) + i);
        }
      }
      this.got.push(whole);
    }
  }

  release(): void {
    this.#windows.release();
  }
}
