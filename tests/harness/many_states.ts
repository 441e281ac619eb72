/**
 * A switch whose ports are in every state that an operator may meet: for tests of what is said about
 * them.
 *
 * @module
 */
import type { PortStatus } from "../../lib/control/types.ts";
import { callSwitch } from "../../lib/cli/client.ts";
import { FrontEnd } from "../../lib/guest/front_end.ts";
import { NetGuest, type NetGuestOptions, TX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { Bed } from "./bed.ts";
import { type SwitchProcess, vuswitch } from "./switch_process.ts";
import { TempFolder } from "./temp.ts";
import { introduce, macOf } from "./traffic.ts";
import { until } from "./until.ts";

/** A request that no specification has. */
const NO_REQUEST = 999;

/**
 * Ports: `split` and `packed` up, `wait` waiting, `closed` ended with an error, `connect` without
 * anybody to connect to, `admin` out of service, `down` connected and not running, `iommu` left by
 * a front-end that may want one, `broken` with a broken ring, `gone` without its socket, and
 * `pool{n}` of which one is taken and one was refused. Links: `split` and `packed` are linked,
 * another waits for its second port.
 */
export class ManyStates implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #bed: Bed;
  readonly #open: Disposable[] = [];
  readonly #intruder: Deno.Listener;
  readonly split: NetGuest;

  private constructor(folder: TempFolder, bed: Bed, states: States, split: NetGuest) {
    this.#folder = folder;
    this.#bed = bed;
    this.#open = states.open;
    this.#intruder = states.intruder;
    this.split = split;
  }

  /** Starts it, with a log in JSON. */
  static async make(): Promise<ManyStates> {
    const folder = new TempFolder();
    const socket = (name: string): string => folder.file(`${name}.sock`);
    const names = ["split", "packed", "wait", "closed", "admin", "down", "iommu", "broken", "gone"];
    const bed = await Bed.in(folder, 0, ...[
      ...names.flatMap((name) => ["-p", `${name}=${socket(name)}`]),
      ...["-p", `connect=${socket("connect")},mode=connect,mtu=9000,forward=lldp+0d`],
      ...["-p", `pool{n}=${socket("pool")},multi=1`],
      ...["-p", `spare{n}=${socket("spare")},multi=1`],
      ...["--link", "split:packed", "--link", "wait:spare0", "--log-format", "json", "-v"],
      ...["--page", "127.0.0.1:0"],
    ]);
    const states = new States(bed.process, socket);
    return new ManyStates(folder, bed, states, await states.enter());
  }

  /** The switch. */
  get process(): SwitchProcess {
    return this.#bed.process;
  }

  /** `socket` of a port that a test adds. */
  socket(name: string): string {
    return this.#folder.file(`${name}.sock`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#open) each[Symbol.dispose]();
    await this.#bed[Symbol.asyncDispose]();
    this.#intruder.close();
    this.#folder[Symbol.dispose]();
  }
}

/** Brings the ports of a switch into their states. */
class States {
  readonly #process: SwitchProcess;
  readonly #socket: (name: string) => string;
  readonly open: Disposable[] = [];
  readonly intruder: Deno.Listener;

  constructor(process: SwitchProcess, socket: (name: string) => string) {
    this.#process = process;
    this.#socket = socket;
    Deno.removeSync(socket("gone"));
    this.intruder = Deno.listen({ transport: "unix", path: socket("gone") });
  }

  async #port(name: string): Promise<PortStatus> {
    return await callSwitch(this.#process.ctl, "GET", `/v1/ports/${name}`) as PortStatus;
  }

  async #until(name: string, check: (port: PortStatus) => boolean): Promise<void> {
    await until(`port ${name}`, async () => check(await this.#port(name)));
  }

  async #guest(name: string, options: Partial<NetGuestOptions> = {}): Promise<NetGuest> {
    const mac = macOf(1 + this.open.length);
    const guest = await NetGuest.start({ socket: this.#socket(name), mac, ...options });
    this.open.push(guest);
    return guest;
  }

  #frontEnd(name: string): FrontEnd {
    const frontEnd = new FrontEnd(this.#socket(name));
    this.open.push(frontEnd);
    return frontEnd;
  }

  /** @returns the guest of `split` */
  async enter(): Promise<NetGuest> {
    const split = await this.#guest("split");
    const packed = await this.#guest("packed", { packed: true });
    await introduce(split, packed);
    this.#frontEnd("closed").message(NO_REQUEST);
    await this.#until("closed", ({ lastError, link }) => lastError !== null && link === "wait");
    await vuswitch("port", "down", "admin", "--ctl", this.#process.ctl);
    const down = this.#frontEnd("down");
    await down.ask(id.VHOST_USER_GET_FEATURES);
    const leaving = this.#frontEnd("iommu");
    await leaving.ask(id.VHOST_USER_GET_FEATURES);
    leaving.message(id.VHOST_USER_SET_OWNER);
    leaving.close();
    await this.#until("iommu", ({ problems }) => problems.length > 0);
    const broken = await this.#guest("broken");
    // More buffers than the ring has.
    const index = new Uint16Array(broken.ram.view.buffer, broken.ram.at(broken.tx.areas[1]) + 2, 1);
    Atomics.store(index, 0, broken.tx.size + 1);
    broken.kick(TX);
    await this.#until("broken", ({ lastError }) => lastError?.code === "avail-jump");
    await introduce(await this.#guest("pool"));
    const refused = this.#frontEnd("pool");
    await refused.closedBySwitch();
    await this.#until("gone", ({ problems }) => problems.length > 0);
    return split;
  }
}
