/**
 * What the data plane tells of what ports send, for operators: MAC addresses that flap, those that are
 * used by a port whose they are not, storms, and what guards drop.
 *
 * @module
 */
import { PORTS_MAX } from "../base/limits.ts";
import { formatMac, macOfNumber } from "../base/mac.ts";
import { GUARD_REASONS } from "../switch/guard/guard.ts";
import { STORM_KINDS } from "../switch/policy/storm.ts";
import { type DataPlaneEvent, EVENT } from "../worker/events.ts";
import { Episodes } from "./episodes.ts";
import type { Logger } from "./log.ts";
import { MacFlaps } from "./mac_flaps.ts";
import type { Planes } from "./planes.ts";
import type { PortProblem } from "./types.ts";

/** What operators hear of frames that a guard drops: the problem, its text, a hint. */
const GUARDED = {
  dhcp: [
    "guard-dhcp",
    "what it says as a DHCP server is dropped",
    "if it is to be one, leave dhcp out of its guard=",
  ],
  router: [
    "guard-ra",
    "what it says as a router is dropped",
    "if it is to be one, leave ra out of its guard=",
  ],
  ip: [
    "ip-spoof",
    "frames that use or claim an IP address which is none of its own are dropped",
    "if it is to have more addresses, name them in its ip=",
  ],
  hidden: [
    "guard-hidden",
    "frames that may hide what a guard looks for are dropped",
    "three VLAN tags, headers that are cut off: no usual guest sends any of that",
  ],
} as const satisfies Record<(typeof GUARD_REASONS)[number], readonly [string, string, string]>;

/** News of what a switch's ports send. Control thread only; close it. */
export class SentNews {
  readonly #logger: Logger;
  readonly #flaps: MacFlaps;
  readonly #episodes = new Episodes();

  /** No news. */
  constructor(logger: Logger, planes: Planes) {
    this.#logger = logger;
    this.#flaps = new MacFlaps({
      logger,
      isFlapping: (mac) => planes.isFlapping(mac),
      flapsSoFar: () => planes.fdbCounters().flaps ?? 0,
    });
  }

  /**
   * Takes an event if it is such news.
   * @param port name of its port, if that is there @param nameOf name of another one by its number
   * @returns whether it was
   */
  take(
    event: DataPlaneEvent,
    port: string | undefined,
    nameOf: (number: number) => string | undefined,
  ): boolean {
    const { kind, vring, value } = event;
    const number = vring % PORTS_MAX;
    if (kind === EVENT.macFlap) {
      const mac = macOfNumber(value, Math.floor(vring / PORTS_MAX));
      const other = port === undefined ? undefined : nameOf(number);
      if (port === undefined || other === undefined) this.#flaps.beganAtNone();
      else this.#flaps.begin(mac, [port, other]);
      return true;
    }
    if (kind === EVENT.macForeign && port !== undefined) {
      this.#foreign(port, value, number === event.port ? undefined : nameOf(number));
    }
    if (kind === EVENT.storm && port !== undefined) this.#storm(port, number);
    if (kind === EVENT.guarded && port !== undefined) this.#guarded(port, number);
    return kind === EVENT.macForeign || kind === EVENT.storm || kind === EVENT.guarded;
  }

  #foreign(port: string, address: number, owner: string | undefined): void {
    const { low, high } = macOfNumber(address);
    const mac = formatMac(low, high);
    const whose = owner === undefined ? "none of its own addresses" : `the address of ${owner}`;
    const text = `frames from ${mac} are dropped, ${whose}`;
    const hint = owner === undefined
      ? "static= or mac= of the port name those it may have"
      : `a guest that has moved says so by itself; if it is to be here: vuswitch fdb flush ${owner}`;
    if (!this.#episodes.goesOn(port, "mac-spoof", text, hint)) return;
    this.#logger.warn(`port ${port}`, "mac-spoof", text, {
      mac,
      ...(owner === undefined ? {} : { owner }),
    });
  }

  #storm(port: string, number: number): void {
    const kind = STORM_KINDS[number] ?? "unknown";
    const what = {
      broadcast: "broadcasts",
      multicast: "frames to groups",
      unknown: "frames to addresses that nobody has",
    }[kind];
    const text = `more ${what} than it may send are dropped`;
    const hint = `look for a loop or a scan in its guest; storm=${kind}:N of the port allows more`;
    if (!this.#episodes.goesOn(port, "storm", text, hint)) return;
    this.#logger.warn(`port ${port}`, "storm", text, { kind });
  }

  #guarded(port: string, number: number): void {
    const reason = GUARD_REASONS[number] ?? "hidden";
    const [code, text, hint] = GUARDED[reason];
    if (!this.#episodes.goesOn(port, code, text, hint)) return;
    this.#logger.warn(`port ${port}`, code, text);
  }

  /** What is wrong with what a port sends now. */
  problems(port: string): PortProblem[] {
    return [...this.#flaps.problems(port), ...this.#episodes.problems(port)];
  }

  /** A port is removed: another may have its name. */
  forget(port: string): void {
    this.#flaps.forget(port);
    this.#episodes.forget(port);
  }

  /** Says no more. */
  close(): void {
    this.#flaps.close();
  }
}
