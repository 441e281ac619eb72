/**
 * What operators see of a port: the JSON of `port list` and `vring show`, put together from its
 * device and the data plane's counters.
 *
 * @module
 */
import { featureNames, protocolFeatureNames } from "../../vhost/features/bits.ts";
import type { MemoryRegion } from "../../vhost/host.ts";
import type { Device } from "../../vhost/device.ts";
import { isUplink } from "../config/port_targets.ts";
import { limitStatus } from "../config/limit_option.ts";
import { guardStatus } from "../config/guard_options.ts";
import { vlanStatus } from "../config/port_vlans.ts";
import type { PortRelations } from "../served_port.ts";
import { judge, verdictFields } from "../verdict/judge.ts";
import type { PortHistory } from "./history.ts";
import { offeredBy } from "./offered.ts";
import type { PortConfig, PortStatus, VringStatus } from "../types.ts";

/** For callers that want nothing of a port's relations. */
export const ALONE: PortRelations = { linkedTo: null, sharesMemoryWith: [], problems: [] };

/** What a port knows of itself. */
export interface PortFacts {
  /** As the operator wrote it. */
  readonly config: PortConfig;
  /** The connected front-end's device and who it is, or null. */
  readonly device: Device | null;
  /** Who is connected; null also where the kernel cannot tell. */
  readonly peer: PortStatus["peer"];
  /** Both directions of a queue pair run, and the port is in service. */
  readonly linkUp: boolean;
  /** In service or not. */
  readonly admin: PortStatus["admin"];
  /** Why a port in mode connect has no front-end. */
  readonly retry: PortStatus["retry"];
  /** Template of the listener that it came from. */
  readonly listener: string | null;
  /** To other ports. */
  readonly relations: PortRelations;
  /** MTU in force, bytes; null: nobody named one. */
  readonly mtu: number | null;
  /** What happened so far. */
  readonly history: PortHistory;
  /** Totals by name. */
  readonly counters: Readonly<Record<string, number>>;
  /** Regions of the memory table in force. */
  readonly memory: readonly MemoryRegion[];
  /** What is wrong at the port itself. */
  readonly problems: PortStatus["problems"];
}

/** Kind and size of a device's rings, such as `split/256`, or null while they do not run. */
export function ringText(device: Device): string | null {
  const vring = device.vring(0);
  return vring.running ? `${device.packed ? "packed" : "split"}/${vring.size}` : null;
}

/** Queue pairs that frames flow through in at least one direction. */
function pairsInUse(device: Device): number {
  return device.vrings.filter((vring, index) => index % 2 === 0 && vring.running && vring.enabled)
    .length;
}

/** The negotiated virtio features an operator cares for, by name. */
export function featuresText(device: Device): string {
  return featureNames(device.features).filter((name) => name !== "PROTOCOL_FEATURES").join(" ");
}

/** What the log says of a link that came up. */
export function linkUpText(
  device: Device,
  memory: { readonly regions: readonly MemoryRegion[]; readonly sizeBytes: number },
): string {
  const { regions: { length }, sizeBytes } = memory;
  const text = `${length} region${length === 1 ? "" : "s"} of ${
    Math.round(sizeBytes / 2 ** 20)
  } MiB`;
  return `link up, ring ${ringText(device)}, ${featuresText(device)}, ${text}`;
}

/** For `port list` and `port show`. */
export function portStatus(facts: PortFacts): PortStatus {
  const { config, device, history } = facts;
  const status = {
    name: config.name,
    kind: "vhost" as const,
    uplink: isUplink(config),
    link: device ? (facts.linkUp ? "up" as const : "down" as const) : "wait" as const,
    socket: config.fd === undefined ? config.path : `fd ${config.fd}`,
    mode: config.mode ?? "listen",
    admin: facts.admin,
    retry: device ? null : facts.retry,
    listener: facts.listener,
    linkedTo: facts.relations.linkedTo,
    queuePairs: device ? pairsInUse(device) : 0,
    ring: device ? ringText(device) : null,
    features: device ? `0x${device.features.toString(16)}` : null,
    featureNames: device ? featureNames(device.features) : [],
    protocolFeatures: device ? `0x${device.protocolFeatures.toString(16)}` : null,
    protocolFeatureNames: device ? protocolFeatureNames(device.protocolFeatures) : [],
    peer: facts.peer,
    device: null,
    nat: null,
    mtu: facts.mtu,
    forward: config.forward ?? [],
    vlans: vlanStatus(config),
    isolated: config.isolated ?? null,
    limit: limitStatus(config.limit),
    ...guardStatus(config),
    ...history.status,
    counters: facts.counters,
    problems: [...facts.problems, ...facts.relations.problems],
    memory: facts.memory.map((region) => ({
      guestAddr: `0x${region.guestAddr.toString(16)}`,
      sizeBytes: region.sizeBytes,
      userAddr: `0x${region.userAddr.toString(16)}`,
    })),
    sharesMemoryWith: facts.relations.sharesMemoryWith,
    offered: offeredBy(config),
  };
  const broken = (device?.vrings ?? [])
    .flatMap((vring, index) => vring.broken === null ? [] : [{ index, error: vring.broken }]);
  return { ...status, ...verdictFields(judge(status, broken, history.refusal)) };
}

/** For `vring show`. @param countersOf a virtqueue's counters, with `lastAvail` and `lastUsed` */
export function vringStatus(
  device: Device,
  countersOf: (vring: number) => Record<string, number>,
): VringStatus[] {
  return device.vrings.flatMap((vring, index) => {
    // Of the many a front-end may use, those it uses; the first pair always.
    if (index > 1 && vring.size === 0) return [];
    const { lastAvail = 0, lastUsed = 0, ...counters } = countersOf(index);
    let state: VringStatus["state"] = "stopped";
    if (vring.broken !== null) state = "broken";
    else if (vring.running) state = vring.enabled ? "running" : "disabled";
    return [{
      index,
      direction: index % 2 === 0 ? "to guest" : "from guest",
      state,
      size: vring.size,
      packed: device.packed,
      lastAvail,
      lastUsed,
      counters,
      error: vring.broken,
      errors: Object.fromEntries(vring.errors),
    }];
  });
}
