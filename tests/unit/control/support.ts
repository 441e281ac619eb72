/**
 * For tests of the control thread: a data plane that only checks what it is told, a front-end's end
 * of a connection, and counts of what this process holds.
 *
 * @module
 */
import { equal, ok } from "node:assert/strict";
import {
  closeFd,
  connectUnix,
  createEventFd,
  createMemoryFile,
  EAGAIN,
  fdKind,
  receive,
  send,
} from "../../../ffi/mod.ts";
import type { PortPlane } from "../../../lib/control/port_context.ts";
import type { LogFields, Logger } from "../../../lib/control/log.ts";
import type { BlockingPool } from "../../../lib/control/tenant_fds.ts";
import { until, WAIT_MS_MAX } from "../../harness/until.ts";
import { encodeMessage, HEADER_BYTES } from "../../../lib/vhost/message.ts";
import type {
  DataPlane,
  LearnedMac,
  PlacedLog,
  PlacedRegion,
  VringPosition,
} from "../../../lib/worker/types.ts";
import type { VringStart } from "../../../lib/worker/types.ts";

/** A data plane that checks the order of calls and nothing else. */
export class FakePlane implements DataPlane, PortPlane {
  readonly ports = new Set<number>();
  readonly mappings = new Map<number, { address: number; sizeBytes: number }>();
  readonly memory = new Map<number, readonly PlacedRegion[]>();
  readonly vrings = new Map<string, VringStart>();
  readonly logs = new Map<number, PlacedLog>();
  readonly frameMax = new Map<number, number>();
  readonly flushed: number[] = [];
  /** Ports that are out of service. */
  readonly down = new Set<number>();
  readonly links = new Map<number, number>();
  /** Virtqueues kicked by a message, in order. */
  readonly kicked: number[] = [];
  /** What was asked of the IOTLB, in order. */
  readonly iotlb: string[] = [];
  /** Virtqueues that wait for a translation. */
  waiting = 0;
  portsMax = 4;
  /** Called before a mapping is forgotten. */
  onRemoveMapping: (address: number) => void = () => {};
  #nextMapping = 1;

  addPort(): number {
    for (let port = 0; port < this.portsMax; port++) {
      if (this.ports.has(port)) continue;
      this.ports.add(port);
      return port;
    }
    return -1;
  }

  removePort(port: number): void {
    ok(this.ports.delete(port));
    ok(![...this.vrings.keys()].some((key) => key.startsWith(`${port}/`)));
  }

  addMapping(address: number, sizeBytes: number): number {
    const number = this.#nextMapping++;
    this.mappings.set(number, { address, sizeBytes });
    return number;
  }

  removeMapping(mapping: number): void {
    for (const regions of this.memory.values()) {
      ok(!regions.some((region) => region.mapping === mapping), "no region names the mapping");
    }
    ok(![...this.logs.values()].some((log) => log.mapping === mapping), "no log is in it");
    const known = this.mappings.get(mapping);
    ok(known && this.mappings.delete(mapping));
    this.onRemoveMapping(known.address);
  }

  setMemory(port: number, regions: readonly PlacedRegion[]): void {
    ok(this.ports.has(port));
    for (const vring of [0, 1]) {
      const at = this.vrings.get(`${port}/${vring}`)?.descAddress;
      const held = regions.some((r) =>
        at === undefined || (at >= r.address && at < r.address + r.sizeBytes)
      );
      ok(at === undefined || held, "a running virtqueue is in the new memory");
    }
    for (const region of regions) {
      const mapping = this.mappings.get(region.mapping);
      ok(mapping && region.address >= mapping.address);
      ok(region.address + region.sizeBytes <= mapping.address + mapping.sizeBytes);
    }
    this.memory.set(port, regions);
  }

  startVring(port: number, vring: number, start: VringStart): void {
    ok(!this.vrings.has(`${port}/${vring}`));
    this.vrings.set(`${port}/${vring}`, start);
  }

