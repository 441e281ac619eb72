/**
 * A TAP or macvtap device behind a port: made or opened, watched, and taken up again when it comes
 * back. Everything but making it, switching it on and setting its MTU works without any privilege on
 * a device that was made for this user.
 *
 * @module
 */
import {
  closeFd,
  drainDeviceNews,
  type NetworkDevice,
  networkDevice,
  networkDeviceStays,
  openDeviceNews,
  queueAddress,
  setTapCarrier,
  SystemError,
  tapQueue,
} from "../../../ffi/mod.ts";
import { TAP_HEADER_BYTES } from "../../switch/ports/lane_port.ts";
import { NO_OFFLOADS, offloadNames } from "../../virtio/offloads.ts";
import { ControlError, type PortProblem } from "../types.ts";
import type { UplinkReason } from "./reasons.ts";
import { openQueues, readTapTarget, setTapMtu, tapError, type TapTarget } from "./tap_device.ts";
import type { Uplink, UplinkFacts, UplinkHost } from "./uplink.ts";

/** Pause before a device that is gone is looked for, ms; each further one doubles it. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1000;

/** Of what was left open to us, once its device is gone. */
const OF_NO_USE = "its descriptor is of no use now";

/** Those of this process that have a device. */
const serving = new Set<TapUplink>();

/** A device behind a port. Control thread only. */
export class TapUplink implements Uplink {
  readonly #host: UplinkHost;
  readonly #target: TapTarget;
  /** Descriptors of the queues, by lane; none: the device is not there. */
  #fds: readonly number[] = [];
  /** As many of them are served. */
  #lanes = 0;
  /** What its frames may ask for, OFFLOAD_ bits. */
  #offloads = NO_OFFLOADS;
  /** It was not there before, and ends with its descriptors. */
  #isOurs = false;
  /** Somebody else made it, to stay. */
  #isAnothers = false;
  #name: string;
  /** What was found last; null: its namespace is another one. */
  #device: NetworkDevice | null = null;
  #newsFd = -1;
  #isOpen = false;
  #retry: { reason: string; afterMs: number } | null = null;
  /** It is there, and was not to be had. */
  #isRefused = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pauseMs = RETRY_MS_MIN;

  /** Nothing is opened before {@linkcode open}. */
  constructor(host: UplinkHost) {
    this.#host = host;
    this.#target = readTapTarget(host.config);
    this.#name = this.#target.name;
  }

  /** As {@linkcode Uplink.open}. @throws {ControlError} the first time: it cannot be had */
  open(): void {
    this.#isOpen = true;
    if (this.#newsFd < 0) {
      const newsFd = this.#openNews();
      try {
        this.#take();
      } catch (error) {
        closeFd(newsFd);
        throw error;
      }
      this.#newsFd = newsFd;
      this.#host.watch(this.#newsFd, () => {
        drainDeviceNews(this.#newsFd);
        this.#look();
      });
    } else if (this.#fds.length > 0) this.#setCarrier(true);
    this.#look();
  }

  #openNews(): number {
    try {
      return openDeviceNews();
    } catch (error) {
      throw tapError(error, this.#target);
    }
  }

  suspend(): void {
    this.#isOpen = false;
    this.#setCarrier(false);
    this.#look();
  }

