/**
 * A port's IOTLB on the control thread: carries translations to the data plane, and what the data
 * plane and the rings miss to the front-end.
 *
 * @module
 */
import { tellFrontEnd } from "../../vhost/device/back_end_channel.ts";
import {
  iotlbMessage,
  VHOST_ACCESS_RO,
  VHOST_IOTLB_ACCESS_FAIL,
  VHOST_IOTLB_MISS,
} from "../../vhost/wire/back_end_message.ts";
import type { Device } from "../../vhost/device.ts";
import { IOTLB_PAGE_BYTES } from "../../virtio/memory/iotlb.ts";
import { type DataPlaneEvent, EVENT } from "../../worker/events.ts";
import type { DataPlane } from "../../worker/wire.ts";
import { IotlbQuestions } from "./iotlb_questions.ts";

/** Commands it sends to the data plane. */
export type IotlbPlane = Pick<
  DataPlane,
  "setIotlb" | "updateIotlb" | "invalidateIotlb" | "holdVring" | "releaseVring" | "askAgain"
>;

/** The IOTLB of one port. Control thread only. */
export class PortIotlb {
  readonly #plane: IotlbPlane;
  readonly #port: number;
  /** The device of the front-end that is connected, or null. */
  readonly #device: () => Device | null;
  readonly #requests: IotlbQuestions;
  #replyDue = false;

  /** No IOTLB at first. @param port its number on the data plane */
  constructor(plane: IotlbPlane, port: number, device: () => Device | null) {
    this.#plane = plane;
    this.#port = port;
    this.#device = device;
    this.#requests = new IotlbQuestions({
      ask: (page, permission, again) => this.#miss(page, permission, again),
      again: () => this.#again(),
    });
  }

  /** As SessionHost.setIotlb. */
  set(on: boolean): void {
    this.#plane.setIotlb({ port: this.#port, on });
    this.#requests.close();
  }

  /** As SessionHost.updateIotlb. */
  update(iova: number, sizeBytes: number, hostAddress: number, permission: number): void {
    this.#plane.updateIotlb({ port: this.#port, iova, sizeBytes, hostAddress, permission });
    this.#requests.answered(iova, sizeBytes);
  }

  /** As SessionHost.invalidateIotlb. */
  invalidate(iova: number, sizeBytes: number): void {
    this.#plane.invalidateIotlb({ port: this.#port, iova, sizeBytes });
    this.#requests.answered(iova, sizeBytes);
  }

  /** As SessionHost.holdVring. */
  hold(vring: number, on: boolean): void {
    if (on) this.#plane.holdVring({ port: this.#port, vring });
    else this.#plane.releaseVring({ port: this.#port, vring });
  }

  /** As SessionHost.askForRing. */
  askForRing(page: number): void {
    this.#requests.ring(page);
  }

  /** The data plane found a translation missing, or one that does not allow an access. */
  event({ kind, vring, value }: DataPlaneEvent): void {
    const permission = value % IOTLB_PAGE_BYTES;
    const page = value - permission;
    // It may have been stopped, or its front-end may have gone, before the news got here.
    if (!this.#device()?.vrings[vring]?.running) return;
    if (kind === EVENT.miss) this.#requests.miss(page, permission, false);
    else if (kind === EVENT.missAgain) this.#requests.miss(page, permission, true);
    else if (kind === EVENT.accessFail) this.#accessFail(vring, page, permission);
  }

  /**
   * Sends a miss. The translation is its answer, and comes on the other channel. What the front-end
   * replies is of interest only for a question that is repeated, and for one at a time: a front-end
   * whose machine is paused leaves it unanswered for long.
   */
  #miss(page: number, permission: number, again: boolean): void {
    const device = this.#device();
    if (!device?.iotlb) return;
    const message = iotlbMessage(VHOST_IOTLB_MISS, page, permission);
    if (!again || this.#replyDue) {
      tellFrontEnd(device, message);
      return;
    }
    const { host } = device;
    this.#replyDue = true;
    const sent = tellFrontEnd(device, message, (value) => {
      this.#replyDue = false;
      if (value === null || value === 0n) return;
      const what = `the front-end cannot translate 0x${page.toString(16)}: ${value}`;
      host.log("warn", "iotlb-miss", what);
    });
    if (!sent) this.#replyDue = false;
  }

  #accessFail(vring: number, page: number, permission: number): void {
    const device = this.#device();
    if (!device?.iotlb) return;
    const { host } = device;
    const what = `vring ${vring} may not ${permission === VHOST_ACCESS_RO ? "read" : "write"}`;
    host.log("warn", "iotlb-access", `${what} 0x${page.toString(16)}`);
    const message = iotlbMessage(VHOST_IOTLB_ACCESS_FAIL, page, permission);
    tellFrontEnd(device, message, (value) => {
      if (value !== null) host.log("debug", "iotlb-access", `the front-end answered ${value}`);
    });
  }

  /** Asks for all that is waited for. @returns whether that is anything */
  #again(): boolean {
    const device = this.#device();
    if (!device?.iotlb) return false;
    let any = this.#plane.askAgain({ port: this.#port }) > 0;
    for (const index of device.vrings.keys()) if (device.askForRing(index)) any = true;
    return any;
  }

  /** The front-end is gone. */
  close(): void {
    this.#requests.close();
  }
}