  stopVring(port: number, vring: number): VringPosition {
    const start = this.vrings.get(`${port}/${vring}`);
    ok(start && this.vrings.delete(`${port}/${vring}`));
    return start.position;
  }

  setVringEnabled(port: number, vring: number, _enabled: boolean): void {
    ok(this.vrings.has(`${port}/${vring}`));
  }

  forgiveCalls(): void {}

  setVringCall(port: number, vring: number, callFd: number): void {
    ok(this.vrings.has(`${port}/${vring}`));
    // None, and in-band, are negative.
    if (callFd >= 0) ok(["eventfd", "socket"].includes(fdKind(callFd)));
  }

  setVringLog(port: number, vring: number, _guestAddr: number): void {
    ok(this.vrings.has(`${port}/${vring}`));
  }

  setLog(port: number, log: PlacedLog | null, _logAll: boolean): void {
    ok(this.ports.has(port));
    const mapping = this.mappings.get(log?.mapping ?? -1);
    if (log === null) this.logs.delete(port);
    else {
      ok(mapping && log.address >= mapping.address);
      ok(log.address + log.sizeBytes <= mapping.address + mapping.sizeBytes);
      this.logs.set(port, log);
    }
  }

  announce(port: number, _macLow: number, _macHigh: number, _flood: boolean): void {
    ok(this.ports.has(port));
  }

  kickVring(port: number, vring: number): void {
    ok(this.vrings.has(`${port}/${vring}`));
    this.kicked.push(vring);
  }

  setFrameMax(port: number, frameBytesMax: number): void {
    this.frameMax.set(port, frameBytesMax);
  }

  setIotlb(port: number, on: boolean): void {
    ok(this.ports.has(port));
    this.iotlb.push(`set ${on}`);
  }

  updateIotlb(_port: number, iova: number, bytes: number, _host: number, access: number): void {
    this.iotlb.push(`update ${iova.toString(16)} ${bytes.toString(16)} ${access}`);
  }

  invalidateIotlb(_port: number, iova: number, bytes: number): void {
    this.iotlb.push(`invalidate ${iova.toString(16)} ${bytes.toString(16)}`);
  }

  holdVring(port: number, vring: number): void {
    ok(this.vrings.has(`${port}/${vring}`));
    this.iotlb.push(`hold ${vring}`);
  }

  releaseVring(port: number, vring: number): void {
    ok(this.vrings.has(`${port}/${vring}`));
    this.iotlb.push(`release ${vring}`);
  }

  askAgain(port: number): number {
    ok(this.ports.has(port));
    this.iotlb.push("again");
    return this.waiting;
  }

  flushPort(port: number): void {
    this.macs.delete(port);
    this.flushed.push(port);
  }

  setPortUp(port: number, up: boolean): void {
    ok(this.ports.has(port));
    if (up) this.down.delete(port);
    else this.down.add(port);
  }

  setLink(port: number, to: number): void {
    ok(this.ports.has(port));
    this.links.set(port, to);
  }

  /** Masks of reserved addresses by port. */
  readonly reserved = new Map<number, number>();

  setReserved(port: number, mask: number): void {
    ok(this.ports.has(port));
    this.reserved.set(port, mask);
  }

  /** Addresses by port. */
  readonly macs = new Map<number, LearnedMac[]>();
  /** What was added to counters, by port. */
  readonly added = new Map<number, readonly number[]>();
  macsMax = Infinity;

  portMacs(port: number): LearnedMac[] {
    return this.macs.get(port) ?? [];
  }

  learnMacs(port: number, macs: readonly LearnedMac[]): number {
    const room = macs.slice(0, this.macsMax);
    this.macs.set(port, [...this.portMacs(port), ...room]);
    return room.length;
  }

  addPortCounters(port: number, counts: readonly number[]): void {
    this.added.set(port, counts);
  }

  portCounters(): Record<string, number> {
    return { rxFrames: 1 };
  }

