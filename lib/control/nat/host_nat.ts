/**
 * NAT by the kernel: an address on the guests' device, forwarding, a table of nftables, and what a
 * killed switch left of these.
 *
 * @module
 */
import { networkDevice, setNetworkDeviceAddress, SystemError } from "../../../ffi/mod.ts";
import { ControlError } from "../types.ts";
import { isAlive, thisOwner } from "./owner.ts";
import { runProgram } from "./programs.ts";
import {
  type NatTable,
  natTable,
  natTables,
  removal,
  ruleset,
  type StrictChain,
  strictChains,
} from "./ruleset.ts";
import {
  addressOf,
  checkFree,
  chooseSubnet,
  hostText,
  nameServers,
  routedSubnets,
  type Subnet,
} from "./subnet.ts";

const FORWARD = "/proc/sys/net/ipv4/ip_forward";
const FORWARD_FIX = "as root, on the host: sysctl -w net.ipv4.ip_forward=1";

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

/** Networks that guests must not be given. */
export function takenSubnets(): Subnet[] {
  return [...routedSubnets(read("/proc/net/fib_trie")), ...nameServers(read("/etc/resolv.conf"))];
}

/** The network that an operator asked for, if it is free, or one that is. @throws {ControlError} */
export function pickSubnet(wanted: Subnet | null, number: number): Subnet {
  const taken = takenSubnets();
  if (wanted === null) return chooseSubnet(taken, number);
  checkFree(wanted, taken);
  return wanted;
}

function forwards(): boolean {
  return read(FORWARD).trim() === "1";
}

function setForward(on: boolean): void {
  if (forwards() === on) return;
  try {
    Deno.writeTextFileSync(FORWARD, on ? "1" : "0");
  } catch {
    if (!on) return;
    throw new ControlError(
      "failed",
      "Cannot switch on net.ipv4.ip_forward, which NAT needs",
      FORWARD_FIX,
    );
  }
}

/** The host itself has none there: it would believe whoever calls himself a router. */
function disableIpv6(device: string): void {
  try {
    Deno.writeTextFileSync(`/proc/sys/net/ipv6/conf/${device}/disable_ipv6`, "1");
  } catch {
    // A kernel without it, or where nobody may write: the table drops it all the same.
  }
}

/** Whether whoever made a table is gone. */
function isLeftOver({ owner, device }: NatTable): boolean {
  const alive = isAlive(owner);
  // Of another PID namespace: its device ends with it.
  return alive === null ? networkDevice(device) === null : !alive;
}

/** What is set on a host for one device. Control thread only. */
export class HostNat {
  readonly #nft: string;
  #table: NatTable | null = null;

  /** Nothing is set before {@linkcode open}. @param nft path of nft(8) */
  constructor(nft: string) {
    this.#nft = nft;
  }

  /** Takes away what switches left that are no more. @returns how many there were */
  sweep(): number {
    const tables = natTables(this.#list());
    const dead = tables.filter(isLeftOver);
    if (dead.length === 0) return 0;
    const others = tables.filter((table) => !dead.includes(table));
    if (others.length === 0 && dead.some((table) => !table.forwardedBefore)) setForward(false);
    runProgram(this.#nft, removal(dead));
    return dead.length;
  }

  #list(): string {
    return runProgram(this.#nft, "list", "tables", "inet");
  }

  /**
   * Gives the device its address, and no other one; it may have been made anew.
   * @throws {ControlError}
   */
  address(device: string, subnet: Subnet): void {
    disableIpv6(device);
    try {
      setNetworkDeviceAddress(device, addressOf(hostText(subnet, 1)) ?? 0, subnet.prefix);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw new ControlError("failed", `Cannot give ${device} an address: ${error.message}`);
    }
  }

  /** Has the kernel translate for a device. @throws {ControlError} */
  open(device: string, subnet: Subnet): void {
    const before = natTables(this.#list());
    const forwardedBefore = forwards() && !before.some((table) => !table.forwardedBefore);
    const table = natTable(device, thisOwner(), forwardedBefore);
    this.#table = table;
    // In one go, or not at all.
    runProgram(this.#nft, `${removal([table])}${ruleset(table, subnet)}`);
    setForward(true);
  }

  /** Chains of others that drop what they do not know: guests may be among that. */
  strictChains(): StrictChain[] {
    return strictChains(runProgram(this.#nft, "list", "chains"));
  }

  /** Whether this switch is why the host forwards. */
  get madeForward(): boolean {
    return this.#table?.forwardedBefore === false;
  }

  /** Takes away what {@linkcode open} set, as far as no other switch needs it. Never throws. */
  close(): void {
    const table = this.#table;
    this.#table = null;
    if (table === null) return;
    try {
      // In this order: a switch that starts meanwhile sees either this table or what was before.
      if (!table.forwardedBefore && this.#others(table).length === 0) setForward(false);
      runProgram(this.#nft, removal([table]));
      if (this.#others(table).length > 0) setForward(true);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
    }
  }

  #others({ name }: NatTable): NatTable[] {
    return natTables(this.#list()).filter((each) => each.name !== name && !isLeftOver(each));
  }
}
