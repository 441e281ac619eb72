/**
 * A port as the switch sees it, whatever is behind it: a front-end (vhost_port/) or a device of this
 * host (uplinks/).
 *
 * @module
 */
import type { DataPlaneEvent } from "../worker/events.ts";
import type { PortPlane } from "./planes.ts";
import type { PortConfig, PortLimits, PortProblem, PortStatus, VringStatus } from "./types.ts";
import type { AddressUse } from "./vhost_port/limits.ts";

/** What a port has to do with other ports. */
export interface PortRelations {
  /** The port it is linked with, there or not. */
  readonly linkedTo: string | null;
  /** Names of ports that brought one of the same memory files. */
  readonly sharesMemoryWith: readonly string[];
  /** What is wrong between this port and another. */
  readonly problems: readonly PortProblem[];
}

/** One port of the running switch. Control thread only. */
export interface ServedPort {
  /** As the operator wrote it, and set it since; of a listener's port, with its number. */
  config: PortConfig;
  /** The data plane that serves it. */
  readonly plane: PortPlane;
  /** Its number there. */
  readonly number: number;
  /** It came with its front-end, and ends with it. */
  readonly isAdopted: boolean;
  /** Memory files that came with what is behind it, by device and inode. */
  readonly memoryFiles: readonly string[];

  /** For `port list` and `port show`. @param relations to other ports, none if not given */
  status(relations?: PortRelations): PortStatus;
  /** For `vring show`. */
  vrings(): VringStatus[];
  /** For `port show --limits`. @param addresses its places in the forwarding database */
  limits(addresses: AddressUse): PortLimits;
  /** Says which guest is there, if that is known without a frame of it: uplinks shall hear of it. */
  expectGuest(): void;
  /** Forgets what was learned of it. */
  flushFdb(): void;
  /** Takes it out of service, or back. @throws {ControlError} that cannot be */
  setAdmin(admin: PortStatus["admin"]): void;
  /** Something happened on the data plane; see events.ts for the kinds. */
  dataPlaneEvent(event: DataPlaneEvent): void;
  /** The data plane gave one of its virtqueues up. */
  ringBroken(vring: number, reason: string): void;
  /** The data plane was stuck in a call of a virtqueue. */
  callBlocked(vring: number): void;
  /** Pages could not be had: if they are its front-end's, that has to go. */
  pagesLost(): void;
  /** Ends what it has, and frees its number. Call once. */
  close(): void;
}
