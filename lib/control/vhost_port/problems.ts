/**
 * What an operator would have to guess: a port whose front-end is there and that does not work, for
 * a reason that can be told from here. Looked for once a second on the control thread, with a glance
 * at the first words of a ring, until the port is seen to work; the data plane knows nothing of it.
 *
 * Memory that is not shared shows in three ways: no memory comes at all (a back-end without a
 * file); a file comes, and the guest writes to a private copy of it (`share=off`), so that its rings
 * stay empty here while it kicks; some of it comes, and addresses lie in what did not.
 *
 * @module
 */
import { viewMemory } from "../../../ffi/mod.ts";
import {
  VHOST_USER_GET_FEATURES,
  VHOST_USER_SET_FEATURES,
  VHOST_USER_SET_OWNER,
} from "../../vhost/wire/message.ts";
import type { Offer } from "../../vhost/offer.ts";
import type { Refusal } from "../../vhost/reasons.ts";
import { SHARE_HINT, strayRing } from "../../vhost/device/ring_places.ts";
import type { Device } from "../../vhost/device.ts";
import type { VringState } from "../../vhost/device/vring.ts";
import { areaBytes } from "../../virtio/areas.ts";
import { CHAIN_REASON_ROWS } from "../../virtio/bad_chain.ts";
import { BIT, hasFeature } from "../../vhost/features/bits.ts";
import { type DataPlaneEvent, EVENT } from "../../worker/events.ts";
import type { PortProblem } from "../types.ts";

/** Time between two looks, ms. */
const LOOK_MS = 1000;
/** A front-end that leaves later than this after its last word has other reasons, ms. */
const LEAVES_MS_MAX = 2000;
/** Of each area of a ring, so much is looked at, bytes: a driver begins at the front. */
const LOOK_BYTES = 4096;
const NOT_SHARED = "memory-not-shared";
const NO_IOMMU = "iommu-not-offered";
const BAD_ADDRESS = "bad-address";
/** How a ring breaks that does not begin at 0 and whose driver writes elsewhere. */
const AVAIL_JUMP = "avail-jump";

const IOMMU: PortProblem = {
  code: NO_IOMMU,
  text: "a front-end left after reading the features",
  hint: "if its guest has an IOMMU (iommu_platform=on), add offer=iommu to the port",
};

/** What ends the connection of a front-end whose ring broke for this reason; null: nothing does. */
export function lostPage(vring: number, reason: string): Refusal | null {
  if (reason !== "bad-page") return null;
  const detail = `a page of a buffer of vring ${vring} is gone, or was never to be had`;
  return { code: "bad-page", detail };
}

function notShared(text: string, hint = SHARE_HINT): PortProblem {
  return {
    code: NOT_SHARED,
    text: `guest memory is not shared with us: ${text}`,
    hint,
  };
}

/** By switch: names of ports and listeners of which an early leaving was logged already. */
const told = new WeakMap<object, Set<string>>();

/** The problems of one port. Control thread only. */
export class PortProblems {
  /** The port, or its listener, for what outlives a front-end. */
  readonly #name: string;
  readonly #told: Set<string>;
  readonly #offersIommu: boolean;
  readonly #log: (level: "info" | "warn", event: string, message: string) => void;
  #device: Device | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** What the last look found, and whether it was said: each connection says a thing once. */
  #seen: PortProblem | null = null;
  #memory: PortProblem | null = null;
  #said = false;
  #leaving: PortProblem | null = null;
  /** Guest addresses in no region, by virtqueue. */
  readonly #strays = new Map<number, number>();
  /** Kicks of each virtqueue before it was started: VMMs may give a first one themselves. */
  readonly #kicksBefore = new Map<number, number>();
  /** Requests of this connection: the first, whether it became the owner, when the last came. */
  #first = 0;
  #owned = false;
  #lastAt = 0;

