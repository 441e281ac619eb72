/**
 * Puts an operator's policies for a port in force on the data plane that serves it.
 *
 * @module
 */
import { present } from "../base/assert.ts";
import { parseMac } from "../base/mac.ts";
import { reservedMask } from "../switch/reserved.ts";
import type { DataPlane } from "../worker/wire.ts";
import { guardOf } from "./config/guard_options.ts";
import { isUplink } from "./config/port_targets.ts";
import { groupNumber } from "./config/isolated_option.ts";
import { portLimits } from "./config/limit_option.ts";
import { staticMacs } from "./config/policy_options.ts";
import { vlansOf } from "./config/port_vlans.ts";
import { stormRates } from "./config/storm_option.ts";
import type { Placed } from "./planes.ts";
import { ControlError, type PortConfig } from "./types.ts";

/** Makes an address static at a port. @throws {ControlError} it is static elsewhere, or no room */
export function setStatic({ plane, number }: Placed, mac: string): void {
  const { low, high } = present(parseMac(mac), mac);
  const { commands } = plane.thread;
  const outcome = commands.setStatic({ port: number, macLo: low, macHi: high });
  if (outcome === "elsewhere") {
    throw new ControlError(
      "conflict",
      `${mac} is static at another port`,
      `vuswitch fdb del ${mac}`,
    );
  }
  if (outcome === "full") {
    throw new ControlError(
      "conflict",
      `There is no room for ${mac}: all addresses of the switch are taken`,
      "--fdb-entries N",
    );
  }
}

/** Forgets a static address. @returns whether it was one */
export function unsetStatic(commands: DataPlane, mac: string): boolean {
  const { low, high } = present(parseMac(mac), mac);
  return commands.unsetStatic({ macLo: low, macHi: high });
}

/** Puts in force what a new port's options say. @throws {ControlError} what it says cannot be */
export function applyPolicy(placed: Placed, config: PortConfig): void {
  const { commands } = placed.plane.thread;
  const vlans = vlansOf(config);
  if (vlans !== null) commands.setVlans({ port: placed.number, vlans });
  for (const mac of staticMacs(config)) setStatic(placed, mac);
  if (isUplink(config)) commands.setUplink({ port: placed.number, on: true });
  commands.setStorm({ port: placed.number, ...stormRates(config) });
  if (config.forward) {
    commands.setReserved({ port: placed.number, mask: reservedMask(config.forward) });
  }
  if (config.isolated !== undefined) {
    commands.setIsolation({ port: placed.number, group: groupNumber(config.isolated) });
  }
  const most = config.budget?.addresses;
  if (most !== undefined) commands.setAddressesMax({ port: placed.number, most });
  const { rx, tx } = portLimits(config.limit);
  if (rx !== null || tx !== null) commands.setRates({ port: placed.number, from: rx, to: tx });
  if (config.guard !== undefined || config.ip !== undefined) {
    commands.setGuard({ port: placed.number, ...guardOf(config) });
  }
  if (config.lock) commands.setLock({ port: placed.number, on: true });
}
