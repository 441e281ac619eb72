/**
 * Rates of a port as an operator writes them, in the units of tc: `limit=100Mbit`,
 * `limit=rx:100M/50kpps+tx:1G`, `limit=rx:10kpps/200ms`, or `limit=off`.
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import {
  BIT_RATE_MAX,
  FRAME_RATE_MAX,
  RATE_BURST_MS,
  RATE_BURST_MS_MAX,
} from "../../switch/policy/rate.ts";
import { ControlError } from "../types.ts";

/** How the option's value is written. */
export const LIMIT_FORM = "[rx:|tx:]RATE/…+…";

/** Rates of one direction. */
export interface RateLimit {
  /** A second, 0: any number. */
  readonly bits: number;
  /** A second, 0: any number. */
  readonly frames: number;
  /** What it may be ahead, ms. */
  readonly burstMs: number;
}

/** Rates of a port; null: none. */
export interface PortLimits {
  /** From the guest. */
  readonly rx: RateLimit | null;
  /** To the guest. */
  readonly tx: RateLimit | null;
}

const TIMES: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };
const WAY = /^(?:(rx|tx):)?(.*)$/s;
const WORD = /^(\d{1,15}(?:\.\d{1,6})?)([kmg]?)(|bit|pps)$/i;
const BURST = /^(\d{1,9})ms$/;

function invalid(what: string, why: string): ControlError {
  return new ControlError(
    "invalid",
    `limit "${what}" ${why}: rates are written 100Mbit (or 100M) and 50kpps, such as ` +
      "rx:100M/50kpps+tx:1G, rx being from the guest, and a burst 200ms",
  );
}

function inRange(what: string, value: number, most: number): number {
  if (value >= 1 && value <= most) return value;
  throw invalid(what, `is not from 1 to ${most}`);
}

function readRates(text: string): RateLimit {
  let bits = 0;
  let frames = 0;
  let burstMs = 0;
  for (const word of text.split("/")) {
    const [, ms] = BURST.exec(word) ?? [];
    const [, number = "", unit = "", what = ""] = WORD.exec(word) ?? [];
    const rate = Math.round(Number(number) * (TIMES[unit.toLowerCase()] ?? 1));
    const again = ms !== undefined ? burstMs : what.toLowerCase() === "pps" ? frames : bits;
    if (again !== 0) throw invalid(text, `says ${word} besides another one of its kind`);
    if (ms !== undefined) burstMs = inRange(word, Number(ms), RATE_BURST_MS_MAX);
    else if (number === "") throw invalid(text, `has "${word}", which is no rate`);
    else if (what.toLowerCase() === "pps") frames = inRange(word, rate, FRAME_RATE_MAX);
    else bits = inRange(word, rate, BIT_RATE_MAX);
  }
  if (bits === 0 && frames === 0) throw invalid(text, "has no rate");
  return { bits, frames, burstMs: burstMs === 0 ? RATE_BURST_MS : burstMs };
}

/** The rates that an option's value is. @throws {ControlError} naming the fix */
export function portLimits(value: string | undefined): PortLimits {
  const limits: { rx: RateLimit | null; tx: RateLimit | null } = { rx: null, tx: null };
  if (value === undefined) return limits;
  for (const part of value.split("+")) {
    const [, way, rates = ""] = WAY.exec(part) ?? [];
    const read = readRates(rates);
    for (const each of way === undefined ? ["rx", "tx"] as const : [way as "rx" | "tx"]) {
      if (limits[each] !== null) throw invalid(value, `limits ${each} twice`);
      limits[each] = read;
    }
  }
  return limits;
}

/** Reads the option; `off`: none. @throws {ControlError} */
export function readLimit(value: unknown): string | undefined {
  if (value === "off" || value === false) return undefined;
  if (typeof value !== "string") throw invalid(shown(value), "must be a text");
  portLimits(value);
  return value;
}

/** For `port show`; null: there are none. */
export function limitStatus(value: string | undefined): PortLimits | null {
  return value === undefined ? null : portLimits(value);
}
