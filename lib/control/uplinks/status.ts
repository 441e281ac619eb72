/**
 * What operators see of a port without a front-end, in the same JSON as of any other port.
 *
 * @module
 */
import type { PortRelations } from "../served_port.ts";
import { isSocketTarget, isUplink } from "../config/port_targets.ts";
import { limitStatus } from "../config/limit_option.ts";
import { guardStatus } from "../config/guard_options.ts";
import { vlanStatus } from "../config/port_vlans.ts";
import type { PortConfig, PortStatus } from "../types.ts";
import { judge, verdictFields } from "../verdict/judge.ts";
import type { PortHistory } from "../vhost_port/history.ts";
import type { UplinkFacts } from "./uplink.ts";

/** What a port knows of itself. */
export interface UplinkPortFacts {
  /** As the operator wrote it. */
  readonly config: PortConfig;
  /** What is behind it. */
  readonly uplink: UplinkFacts;
  /** In service or not. */
  readonly admin: PortStatus["admin"];
  /** MTU in force, bytes. */
  readonly mtu: number | null;
  /** To other ports. */
  readonly relations: PortRelations;
  /** What happened so far. */
  readonly history: PortHistory;
  /** Totals by name. */
  readonly counters: Readonly<Record<string, number>>;
}

/** For `port list` and `port show`. */
export function uplinkStatus(facts: UplinkPortFacts): PortStatus {
  const { config, uplink, history, relations } = facts;
  const up = uplink.link === "up" && facts.admin === "up";
  const status = {
    name: config.name,
    kind: config.kind ?? "tap",
    uplink: isUplink(config),
    link: uplink.link === "up" && !up ? "down" as const : uplink.link,
    socket: config.path,
    mode: config.mode ?? (isSocketTarget(config.kind) ? "listen" as const : "connect" as const),
    admin: facts.admin,
    retry: uplink.retry,
    listener: null,
    linkedTo: relations.linkedTo,
    queuePairs: up ? uplink.lanes : 0,
    ring: null,
    features: null,
    featureNames: [],
    protocolFeatures: null,
    protocolFeatureNames: [],
    peer: uplink.peer,
    device: uplink.device,
    nat: uplink.nat,
    mtu: facts.mtu,
    forward: config.forward ?? [],
    vlans: vlanStatus(config),
    isolated: config.isolated ?? null,
    limit: limitStatus(config.limit),
    ...guardStatus(config),
    ...history.status,
    counters: facts.counters,
    problems: [...uplink.problems, ...relations.problems],
    memory: [],
    sharesMemoryWith: [],
    offered: null,
  };
  return { ...status, ...verdictFields(judge(status)) };
}
