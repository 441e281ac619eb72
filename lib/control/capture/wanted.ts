/**
 * What somebody who captures wants, as it stands in a request: `port` once for each port, and options.
 *
 * @module
 */
import { didYouMean } from "../../base/nearest.ts";
import { RING_BYTES_MAX, RING_BYTES_MIN } from "../../switch/capture/ring.ts";
import { FRAME_BYTES_MAX } from "../../virtio/burst.ts";
import { ControlError } from "../types.ts";
import { compileFilter } from "./expression.ts";

/** A capture, as it was asked for and checked. */
export interface CaptureWanted {
  /** Names of ports or listeners, each once. */
  readonly ports: readonly string[];
  /** As it was written. */
  readonly filter: string;
  /** The same for the data plane. */
  readonly program: readonly number[];
  /** Frames that are dropped as well. */
  readonly drops: boolean;
  /** Frames after which it ends; 0: it does not. */
  readonly count: number;
  /** Bytes of each frame at most. */
  readonly snap: number;
  /** Bytes of the ring, whole pages. */
  readonly ringBytes: number;
}

const NAMES = ["port", "filter", "drops", "count", "snap", "ring"];
const RING_BYTES_DEFAULT = 2 ** 22;
const PAGE_BYTES = 4096;
const UNITS: Readonly<Record<string, number>> = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Reads what stands behind `?`. @throws {ControlError} naming the fix */
export function readWanted(query: URLSearchParams): CaptureWanted {
  for (const name of query.keys()) {
    if (NAMES.includes(name)) continue;
    throw new ControlError(
      "invalid",
      `unknown "${name}"; known: ${NAMES.join(", ")}`,
      didYouMean(name, NAMES),
    );
  }
  const ports = [...new Set(query.getAll("port"))];
  if (ports.length === 0) {
    throw new ControlError("invalid", "A capture needs a port", "vuswitch capture PORT");
  }
  const filter = query.get("filter") ?? "";
  return {
    ...{ ports, filter, program: compileFilter(filter), drops: readFlag(query.get("drops")) },
    count: readNumber("count", query.get("count") ?? "0", 0, 2 ** 53 - 1),
    snap: readNumber("snap", query.get("snap") ?? "0", 0, FRAME_BYTES_MAX) || FRAME_BYTES_MAX,
    ringBytes: readRing(query.get("ring")),
  };
}

function readFlag(text: string | null): boolean {
  if (text === null || text === "0" || text === "false") return false;
  if (text === "" || text === "1" || text === "true") return true;
  throw new ControlError("invalid", `drops ${text} must be 1 or 0`);
}

function readNumber(name: string, text: string, least: number, most: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new ControlError("invalid", `${name} ${text} must be a number from ${least} to ${most}`);
}

function readRing(text: string | null): number {
  if (text === null) return RING_BYTES_DEFAULT;
  const [, digits = "", unit = ""] = /^(\d{1,12})([kmg]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = digits === "" ? NaN : Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
  if (bytes >= RING_BYTES_MIN && bytes <= RING_BYTES_MAX) {
    return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
  }
  throw new ControlError("invalid", `ring ${text} must be from 256K to 512M, such as 16M`);
}