  /** What is at the other end sees whether a switch serves the device. macvtap has another's carrier. */
  #setCarrier(on: boolean): void {
    const [fd] = this.#fds;
    try {
      if (fd !== undefined) setTapCarrier(fd, on);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
    }
  }

  /** Opens the device's queues and has them served. @throws {ControlError} */
  #take(): void {
    const { name, fds, offloads, persistent, made } = openQueues(this.#target);
    this.#fds = fds;
    if (this.#isAnothers && !persistent) {
      // It went in the moment that it was opened, and so was made anew.
      this.#release();
      throw new ControlError("failed", `device ${this.#name} is gone`);
    }
    this.#name = name;
    this.#isOurs ||= made;
    this.#isAnothers = persistent;
    this.#offloads = offloads;
    this.#checkAlone();
    setTapMtu(name, this.#target);
    serving.add(this);
    for (const [lane, fd] of fds.entries()) {
      if (!this.#host.startLane(lane, "tap", fd, offloads)) {
        throw new ControlError("failed", `Cannot add port ${this.#target.port}: no room for it`);
      }
      this.#lanes = lane + 1;
    }
    this.#setCarrier(this.#isOpen);
  }

  /** Two ports of one device would get each other's frames, by whatever names they have it. */
  #checkAlone(): void {
    const address = this.#findDevice();
    for (const other of serving) {
      if (address === null || other.#findDevice() !== address || other.#name !== this.#name) {
        continue;
      }
      throw new ControlError(
        "conflict",
        `Cannot add port ${this.#target.port}: port "${other.#target.port}" has device ${this.#name} already`,
        "a port has all queues of its device: queues=N",
      );
    }
  }

  #release(): void {
    serving.delete(this);
    for (const [lane, fd] of this.#fds.entries()) {
      if (lane < this.#lanes) this.#host.stopLane(lane);
      closeFd(fd);
    }
    this.#fds = [];
    this.#lanes = 0;
    this.#device = null;
  }

  /** Finds out how the device is. */
  #look(): void {
    if (this.#fds.length === 0) {
      this.#lookAgain();
      return;
    }
    const address = this.#findDevice();
    if (address === null) {
      this.#lost(`device ${this.#name} is gone`);
      return;
    }
    const device = networkDevice(this.#name);
    // One of that name in this namespace may be another one.
    this.#device = device?.address === address ? device : null;
    const { mtu, running } = this.#device ?? { mtu: this.#target.mtu, running: this.#isOpen };
    this.#host.setMtu(mtu);
    this.#host.setLink(running, `device ${this.#name}, mtu ${mtu ?? "unknown"}`);
  }

  /** Its name of now, and its MAC address; null: it is gone. */
  #findDevice(): string | null {
    try {
      const [fd = -1] = this.#fds;
      this.#name = tapQueue(fd).name;
      return queueAddress(fd);
    } catch {
      return null;
    }
  }

  #lost(reason: string): void {
    this.#release();
    this.#host.setLink(false, reason);
    this.#host.failed("uplink-down", reason);
    const isOver = this.#target.fd !== null;
    const next = isOver ? OF_NO_USE : "it is taken up again when it is back";
    this.#host.log("warn", "uplink-down", `${reason}; ${next}`);
    if (isOver) return;
    this.#pauseMs = RETRY_MS_MIN;
    this.#wait(reason);
  }

  #wait(reason: string): void {
    this.#retry = { reason, afterMs: this.#pauseMs };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lookAgain(), this.#pauseMs);
    this.#pauseMs = Math.min(RETRY_MS_MAX, 2 * this.#pauseMs);
  }

  /** Takes a device that was lost up again, if it is there. */
  #lookAgain(): void {
    const { file, fd } = this.#target;
    if (fd !== null) return;
    // One that we made is made again, but not at once: whoever removed it may be at work.
    const mayMake = this.#isOurs && this.#pauseMs >= RETRY_MS_MAX;
    if (file === null && !networkDeviceStays(this.#name) && !mayMake) {
      this.#wait(`device ${this.#name} is gone`);
      return;
    }
    try {
      this.#take();
    } catch (error) {
      this.#release();
      const reason = tapError(error, this.#target).message;
      const isGone = file === null && !networkDeviceStays(this.#name);
      if (this.#retry?.reason !== reason && !isGone) {
        this.#isRefused = true;
        this.#host.failed("uplink-refused", reason);
        this.#host.log("warn", "uplink-refused", reason);
      }
      this.#wait(reason);
      return;
    }
    clearTimeout(this.#timer);
    this.#retry = null;
    this.#isRefused = false;
    this.#host.log("info", "uplink-back", `device ${this.#name} is back`);
    this.#look();
  }

  laneFailed(): void {
    // The news may be of the device before: then this one is well.
    if (this.#fds.length > 0) this.#look();
  }

  get facts(): UplinkFacts {
    const device = this.#device;
    const there = this.#fds.length > 0;
    const running = device?.running ?? this.#isOpen;
    return {
      link: there ? running ? "up" : "down" : "wait",
      lanes: this.#fds.length,
      retry: this.#retry,
      peer: null,
      nat: null,
      device: there
        ? {
          name: this.#name,
          mtu: device?.mtu ?? null,
          up: device?.up ?? null,
          carrier: device?.running ?? null,
          headerBytes: TAP_HEADER_BYTES,
          offloads: offloadNames(this.#offloads),
          queues: this.#fds.length,
        }
        : null,
      problems: this.#problems(),
    };
  }

  #problems(): PortProblem[] {
    const problem = (code: UplinkReason, text: string, hint: string | null): PortProblem[] => [
      { code, text, hint },
    ];
    if (this.#retry !== null) {
      const hint = "it is taken up by itself as soon as it can be opened";
      return problem(this.#isRefused ? "uplink-refused" : "uplink-down", this.#retry.reason, hint);
    }
    if (this.#fds.length === 0) {
      return problem(
        "uplink-down",
        `device ${this.#name} is gone`,
        OF_NO_USE,
      );
    }
    if (!this.#isOpen || this.#device === null || this.#device.running) return [];
    if (this.#device.up) return problem("uplink-down", `device ${this.#name} has no carrier`, null);
    const hint = `ip link set ${this.#name} up`;
    return problem("uplink-down", `device ${this.#name} is switched off`, hint);
  }

  close(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    if (this.#newsFd >= 0) {
      this.#host.unwatch(this.#newsFd);
      closeFd(this.#newsFd);
    }
    this.#release();
  }
}
