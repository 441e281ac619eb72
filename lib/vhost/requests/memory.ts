/**
 * Requests about guest memory: the whole table at once, or slot by slot
 * (vhost-user.rst «VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS»). Virtqueues whose areas stay where
 * they are run on meanwhile.
 *
 * @module
 */
import type { Device } from "../device.ts";
import type { MemoryRegion } from "../host.ts";
import type { Refusal } from "../reasons.ts";
import { overlaps } from "../wire/memory_regions.ts";
import { encodeU64 } from "../wire/message.ts";
import { refuseAddresses } from "./features.ts";
import { type Call, ends, endsIf, failed, reply, type Result } from "./result.ts";

/** SET_MEM_TABLE: replaces all regions. */
export function setMemTable(
  device: Device,
  { regions }: { readonly regions: readonly MemoryRegion[] },
  { fds }: Call,
): Result {
  const refusal = refuseCount(device, regions.length) ?? refuseAddresses(device, regions);
  if (refusal) {
    device.closeFds(fds);
    return endsIf(refusal);
  }
  return endsIf(device.changeMemory(regions, fds) ?? device.resumeAll());
}

/** More regions than a port may have. */
function refuseCount({ offer: { regionsMax } }: Device, count: number): Refusal | null {
  if (count <= regionsMax) return null;
  return { code: "too-many-regions", detail: `more than ${regionsMax}, see budget=regions:N` };
}

/** GET_MAX_MEM_SLOTS. */
export function getMaxMemSlots({ offer }: Device): Result {
  return reply(encodeU64(BigInt(offer.regionsMax)));
}

/**
 * ADD_MEM_REG: one more region, or one that is there again: QEMU 7.2 adds each once per queue pair.
 * A region that cannot be had is refused and the rest stays: the front-end can go on without it.
 */
export function addMemReg(device: Device, region: MemoryRegion, { fds }: Call): Result {
  const failure = refuseRegion(device, region, fds.length);
  if (failure) {
    device.closeFds(fds);
    return failure;
  }
  const others = device.memory.regions.filter((known) => !isSame(known, region));
  const refusal = device.changeMemory([...others, region], [...others.map(() => null), ...fds]);
  return refusal ? failed(refusal) : endsIf(device.resumeAll(true));
}

/** The three that name a region; where it stands in its file does not (vhost-user.rst). */
function isSame(a: MemoryRegion, b: MemoryRegion): boolean {
  return a.guestAddr === b.guestAddr && a.userAddr === b.userAddr && a.sizeBytes === b.sizeBytes;
}

function refuseRegion(device: Device, region: MemoryRegion, fdCount: number): Result | null {
  const { regions } = device.memory;
  if (fdCount !== 1) return ends("fd-count", `${fdCount} descriptors for a region`);
  const tooMany = refuseCount(device, regions.length + 1);
  if (tooMany) return failed(tooMany);
  const other = regions.findIndex((known) => overlaps(known, region) && !isSame(known, region));
  if (other >= 0) return failed({ code: "bad-region", detail: `it overlaps region ${other}` });
  const refusal = refuseAddresses(device, [region]);
  return refusal && endsIf(refusal);
}

/**
 * REM_MEM_REG: the region with the same guest address, user address and size. One that is not there
 * counts as removed: QEMU 7.2 says it once per queue pair. Virtqueues in it stop until their memory is
 * back. Old front-ends send a descriptor along: closed.
 */
export function remMemReg(device: Device, region: MemoryRegion, { fds }: Call): Result {
  device.closeFds(fds);
  const rest = device.memory.regions.filter((known) => !isSame(known, region));
  return endsIf(device.changeMemory(rest, rest.map(() => null)));
}
