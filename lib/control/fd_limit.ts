/**
 * Descriptors that a switch may need: ports are refused before they would be missing.
 *
 * @module
 */
import { PORTS_MAX } from "../base/limits.ts";
import { ControlError, type PortConfig } from "./types.ts";

/** Descriptors a port may need: listener, connection, six of its rings, a message full of them. */
const FDS_PER_PORT = 16;
/** Descriptors of everything else. */
const FDS_RESERVE = 64;

/**
 * Checks whether there are enough for one more port. A listener's ports are counted before they come.
 * @param others ports that did not come by a listener @param listeners with as many ports
 * @throws {ControlError} naming the fix
 */
export function checkFdLimit(
  config: PortConfig,
  others: number,
  listeners: Iterable<{ readonly config: PortConfig }>,
  fdLimit: number,
): void {
  let ports = others + (config.multi ?? 1);
  for (const listener of listeners) ports += listener.config.multi ?? 1;
  const fdsNeeded = FDS_RESERVE + FDS_PER_PORT * Math.min(ports, PORTS_MAX);
  if (fdsNeeded <= fdLimit) return;
  throw new ControlError(
    "invalid",
    `Cannot add port ${config.name}: ${fdLimit} descriptors allowed, ${fdsNeeded} needed`,
    `ulimit -n ${fdsNeeded}, or LimitNOFILE=${fdsNeeded} in the systemd unit`,
  );
}
