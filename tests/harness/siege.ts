/**
 * A switch whose port vm1 is attacked. After every attack it is checked that nobody else noticed:
 * bystanders lost nothing, nothing is held any more, the reason was counted once, and a good
 * front-end finds the port working.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus, VringStatus } from "../../lib/control/types.ts";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { NetGuest, type NetGuestOptions } from "../../lib/guest/net_guest.ts";
import { Bystanders, type Held, held, heldAsBefore } from "./bystanders.ts";
import { SwitchProcess } from "./switch_process.ts";
import { until } from "./until.ts";
import { TempFolder } from "./temp.ts";
import { introduce, macOf } from "./traffic.ts";

const ATTACKED = 1;
const WITNESS = 4;

/** A switch under attack, its bystanders on vm2 and vm3, and a witness on vm4. */
export class Siege implements AsyncDisposable {
  readonly #folder = new TempFolder();
  readonly process: SwitchProcess;
  readonly bystanders: Bystanders;
  readonly witness: NetGuest;
  readonly #before: Held;

  private constructor(
    folder: TempFolder,
    process: SwitchProcess,
    bystanders: Bystanders,
    witness: NetGuest,
  ) {
    this.#folder = folder;
    this.process = process;
    this.bystanders = bystanders;
    this.witness = witness;
    this.#before = held(process.pid);
  }

  static async lay(): Promise<Siege> {
    const folder = new TempFolder();
    const process = await SwitchProcess.withPorts(folder.path, 4);
    const socket = (n: number): string => folder.file(`vm${n}.sock`);
    const bystanders = await Bystanders.attach(socket(2), socket(3));
    const witness = await NetGuest.start({ socket: socket(WITNESS), mac: macOf(WITNESS) });
    await bystanders.check();
    return new Siege(folder, process, bystanders, witness);
  }

  /** Socket of the attacked port. */
  get socket(): string {
    return this.#folder.file(`vm${ATTACKED}.sock`);
  }

  /** The attacked port as operators see it. */
  async port(): Promise<PortStatus> {
    return await callSwitch(this.process.ctl, "GET", "/v1/ports/vm1") as PortStatus;
  }

  /** A virtqueue of the attacked port. */
  async vring(index: number): Promise<VringStatus> {
    const list = await callSwitch(this.process.ctl, "GET", "/v1/ports/vm1/vrings");
    return (list as VringStatus[])[index] as VringStatus;
  }

  /** A guest on the attacked port. */
  guest(options: Partial<NetGuestOptions> = {}): Promise<NetGuest> {
    return NetGuest.start({ socket: this.socket, mac: macOf(ATTACKED), ...options });
  }

  /** A bare connection to the attacked port. */
  frontEnd(): FrontEnd {
    return new FrontEnd(this.socket);
  }

  /**
   * Runs one attack. @param reason code to be counted, or null: no error
   * @param attack returns when it is over and has closed what it opened
   * @param times how often `reason` is counted
   */
  async attack(reason: string | null, attack: () => Promise<void>, times = 1): Promise<void> {
    const before = (await this.port()).errors;
    await attack();
    const wanted = { ...before };
    if (reason !== null) wanted[reason] = (before[reason] ?? 0) + times;
    await until("the port to be free", async () => (await this.port()).link === "wait");
    assert.deepEqual((await this.port()).errors, wanted);
    await this.bystanders.check();
    await heldAsBefore(this.process.pid, this.#before);
    await this.#prove();
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
    this.witness.close();
    const code = await this.process.stop();
    this.#folder[Symbol.dispose]();
    assert.equal(code, 0, `the switch ends well: ${this.process.log}`);
  }
}

/** Runs a named attack; see {@linkcode Siege.attack}. */
export type Step = (
  name: string,
  reason: string | null,
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
