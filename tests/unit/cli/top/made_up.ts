/**
 * Figures of switches that are not there, for tests of what `top` makes of them.
 *
 * @module
 */
import type { Figures, PortFigures } from "../../../../lib/cli/top/figures.ts";

/** Nothing moves. */
export const STILL = { rxFrames: 0, rxBits: 0, txFrames: 0, txBits: 0, drops: 0 };

/** A port that works, but for what is said of it. */
export function portFigures(name: string, more: Partial<PortFigures> = {}): PortFigures {
  return {
    ...{ name, link: "up", flow: STILL, share: 0, dropped: {}, verdict: "link up, frames flow" },
    ...{ verdictCode: "flows", verdictLevel: "ok", verdictFix: null },
    ...more,
  };
}

/** A switch with these ports. */
export function figuresOf(ports: readonly PortFigures[]): Figures {
  return {
    ...{ at: "2026-01-01T01:02:03.000Z", seconds: 1, version: "0.1.0", pid: 7 },
    ...{ uptimeSeconds: 90061, addresses: 3, addressesMax: 100, all: STILL, ports },
    workers: [{
      ...{ number: 0, busy: 0.5, polling: 0.25, asleep: 0.25, waited: 0, frames: 10 },
      nsPerFrame: 500,
    }],
  };
}
