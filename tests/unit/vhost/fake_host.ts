/**
 * A session's host made of nothing: descriptors are numbers, memory is a few words. It checks what
 * the session promises: every descriptor closed exactly once, virtqueues started and stopped in
 * turn, memory taken away only from virtqueues that are stopped.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import type { Mac } from "../../../lib/base/mac.ts";
import type { BackEndMessage } from "../../../lib/vhost/wire/back_end_message.ts";
import type {
  FdKind,
  LogArea,
  MemoryRegion,
  PlacedVring,
  SessionHost,
  VringPlan,
} from "../../../lib/vhost/host.ts";
import type { Refusal } from "../../../lib/vhost/reasons.ts";
import type { Message } from "../../../lib/vhost/wire/message.ts";
import type { Outcome, Session } from "../../../lib/vhost/session.ts";
import { LOG_OFF } from "../../../lib/virtio/ring.ts";
import type { VringPosition, VringStart } from "../../../lib/worker/wire.ts";

export type { FdKind };

/** Where the fake maps guest-physical address 0. */
export const HOST_BASE = 2 ** 40;

export class FakeHost implements SessionHost {
  /** Descriptors given to the session and not closed yet. */
  readonly open = new Map<number, FdKind>();
  /** Virtqueues the data plane serves now, as they were started. */
  readonly running = new Map<number, VringStart>();
  readonly enabled = new Map<number, boolean>();
  readonly calls = new Map<number, number>();
  /** Everything that was asked for, in order, as short texts. */
  readonly journal: string[] = [];
  /** Where a virtqueue stands when it is stopped; unchanged since its start if there is none. */
  readonly positions = new Map<number, VringPosition>();
  /** 16-bit words of guest memory by host address; 0 where there is none. */
  readonly words = new Map<number, number>();
  readonly signalled: number[] = [];
  /** The inflight area that was prepared last. */
  inflight: { readonly offset: number; readonly sizeBytes: number } | null = null;
  /** What was known of each ring when it started last. */
  readonly plans = new Map<number, VringPlan>();
  readonly forgotten: number[] = [];
  regions: readonly MemoryRegion[] = [];
  prepared: readonly MemoryRegion[] | null = null;
  /** Socket of the back-end channel, or -1. */
  backEnd = -1;
  readonly told: {
    readonly message: BackEndMessage;
    readonly answered: ((value: bigint | null) => void) | null;
  }[] = [];
  mtu: number | null = null;
  /** What was logged. */
  readonly said: string[] = [];
  link = false;
  /** What the next prepareMemory answers instead of mapping. */
  refuseMemory: Refusal | null = null;
  /** The dirty log in force. */
  logArea: LogArea | null = null;
  logAll = false;
  /** Where each running virtqueue's device area is logged, or a LOG_ constant. */
  readonly ringLogs = new Map<number, number>();
  /** What the next setLog answers instead of mapping. */
  refuseLog: Refusal | null = null;
  #nextFd = 100;

  /** Makes a descriptor to send. */
  fd(kind: FdKind = "eventfd"): number {
    const fd = this.#nextFd++;
    this.open.set(fd, kind);
    return fd;
  }

  prepareMemory(
    regions: readonly MemoryRegion[],
    fds: readonly (number | null)[],
  ): number[] | Refusal {
    assert.equal(regions.length, fds.length);
    for (const [i, fd] of fds.entries()) {
      if (fd !== null) this.closeFd(fd);
      else {assert(
          this.regions.includes(regions[i] as MemoryRegion),
          "a region that stays is known",
        );}
    }
    if (this.refuseMemory && regions.length > 0) return this.refuseMemory;
    assert(this.prepared === null, "one table is prepared at a time");
    this.prepared = regions;
    return regions.map((region) => HOST_BASE + region.guestAddr);
  }

  commitMemory(): void {
    const regions = this.prepared;
    assert(regions, "a table was prepared");
    this.prepared = null;
    for (const [vring, start] of this.running) {
      const at = start.descAddress - HOST_BASE;
      const held = regions.some((r) => at >= r.guestAddr && at < r.guestAddr + r.sizeBytes);
      assert(held, `running vring ${vring} is in the new memory`);
    }
    this.regions = regions;
    this.journal.push(`memory ${regions.length}`);
  }

  createInflight(sizeBytes: number): number | Refusal {
    this.journal.push(`inflight file of ${sizeBytes}`);
    return this.fd("other");
  }

  prepareInflight(fd: number, offset: number, sizeBytes: number): Refusal | null {
    this.closeFd(fd);
    if (this.refuseMemory) return this.refuseMemory;
    this.inflight = { offset, sizeBytes };
    return null;
  }

