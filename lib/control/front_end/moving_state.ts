/**
 * What a port takes along when its guest moves to another back-end: collected from the data plane
 * and the device, and put in force there.
 *
 * @module
 */
import {
  decodeDeviceState,
  type DeviceState,
  encodeDeviceState,
  STATE_BYTES_MAX,
} from "../../vhost/wire/device_state.ts";
import { isRefusal, type Refusal } from "../../vhost/reasons.ts";
import type { Device } from "../../vhost/device.ts";
import { LIMITS } from "../../base/port_limits.ts";
import { PORT_COUNTERS } from "../../switch/counters.ts";
import { BIT, hasFeature } from "../../vhost/features/bits.ts";
import type { DataPlaneThread } from "../../worker/supervisor.ts";
import { type DataPlane, type LearnedMac, MACS_PER_COMMAND } from "../../worker/wire.ts";
import type { Reactor } from "../reactor.ts";
import { tenantFdKind } from "../sockets/own_ends.ts";
import { StateTransfer } from "./state_transfer.ts";
import type { TenantFds } from "./tenant_fds.ts";

/** How long a front-end that asks what came of a transfer waits for its other end, ms. */
export const STATE_MS_MAX: number = LIMITS["state-time"].most;
/** Ages above this are passed on as this, seconds. */
const AGE_SECONDS_MAX = 1_000_000;

/** What it needs of the data plane: what to save, and commands to load it. */
export type StatePlane = Pick<DataPlaneThread, "portMacs" | "portCounters"> & {
  readonly commands: Pick<DataPlane, "learnMacs" | "addPortCounters">;
};

/** What it shares with its port. */
export interface MovingStateHost {
  /** The one that serves the port. */
  readonly plane: StatePlane;
  /** Says when the other end of a transfer is ready. */
  readonly reactor: Reactor;
  /** Reads and writes off the thread, and closes descriptors. */
  readonly fds: TenantFds;
  /** Number of the port. */
  readonly number: number;
  /** The connected front-end's device, or null. */
  device(): Device | null;
  /** Logs with the port's name. */
  log(level: "info", event: string, message: string): void;
}

/** The state of one port on the move. Control thread only. */
export class MovingState {
  readonly #host: MovingStateHost;
  #transfer: StateTransfer | null = null;
  /** Addresses that were on the port when its link went down, which forgets them, and when. */
  #left: { readonly macs: readonly LearnedMac[]; readonly atMs: number } = { macs: [], atMs: 0 };

  /** Nothing is under way. */
  constructor(host: MovingStateHost) {
    this.#host = host;
  }

  /** Bytes of a transfer that is under way. */
  get bytes(): number {
    return this.#transfer?.transferred ?? 0;
  }

  /**
   * The link changes; call before the data plane forgets what it learned. On the way down the
   * addresses are kept here: the guest may be about to move.
   */
  linkChanges(up: boolean): void {
    const kept = !up && this.#mayMove();
    const macs = kept ? this.#host.plane.portMacs(this.#host.number) : [];
    this.#left = { macs, atMs: performance.now() };
  }

