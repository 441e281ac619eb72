// HOT
// deno-lint-ignore-file no-non-null-assertion
/**
 * A port that swallows: nothing comes from it, and whatever goes to it is counted and forgotten. For
 * tests, and for benches that measure a frame's way without its last piece.
 *
 * @module
 */
import { frameBytes } from "../../virtio/burst.ts";
import { ALL_OFFLOADS } from "../../virtio/offloads.ts";
import { PORT } from "../counters.ts";
import type { Datapath } from "../datapath.ts";
import { Port, type Sink, type Source } from "./port.ts";

/** One such port. Data-plane thread only. */
export class NullPort extends Port implements Sink {
  readonly accepts: number = ALL_OFFLOADS;

  get port(): Port {
    return this;
  }

  /** Takes frames while it is in service. */
  // cold
  override refresh(): void {
    this.receivers.length = 0;
    if (this.adminUp) this.receivers.push(this);
  }

  /** Nothing comes from it. */
  // cold
  override appendSources(_list: Source[]): void {}

  /** Nothing to do. */
  // cold
  override tick(_path: Datapath): void {}

  deliver({ counters }: Datapath, list: Uint16Array, start: number, count: number): void {
    let bytes = 0;
    for (let i = start; i < start + count; i++) bytes += frameBytes[list[i]!]!;
    counters[this.counterBase + PORT.txFrames]! += count;
    counters[this.counterBase + PORT.txBytes]! += bytes;
  }
}