  /** No front-end is there. @param owner the same object for all ports of a switch */
  constructor(
    name: string,
    owner: object,
    offer: Offer,
    log: (level: "info" | "warn", event: string, message: string) => void,
  ) {
    this.#name = name;
    this.#told = told.get(owner) ?? new Set();
    told.set(owner, this.#told);
    this.#offersIommu = hasFeature(offer.features, BIT.VIRTIO_F_ACCESS_PLATFORM);
    this.#log = log;
  }

  /** What is wrong now. */
  get list(): PortProblem[] {
    return [this.#memory, this.#leaving].filter((problem) => problem !== null);
  }

  /** Whether there will be another look before something is heard: a port that works needs none. */
  get watching(): boolean {
    return this.#timer !== undefined;
  }

  /** A front-end is there. */
  begin(device: Device): void {
    this.#device = device;
    this.#first = 0;
    this.#owned = false;
    this.#said = false;
    this.#watch();
  }

  #watch(): void {
    if (this.#device !== null) this.#timer ??= setInterval(() => this.look(), LOOK_MS);
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The front-end is gone, or about to be. */
  end(): void {
    this.#rest();
    this.#device = null;
    this.#seen = null;
    this.#memory = null;
    this.#strays.clear();
    this.#kicksBefore.clear();
  }

  /** A virtqueue is about to be started. @param kickFd its descriptor, or below 0 */
  starts(vring: number, kickFd: number): void {
    this.#kicksBefore.set(vring, kicksOf(kickFd));
    this.#strays.delete(vring);
    this.#watch();
  }

  /** A message came. */
  heard(request: number): void {
    if (this.#first === 0) this.#first = request;
    if (request === VHOST_USER_SET_OWNER) this.#owned = true;
    if (request === VHOST_USER_SET_FEATURES) {
      this.#owned = false;
      this.#first = request;
      this.#leaving = null;
      this.#told.delete(this.#name);
    }
    this.#lastAt = performance.now();
    this.#watch();
  }

  /**
   * The front-end hung up. QEMU does so at once when its device is to be behind an IOMMU and the
   * offer has no VIRTIO_F_ACCESS_PLATFORM: it has asked for the features, become the owner and never
   * chosen any. Whoever only looks (a probe, a health check) does not become the owner; DPDK,
   * rust-vmm and User-Mode Linux become it before they ask for anything.
   */
  hungUp(): void {
    const left = this.#first === VHOST_USER_GET_FEATURES && this.#owned;
    if (!left || this.#offersIommu || performance.now() - this.#lastAt > LEAVES_MS_MAX) return;
    this.#leaving = IOMMU;
    if (this.#told.has(this.#name)) return;
    this.#told.add(this.#name);
    this.#log("warn", IOMMU.code, `${IOMMU.text}: ${IOMMU.hint}`);
  }

  /** The data plane met what is wrong with a driver. @returns whether the event was about that */
  told({ kind, vring, value }: DataPlaneEvent): boolean {
    if (kind === EVENT.stray) this.#strays.set(vring, value);
    else if (kind === EVENT.badChain) this.#badChain(vring, value);
    else return false;
    this.#watch();
    return true;
  }

  #badChain(vring: number, reason: number): void {
    const [code, meaning] = CHAIN_REASON_ROWS[reason] ?? ["unknown", ""];
    this.#log("warn", "bad-chain", `chains of vring ${vring} go back unused: ${code}, ${meaning}`);
  }

  /** What there is to say of a virtqueue that broke, to be put behind the reason. */
  brokenText(vring: number, reason: string): string {
    const address = this.#strays.get(vring);
    if (reason !== BAD_ADDRESS || address === undefined) return "";
    this.#memory = strayProblem(vring, address);
    this.#said = true;
    this.#watch();
    return `: ${strayText(address)}: ${SHARE_HINT}`;
  }

  /** Looks whether memory is there. A problem counts once two looks in a row have found it. */
  look(): void {
    const device = this.#device;
    if (device === null) return;
    const found = this.#brokenBuffers(device) ?? noMemory(device) ?? strayAreas(device) ??
      this.#privateMemory(device);
    const stands = found !== null && this.#seen?.text === found.text;
    this.#seen = found;
    if (found !== null) {
      if (stands) this.#find(found);
      return;
    }
    this.#clear();
    if (isSettled(device)) this.#rest();
  }

  #find(problem: PortProblem): void {
    this.#memory = problem;
    if (this.#said) return;
    this.#said = true;
    this.#log("warn", problem.code, `${problem.text}: ${problem.hint}`);
  }

  #clear(): void {
    if (this.#memory === null) return;
    this.#memory = null;
    this.#log("info", "memory-shared", "guest memory is where it should be now");
  }

  /**
   * A driver that kicks has written something before, in every ring it uses: if all of them are
   * zeros from end to end, it writes elsewhere. Idle guests do not kick; in a ring that works, a
   * word that is not 0 is found at once.
   */
  #privateMemory({ vrings, packed }: Device): PortProblem | null {
    const all = vrings.every((vring) => !runs(vring) || isUntouched(vring, packed));
    const driven = all &&
      vrings.some((vring, index) =>
        runs(vring) && (vring.broken === AVAIL_JUMP ||
          kicksOf(vring.kickFd) > (this.#kicksBefore.get(index) ?? Infinity))
      );
    return driven ? notShared("its driver kicks and its rings stay empty") : null;
  }

  #brokenBuffers(device: Device): PortProblem | null {
    for (const [vring, address] of this.#strays) {
      if (device.vrings[vring]?.broken === BAD_ADDRESS) return strayProblem(vring, address);
    }
    return null;
  }
}

function strayText(address: number): string {
  return `address 0x${address.toString(16)} is in no shared region`;
}

function strayProblem(vring: number, address: number): PortProblem {
  return notShared(`vring ${vring}: ${strayText(address)}`);
}

/** Rings that only lack memory: all else about them is known. */
function waitsForMemory(vring: VringState): boolean {
  return vring.started && !vring.running && vring.size > 0 && vring.addresses !== null;
}

/** QEMU sends nothing at all if no region has a file and it may send regions one by one. */
function noMemory(device: Device): PortProblem | null {
  if (device.memory.regions.length > 0 || !device.vrings.some(waitsForMemory)) return null;
  // A backend that is shared and that no node names is not the guest's memory.
  const hint = `${SHARE_HINT}, and let -numa name that backend (memdev=)`;
  return notShared("its rings are set up and no memory came", hint);
}

function strayAreas(device: Device): PortProblem | null {
  if (device.iotlb !== null) return null;
  for (const [index, vring] of device.vrings.entries()) {
    if (!waitsForMemory(vring) || vring.addresses === null) continue;
    const detail = strayRing(device.memory, vring.addresses)?.replace(`: ${SHARE_HINT}`, "");
    if (detail) return notShared(`vring ${index}: ${detail}`);
  }
  return null;
}

function runs(vring: VringState): boolean {
  return vring.running && !vring.held;
}

/**
 * Whether nothing can turn out to be wrong before a message or the data plane says something: no
 * ring waits for memory, and if any runs, its driver has been seen to write where we read.
 */
function isSettled({ vrings, packed }: Device): boolean {
  if (vrings.some(waitsForMemory)) return false;
  const running = vrings.filter(runs);
  return running.length === 0 || running.some((vring) => !isUntouched(vring, packed));
}

function isUntouched({ areas, size }: VringState, packed: boolean): boolean {
  if (areas === null) return false;
  const { desc, driver } = areaBytes(size, packed);
  return isZero(areas.descAddress, desc) && isZero(areas.driverAddress, driver);
}

/** Reads what the data plane reads, and no more pages than that. */
function isZero(address: number, sizeBytes: number): boolean {
  const view = new DataView(viewMemory(address, Math.min(sizeBytes, LOOK_BYTES)));
  for (let at = 0; at + 2 <= view.byteLength; at += 2) {
    if (view.getUint16(at) !== 0) return false;
  }
  return true;
}

/** Kicks so far: nobody ever reads a kick descriptor, so its value is their number. */
function kicksOf(kickFd: number): number {
  if (kickFd < 0) return 0;
  try {
    const text = Deno.readTextFileSync(`/proc/self/fdinfo/${kickFd}`);
    return parseInt(/eventfd-count:\s*([0-9a-f]+)/.exec(text)?.[1] ?? "0", 16);
  } catch {
    return 0;
  }
}
