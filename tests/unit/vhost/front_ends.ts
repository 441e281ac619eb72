/**
 * What real front-ends send, as they were seen on the wire, in the order they send it: QEMU 7.2 and
 * 10.0 (vhost-user-net, Linux guest), DPDK 22.11 virtio-user, User-Mode Linux 6.1. Addresses and
 * feature words are those of the traces; features that this back-end does not offer are left out,
 * as each front-end does.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import * as id from "../../../lib/vhost/wire/message.ts";
import type { Session } from "../../../lib/vhost/session.ts";
import { DEFAULT_OFFER } from "../../../lib/vhost/offer.ts";
import {
  accept,
  addr,
  type FakeHost,
  message,
  NEED_REPLY,
  replyPayload,
  replyU64,
  state,
  table,
  words,
} from "./fake_host.ts";

/** Features QEMU acknowledged, by guest and options. */
export const QEMU_SPLIT = 0x1_7020_a782n & DEFAULT_OFFER.features;
export const QEMU_PACKED = 0x5_7020_a782n & DEFAULT_OFFER.features;
export const QEMU_PLAIN = 0x1_4020_2782n & DEFAULT_OFFER.features;
export const QEMU_MTU = 0x1_7020_a78an & DEFAULT_OFFER.features;
/** Features DPDK virtio-user acknowledged: MRG, INDIRECT, bit 30, VERSION_1, PACKED. */
export const DPDK_PACKED = 0x5_5000_8000n & DEFAULT_OFFER.features;
export const DPDK_SPLIT = 0x1_5000_8000n & DEFAULT_OFFER.features;

/** First user address of the guest's memory in the traces. */
export const QEMU_HVA = 0x7f7fbbfff000;
export const QEMU_BYTES = 0xc000000;

/** Where a ring is in the guest's memory: addresses of a trace, relative to its HVA. */
export interface RingPlace {
  readonly desc: number;
  readonly used: number;
  readonly avail: number;
}

export const SPLIT_RINGS: readonly RingPlace[] = [
  { desc: 0x55ac000, used: 0x55ad240, avail: 0x55ad000 },
  { desc: 0x5742000, used: 0x5743240, avail: 0x5743000 },
];
export const PACKED_RINGS: readonly RingPlace[] = [
  { desc: 0x5727000, used: 0x5725000, avail: 0x5726000 },
  { desc: 0x5724000, used: 0x5722000, avail: 0x5723000 },
];

/** Asks for a u64. */
export function getU64(session: Session, request: number): bigint {
  return replyU64(session.handle(message(request)), request);
}

/** Sends what must be acknowledged with 0. */
export function acknowledged(
  session: Session,
  request: number,
  payload: Uint8Array,
  fds: number[] = [],
): void {
  assert.equal(replyU64(session.handle(message(request, payload, fds, NEED_REPLY)), request), 0n);
}

/** QEMU, from connecting to the guest's driver: features, call and err descriptors. */
export function qemuConnect(session: Session, host: FakeHost): void {
  getU64(session, id.VHOST_USER_GET_FEATURES);
  const protocol = getU64(session, id.VHOST_USER_GET_PROTOCOL_FEATURES);
  accept(session, message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(protocol)));
  assert.equal(getU64(session, id.VHOST_USER_GET_QUEUE_NUM), 32n);
  accept(session, message(id.VHOST_USER_SET_OWNER));
  getU64(session, id.VHOST_USER_GET_FEATURES);
  for (const index of [0, 1]) {
    accept(session, message(id.VHOST_USER_SET_VRING_CALL, words(index), [host.fd()]));
    accept(session, message(id.VHOST_USER_SET_VRING_ERR, words(index), [host.fd()]));
  }
}

/** QEMU's repeated enabling while the guest probes; 10.0 wants each acknowledged. */
export function qemuEnable(session: Session, times: number, needReply: boolean): void {
  for (let i = 0; i < times; i++) {
    for (const index of [0, 1]) {
      const payload = state(index, 1);
      if (needReply) acknowledged(session, id.VHOST_USER_SET_VRING_ENABLE, payload);
      else accept(session, message(id.VHOST_USER_SET_VRING_ENABLE, payload));
    }
  }
}

export interface QemuStart {
  readonly features: bigint;
  readonly size?: number;
  readonly base?: number;
  readonly status?: boolean;
}

/** QEMU at DRIVER_OK. */
export function qemuStart(session: Session, host: FakeHost, start: QemuStart): void {
  const { features, size = 256, status = true } = start;
  const packed = (features & (1n << 34n)) !== 0n;
  const base = start.base ?? (packed ? 0x80008000 : 0);
  accept(session, message(id.VHOST_USER_SET_FEATURES, words(features)));
  if (status) {
    assert.equal(getU64(session, id.VHOST_USER_GET_STATUS), 0n);
    accept(session, message(id.VHOST_USER_SET_STATUS, words(8)));
  }
  const region = { guestAddr: 0, sizeBytes: QEMU_BYTES, userAddr: QEMU_HVA, mmapOffset: 0 };
  acknowledged(session, id.VHOST_USER_SET_MEM_TABLE, table([region]), [host.fd("other")]);
  (packed ? PACKED_RINGS : SPLIT_RINGS).forEach((ring, index) => {
    accept(session, message(id.VHOST_USER_SET_VRING_NUM, state(index, size)));
    accept(session, message(id.VHOST_USER_SET_VRING_BASE, state(index, base)));
    accept(session, ringAddr(index, ring, QEMU_HVA));
    accept(session, message(id.VHOST_USER_SET_VRING_KICK, words(index), [host.fd()]));
    accept(session, message(id.VHOST_USER_SET_VRING_CALL, words(index), [host.fd()]));
  });
  if (status) {
    assert.equal(getU64(session, id.VHOST_USER_GET_STATUS), 8n);
    accept(session, message(id.VHOST_USER_SET_STATUS, words(15)));
  }
}

