/**
 * Commands on who may send what.
 *
 * @module
 */
import { FDB_FULL, FDB_IN_USE, FDB_STATIC } from "../../switch/fdb.ts";
import type { Datapath } from "../../switch/datapath.ts";
import { AddressSet } from "../../switch/guard/addresses.ts";
import { SharedRate } from "../../switch/policy/limits.ts";
import { Rate } from "../../switch/policy/rate.ts";
import { Snooping } from "../../switch/multicast/snooping.ts";
import { Storm } from "../../switch/policy/storm.ts";
import type { Handlers } from "../wire.ts";
import type { Place } from "./place.ts";

/** Handlers of the commands about policies. */
export function policyCommands(place: Place): Pick<
  Handlers,
  | "setStatic"
  | "unsetStatic"
  | "setIsolation"
  | "setLock"
  | "setRates"
  | "setStorm"
  | "setAddressesMax"
  | "setGuard"
  | "setSnooping"
  | "listGroups"
> {
  const { fdb } = place.path;
  return {
    setStatic: ({ port, macLo, macHi }) => {
      const outcome = fdb.setStatic(macLo, macHi, place.port(port).index);
      if (outcome === FDB_STATIC) return "elsewhere";
      return outcome === FDB_FULL ? "full" : "done";
    },
    unsetStatic: ({ macLo, macHi }) => fdb.unsetStatic(macLo, macHi),
    setStorm: ({ port, broadcast, multicast, unknown }) => {
      const limited = broadcast + multicast + unknown > 0;
      place.port(port).storm = limited ? new Storm([broadcast, multicast, unknown]) : null;
    },
    setIsolation: ({ port, group }) => {
      place.port(port).isolation = group;
    },
    setAddressesMax: ({ port, most }) => fdb.setEntriesMax(place.port(port).index, most),
    setRates: ({ port, from, to }) => {
      const one = place.port(port);
      one.rateFrom = from && new Rate(from.bits, from.frames, from.burstMs);
      one.rateTo = to && new SharedRate(new Rate(to.bits, to.frames, to.burstMs));
    },
    setSnooping: ({ on, strict }) => {
      place.path.snooping = on ? new Snooping(strict, Math.floor(Math.random() * 2 ** 32)) : null;
    },
    listGroups: ({ port }) => {
      const { now } = place.path;
      const entries = place.port(port).groups?.entries(now) ?? [];
      return entries.map(({ low, high, until }) => ({
        macLo: low,
        macHi: high,
        seconds: until - now,
      }));
    },
    setGuard: ({ port, dhcp, ra, addresses }) => {
      place.port(port).guard = dhcp || ra || addresses !== null
        ? { dhcp, ra, addresses: addresses === null ? null : new AddressSet(addresses) }
        : null;
    },
    setLock: ({ port, on }) => {
      place.port(port).isLocked = on;
      fdb.lock(port, on);
    },
  };
}

/**
 * Learns an address on a port to which its guest has moved, as its front-end says: where that is in use
 * elsewhere, it is claimed. @param seen seconds @returns a FDB_ outcome
 */
export function learnMoved(
  { fdb, now }: Datapath,
  macLo: number,
  macHi: number,
  port: number,
  seen: number,
): number {
  const outcome = fdb.learn(macLo, macHi, port, seen);
  if (outcome === FDB_IN_USE) fdb.announce(macLo, macHi, port, now);
  return outcome;
}
