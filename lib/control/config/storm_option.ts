/**
 * Storm limits as an operator writes them: `storm=off`, or `storm=broadcast:N+multicast:N+unknown:N`,
 * where a kind that is not named keeps its default and `off` is none.
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { didYouMean } from "../../base/nearest.ts";
import { STORM_KINDS, STORM_RATE_MAX } from "../../switch/policy/storm.ts";
import { ControlError, type PortConfig } from "../types.ts";
import { isUplink } from "./port_targets.ts";

/** A kind of frames that go to many. */
export type StormKind = (typeof STORM_KINDS)[number];
/** Frames a second of those kinds that were named. */
export type StormOption = Readonly<Partial<Record<StormKind, number>>>;

/** Of a guest. Scans and start-ups broadcast some hundreds a second, 20 Mbit/s of video are 2,000. */
const GUEST: Readonly<Record<StormKind, number>> = {
  broadcast: 2000,
  multicast: 20_000,
  unknown: 20_000,
};
/** Behind an uplink are the guests of many hosts. */
const UPLINK_TIMES = 10;

/** How the option's value is written. */
export const STORM_FORM = "off|KIND:N+…";
/** The kinds and their defaults, Markdown. */
export const STORM_MEANING: string = STORM_KINDS.map((kind) => `\`${kind}\` (${GUEST[kind]})`)
  .join(", ") + `, N or \`off\`; ${UPLINK_TIMES} times that for an uplink, \`off\`: none of them`;

function invalid(what: string): ControlError {
  return new ControlError("invalid", what);
}

function readRate(kind: StormKind, value: unknown): number {
  if (value === "off" || value === false) return 0;
  const rate = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof rate === "number" && Number.isInteger(rate) && rate >= 1 && rate <= STORM_RATE_MAX) {
    return rate;
  }
  throw invalid(
    `storm ${kind}:${shown(value)} must be off or 1 to ${STORM_RATE_MAX} frames a second`,
  );
}

function readKind(word: string): StormKind {
  const kind = STORM_KINDS.find((known) => known === word);
  if (kind !== undefined) return kind;
  const fix = didYouMean(word, STORM_KINDS);
  throw invalid(
    `storm "${word}" is unknown${fix ? `, ${fix}` : `; known: ${STORM_KINDS.join(", ")}`}`,
  );
}

/** Reads the option: a text, or in a file and a request also an object. @throws {ControlError} */
export function readStorm(value: unknown): StormOption {
  if (value === "off" || value === false) {
    return Object.fromEntries(STORM_KINDS.map((kind) => [kind, 0]));
  }
  const pairs: (readonly [string, unknown])[] =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value)
      : shown(value).split("+").map((part) => {
        const [word = "", ...rate] = part.split(":");
        return [word, rate.join(":")];
      });
  const read: Partial<Record<StormKind, number>> = {};
  for (const [word, rate] of pairs) {
    const kind = readKind(word);
    if (read[kind] !== undefined) throw invalid(`storm ${kind} is given twice: keep one`);
    // What was read once, and goes to a switch as JSON, says 0.
    read[kind] = rate === 0 ? 0 : readRate(kind, rate);
  }
  return read;
}

/** The limits of a port. */
export function stormRates(config: PortConfig): Record<StormKind, number> {
  const times = isUplink(config) ? UPLINK_TIMES : 1;
  const rate = (kind: StormKind): number => config.storm?.[kind] ?? times * GUEST[kind];
  return {
    broadcast: rate("broadcast"),
    multicast: rate("multicast"),
    unknown: rate("unknown"),
  };
}