  vringCounters(): Record<string, number> {
    return { lastAvail: 3, lastUsed: 2, kicks: 1 };
  }
}

/** A log that keeps its lines as `event message`. */
export function keptLog(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const write = (_component: string, event: string, message: string, fields?: LogFields): void => {
    lines.push(`${event} ${message} ${JSON.stringify(fields ?? {})}`);
  };
  return { logger: { debug: write, info: write, warn: write, error: write }, lines };
}

/** Descriptors and mappings of memfds that this process holds. */
export function held(): { fds: number; maps: number } {
  const fds = Array.from(Deno.readDirSync("/proc/self/fd")).length;
  const maps =
    Deno.readTextFileSync("/proc/self/maps").split("\n").filter((line) =>
      line.includes("/memfd:test-")
    ).length;
  return { fds, maps };
}

/** Waits until this process holds what it held `before`: descriptors close off the thread. */
export async function untilHeld(before: { fds: number; maps: number }): Promise<void> {
  const what = `descriptors and mappings are ${JSON.stringify(before)}, not ${
    JSON.stringify(held())
  }`;
  await until(what, () => {
    const now = held();
    return now.fds <= before.fds && now.maps <= before.maps;
  });
}

/** Waits until no call on a tenant's descriptor is under way: the next test counts them as its. */
export async function untilIdle(pool: BlockingPool): Promise<void> {
  ok(await pool.idle(WAIT_MS_MAX), `${pool.running} calls off the thread are under way`);
}

/** A front-end's end of a connection. Owns its socket. */
export class Client {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  static connect(path: string): Client {
    return new Client(connectUnix(path));
  }

  /** Sends a message with copies of descriptors, which stay the caller's. */
  send(
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly number[] = [],
    flags = 1,
  ): void {
    const bytes = encodeMessage(request, flags, payload);
    equal(send(this.fd, bytes, fds), bytes.length);
  }

  /** Sends descriptors made for the message, and closes them here. */
  give(request: number, payload: Uint8Array, fds: readonly number[], flags = 1): void {
    this.send(request, payload, fds, flags);
    for (const fd of fds) closeFd(fd);
  }

  /** The next reply's request and payload; null when the other side closed. */
  async reply(): Promise<{ request: number; payload: DataView } | null> {
    const header = await this.#read(HEADER_BYTES);
    if (!header) return null;
    equal(header.getUint32(4, true), 0x5);
    const payload = await this.#read(header.getUint32(8, true));
    ok(payload);
    return { request: header.getUint32(0, true), payload };
  }

  /** The u64 in the next reply, to this request. */
  async u64(request: number): Promise<bigint> {
    const reply = await this.reply();
    ok(reply, "the connection was closed instead of a reply");
    equal(reply.request, request);
    return reply.payload.getBigUint64(0, true);
  }

  /** Asks for a u64. */
  ask(request: number): Promise<bigint> {
    this.send(request);
    return this.u64(request);
  }

  /** Waits until the other side closes. */
  async closed(): Promise<void> {
    while (await this.reply() !== null);
  }

  async #read(bytes: number): Promise<DataView | null> {
    const buffer = new Uint8Array(new ArrayBuffer(bytes));
    let have = 0;
    let over = false;
    await until(`${bytes} bytes came`, () => {
      while (have < bytes && !over) {
        const got = receive(this.fd, buffer.subarray(have));
        if (got.bytes === -EAGAIN) return false;
        if (got.bytes <= 0) over = true;
        else have += got.bytes;
      }
      return true;
    });
    return over ? null : new DataView(buffer.buffer);
  }

  close(): void {
    closeFd(this.fd);
  }
}

/** A guest's memory file. */
export function memoryFile(sizeBytes: number, seals?: number): number {
  return createMemoryFile("test-guest", sizeBytes, seals);
}

/** New eventfds. */
export function eventFds(count: number): number[] {
  return Array.from({ length: count }, () => createEventFd());
}
