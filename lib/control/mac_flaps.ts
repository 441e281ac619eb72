/**
 * What operators hear of MAC addresses that move between ports faster than a guest can: two guests
 * have the same one, one imitates the other, or frames go round in a loop. Each flap is said once,
 * as far as lines go: a tenant can make thousands of them.
 *
 * @module
 */
import { formatMac, type Mac } from "../base/mac.ts";
import type { Logger } from "./log.ts";
import type { PortProblem } from "./types.ts";

/** Lines are counted for so long from the first one on, ms. */
const WINDOW_MS = 60_000;
/** Lines about two ports, and about one port, in a window. */
const PAIR_LINES = 2;
const PORT_LINES = 10;
/** Flaps of a port that `port show` knows of. */
const FLAPS_MAX = 8;

const CODE = "mac-flap";
const HINT = "two guests have this address, one takes the other's, or one bridges both ports";

/** What flaps need of the switch. */
export interface FlapsHost {
  /** Gets the lines. */
  readonly logger: Pick<Logger, "warn">;
  /** Whether an address goes on moving. */
  isFlapping(mac: Mac): boolean;
  /** Flaps so far, those included that nobody was told of. */
  flapsSoFar(): number;
}

interface Flap {
  readonly mac: Mac;
  /** What there is to say of it. */
  readonly text: string;
  /** Names of its ports. */
  readonly ports: readonly [string, string];
}

/** The flaps of a switch. Control thread only; close it. */
export class MacFlaps {
  readonly #host: FlapsHost;
  /** Flaps by port; those that are over are dropped when they are looked at. */
  readonly #flaps = new Map<string, Flap[]>();
  /** Lines in this window, by port and by pair of ports. */
  readonly #lines = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Flaps that were said, alone or as a number, or that are over with their port. */
  #settled = 0;

  /** No flaps, and no timer before the first. */
  constructor(host: FlapsHost) {
    this.#host = host;
  }

  /** A flap began. @param ports names: where the address is now, and where it was */
  begin(mac: Mac, ports: readonly [string, string]): void {
    const [port, other] = ports;
    const address = formatMac(mac.low, mac.high);
    const vid = mac.high >>> 16;
    const where = vid === 0 ? "" : ` of VLAN ${vid}`;
    const text = `${address}${where} moves between ${port} and ${other} faster than a guest can`;
    for (const name of ports) this.#remember(name, { mac, text, ports });
    this.#timer ??= setTimeout(() => this.endWindow(), WINDOW_MS);
    if (!this.#mayTell(ports)) return;
    this.#settled++;
    const fields = { mac: address, other };
    this.#host.logger.warn(`port ${port}`, "mac-flap", `${text}: ${HINT}`, fields);
  }

  /** A flap began at a port that is gone by now. */
  beganAtNone(): void {
    this.#settled++;
  }

  #remember(port: string, flap: Flap): void {
    const flaps = this.#lasting(port);
    if (flaps.length < FLAPS_MAX) flaps.push(flap);
    this.#flaps.set(port, flaps);
  }

  #lasting(port: string): Flap[] {
    const flaps = this.#flaps.get(port) ?? [];
    return flaps.filter(({ mac }) => this.#host.isFlapping(mac));
  }

  #mayTell(ports: readonly [string, string]): boolean {
    const pair = ports.toSorted().join(" ");
    const told = (key: string): number => this.#lines.get(key) ?? 0;
    const full = told(pair) >= PAIR_LINES || ports.some((port) => told(port) >= PORT_LINES);
    if (full) return false;
    for (const key of [pair, ...ports]) this.#lines.set(key, told(key) + 1);
    return true;
  }

  /** Says how many flaps had no line of their own. Another window begins with the next flap. */
  endWindow(): void {
    this.close();
    this.#lines.clear();
    const more = this.#host.flapsSoFar() - this.#settled;
    // Below 0 where the counter was read before the events it counts.
    if (more <= 0) return;
    this.#settled += more;
    const what = `${more} more MAC address${more === 1 ? "" : "es"}`;
    const text = `${what} moved between ports faster than a guest can: see macFlaps in stats`;
    this.#host.logger.warn("switch", "mac-flap", text, { count: more });
  }

  /** What is wrong with a port as long as a flap lasts: one of them. */
  problems(port: string): PortProblem[] {
    const [flap] = this.#lasting(port);
    return flap ? [{ code: CODE, text: flap.text, hint: HINT }] : [];
  }

  /** A port is removed: another may have its name. */
  forget(port: string): void {
    this.#flaps.delete(port);
    for (const [name, flaps] of this.#flaps) {
      this.#flaps.set(name, flaps.filter(({ ports }) => !ports.includes(port)));
    }
  }

  /** Says no more. */
  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
