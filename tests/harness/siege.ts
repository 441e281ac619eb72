/**
 * A switch whose ports are attacked, one at a time. After every attack it is checked that nobody else
 * noticed: bystanders lost nothing, nothing is held any more, the reason was counted once, and a good
 * front-end finds the port working.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus, VringStatus } from "../../lib/control/types.ts";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { NetGuest, type NetGuestOptions } from "../../lib/guest/net_guest.ts";
import { Bed } from "./bed.ts";
import { Bystanders, type Held, held, heldAsBefore } from "./bystanders.ts";
import { type SwitchProcess, vuswitchWords } from "./switch_process.ts";
import { until } from "./until.ts";
import { introduce, macOf } from "./traffic.ts";

/**
 * Ports that are attacked in turn: one whose front-ends have to be thrown out more than once a second
 * holds the next one back.
 */
const ATTACKED = [1, 5, 6, 7, 8, 9];
const WITNESS = 4;

/** The reason follows from chance, or from who is faster. */
export interface AnyOf {
  /** Codes of which any may be counted, any number of times; others must not be. */
  readonly anyOf: readonly string[];
  /** How many are counted, all in all, at least. */
  readonly least: number;
}

/** What a port is to count: a reason, one of several, none, or what chance brings. */
export type Expected = string | null | readonly string[] | AnyOf;

/** A switch under attack, its bystanders on vm2 and vm3, and a witness on vm4. */
export class Siege implements AsyncDisposable {
  readonly #bed: Bed;
  readonly bystanders: Bystanders;
  readonly witness: NetGuest;
  #before: Held;
  #attacks = 0;
  /** The port of one deed, while there is one. */
  #own: string | null = null;

  private constructor(bed: Bed, bystanders: Bystanders, witness: NetGuest) {
    this.#bed = bed;
    this.bystanders = bystanders;
    this.witness = witness;
    this.#before = held(bed.process.pid);
  }

  /** Starts all that. @param more ports that nobody attacks @param program what runs the switch */
  static async lay(more = 0, program = vuswitchWords()): Promise<Siege> {
    await using scope = new AsyncDisposableStack();
    const bed = scope.use(await Bed.by(program, Math.max(...ATTACKED) + more));
    const bystanders = scope.use(await Bystanders.attach(bed.socket(2), bed.socket(3)));
    const witness = await bed.guest(WITNESS);
    await bystanders.check();
    scope.move();
    return new Siege(bed, bystanders, witness);
  }

  /** The switch. */
  get process(): SwitchProcess {
    return this.#bed.process;
  }

  /** What the switch holds now is what it is to hold after each attack. */
  recount(): void {
    this.#before = held(this.process.pid);
  }

  /** Socket of one of the ports that nobody attacks, from 0 on. */
  spare(number: number): string {
    return this.#bed.socket(Math.max(...ATTACKED) + 1 + number);
  }

  /** Number of the attacked port, of those that are attacked in turn. */
  get #attacked(): number {
    return ATTACKED[this.#attacks % ATTACKED.length] as number;
  }