  commitInflight(): void {
    assert.equal(this.running.size, 0, "no vring runs while its region goes");
    this.journal.push("inflight");
  }

  placeVring(vring: number, plan: VringPlan): PlacedVring | Refusal {
    this.plans.set(vring, plan);
    return { position: plan.position, record: null };
  }

  forgetVring(vring: number): void {
    assert(!this.running.has(vring), "a vring is forgotten when it is stopped");
    this.forgotten.push(vring);
  }

  startVring(vring: number, start: VringStart): void {
    assert(!this.running.has(vring), `vring ${vring} is started once`);
    for (const fd of [start.kickFd, start.callFd]) {
      if (fd >= 0) assert(this.open.has(fd), "a started vring has open descriptors");
    }
    this.running.set(vring, start);
    this.enabled.set(vring, start.enabled);
    this.calls.set(vring, start.callFd);
    this.ringLogs.set(vring, start.logGuestAddr);
    this.journal.push(`start ${vring}`);
  }

  stopVring(vring: number): VringPosition {
    const start = this.running.get(vring);
    assert(start, `vring ${vring} is stopped only while it runs`);
    this.running.delete(vring);
    this.journal.push(`stop ${vring}`);
    return this.positions.get(vring) ?? start.position;
  }

  setVringEnabled(vring: number, enabled: boolean): void {
    assert(this.running.has(vring));
    this.enabled.set(vring, enabled);
  }

  setVringCall(vring: number, callFd: number): void {
    assert(this.running.has(vring));
    if (callFd >= 0) assert(this.open.has(callFd));
    this.calls.set(vring, callFd);
  }

  setVringLog(vring: number, guestAddr: number): void {
    assert(this.running.has(vring));
    this.ringLogs.set(vring, guestAddr);
    this.journal.push(`log ${vring} ${guestAddr === LOG_OFF ? "off" : guestAddr}`);
  }

  setLog(area: LogArea, fd: number, allDirty: boolean): Refusal | null {
    this.closeFd(fd);
    if (this.refuseLog) return this.refuseLog;
    this.logArea = area;
    if (allDirty) this.journal.push("all dirty");
    return null;
  }

  setLogAll(on: boolean): void {
    assert(on !== this.logAll, "logging is switched when it changes");
    this.logAll = on;
    this.journal.push(`log all ${on ? "on" : "off"}`);
  }

  dropLog(): void {
    assert.equal(this.logAll, false);
    this.logArea = null;
  }

  announce(mac: Mac, flood: boolean): void {
    this.journal.push(`${flood ? "announce" : "learn"} ${mac.low >>> 0} ${mac.high}`);
  }

  kickVring(vring: number): void {
    assert(this.running.has(vring), "only a running vring is kicked");
    this.journal.push(`kick ${vring}`);
  }

  fdKind(fd: number): FdKind {
    const kind = this.open.get(fd);
    assert(kind, `descriptor ${fd} is looked at while it is open`);
    return kind;
  }

  closeFd(fd: number): void {
    for (const [vring, start] of this.running) {
      assert(start.kickFd !== fd, `the kick descriptor of running vring ${vring} stays open`);
      assert(
        this.calls.get(vring) !== fd,
        `the call descriptor of running vring ${vring} stays open`,
      );
    }
    assert(this.open.delete(fd), `descriptor ${fd} is closed once`);
  }

  readU16(address: number): number {
    return this.words.get(address) ?? 0;
  }

  signal(fd: number): void {
    assert.equal(this.open.get(fd), "eventfd");
    this.signalled.push(fd);
  }

  setBackEndChannel(fd: number): void {
    assert.equal(this.open.get(fd), "socket");
    if (this.backEnd >= 0) this.closeFd(this.backEnd);
    this.backEnd = fd;
  }

  tellFrontEnd(message: BackEndMessage, answered?: (value: bigint | null) => void): boolean {
    if (this.backEnd < 0) return false;
    this.told.push({ message, answered: answered ?? null });
    return true;
  }

  setIotlb(on: boolean): void {
    assert.equal(this.running.size, 0, "addresses change their meaning while nothing runs");
    this.journal.push(`iotlb ${on}`);
  }

  updateIotlb(iova: number, sizeBytes: number, hostAddress: number, permission: number): void {
    const words = [iova, sizeBytes, hostAddress - HOST_BASE].map((n) => n.toString(16));
    this.journal.push(`update ${words.join(" ")} ${permission}`);
  }

  invalidateIotlb(iova: number, sizeBytes: number): void {
    this.journal.push(`invalidate ${iova.toString(16)} ${sizeBytes.toString(16)}`);
  }

