/**
 * The inflight area that a front-end keeps for its device (vhost-user.rst «Inflight I/O tracking»).
 *
 * @module
 */
import { inflightBytes } from "../../virtio/inflight/region.ts";
import type { Refusal } from "../reasons.ts";

/** An area, checked. */
export interface InflightArea {
  /** Virtqueues with a region: 0 to `queues` - 1. */
  readonly queues: number;
  /** Entries of each region. */
  readonly entries: number;
  /** Length of the area, at least that of all regions. */
  readonly sizeBytes: number;
  /** Where it begins in its file, bytes. */
  readonly offset: number;
}

/** A ring's part of the area. */
export interface InflightRegion {
  /** Where it begins, bytes from the area's start. */
  readonly offset: number;
  /** Descriptors it has room for. */
  readonly entries: number;
}

/** A ring's region, null if it has none, or why the area is no good. */
export function regionOf(
  area: InflightArea | null,
  index: number,
  size: number,
  packed: boolean,
): InflightRegion | null | Refusal {
  if (area === null || index >= area.queues) return null;
  const bytes = inflightBytes(packed, area.entries);
  if (size > area.entries || (index + 1) * bytes > area.sizeBytes) {
    const detail = `vring ${index}: a ring of ${size}, regions of ${area.entries} entries`;
    return { code: "bad-inflight", detail };
  }
  return { offset: index * bytes, entries: area.entries };
}
