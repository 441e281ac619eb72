/**
 * Requests about guest memory: the whole table at once, or slot by slot
 * (vhost-user.rst «VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS»). Virtqueues whose areas stay where
 * they are run on meanwhile.
 *
 * @module
 */
import { MEM_SLOTS_MAX } from "../../base/limits.ts";
import type { MemoryRegion } from "../host.ts";
import { decodeMemoryTable, decodeRegion, overlaps } from "../device/memory_table.ts";
import { isRefusal } from "../reasons.ts";
import { encodeU64, type Message } from "../wire/message.ts";
import { refuseAddresses } from "./protocol.ts";
import type { Failure, Result } from "./table.ts";
import type { Session } from "../session.ts";

/** A region in a single-region message stands behind 8 bytes of padding. */
const SINGLE_REGION_OFFSET = 8;

/** SET_MEM_TABLE: replaces all regions. */
export function setMemTable(session: Session, message: Message): Result {
  const regions = decodeMemoryTable(message.payload, message.fds.length);
  const refusal = isRefusal(regions) ? regions : refuseAddresses(session, regions);
  if (refusal || isRefusal(regions)) {
    session.closeFds(message.fds);
    return refusal;
  }
  return session.changeMemory(regions, message.fds) ?? session.resumeAll();
}

/** GET_MAX_MEM_SLOTS. */
export function getMaxMemSlots(): Result {
  return encodeU64(BigInt(MEM_SLOTS_MAX));
}

/**
 * ADD_MEM_REG: one more region, or one that is there again: QEMU 7.2 adds each once per queue pair.
 * A region that cannot be had is refused and the rest stays: the front-end can go on without it.
 */
export function addMemReg(session: Session, message: Message): Result {
  const region = decodeRegion(message.payload, SINGLE_REGION_OFFSET);
  const { regions } = session.memory;
  const failure = isRefusal(region)
    ? region
    : refuseRegion(regions, region, message.fds.length) ?? refuseAddresses(session, [region]);
  if (failure || isRefusal(region)) {
    session.closeFds(message.fds);
    return failure ?? null;
  }
  const others = regions.filter((known) => !isSame(known, region));
  const refusal = session.changeMemory([...others, region], [
    ...others.map(() => null),
    ...message.fds,
  ]);
  if (refusal) return { ...refusal, keep: true };
  return session.resumeAll(true);
}

/** The three that name a region; where it stands in its file does not (vhost-user.rst). */
function isSame(a: MemoryRegion, b: MemoryRegion): boolean {
  return a.guestAddr === b.guestAddr && a.userAddr === b.userAddr && a.sizeBytes === b.sizeBytes;
}

function refuseRegion(
  regions: readonly MemoryRegion[],
  region: MemoryRegion,
  fdCount: number,
): Failure | null {
  if (fdCount !== 1) return { code: "fd-count", detail: `${fdCount} descriptors for a region` };
  if (regions.length >= MEM_SLOTS_MAX) {
    return { code: "too-many-regions", detail: `more than ${MEM_SLOTS_MAX}`, keep: true };
  }
  const other = regions.findIndex((known) => overlaps(known, region) && !isSame(known, region));
  if (other < 0) return null;
  return { code: "bad-region", detail: `it overlaps region ${other}`, keep: true };
}

/**
 * REM_MEM_REG: the region with the same guest address, user address and size; one that is not there
 * is as removed as it can be (QEMU 7.2 says it once per queue pair). Virtqueues in it stop until
 * their memory is back. Old front-ends send a descriptor along: closed.
 */
export function remMemReg(session: Session, message: Message): Result {
  session.closeFds(message.fds);
  const region = decodeRegion(message.payload, SINGLE_REGION_OFFSET);
  if (isRefusal(region)) return region;
  const rest = session.memory.regions.filter((known) => !isSame(known, region));
  return session.changeMemory(rest, rest.map(() => null));
}