  holdVring(vring: number, on: boolean): void {
    assert(this.running.has(vring), `vring ${vring} is held only while it runs`);
    this.journal.push(`${on ? "hold" : "release"} ${vring}`);
  }

  askForRing(page: number): void {
    this.journal.push(`ask ${page.toString(16)}`);
  }

  setMtu(mtu: number): void {
    this.mtu = mtu;
  }

  /** Why the next transfer is not begun, and what comes of it. */
  refuseTransfer: Refusal | null = null;
  transfer: Refusal | null | Promise<Refusal | null> = null;

  startStateTransfer(direction: "save" | "load", fd: number): Refusal | null {
    this.journal.push(direction);
    this.closeFd(fd);
    return this.refuseTransfer;
  }

  finishStateTransfer(): Refusal | null | Promise<Refusal | null> {
    return this.transfer;
  }

  log(_level: "debug" | "info" | "warn", event: string, text: string): void {
    this.said.push(text);
    this.journal.push(`log ${event}`);
  }

  refused(event: string, { detail }: Refusal): void {
    this.log("warn", event, detail);
  }

  linkChanged(up: boolean): void {
    assert(up !== this.link, "the link is reported when it changes");
    this.link = up;
    this.journal.push(up ? "link up" : "link down");
  }
}

/** Flags of a request: version 1, and version 1 with NEED_REPLY. */
export const PLAIN = 0x1;
export const NEED_REPLY = 0x9;

/** A message with payload bytes. */
export function message(
  request: number,
  payload: Uint8Array = new Uint8Array(0),
  fds: readonly number[] = [],
  flags = PLAIN,
): Message {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return { request, flags, payload: view, fds };
}

/** Bytes of 64-bit numbers. */
export function words(...values: (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(8 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setBigUint64(8 * i, BigInt(value), true));
  return bytes;
}

/** Bytes of a configuration message about `size` bytes, the first of them a 16-bit value. */
export function config(offset: number, size: number, flags: number, value = 0): Uint8Array {
  const bytes = new Uint8Array(12 + size);
  const view = new DataView(bytes.buffer);
  [offset, size, flags].forEach((word, i) => view.setUint32(4 * i, word, true));
  if (size >= 2) view.setUint16(12, value, true);
  return bytes;
}

/** Bytes of a vring state. */
export function state(index: number, num: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, index, true);
  view.setUint32(4, num, true);
  return bytes;
}

/** Bytes of a vring address. */
export function addr(
  index: number,
  desc: number | bigint,
  used: number | bigint,
  avail: number | bigint,
): Uint8Array {
  return words(index, desc, used, avail, ~0n & 0xffff_ffff_ffff_ffffn);
}

/** Bytes of a memory table with room for `slots` regions, however many it announces. */
export function table(
  regions: readonly Partial<MemoryRegion>[],
  slots = regions.length,
): Uint8Array {
  const bytes = new Uint8Array(8 + 32 * slots);
  new DataView(bytes.buffer).setUint32(0, regions.length, true);
  regions.slice(0, slots).forEach((region, i) => {
    const { guestAddr = 0, sizeBytes = 0, userAddr = 0, mmapOffset = 0 } = region;
    bytes.set(words(guestAddr, sizeBytes, userAddr, mmapOffset), 8 + 32 * i);
  });
  return bytes;
}

/** The reply's payload, its header checked against the request. */
export function replyPayload(outcome: Outcome, request: number): DataView {
  assert.equal(outcome.close, undefined);
  assert(outcome.reply, "a reply is due");
  const view = new DataView(outcome.reply.buffer);
  assert.equal(view.getUint32(0, true), request);
  assert.equal(view.getUint32(4, true), 0x5, "QEMU wants exactly REPLY and version 1");
  assert.equal(view.getUint32(8, true), outcome.reply.length - 12);
  return new DataView(outcome.reply.buffer, 12);
}

/** The reply's u64. */
export function replyU64(outcome: Outcome, request: number): bigint {
  const payload = replyPayload(outcome, request);
  assert.equal(payload.byteLength, 8);
  return payload.getBigUint64(0, true);
}

/** A message that needs no answer and gets none. */
export function accept(session: Session, given: Message): void {
  assert.deepEqual(session.handle(given), {});
}

/** Ends a session and checks that nothing of it is left. */
export function finish(session: Session, host: FakeHost): void {
  session.close();
  // The channel is the host's, as the connection is.
  if (host.backEnd >= 0) host.closeFd(host.backEnd);
  assert.equal(host.running.size, 0);
  assert.equal(host.regions.length, 0);
  assert.equal(host.logArea, null);
  assert.deepEqual([...host.open.keys()], [], "every descriptor was closed");
  assert.equal(host.link, false);
}
