// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A port that sends back what it gets, in order, source and destination swapped, as a station that
 * answers everything: each frame returns to whoever sent it, by the FDB like any other. A frame to a
 * group comes back from a group, which is nobody's address, and is dropped as such. For tests and
 * benches that want a far end and no second guest.
 *
 * Frames are kept as private copies until the port is polled: the sender has its buffers back. What
 * finds no room is dropped as by a guest without receive buffers.
 *
 * @module
 */
import { frameBytes, frameHead, HEAD_WORDS } from "../../virtio/burst.ts";
import { ALL_OFFLOADS } from "../../virtio/offloads.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import { Park } from "../stalled/park.ts";
import { Port, type Sink, type Source } from "./port.ts";

/** One such port. Release it: it holds memory. Data-plane thread only. */
export class LoopPort extends Port implements Source, Sink {
  readonly accepts: number = ALL_OFFLOADS;
  readonly #park = Park.take();

  get port(): Port {
    return this;
  }

  get enabled(): boolean {
    return this.adminUp;
  }

  /** What it has to send came in the same round: nobody sleeps meanwhile. */
  get polled(): boolean {
    return false;
  }

  /** Takes frames while it is in service. */
  // cold
  override refresh(): void {
    this.receivers.length = 0;
    if (this.adminUp) this.receivers.push(this);
  }

  /** It is polled for the frames it keeps. */
  // cold
  override appendSources(list: Source[]): void {
    list.push(this);
  }

  /** Nothing to do. */
  // cold
  override tick(_path: Datapath): void {}

  deliver({ counters }: Datapath, list: Uint16Array, start: number, count: number): void {
    let kept = 0;
    let bytes = 0;
    for (let i = start; i < start + count; i++) {
      if (!this.#park.add(list[i]!)) continue;
      kept++;
      bytes += frameBytes[list[i]!]!;
    }
    counters[this.counterBase + PORT.txFrames]! += kept;
    counters[this.counterBase + PORT.txBytes]! += bytes;
    counters[this.counterBase + PORT.txDroppedNoBuffer]! += count - kept;
  }

  take(_path: Datapath): number {
    const count = this.#park.load();
    for (let frame = 0; frame < count; frame++) swapAddresses(frame);
    return count;
  }

  finish(_path: Datapath, count: number): void {
    this.#park.drop(count);
  }

  setKicks(wanted: boolean): boolean {
    return wanted && this.#park.count > 0;
  }

  /** Gives its memory back; what was kept is lost. */
  release(): void {
    this.#park.release();
  }
}

/** Six bytes each, little-endian words: `dddd | ddss | ssss`. */
function swapAddresses(frame: number): void {
  const head = frame * HEAD_WORDS;
  const word0 = frameHead[head]!;
  const word1 = frameHead[head + 1]!;
  const word2 = frameHead[head + 2]!;
  frameHead[head] = (word1 >>> 16) | (word2 << 16);
  frameHead[head + 1] = (word2 >>> 16) | (word0 << 16);
  frameHead[head + 2] = (word0 >>> 16) | (word1 << 16);
}
