/**
 * What a port may have, what it has, and what is left: the rows of lib/base/port_limits.ts with the
 * numbers of one port.
 *
 * @module
 */
import { LIMIT_NAMES, type LimitName, limitRow, LIMITS } from "../../base/port_limits.ts";
import type { Device } from "../../vhost/device.ts";
import { logBytesMax } from "../../vhost/device/migration.ts";
import type { ReasonCode } from "../../vhost/reasons.ts";
import type { Budget } from "../config/budget_option.ts";
import type { Brought } from "../front_end/brought.ts";
import type { Connection } from "../front_end/connection.ts";
import type { MemoryAccount } from "../front_end/memory_shares.ts";
import type { RingRecords } from "../front_end/ring_records.ts";
import type { PortLimits } from "../types.ts";

/** What is known of one limit; what is not given is the row's, or not counted. */
export interface LimitUse {
  /** At most so many, in the row's unit. */
  readonly limit?: number;
  /** So many are used now. */
  readonly used?: number;
  /** So many could be had; what lies between the other two if not given. */
  readonly left?: number;
}

/** Limits that mean something somewhere, with what is known of them. */
export type LimitUses = Readonly<Partial<Record<LimitName, LimitUse>>>;

/** Places in the forwarding database. */
export interface AddressUse {
  /** Addresses of the port, static ones included. */
  readonly used: number;
  /** Those that a port may learn which says nothing else. */
  readonly usual: number;
  /** Places set aside for each port. */
  readonly reserved: number;
}

/** The document. */
export function portLimits(name: string, uses: LimitUses): PortLimits {
  const limits = LIMIT_NAMES.flatMap((each) => {
    const use = uses[each];
    if (use === undefined) return [];
    const { unit, scope, most, reason } = limitRow(each);
    const limit = use.limit ?? most;
    const used = use.used ?? null;
    const left = use.left ?? (used === null ? null : Math.max(0, limit - used));
    return [{ name: each, unit, scope, limit, used, left, reason: reason as ReasonCode | null }];
  });
  return { name, limits };
}

/** Of the forwarding database. */
export function addressLimits(
  { used, usual, reserved }: AddressUse,
  { addresses }: { readonly addresses?: number | undefined } = {},
): LimitUses {
  return {
    "addresses": { limit: addresses ?? usual, used },
    "reserved-addresses": { limit: reserved, used: Math.min(used, reserved) },
  };
}

/** Of the address space that an account pays for. */
export function addressSpaceLimit({ limit, used, left }: MemoryAccount): LimitUses {
  return { "address-space": { limit, used, left } };
}

/** What a port with front-ends has. */
export interface PortUse {
  /** Its limits that an operator can set. */
  readonly budget: Budget;
  /** Queue pairs that it offers. */
  readonly queuePairs: number;
  /** What its front-end has mapped. */
  readonly brought: Brought;
  /** Descriptors that wait to be closed. */
  readonly closing: number;
  /** Front-ends held at its socket. */
  readonly held: number;
  /** Bytes of a state under way. */
  readonly stateBytes: number;
  /** Its places in the forwarding database. */
  readonly addresses: AddressUse;
  /** What is connected, or null. */
  readonly frontEnd: {
    readonly session: { readonly device: Device };
    readonly connection: Connection;
    readonly records: RingRecords;
    readonly backEnd: { readonly isOpen: boolean };
  } | null;
}

/** Descriptors of a front-end's that are kept. */
function keptFds({ session: { device }, backEnd }: NonNullable<PortUse["frontEnd"]>): number {
  const ofVrings = device.vrings.flatMap(({ kickFd, callFd, errFd }) => [kickFd, callFd, errFd]);
  const ofLog = device.migration.hasLogFd ? 1 : 0;
  return 1 + ofVrings.filter((fd) => fd >= 0).length + (backEnd.isOpen ? 1 : 0) + ofLog;
}

function frontEndLimits({ frontEnd, queuePairs, brought }: PortUse): LimitUses {
  const vrings = frontEnd?.session.device.vrings ?? [];
  const sizes = vrings.map(({ size }) => size);
  const load = frontEnd?.connection.load;
  const fdsMax = LIMITS.descriptors.most - 3 * (LIMITS.vrings.most - 2 * queuePairs);
  return {
    "dirty-log": {
      limit: logBytesMax(brought.memory.regions),
      used: brought.dirtyLog.sizeBytes,
    },
    "inflight": { used: frontEnd?.records.areaBytes ?? 0 },
    "vrings": { limit: 2 * queuePairs, used: sizes.filter((size) => size > 0).length },
    "ring-size": { used: Math.max(0, ...sizes) },
    "translations": {},
    "descriptors": { limit: fdsMax, used: frontEnd === null ? 0 : keptFds(frontEnd) },
    "message-descriptors": { used: load?.messageFds ?? 0 },
    "front-ends": { used: frontEnd === null ? 0 : 1 },
    "messages": { used: load?.messages ?? 0 },
    "message-time": { used: load?.messageMs ?? 0 },
    "file-time": {},
    "unread-replies": { used: load?.unreadBytes ?? 0 },
    "state-time": {},
  };
}

/** All of a port with front-ends. */
export function vhostLimits(name: string, use: PortUse): PortLimits {
  const { budget, brought } = use;
  return portLimits(name, {
    "memory": { limit: budget.memory, used: brought.memory.sizeBytes },
    "regions": { limit: budget.regions, used: brought.memory.regions.length },
    ...addressSpaceLimit(brought.account),
    ...frontEndLimits(use),
    ...addressLimits(use.addresses, budget),
    "closing": { used: use.closing },
    "held": { used: use.held },
    "state": { used: use.stateBytes },
  });
}
