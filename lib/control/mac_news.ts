/**
 * What the data plane tells of MAC addresses, for operators: those that flap, and those that are used
 * by a port whose they are not.
 *
 * @module
 */
import { macOfNumber } from "../base/mac.ts";
import { type DataPlaneEvent, EVENT } from "../worker/events.ts";
import type { Logger } from "./log.ts";
import { MacFlaps } from "./mac_flaps.ts";
import { MacSpoofs } from "./mac_spoofs.ts";
import type { Planes } from "./planes.ts";
import type { PortProblem } from "./types.ts";

/** News of a switch's addresses. Control thread only; close it. */
export class MacNews {
  readonly #flaps: MacFlaps;
  readonly #spoofs: MacSpoofs;

  /** No news. */
  constructor(logger: Logger, planes: Planes) {
    this.#spoofs = new MacSpoofs(logger);
    this.#flaps = new MacFlaps({
      logger,
      isFlapping: (mac) => planes.isFlapping(mac),
      flapsSoFar: () => planes.fdbCounters().flaps ?? 0,
    });
  }

  /**
   * Takes an event if it is about an address.
   * @param port name of its port, if that is there @param nameOf name of another one by its number
   * @returns whether it was
   */
  take(
    event: DataPlaneEvent,
    port: string | undefined,
    nameOf: (number: number) => string | undefined,
  ): boolean {
    const { kind, vring: number, value } = event;
    if (kind !== EVENT.macFlap && kind !== EVENT.macForeign) return false;
    const other = port === undefined ? undefined : nameOf(number);
    if (kind === EVENT.macForeign) {
      const owner = number === event.port ? null : other ?? null;
      if (port !== undefined) this.#spoofs.told(port, macOfNumber(value), owner);
    } else if (port === undefined || other === undefined) this.#flaps.beganAtNone();
    else this.#flaps.begin(macOfNumber(value), [port, other]);
    return true;
  }

  /** What is wrong with a port's addresses now. */
  problems(port: string): PortProblem[] {
    return [...this.#flaps.problems(port), ...this.#spoofs.problems(port)];
  }

  /** A port is removed: another may have its name. */
  forget(port: string): void {
    this.#flaps.forget(port);
    this.#spoofs.forget(port);
  }

  /** Says no more. */
  close(): void {
    this.#flaps.close();
  }
}
