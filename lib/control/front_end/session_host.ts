/**
 * What a front-end's session asks of its port, carried out: memory, records and logs on the control
 * thread, virtqueues on the data plane. Whatever changes the port itself is the port's to do.
 *
 * @module
 */
import { setNonBlocking, viewMemory } from "../../../ffi/mod.ts";
import type { ChannelHost, PortHost, RingHost, SessionHost } from "../../vhost/host.ts";
import type { Refusal } from "../../vhost/reasons.ts";
import type { DataPlane, VringPosition } from "../../worker/wire.ts";
import { tenantFdKind } from "../sockets/own_ends.ts";
import type { PortMemory } from "./guest_memory.ts";
import type { PortIotlb } from "./iotlb.ts";
import type { PortDirtyLog } from "./dirty_log.ts";
import type { MovingState } from "./moving_state.ts";
import type { RingRecords } from "./ring_records.ts";
import type { TenantFds } from "./tenant_fds.ts";

/** What only the port can do for its session. */
export type PortDuties =
  & ChannelHost
  & Omit<PortHost, "refused">
  & Pick<RingHost, "startVring">;

/** What a session works on: its port's parts, and the records of this one connection. */
export interface SessionParts {
  /** Commands of the data plane that serves the port. */
  readonly plane: DataPlane;
  /** The port's number on the data plane. */
  readonly number: number;
  /** Guest memory. */
  readonly memory: PortMemory;
  /** The log of dirty pages. */
  readonly dirtyLog: PortDirtyLog;
  /** Closes and signals descriptors of the front-end's. */
  readonly tenantFds: TenantFds;
  /** Translations. */
  readonly iotlb: PortIotlb;
  /** What the port takes along when its guest moves to another switch. */
  readonly state: MovingState;
  /** Inflight area and journal of the rings of this connection. */
  readonly records: RingRecords;
  /** Counts what a request was refused for. */
  readonly history: { refused(refusal: Refusal): void };
}

/** The host of one connection's session. Control thread only. */
export function sessionHost(parts: SessionParts, duties: PortDuties): SessionHost {
  const { plane, number: port, memory, dirtyLog, tenantFds, iotlb, state, records, history } =
    parts;
  const closeFd = (fd: number): void => tenantFds.close(fd);
  return {
    prepareMemory: (regions, fds) => {
      try {
        return memory.prepare(regions, fds);
      } finally {
        for (const fd of fds) if (fd !== null) closeFd(fd);
      }
    },
    commitMemory: () => memory.commit(),
    createInflight: (sizeBytes) => records.createInflight(sizeBytes),
    prepareInflight: (fd, offset, sizeBytes) => {
      try {
        return records.prepareInflight(fd, offset, sizeBytes);
      } finally {
        closeFd(fd);
      }
    },
    commitInflight: () => records.commitInflight(),
    placeVring: (vring, plan) => records.placeVring(vring, plan),
    forgetVring: (vring) => records.forget(vring),
    stopVring: (vring): VringPosition => plane.stopVring({ port, vring }),
    setVringEnabled: (vring, on) => plane.setVringEnabled({ port, vring, enabled: on }),
    setVringCall: (vring, fd) => {
      if (fd >= 0) setNonBlocking(fd);
      plane.setVringCall({ port, vring, callFd: fd });
    },
    ...dirtyLog.sessionHost(closeFd),
    announce: (mac, flood) => plane.announce({ port, macLo: mac.low, macHi: mac.high, flood }),
    kickVring: (vring) => plane.kickVring({ port, vring }),
    fdKind: tenantFdKind,
    closeFd,
    readU16: (address) => new DataView(viewMemory(address, 2)).getUint16(0, true),
    signal: (fd) => tenantFds.signal(fd),
    setIotlb: (on) => iotlb.set(on),
    updateIotlb: (iova, bytes, address, permission) =>
      iotlb.update(iova, bytes, address, permission),
    invalidateIotlb: (iova, bytes) => iotlb.invalidate(iova, bytes),
    holdVring: (vring, on) => iotlb.hold(vring, on),
    askForRing: (page) => iotlb.askForRing(page),
    startStateTransfer: (direction, fd) => state.start(direction, fd),
    finishStateTransfer: () => state.finish(),
    refused: (event, refusal) => {
      history.refused(refusal);
      duties.log("warn", event, refusal.detail);
    },
    ...duties,
  };
}
