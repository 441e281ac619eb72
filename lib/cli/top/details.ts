/**
 * What `top` says of the port that was selected: who is there, what it loses and why, its
 * virtqueues, and its addresses.
 *
 * @module
 */
import { shortNumber } from "../table.ts";
import type { FdbStatus, PortStatus, VringStatus } from "../../control/types.ts";
import type { PortFigures } from "./figures.ts";
import { sparkline, type TopHistory } from "./history.ts";
import { LEVEL_STYLES, rateText, verdictText } from "./columns.ts";
import { asciiText, type Line, type Looks, type Span } from "./spans.ts";

/** A virtqueue of late. */
export interface RingFigures {
  /** As it is. */
  readonly vring: VringStatus;
  /** Frames, kicks, calls and calls that were not wanted, a second; null: looked at once. */
  readonly rates: Readonly<Record<string, number>> | null;
}

/** All that is asked of a port that is looked at. */
export interface Details {
  /** The port as `port show` has it. */
  readonly port: PortStatus;
  /** Its virtqueues. */
  readonly rings: readonly RingFigures[];
  /** Where its addresses are. */
  readonly fdb: readonly FdbStatus[];
}

const ADDRESSES_SHOWN = 8;

function fact(name: string, ...spans: readonly Span[]): Line {
  return [[`  ${name.padEnd(9)} `, "dim"], ...spans];
}

function whoText({ peer, kind, socket, device }: PortStatus): string {
  if (peer !== null) return `${peer.command}, pid ${peer.pid}, uid ${peer.uid}, at ${socket}`;
  if (device !== null) return `device ${device.name}`;
  return `${kind === "vhost" ? "no front-end" : "nobody"} at ${socket}`;
}

function linkText({ link, linkSince, ring, queuePairs, mtu }: PortStatus): string {
  const pairs = `${queuePairs} queue pair${queuePairs === 1 ? "" : "s"}`;
  return `${link} since ${linkSince}, ${ring ?? "no rings"}, ${pairs}, mtu ${mtu ?? "any"}`;
}

function ringLine({ vring, rates }: RingFigures): Line {
  const { index, direction, size, state, error } = vring;
  const of = (name: string): string => rateText(rates?.[name] ?? 0);
  const speed = rates === null
    ? ""
    : `, ${of("frames")} frames/s, ${of("kicks")} kicks/s, ${of("calls")} calls/s`;
  const what = `${direction}, ${size} entries, ${error === null ? state : `${state}: ${error}`}`;
  return fact(`vring ${index}`, [`${what}${speed}`, ...error === null ? [] : ["red" as const]]);
}

function addressText(fdb: readonly FdbStatus[]): string {
  if (fdb.length === 0) return "none known";
  const shown = fdb.slice(0, ADDRESSES_SHOWN)
    .map(({ mac, vlan, state }) =>
      `${mac}${vlan === 0 ? "" : ` vlan ${vlan}`}${state === "static" ? " static" : ""}`
    );
  const more = fdb.length - shown.length;
  return `${shown.join(", ")}${more > 0 ? `, and ${more} more` : ""}`;
}

/** The lines below the table. @param most of them */
export function detailLines(
  figures: PortFigures,
  details: Details | null,
  history: TopHistory,
  { columns, most }: { readonly columns: number; readonly most: number },
  looks: Looks,
): Line[] {
  const { name, flow, dropped, verdictFix, verdictLevel } = figures;
  const bits = (value: number): string => `${shortNumber(value)}bit/s`;
  const losses = Object.entries(dropped).sort(([, one], [, other]) => other - one)
    .map(([counter, count]) => `${counter} ${rateText(count)}/s`);
  const width = Math.max(0, Math.min(columns - 14, 60));
  const values = history.port(name);
  const lines: Line[] = [
    [[`${name}  ${asciiText(figures.link)}`, "bold"]],
    fact("verdict", [verdictText(figures), ...LEVEL_STYLES[verdictLevel]]),
    ...verdictFix === null ? [] : [fact("fix", asciiText(verdictFix))],
    fact("drops", losses.join(", ") || "none"),
    fact(
      "frames",
      `from it ${rateText(flow.rxFrames)}/s, ${bits(flow.rxBits)}; ` +
        `to it ${rateText(flow.txFrames)}/s, ${bits(flow.txBits)}`,
    ),
    fact(
      "history",
      [sparkline(values, Math.min(width, values.length), looks.unicode), "cyan"],
      ` ` +
        `at most ${rateText(Math.max(0, ...values))}/s`,
    ),
    ...details === null ? [] : [
      fact("who", asciiText(whoText(details.port))),
      fact("link", asciiText(linkText(details.port))),
      ...details.rings.map(ringLine),
      fact("addresses", addressText(details.fdb)),
    ],
  ];
  return lines.slice(0, Math.max(0, most));
}
