/**
 * What operators hear of ports that speak with addresses which are not their own: a line for each port
 * in a minute at most, however many frames there are. Those are counted (`rxDroppedInUse`,
 * `rxDroppedSpoofed`).
 *
 * @module
 */
import { formatMac, type Mac } from "../base/mac.ts";
import type { Logger } from "./log.ts";
import type { PortProblem } from "./types.ts";

/** One line of a port in so long, ms. */
const WINDOW_MS = 60_000;
/** A port goes on if it was heard to so lately, ms: the data plane tells once a second. */
const LASTING_MS = 5_000;

const CODE = "mac-spoof";

interface Spoof {
  readonly text: string;
  readonly hint: string;
  readonly atMs: number;
  readonly toldMs: number;
}

/** Ports that speak with foreign addresses. Control thread only. */
export class MacSpoofs {
  readonly #logger: Pick<Logger, "warn">;
  readonly #clock: () => number;
  readonly #spoofs = new Map<string, Spoof>();

  /** Nobody does. @param clock monotonic, ms */
  constructor(logger: Pick<Logger, "warn">, clock: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** A port spoke with an address. @param owner the port that has it; null: it is none of its own */
  told(port: string, mac: Mac, owner: string | null): void {
    const address = formatMac(mac.low, mac.high);
    const why = owner === null ? "none of its own addresses" : `the address of ${owner}`;
    const text = `frames from ${address} are dropped, ${why}`;
    const hint = owner === null
      ? "static= or mac= of the port name those it may have"
      : `a guest that has moved says so by itself; if it is to be at ${port}: vuswitch fdb flush`;
    const now = this.#clock();
    const before = this.#spoofs.get(port);
    const tells = before === undefined || now - before.toldMs >= WINDOW_MS;
    this.#spoofs.set(port, { text, hint, atMs: now, toldMs: tells ? now : before.toldMs });
    const fields = { mac: address, ...(owner === null ? {} : { owner }) };
    if (tells) this.#logger.warn(`port ${port}`, "mac-spoof", text, fields);
  }

  /** What is wrong with a port for as long as it goes on. */
  problems(port: string): PortProblem[] {
    const spoof = this.#spoofs.get(port);
    if (spoof === undefined || this.#clock() - spoof.atMs > LASTING_MS) return [];
    return [{ code: CODE, text: spoof.text, hint: spoof.hint }];
  }

  /** A port is removed: another may have its name. */
  forget(port: string): void {
    this.#spoofs.delete(port);
  }
}
