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
import { ControlError, type PortConfig, type SwitchConfig } from "./types.ts";

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

/** Puts in force what is said of the switch as a whole. */
export function applySwitchPolicy(
  commands: DataPlane,
  { unknown, snooping = "off" }: Pick<SwitchConfig, "unknown" | "snooping">,
): void {
  commands.setUnknown({ toUplinks: unknown === "uplink" });
  commands.setSnooping({ on: snooping !== "off", strict: snooping === "strict" });
}

/** Addresses that are static at a port from now on. @throws {ControlError} none of them is, then */
function addStatics(placed: Placed, macs: readonly string[]): void {
  const { commands } = placed.plane.thread;
  for (const [index, mac] of macs.entries()) {
    try {
      setStatic(placed, mac);
    } catch (error) {
      for (const done of macs.slice(0, index)) unsetStatic(commands, done);
      throw error;
    }
  }
}

/**
 * Puts in force what a port's options say. @param before what they said; null: it is new
 * @throws {ControlError} what they say cannot be, and nothing has changed
 */
export function applyPolicy(
  placed: Placed,
  config: PortConfig,
  before: PortConfig | null = null,
): void {
  const { commands } = placed.plane.thread;
  const port = placed.number;
  const was: PortConfig = before ?? { name: config.name, path: config.path };
  const [macs, had] = [staticMacs(config), staticMacs(was)];
  // First, for this alone can fail.
  addStatics(placed, macs.filter((mac) => !had.includes(mac)));
  const apply = <T>(of: (config: PortConfig) => T, put: (now: T) => void): void => {
    const now = of(config);
    if (JSON.stringify(now) !== JSON.stringify(of(was))) put(now);
  };
  if (before === null) commands.setStorm({ port, ...stormRates(config) });
  else apply(stormRates, (rates) => commands.setStorm({ port, ...rates }));
  apply(isUplink, (on) => commands.setUplink({ port, on }));
  apply(
    ({ forward }) => reservedMask(forward ?? []),
    (mask) => commands.setReserved({ port, mask }),
  );
  apply(
    ({ isolated }) => groupNumber(isolated),
    (group) => commands.setIsolation({ port, group }),
  );
  apply(vlansOf, (vlans) => commands.setVlans({ port, vlans }));
  apply(
    ({ budget }) => budget?.addresses,
    (most) => {
      if (most !== undefined) commands.setAddressesMax({ port, most });
    },
  );
  apply(
    ({ limit }) => portLimits(limit),
    ({ rx, tx }) => commands.setRates({ port, from: rx, to: tx }),
  );
  apply(guardOf, (guards) => commands.setGuard({ port, ...guards }));
  apply(({ lock }) => lock === true, (on) => commands.setLock({ port, on }));
  for (const mac of had) if (!macs.includes(mac)) unsetStatic(commands, mac);
}
