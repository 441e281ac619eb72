/**
 * The way into end-to-end tests: a switch in a process of its own, in a folder of its own, with
 * guests on its ports, in TypeScript or Linux in QEMU. What is left of it ends with its scope.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortLimits, PortStatus, SwitchStatus, VringStatus } from "../../lib/control/types.ts";
import type { QemuGuest } from "../../lib/demo/qemu.ts";
import { NetGuest, type NetGuestOptions } from "../../lib/guest/net_guest.ts";
import { type GuestChoice, startGuests, stopGuests } from "./guests.ts";
import { SwitchProcess } from "./switch_process.ts";
import { TempFolder } from "./temp.ts";
import { macOf } from "./traffic.ts";

/** A switch with ports vm1 … vmN and a way to attach guests to them. */
export class Bed implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #owned: boolean;
  readonly #args: readonly string[];
  #process: SwitchProcess;
  #killed = false;
  readonly #guests: NetGuest[] = [];
  readonly #linux: QemuGuest[] = [];

  private constructor(
    folder: TempFolder,
    owned: boolean,
    args: readonly string[],
    process: SwitchProcess,
  ) {
    this.#folder = folder;
    this.#owned = owned;
    this.#args = args;
    this.#process = process;
  }

  /**
   * A switch whose sockets are in a new folder.
   * @param ports how many, or the options of each as `mtu=1400,offer=gpa`
   * @param args further words of `vuswitch run`
   */
  static make(ports: number | readonly string[], ...args: string[]): Promise<Bed> {
    return Bed.#start(new TempFolder(), true, ports, args);
  }

  /** The same of a switch that other words than usual run, as {@linkcode vuswitchWords}. */
  static by(program: readonly string[], ports: number, ...args: string[]): Promise<Bed> {
    return Bed.#start(new TempFolder(), true, ports, args, program);
  }

  /** The same in a folder that the test has made, for files that must be there before. */
  static in(
    folder: TempFolder,
    ports: number | readonly string[],
    ...args: string[]
  ): Promise<Bed> {
    return Bed.#start(folder, false, ports, args);
  }

  static async #start(
    folder: TempFolder,
    owned: boolean,
    ports: number | readonly string[],
    args: readonly string[],
    program?: readonly string[],
  ): Promise<Bed> {
    const options = typeof ports === "number" ? new Array<string>(ports).fill("") : ports;
    const specs = options.flatMap((option, i) => {
      const name = `vm${i + 1}`;
      return ["-p", [`${name}=${folder.file(`${name}.sock`)}`, option].filter(Boolean).join(",")];
    });
    const words = [...specs, ...args];
    const process = await SwitchProcess.start(folder.path, words, program);
    return new Bed(folder, owned, words, process);
  }

  /** The switch as it runs now. */
  get process(): SwitchProcess {
    return this.#process;
  }

  /** Ends the switch, by a kill if not told otherwise, and leaves its sockets' guests alone. */
  async kill(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    this.#killed = true;
    const code = await this.#process.stop(signal);
    if (signal !== "SIGKILL") assert.equal(code, 0, this.#process.log);
  }

  /** Starts a switch that was killed again, with the same words. */
  async start(): Promise<void> {
    assert(this.#killed, "a switch runs once");
    this.#process = await SwitchProcess.start(this.#folder.path, this.#args);
    this.#killed = false;
  }

  /** Where its sockets are. */
  get folder(): string {
    return this.#folder.path;
  }

  /** A path in its folder. */
  file(name: string): string {
    return this.#folder.file(name);
  }

  /** The socket of a port, by number from 1 on. */
  socket(port: number): string {
    return this.#folder.file(`vm${port}.sock`);
  }

  /** Attaches a guest, which is closed with the bed. */
  async guest(port: number, options: Partial<NetGuestOptions> = {}): Promise<NetGuest> {
    const guest = await NetGuest.start({
      ...{ socket: this.socket(port), mac: macOf(port) },
      ...options,
    });
    this.#guests.push(guest);
    return guest;
  }

  /**
   * Starts Linux guests vm1 … vmN in QEMU on the ports of their names; they end with the bed.
   * @param programs paths of this machine's programs that the guests shall have
   */
  async linux(
    choices: readonly GuestChoice[],
    programs: readonly string[] = [],
  ): Promise<QemuGuest[]> {
    const guests = await startGuests(this.folder, choices, programs);
    this.#linux.push(...guests);
    return guests;
  }

  async #get(path: string): Promise<unknown> {
    return await callSwitch(this.process.ctl, "GET", path);
  }

  /** What the control API says of a port. */
  async port(number: number): Promise<PortStatus> {
    return await this.#get(`/v1/ports/vm${number}`) as PortStatus;
  }

  /** What it says of a port of any name. */
  async portNamed(name: string): Promise<PortStatus> {
    return await this.#get(`/v1/ports/${name}`) as PortStatus;
  }

  /** What it says of a port's limits. */
  async limits(number: number): Promise<PortLimits> {
    return await this.#get(`/v1/ports/vm${number}/limits`) as PortLimits;
  }

  /** What it says of a port's virtqueues. */
  async vrings(number: number): Promise<VringStatus[]> {
    return await this.#get(`/v1/ports/vm${number}/vrings`) as VringStatus[];
  }

  /** What it says of the switch. */
  async status(): Promise<SwitchStatus> {
    return await this.#get("/v1/switch") as SwitchStatus;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const guest of this.#guests) guest.close();
    await stopGuests(this.#linux);
    const code = await this.process.stop();
    if (this.#owned) this.#folder[Symbol.dispose]();
    if (!this.#killed) assert.equal(code, 0, this.process.log);
  }
}
