// deno-lint-ignore-file no-non-null-assertion
/**
 * Tells the control thread of addresses that begin to flap, and of those that are not a port's own, of
 * each port only so many: one port's must leave room for other events. All are counted, told or not.
 *
 * @module
 */
import { macNumber } from "../base/mac.ts";
import type { DatapathHost } from "../switch/datapath.ts";
import { GUARD_REASONS } from "../switch/guard/guard.ts";
import { EVENT, type EventWriter } from "./events.ts";
import { PORTS_MAX } from "../base/limits.ts";

/** What a datapath tells of what its ports send. */
export type NewsOfPorts = Required<
  Pick<DatapathHost, "macFlap" | "macForeign" | "storm" | "guarded">
>;

/** Events of flaps of one port in one second. */
export const FLAPS_PER_SECOND = 32;
/** And of frames with a foreign source. */
export const FOREIGN_PER_SECOND = 1;

/** Limits what is told of addresses. Data-plane thread only. */
export class FlapNews {
  readonly #events: Pick<EventWriter, "write">;
  readonly #kind: number;
  readonly #perSecond: number;
  readonly #second = new Int32Array(PORTS_MAX);
  readonly #told = new Int32Array(PORTS_MAX);

  /** Nothing was told yet. @param kind EVENT of this news @param perSecond of one port at most */
  constructor(
    events: Pick<EventWriter, "write">,
    kind: number = EVENT.macFlap,
    perSecond: number = FLAPS_PER_SECOND,
  ) {
    this.#events = events;
    this.#kind = kind;
    this.#perSecond = perSecond;
  }

  /** See DatapathHost.macFlap. @param now seconds of this thread */
  tell(macLo: number, macHi: number, from: number, to: number, now: number): void {
    if (this.#second[to] !== now) {
      this.#second[to] = now;
      this.#told[to] = 0;
    }
    if (this.#told[to]! >= this.#perSecond) return;
    this.#told[to]!++;
    const vid = macHi >>> 16;
    this.#events.write(this.#kind, to, from + PORTS_MAX * vid, macNumber(macLo, macHi));
  }
}

/** What a datapath's ports send that operators hear of. @param now seconds of this thread */
export function newsOfPorts(
  events: Pick<EventWriter, "write">,
  now: () => number,
): NewsOfPorts {
  const flaps = new FlapNews(events);
  const foreign = new FlapNews(events, EVENT.macForeign, FOREIGN_PER_SECOND);
  const storms = new FlapNews(events, EVENT.storm, FOREIGN_PER_SECOND);
  const guarded = GUARD_REASONS.map(() => new FlapNews(events, EVENT.guarded, FOREIGN_PER_SECOND));
  return {
    macFlap: (...flap) => flaps.tell(...flap, now()),
    macForeign: (...foreigner) => foreign.tell(...foreigner, now()),
    storm: (port, kind) => storms.tell(0, 0, kind, port, now()),
    guarded: (port, reason) => guarded[reason]?.tell(0, 0, reason, port, now()),
  };
}
