/**
 * A front-end whose guest is behind an IOMMU, for sessions of any port that offers one.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import {
  encodeIotlb,
  type IotlbMessage,
  VHOST_ACCESS_RW,
  VHOST_IOTLB_INVALIDATE,
  VHOST_IOTLB_UPDATE,
} from "../../../lib/vhost/wire/back_end_message.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import { makeOffer } from "../../../lib/vhost/offer.ts";
import { Session } from "../../../lib/vhost/session.ts";
import { BIT } from "../../../lib/vhost/features/bits.ts";
import { FakeHost, message, NEED_REPLY, replyU64 } from "./fake_host.ts";
import {
  PACKED_RINGS,
  QEMU_HVA,
  QEMU_SPLIT,
  qemuConnect,
  qemuEnable,
  qemuStart,
  SPLIT_RINGS,
} from "./front_ends.ts";

export const IOMMU = 1n << BigInt(BIT.VIRTIO_F_ACCESS_PLATFORM);
export const PAGE = 4096;

export interface Front {
  readonly host: FakeHost;
  readonly session: Session;
}

export function connect(features = QEMU_SPLIT | IOMMU): Front {
  const host = new FakeHost();
  const session = new Session(host, makeOffer({ offer: ["iommu"] }));
  qemuConnect(session, host);
  qemuEnable(session, 1, false);
  qemuStart(session, host, { features });
  return { host, session };
}

/** Sends an IOTLB message. @returns the answer */
export function say({ session }: Front, given: Partial<IotlbMessage>, flags = NEED_REPLY): bigint {
  const payload = encodeIotlb({
    ...{ iova: 0n, sizeBytes: BigInt(PAGE), userAddr: 0n, permission: VHOST_ACCESS_RW },
    ...{ type: VHOST_IOTLB_UPDATE, ...given },
  });
  const request = id.VHOST_USER_IOTLB_MSG;
  return replyU64(session.handle(message(request, payload, [], flags)), request);
}

/** Translates a page of the guest's own addresses to itself, or to `target`. */
export function page(
  front: Front,
  address: number,
  target = address,
  permission = VHOST_ACCESS_RW,
): void {
  const iova = BigInt(address);
  assert.equal(say(front, { iova, userAddr: BigInt(target), permission }), 0n);
}

export function invalidate(front: Front, address: number, sizeBytes = PAGE): void {
  const range = { iova: BigInt(address), sizeBytes: BigInt(sizeBytes) };
  assert.equal(say(front, { ...range, type: VHOST_IOTLB_INVALIDATE }), 0n);
}

/** Everything the data plane was asked to do since the last look, without the log. */
export function deeds({ host }: Front): string[] {
  return host.journal.splice(0).filter((line) => !line.startsWith("log "));
}

/** The pages of ring 0 and 1: descriptors, available, used. */
export function ringPages(packed = false): number[] {
  const places = packed ? PACKED_RINGS : SPLIT_RINGS;
  const all = places.flatMap(({ desc, avail, used }) => [desc, avail, used]);
  return [...new Set(all.map((at) => QEMU_HVA + at - (QEMU_HVA + at) % PAGE))];
}

export function translateRings(front: Front, packed = false): void {
  for (const at of ringPages(packed)) page(front, at);
}
