/**
 * What is behind a port, by its kind.
 *
 * @module
 */
import { present } from "../../base/assert.ts";
import type { PortTargetKind } from "../config/port_targets.ts";
import { TapUplink } from "./tap.ts";
import type { Uplink, UplinkHost } from "./uplink.ts";

const MAKERS: Readonly<Record<PortTargetKind, (host: UplinkHost) => Uplink>> = {
  tap: (host) => new TapUplink(host),
};

/** Makes what is behind a port, not open yet. */
export function makeUplink(host: UplinkHost): Uplink {
  return MAKERS[present(host.config.kind, "the kind of the port")](host);
}
