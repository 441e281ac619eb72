/**
 * What the process of the lean guests is told, and what it tells.
 *
 * @module
 */

/** What to do, and to whom. */
export interface LeanTask {
  readonly kind: "ping" | "wake" | "eventfd" | "zero-loss" | "flood" | "large" | "writev";
  /** Behind the second there is, for `elsewhere` and `writev`, the name of a TAP device instead. */
  readonly sockets: readonly [string, string];
  readonly ring: "split" | "packed";
  /** Frame size without FCS, bytes; up to 1514. */
  readonly bytes: number;
  /** Processor to stay on. */
  readonly cpu: number;
  /** eventfd: processor of the thread that is woken. */
  readonly otherCpu: number;
  /** How long to measure; of a search, how long its last trial takes. */
  readonly seconds: number;
  /** flood: stations on both sides together that talk. */
  readonly stations: number;
  /** flood: stations that have talked before. */
  readonly known: number;
  /** wake: between two frames, ms. */
  readonly restMs: number;
  /** large: who gets the frames. */
  readonly receiver: LargeReceiver;
}

/** Who gets large frames: a guest that takes them whole, one that takes no offloads, or a TAP device. */
export type LargeReceiver = "whole" | "plain" | "elsewhere";

/** Figures of a task. */
export interface LeanResult {
  readonly value: number;
  readonly more: Readonly<Record<string, number>>;
  readonly quantilesUs: readonly number[] | null;
  /** Share of the generator's turns without work; null where it says nothing. */
  readonly emptyPolls: number | null;
}

/** Printed, a line each: the measured time begins, ends, and what it gave. */
export type LeanLine =
  | { readonly event: "begin" }
  | { readonly event: "end" }
  | { readonly event: "result"; readonly result: LeanResult }
  | { readonly event: "error"; readonly message: string };