/** SET_VRING_ADDR of a ring in memory that starts at a user address. */
export function ringAddr(
  index: number,
  ring: RingPlace,
  userAddr: number,
): ReturnType<typeof message> {
  const { desc, used, avail } = ring;
  const payload = addr(index, userAddr + desc, userAddr + used, userAddr + avail);
  return message(id.VHOST_USER_SET_VRING_ADDR, payload);
}

/** GET_VRING_BASE. @returns the position it answers */
export function getBase(session: Session, index: number): number {
  const request = id.VHOST_USER_GET_VRING_BASE;
  const payload = replyPayload(session.handle(message(request, state(index, 0))), request);
  assert.equal(payload.byteLength, 8);
  assert.equal(payload.getUint32(0, true), index);
  return payload.getUint32(4, true);
}

/** QEMU 7.2 when the driver stops: the status first, then the positions. @returns them */
export function qemuStop(session: Session, status = true): number[] {
  if (status) accept(session, message(id.VHOST_USER_SET_STATUS, words(0)));
  return [getBase(session, 0), getBase(session, 1)];
}

/** DPDK virtio-user: the whole set-up, rings included; it does it twice at start. */
export function dpdkStart(
  session: Session,
  host: FakeHost,
  features: bigint,
  size = 256,
): void {
  const packed = (features & (1n << 34n)) !== 0n;
  accept(session, message(id.VHOST_USER_SET_OWNER));
  getU64(session, id.VHOST_USER_GET_FEATURES);
  const protocol = getU64(session, id.VHOST_USER_GET_PROTOCOL_FEATURES) & 0x10009n;
  assert.equal(protocol, DEFAULT_OFFER.protocolFeatures & 0x10009n);
  accept(session, message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(protocol)));
  for (const index of [0, 1]) {
    accept(session, message(id.VHOST_USER_SET_VRING_CALL, words(index), [host.fd()]));
  }
  accept(session, message(id.VHOST_USER_SET_FEATURES, words(features)));
  accept(session, message(id.VHOST_USER_SET_STATUS, words(0x0b)));
  assert.equal(getU64(session, id.VHOST_USER_GET_STATUS), 0x0bn);
  for (let round = 0; round < 2; round++) {
    const region = { guestAddr: 2 ** 32, sizeBytes: 2 ** 28, userAddr: 2 ** 32, mmapOffset: 0 };
    acknowledged(session, id.VHOST_USER_SET_MEM_TABLE, table([region]), [host.fd("other")]);
    (packed ? PACKED_RINGS : SPLIT_RINGS).forEach((ring, index) => {
      accept(session, message(id.VHOST_USER_SET_VRING_NUM, state(index, size)));
      // virtio_user_dev.c: the packed base has a wrap counter for available only.
      const base = packed ? 0x8000 : 0;
      accept(session, message(id.VHOST_USER_SET_VRING_BASE, state(index, base)));
      accept(session, ringAddr(index, ring, 2 ** 32));
      accept(session, message(id.VHOST_USER_SET_VRING_KICK, words(index), [host.fd()]));
    });
  }
  for (const index of [0, 1]) {
    accept(session, message(id.VHOST_USER_SET_VRING_ENABLE, state(index, 1)));
  }
  accept(session, message(id.VHOST_USER_SET_STATUS, words(0x0f)));
}

/**
 * User-Mode Linux: one size of memory table, sockets for calls, everything acknowledged; rings are
 * enabled only if bit 30 is among the features.
 */
export function umlStart(session: Session, host: FakeHost, features: bigint): void {
  getU64(session, id.VHOST_USER_GET_FEATURES);
  accept(session, message(id.VHOST_USER_SET_OWNER));
  const protocol = getU64(session, id.VHOST_USER_GET_PROTOCOL_FEATURES) & 0x28n;
  accept(session, message(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(protocol)));
  acknowledged(session, id.VHOST_USER_SET_FEATURES, words(features));
  // Guest address, user address and file offset are one number, a page but no more.
  const start = 0x60a9d000;
  const region = { guestAddr: start, sizeBytes: 2 ** 27, userAddr: start, mmapOffset: start };
  acknowledged(session, id.VHOST_USER_SET_MEM_TABLE, table([region], 2), [host.fd("other")]);
  SPLIT_RINGS.forEach((ring, index) => {
    acknowledged(session, id.VHOST_USER_SET_VRING_CALL, words(index), [host.fd("socket")]);
    acknowledged(session, id.VHOST_USER_SET_VRING_NUM, state(index, 64));
    acknowledged(session, id.VHOST_USER_SET_VRING_BASE, state(index, 0));
    const { desc, used, avail } = ring;
    const payload = addr(index, start + desc, start + used, start + avail);
    acknowledged(session, id.VHOST_USER_SET_VRING_ADDR, payload);
  });
  for (const index of [0, 1]) {
    acknowledged(session, id.VHOST_USER_SET_VRING_KICK, words(index), [host.fd()]);
    if ((features & (1n << 30n)) === 0n) continue;
    acknowledged(session, id.VHOST_USER_SET_VRING_ENABLE, state(index, 1));
  }
}
