/**
 * A switch in a process of its own with guests in TypeScript attached to its ports.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { callSwitch } from "../../lib/cli/client.ts";
import type { PortStatus, SwitchStatus, VringStatus } from "../../lib/control/types.ts";
import { NetGuest, type NetGuestOptions } from "../../lib/guest/net_guest.ts";
import { SwitchProcess } from "./switch_process.ts";
import { TempFolder } from "./temp.ts";
import { macOf } from "./traffic.ts";

/** A switch with ports vm1 … vmN and a way to attach guests to them. */
export class Bed implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly process: SwitchProcess;
  readonly #guests: NetGuest[] = [];

  private constructor(folder: TempFolder, process: SwitchProcess) {
    this.#folder = folder;
    this.process = process;
  }

  /** @param ports how many, or the options of each as `mtu=1400,offer=gpa` */
  static async make(ports: number | readonly string[], ...args: string[]): Promise<Bed> {
    const folder = new TempFolder();
    const options = typeof ports === "number" ? new Array<string>(ports).fill("") : ports;
    const specs = options.flatMap((option, i) => {
      const name = `vm${i + 1}`;
      return ["-p", [`${name}=${folder.file(`${name}.sock`)}`, option].filter(Boolean).join(",")];
    });
    return new Bed(folder, await SwitchProcess.start(folder.path, [...specs, ...args]));
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

  async #get(path: string): Promise<unknown> {
    return await callSwitch(this.process.ctl, "GET", path);
  }

  async port(number: number): Promise<PortStatus> {
    return await this.#get(`/v1/ports/vm${number}`) as PortStatus;
  }

  async vrings(number: number): Promise<VringStatus[]> {
    return await this.#get(`/v1/ports/vm${number}/vrings`) as VringStatus[];
  }

  async status(): Promise<SwitchStatus> {
    return await this.#get("/v1/switch") as SwitchStatus;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const guest of this.#guests) guest.close();
    const code = await this.process.stop();
    this.#folder[Symbol.dispose]();
    assert.equal(code, 0, this.process.log);
  }
}
