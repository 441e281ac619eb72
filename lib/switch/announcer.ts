/**
 * Tells what is behind uplinks where local addresses are: one RARP request of each address out of
 * every uplink, when a guest appears or moves here, and of all when an uplink's carrier returns
 * (bridges behind it may have forgotten them, or never heard a frame of theirs).
 *
 * What is learned in the middle of a burst waits for the end of the round, for the burst's arrays are
 * in use; a few go in each round, so that no port waits for them. An address is announced once for each
 * time it is learned: who forges many announces as many as the FDB's limits let it.
 *
 * @module
 */
import { PORT } from "./counters.ts";
import type { Datapath } from "./datapath.ts";
import { BURST_FRAMES } from "../virtio/burst.ts";
import { NOT_LINKED } from "./ports/port.ts";
import { composeRarp } from "./rarp.ts";
import { NO_NATIVE } from "./vlan/port_vlans.ts";
import { putInVlan } from "./vlan/ways.ts";

/** Addresses that wait; if there are more, all of the table are announced. */
const WAITING_MAX = 1024;
/** Requests, or slots of the table looked at, in one round. */
const REQUESTS_A_ROUND = 16;
const SLOTS_A_ROUND = 1024;
/** {@linkcode Announcer} walks no table. */
const NOT_WALKING = -1;

/** The announcements of one datapath. Data-plane thread only. */
export class Announcer {
  readonly #path: Datapath;
  readonly #deliver: (port: number) => void;
  readonly #low = new Int32Array(WAITING_MAX);
  readonly #high = new Int32Array(WAITING_MAX);
  #count = 0;
  /** Next slot of the FDB, if all are announced. */
  #slot = NOT_WALKING;
  /** There is something to do: {@linkcode run}. */
  waiting = false;

  /** Nothing waits. @param deliver sends a port what is listed for it */
  constructor(path: Datapath, deliver: (port: number) => void) {
    this.#path = path;
    this.#deliver = deliver;
  }

  /** An address was learned on a port, or has moved there. @param from its port before, or -1 */
  learned(macLo: number, macHi: number, port: number, from: number): void {
    const { ports, uplinkCount } = this.#path;
    if (uplinkCount === 0 || ports[port]?.isUplink !== false) return;
    // Of one that moves from guest to guest, nothing changes for who is outside.
    if (from >= 0 && ports[from]?.isUplink === false) return;
    if (this.#count === WAITING_MAX) {
      this.all();
      return;
    }
    this.#low[this.#count] = macLo;
    this.#high[this.#count++] = macHi;
    this.waiting = true;
  }

  /** Announces every local address of the table, again if need be. */
  all(): void {
    this.#count = 0;
    this.#slot = 0;
    this.waiting = true;
  }

  /** Announces some of what waits. Call between two visits: it uses the burst. */
  run(): void {
    let left = REQUESTS_A_ROUND;
    for (; left > 0 && this.#count > 0; left--) {
      this.#count--;
      this.#tell(this.#low[this.#count] ?? 0, this.#high[this.#count] ?? 0);
    }
    if (left > 0 && this.#slot !== NOT_WALKING) this.#walk(left);
    this.waiting = this.#count > 0 || this.#slot !== NOT_WALKING;
  }

  #walk(requests: number): void {
    const { fdb, ports, now } = this.#path;
    const end = Math.min(fdb.slots, this.#slot + SLOTS_A_ROUND);
    let left = requests;
    for (; this.#slot < end && left > 0; this.#slot++) {
      const port = fdb.portAt(this.#slot, now);
      if (port < 0 || ports[port]?.isUplink !== false) continue;
      this.#tell(fdb.lowAt(this.#slot), fdb.highAt(this.#slot));
      left--;
    }
    if (this.#slot === fdb.slots) this.#slot = NOT_WALKING;
  }

  /** The VLAN in which an address without one is announced, a static one. */
  #nativeOf(macLo: number, macHi: number): number {
    const { fdb, ports, now } = this.#path;
    return ports[fdb.lookup(macLo, macHi, now)]?.vlans.native ?? NO_NATIVE;
  }

  #tell(macLo: number, macHi: number): void {
    const path = this.#path;
    const { deliverable, counters } = path;
    const vid = macHi >>> 16 !== 0 ? macHi >>> 16 : this.#nativeOf(macLo, macHi);
    for (let i = path.localCount; i < path.deliverableCount; i++) {
      const to = deliverable[i] ?? 0;
      const port = path.ports[to];
      if (!port || port.linkedTo !== NOT_LINKED) continue;
      if (path.hasVlans && !port.vlans.has(vid)) continue;
      composeRarp(macLo, macHi);
      putInVlan(0, vid);
      path.list[to * BURST_FRAMES] = 0;
      path.listCount[to] = 1;
      this.#deliver(to);
      const counter = port.counterBase + PORT.txAnnounced;
      counters[counter] = (counters[counter] ?? 0) + 1;
    }
  }
}
