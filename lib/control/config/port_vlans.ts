/**
 * What an operator says of a port's VLANs, `access=`, `trunk=` and `native=`, and what it means to a data
 * plane (lib/switch/vlan/port_vlans.ts says what each does).
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { NO_NATIVE, VID_MAX, vlanWords } from "../../switch/vlan/port_vlans.ts";
import type { Vlans } from "../../worker/wire.ts";
import { ControlError, type PortConfig } from "../types.ts";

/** First and last of VLANs that follow one another. */
type Range = readonly [first: number, last: number];

/** What is said of VLANs. */
export type VlanOptions = Pick<PortConfig, "access" | "trunk" | "native">;

function invalid(message: string): ControlError {
  return new ControlError("invalid", message);
}

/** Checks the number of a VLAN. @throws {ControlError} */
export function checkVid(name: string, value: unknown): number {
  const vid = typeof value === "string" && /^\d{1,4}$/.test(value) ? Number(value) : value;
  if (typeof vid === "number" && Number.isInteger(vid) && vid >= 1 && vid <= VID_MAX) return vid;
  throw invalid(`${name} ${shown(value)} must be the number of a VLAN, 1-${VID_MAX}`);
}

function readRange(text: string): Range {
  const [first = "", last = first, ...more] = text.trim().split("-");
  if (text.trim() === "" || more.length > 0) {
    throw invalid(`trunk "${text}" must be VLANs such as 10 or 1-10, with commas between them`);
  }
  const range = [checkVid("trunk", first), checkVid("trunk", last)] as const;
  if (range[0] <= range[1]) return range;
  throw invalid(`trunk ${text} ends before it begins: ${last}-${first}`);
}

/** In order, none twice, those that follow one another as one. */
function merge(ranges: readonly Range[]): Range[] {
  const merged: [number, number][] = [];
  for (const [first, last] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else merged.push([first, last]);
  }
  return merged;
}

function rangesOf(list: string): Range[] {
  return list.split(",").map(readRange);
}

/** Checks a list of VLANs, which comes out in order. @throws {ControlError} */
export function checkTrunk(value: unknown): string {
  const given: unknown[] = Array.isArray(value) ? value : [value];
  const texts = given.flatMap((each) => {
    if (typeof each === "string" || typeof each === "number") return String(each).split(/[,+]/);
    throw invalid(`trunk ${JSON.stringify(each)} must be a list of VLANs such as "1-10,20"`);
  });
  return merge(texts.map(readRange))
    .map(([first, last]) => first === last ? String(first) : `${first}-${last}`)
    .join(",");
}

/** Checks what is said of VLANs as a whole. @throws {ControlError} naming the fix */
export function checkVlans({ access, trunk, native }: VlanOptions): void {
  if (access !== undefined && (trunk !== undefined || native !== undefined)) {
    const other = trunk === undefined ? "native" : "trunk";
    throw invalid(`access and ${other} exclude each other: leave one out`);
  }
  if (trunk === undefined || native === undefined) return;
  if (rangesOf(trunk).some(([first, last]) => first <= native && native <= last)) return;
  throw invalid(`native ${native} is not in trunk ${trunk}: trunk=${checkTrunk([trunk, native])}`);
}

/** Whether anything is said of VLANs. */
export function saysVlans({ access, trunk, native }: VlanOptions): boolean {
  return access !== undefined || trunk !== undefined || native !== undefined;
}

/** What a data plane is told of it; null: nothing is said. */
export function vlansOf(options: VlanOptions): Vlans | null {
  if (!saysVlans(options)) return null;
  const { access, trunk, native } = options;
  const all: readonly Range[] = [[1, VID_MAX]];
  const own = access === undefined ? [] : [[access, access] as const];
  const ranges = access !== undefined ? own : trunk === undefined ? all : rangesOf(trunk);
  return {
    members: [...vlanWords(ranges)],
    native: access ?? native ?? NO_NATIVE,
    access: access !== undefined,
  };
}

/** For `port show`; null: nothing is said. */
export function vlanStatus(
  options: VlanOptions,
): { access: number | null; trunk: string | null; native: number | null } | null {
  if (!saysVlans(options)) return null;
  const { access = null, trunk, native = null } = options;
  return { access, trunk: access === null ? trunk ?? `1-${VID_MAX}` : null, native };
}
