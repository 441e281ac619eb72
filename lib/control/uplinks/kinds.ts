/**
 * What is behind a port, by its kind.
 *
 * @module
 */
import { present } from "../../base/assert.ts";
import type { PortTargetKind } from "../config/port_targets.ts";
import type { PortContext } from "../vhost_port/context.ts";
import { NatUplink } from "./nat.ts";
import { StreamUplink } from "./stream.ts";
import { TapUplink } from "./tap.ts";
import type { Uplink, UplinkHost } from "./uplink.ts";

type Maker = (host: UplinkHost, context: PortContext) => Uplink;

const MAKERS: Readonly<Record<PortTargetKind, Maker>> = {
  tap: (host) => new TapUplink(host),
  stream: (host, context) => new StreamUplink(host, context, "stream"),
  seqpacket: (host, context) => new StreamUplink(host, context, "seqpacket"),
  nat: (host, context) => new NatUplink(host, context),
};

/** Makes what is behind a port, not open yet. @throws {ControlError} that can never be */
export function makeUplink(host: UplinkHost, context: PortContext): Uplink {
  return MAKERS[present(host.config.kind, "the kind of the port")](host, context);
}
