/**
 * Where `top` has its figures from: the control API, asked again and again.
 *
 * @module
 */
import type {
  FdbStatus,
  PortStatus,
  SwitchStatus,
  VringStatus,
  WorkerStatus,
} from "../../control/types.ts";
import { onlyGrows, VRING_ROWS } from "../../switch/counter_rows.ts";
import { ask, type ClientFlags, portPath } from "../command.ts";
import type { Details, RingFigures } from "./details.ts";
import { type Figures, figuresBetween, growthOf, isSameSwitch, type TopLook } from "./figures.ts";

const RING_NAMES = VRING_ROWS.filter(onlyGrows).map(([name]) => name);

interface RingLook {
  readonly port: string;
  readonly vrings: readonly VringStatus[];
  readonly atMs: number;
}

/** Looks at one switch. */
export class TopSource {
  readonly #flags: Pick<ClientFlags, "ctl" | "timeout">;
  #last: TopLook | null = null;
  #rings: RingLook | null = null;

  /** Of the switch that these flags name. */
  constructor(flags: Pick<ClientFlags, "ctl" | "timeout">) {
    this.#flags = flags;
  }

  async #get<T>(path: string): Promise<T> {
    return await ask<T>(this.#flags, "GET", path);
  }

  /**
   * Looks once more. @returns what happened since the look before; `measured` is false if there was
   * none, or at another process: all rates are 0 then
   * @throws {CliError} nobody answers
   */
  async look(): Promise<{ readonly figures: Figures; readonly measured: boolean }> {
    const status = await this.#get<SwitchStatus>("/v1/switch");
    const workers = await this.#get<WorkerStatus[]>("/v1/workers");
    const look = { status, workers, atMs: performance.now() };
    const before = this.#last;
    this.#last = look;
    const measured = before !== null && isSameSwitch(before, look);
    return { figures: figuresBetween(measured ? before : look, look), measured };
  }

  /** More about a port. @throws {CliError} nobody answers; {ControlError} it is gone */
  async details(name: string): Promise<Details> {
    const path = portPath(name);
    const port = this.#last?.status.ports.find((each) => each.name === name) ??
      await this.#get<PortStatus>(path);
    const vrings = await this.#get<VringStatus[]>(`${path}/vrings`);
    const fdb = await this.#get<FdbStatus[]>("/v1/fdb");
    const before = this.#rings?.port === name ? this.#rings : null;
    this.#rings = { port: name, vrings, atMs: performance.now() };
    return {
      port,
      rings: ringsBetween(before, this.#rings),
      fdb: fdb.filter((entry) => entry.port === name),
    };
  }
}

/** How fast virtqueues are; those that were not there before have no rates. */
function ringsBetween(first: RingLook | null, last: RingLook): RingFigures[] {
  const seconds = first === null ? 0 : (last.atMs - first.atMs) / 1000;
  return last.vrings.map((vring) => {
    const before = first?.vrings.find(({ index }) => index === vring.index)?.counters;
    if (before === undefined || seconds <= 0) return { vring, rates: null };
    const growth = growthOf(before, vring.counters, RING_NAMES);
    const rates = Object.entries(growth).map(([name, count]) => [name, count / seconds]);
    return { vring, rates: Object.fromEntries(rates) };
  });
}