  /** Name of the attacked port. */
  get #name(): string {
    return this.#own ?? `vm${this.#attacked}`;
  }

  /** Socket of the attacked port. */
  get socket(): string {
    return this.#bed.file(`${this.#name}.sock`);
  }

  /** The attacked port as operators see it. */
  port(): Promise<PortStatus> {
    return this.#bed.portNamed(this.#name);
  }

  /** A virtqueue of the attacked port. */
  async vring(index: number): Promise<VringStatus> {
    const path = `/v1/ports/${this.#name}/vrings`;
    const vrings = await callSwitch(this.process.ctl, "GET", path) as VringStatus[];
    return vrings[index] as VringStatus;
  }

  /** A guest on the attacked port. */
  guest(options: Partial<NetGuestOptions> = {}): Promise<NetGuest> {
    return NetGuest.start({ socket: this.socket, mac: macOf(this.#attacked), ...options });
  }

  /** A bare connection to the attacked port. */
  frontEnd(): FrontEnd {
    return new FrontEnd(this.socket);
  }

  /**
   * Runs one attack, on the next port. @param reason to be counted
   * @param attack returns when it is over and has closed what it opened
   * @param times how often `reason` is counted
   */
  async attack(reason: Expected, attack: () => Promise<void>, times = 1): Promise<void> {
    this.#attacks++;
    const before = (await this.port()).errors;
    await attack();
    await until("the port to be free", async () => (await this.port()).link === "wait");
    if (isAnyOf(reason)) {
      const sum = async (): Promise<number> =>
        sumOf((await this.port()).errors, reason.anyOf) - sumOf(before, reason.anyOf);
      await until(`${reason.least} of ${reason.anyOf}`, async () => await sum() >= reason.least);
    }
    compare(before, (await this.port()).errors, reason, times);
    await this.bystanders.check();
    await heldAsBefore(this.process.pid, this.#before);
    await this.#prove();
  }

  /**
   * The same on a port of its own, made for it and removed after it: the socket of who took the data
   * plane's time rests, for longer each time.
   */
  async attackAlone(reason: Expected, attack: () => Promise<void>): Promise<void> {
    const name = `own${this.#attacks}`;
    const path = this.#bed.file(`${name}.sock`);
    await callSwitch(this.process.ctl, "POST", "/v1/ports", { name, path });
    this.#own = name;
    const before = this.#before;
    try {
      // Its listening socket.
      this.#before = { ...before, fds: before.fds + 1 };
      await this.attack(reason, attack);
    } finally {
      this.#own = null;
      this.#before = before;
    }
    await callSwitch(this.process.ctl, "DELETE", `/v1/ports/${name}`);
    await heldAsBefore(this.process.pid, before);
  }

  /** A good front-end connects to the attacked port and hears and is heard. */
  async #prove(): Promise<void> {
    using good = await this.guest();
    this.witness.receive();
    await introduce(good, this.witness);
    good.close();
    await until("the good guest to be gone", async () => (await this.port()).link === "wait");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.bystanders[Symbol.dispose]();
    await this.#bed[Symbol.asyncDispose]();
  }
}

type Counts = Readonly<Record<string, number>>;

function isAnyOf(reason: Expected): reason is AnyOf {
  return reason !== null && typeof reason === "object" && "anyOf" in reason;
}

function sumOf(counts: Counts, codes: readonly string[]): number {
  return codes.reduce((sum, code) => sum + (counts[code] ?? 0), 0);
}

/** Nothing but what is expected was counted. */
function compare(before: Counts, after: Counts, reason: Expected, times: number): void {
  const wanted: Record<string, number> = { ...before };
  if (isAnyOf(reason)) {
    for (const code of reason.anyOf) if (after[code]) wanted[code] = after[code];
  } else {
    const codes = typeof reason === "string" ? [reason] : reason ?? [];
    const code = codes.find((each) => after[each] !== before[each]) ?? codes[0];
    if (code !== undefined) wanted[code] = (before[code] ?? 0) + times;
  }
  assert.deepEqual(after, wanted);
}

/** Runs a named attack; see {@linkcode Siege.attack}. */
export type Step = (
  name: string,
  reason: Expected,
  run: () => Promise<void>,
  times?: number,
) => Promise<boolean>;

/** Names steps and runs each as an attack. */
export function steps(t: Deno.TestContext, siege: Siege): Step {
  return (name, reason, run, times) => t.step(name, () => siege.attack(reason, run, times));
}

/** Something said on a bare connection that makes the switch close it. */
export async function closes(
  siege: Siege,
  say: (frontEnd: FrontEnd) => void | Promise<void>,
): Promise<void> {
  using frontEnd = siege.frontEnd();
  await say(frontEnd);
  assert(await frontEnd.closedBySwitch(), "the switch closes the connection");
}

/** The same from a guest whose rings run. */
export async function closesGuest(
  siege: Siege,
  say: (guest: NetGuest) => void | Promise<void>,
): Promise<void> {
  using guest = await siege.guest();
  await say(guest);
  assert(await guest.frontEnd.closedBySwitch(), "the switch closes the connection");
}

/** Bytes of 64-bit numbers. */
export function bytesOf(...words: readonly (number | bigint)[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new BigUint64Array(words.map(BigInt)).buffer);
}