  #mayMove(): boolean {
    const protocol = this.#host.device()?.protocolFeatures ?? 0n;
    return hasFeature(protocol, BIT.VHOST_USER_PROTOCOL_F_DEVICE_STATE);
  }

  /** As SessionHost.startStateTransfer. */
  start(direction: "save" | "load", fd: number): Refusal | null {
    const { reactor, fds } = this.#host;
    this.#end();
    const kind = tenantFdKind(fd);
    if (kind !== "pipe" && kind !== "socket") {
      fds.close(fd);
      return { code: "not-pipe", detail: "the descriptor is neither pipe nor socket" };
    }
    const what = direction === "save" ? this.#save() : STATE_BYTES_MAX;
    this.#transfer = new StateTransfer(fd, what, reactor, fds);
    return null;
  }

  /** As SessionHost.finishStateTransfer. */
  finish(): Refusal | null | Promise<Refusal | null> {
    const transfer = this.#transfer;
    this.#transfer = null;
    if (!transfer) return { code: "no-state", detail: "no transfer was begun" };
    if (transfer.outcome !== undefined) return this.#conclude(transfer, transfer.outcome);
    // Kept, so that a front-end that goes takes it along.
    this.#transfer = transfer;
    return transfer.over(STATE_MS_MAX).then((outcome) => {
      if (this.#transfer === transfer) this.#transfer = null;
      return this.#conclude(transfer, outcome);
    });
  }

  #conclude(transfer: StateTransfer, outcome: Refusal | null): Refusal | null {
    if (outcome !== null || transfer.direction === "save") return outcome;
    const state = decodeDeviceState(transfer.bytes);
    return isRefusal(state) ? state : this.#load(state);
  }

  #save(): Uint8Array<ArrayBuffer> {
    const { plane, number } = this.#host;
    const device = this.#host.device();
    const awaySeconds = Math.floor((performance.now() - this.#left.atMs) / 1000);
    const learned = new Map<string, LearnedMac>();
    for (const mac of this.#left.macs) {
      const ageSeconds = mac.ageSeconds + awaySeconds;
      learned.set(`${mac.macLo} ${mac.macHi}`, { ...mac, ageSeconds });
    }
    for (const mac of plane.portMacs(number)) learned.set(`${mac.macLo} ${mac.macHi}`, mac);
    return encodeDeviceState({
      mac: device?.config.mac ?? null,
      mtu: device?.config.mtu ?? null,
      queuePairs: Math.ceil(((device?.vrings.findLastIndex((v) => v.size > 0) ?? -1) + 1) / 2),
      learned: [...learned.values()],
      counters: plane.portCounters(number),
    });
  }

  /** @returns why this port cannot go on with it; nothing has changed then */
  #load(state: DeviceState): Refusal | null {
    const { plane, number, log } = this.#host;
    const device = this.#host.device();
    if (!device) return { code: "no-state", detail: "the front-end is gone" };
    const { config, offer } = device;
    if (state.queuePairs > offer.queuePairs) {
      const detail = `${state.queuePairs} queue pairs, this port has ${offer.queuePairs}`;
      return { code: "bad-state", detail };
    }
    if (state.mtu !== null && config.limitMtu(state.mtu) !== state.mtu) {
      return { code: "bad-state", detail: `an MTU of ${state.mtu} on a port of ${offer.mtu}` };
    }
    if (state.mac !== null) config.mac = state.mac;
    if (state.mtu !== null) {
      config.mtu = state.mtu;
      device.host.setMtu(state.mtu);
    }
    const macs = state.learned.map((mac) => ({
      ...mac,
      ageSeconds: Math.min(mac.ageSeconds, AGE_SECONDS_MAX),
    }));
    const learned = this.#learn(macs);
    const counts = PORT_COUNTERS.map((name) => state.counters[name] ?? 0);
    plane.commands.addPortCounters({ port: number, counts });
    const of = learned === macs.length ? "" : ` of ${macs.length}`;
    log("info", "state-loaded", `state of another back-end loaded, ${learned}${of} addresses`);
    return null;
  }

  /** @returns how many found room */
  #learn(macs: readonly LearnedMac[]): number {
    const { plane, number: port } = this.#host;
    let learned = 0;
    for (let at = 0; at < macs.length; at += MACS_PER_COMMAND) {
      const some = macs.slice(at, at + MACS_PER_COMMAND);
      learned += plane.commands.learnMacs({ port, macs: some });
    }
    return learned;
  }

  #end(): void {
    this.#transfer?.close();
    this.#transfer = null;
  }

  /** The front-end is gone. */
  close(): void {
    this.#end();
    this.#left = { macs: [], atMs: 0 };
  }
}
