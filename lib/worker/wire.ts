/**
 * Everything the control thread can tell the data plane: one row a command. What is written and
 * read, the types of both sides and the stand-ins of tests derive from this table, so that a command
 * is two edits: its row here, and what the data plane does (lib/worker/commands/).
 *
 * Every command is synchronous: when it returns, the data plane has done it between two rounds and
 * holds nothing older (a quiescent point was passed). Addresses are host virtual addresses of mapped
 * memory unless they are named otherwise; no pointers, no sockets, no protocol.
 *
 * @module
 */
import { assert } from "../base/assert.ts";
import { MEM_SLOTS_MAX, PORTS_MAX } from "../base/limits.ts";
import { PORT_COUNTERS } from "../switch/counters.ts";
import { GROUPS_MAX } from "../switch/multicast/port_groups.ts";
import { LANE_KINDS } from "../switch/ports/lane_port.ts";
import { LINK_WAITING, PORT_KINDS } from "../switch/ports/port.ts";
import { ALL_OFFLOADS } from "../virtio/offloads.ts";
import {
  choice,
  command,
  type Field,
  flag,
  list,
  maybe,
  Numbers,
  record,
  type Value,
  whole,
} from "./fields.ts";
import {
  ADDRESS,
  ANY_U64,
  COUNT,
  FD,
  FRAMES,
  GUARDS,
  LEARNED_MAC,
  LOG,
  LOG_GUEST_ADDR,
  MACS_PER_COMMAND,
  MAPPING,
  PORT,
  POSITION,
  RATE,
  REGION,
  SECONDS,
  SIZE_BYTES,
  VLANS,
  VRING,
  VRING_START,
  WORD,
} from "./parcels.ts";
import { TAP_COMMANDS } from "./wire_taps.ts";

export { IN_BAND, MACS_PER_COMMAND } from "./parcels.ts";
export type {
  Guards,
  LearnedMac,
  PlacedLog,
  PlacedRegion,
  Vlans,
  VringPosition,
  VringRecord,
  VringStart,
} from "./parcels.ts";

const portCommand = { port: PORT };
/** Descriptors that one message can bring (SCM_MAX_FD): the first one that does ends its lane. */
const LANE_FDS_MAX = 253;
const laneCommand = { port: PORT, lane: VRING };
const vringCommand = { port: PORT, vring: VRING };

/** The commands by name. */
export const COMMANDS = {
  /** Reserves a port number, with cleared counters; null when all are taken. `kind`: what is there. */
  addPort: command({ kind: choice(...PORT_KINDS) }, maybe(PORT)),
  /** Stops what runs on the port, forgets its MAC addresses and frees the number. */
  removePort: command(portCommand),
  /** Tells of mapped memory. @returns its number, to name it in regions */
  addMapping: command({ address: ADDRESS, sizeBytes: SIZE_BYTES }, MAPPING),
  /** Detaches every view of the mapping; no region of any port may name it any more. */
  removeMapping: command({ mapping: MAPPING }),
  /**
   * Replaces the port's memory table between two rounds. Virtqueues may run if their areas stay
   * where they are.
   */
  setMemory: command({ port: PORT, regions: list(record(REGION), MEM_SLOTS_MAX) }),
  /** Serves a virtqueue from now on; one with this number must not run. */
  startVring: command({ ...vringCommand, start: record(VRING_START) }),
  /** Stops a virtqueue, everything taken from it completed. @returns where it stands */
  stopVring: command(vringCommand, POSITION),
  /** While off, a transmit queue's frames are taken and dropped; a receive queue gets none. */
  setVringEnabled: command({ ...vringCommand, enabled: flag }),
  /** Calls go to another descriptor from now on. */
  setVringCall: command({ ...vringCommand, callFd: FD }),
  /** Logs the ring's writes from now on, or no more. */
  setVringLog: command({ ...vringCommand, logGuestAddr: LOG_GUEST_ADDR }),
  /** Puts another dirty log in force, or none. `logAll`: also log what buffers receive. */
  setLog: command({ port: PORT, log: maybe(record(LOG)), logAll: flag }),
  /**
   * Learns a MAC address on a port. `flood`: also send every other port a RARP request from there,
   * counted as if the guest had sent it.
   */
  announce: command({ port: PORT, macLo: WORD, macHi: WORD, flood: flag }),
  /**
   * A port of the kind `lanes` takes and sends frames through a descriptor from now on; a lane with
   * this number must not run. The descriptor does not block and stays the control thread's.
   * `offloads`: what its frames may ask for, both ways, OFFLOAD_ bits (lib/virtio/offloads.ts).
   */
  startLane: command({
    ...laneCommand,
    kind: choice(...LANE_KINDS),
    fd: whole(0, 2 ** 31 - 1),
    offloads: whole(0, ALL_OFFLOADS),
  }),
  /**
   * No more; the descriptor may be closed then. @returns descriptors that came by it, the control
   * thread's from now on
   */
  stopLane: command(laneCommand, list(FD, LANE_FDS_MAX)),
  /** The driver of a running virtqueue kicks it by a message: the thread wakes and looks. */
  kickVring: command(vringCommand),
  /** Longest frame (bytes, without FCS, with VLAN tags) the port takes or gives. */
  setFrameMax: command({ port: PORT, frameBytesMax: whole(0, 2 ** 20) }),
  /**
   * Descriptor addresses of the port are I/O virtual from now on, or no more. Nothing is translated
   * at first. Virtqueues must be stopped.
   */
  setIotlb: command({ port: PORT, on: flag }),
  /**
   * Translates a range that lies in one region; virtqueues that wait for it go on. `permission`: 1
   * the device may read, 2 write, 3 both.
   */
  updateIotlb: command({
    ...portCommand,
    iova: ANY_U64,
    sizeBytes: ANY_U64,
    hostAddress: ADDRESS,
    permission: whole(0, 3),
  }),
  /** Forgets a range, which may reach beyond 2^53. Nothing uses it when this returns. */
  invalidateIotlb: command({ port: PORT, iova: ANY_U64, sizeBytes: ANY_U64 }),
  /** Keeps off a virtqueue's areas; frames for it are parked. */
  holdVring: command(vringCommand),
  /** Its areas may be used again, where they were. */
  releaseVring: command(vringCommand),
  /**
   * Writes the events of what the port's virtqueues wait for once more, and drops frames that have
   * waited for too long. @returns how many virtqueues wait
   */
  askAgain: command(portCommand, COUNT),
  /** Forgets the dynamic MAC addresses of one port. */
  flushPort: command(portCommand),
  /** Forgets every dynamic MAC address. */
  flushFdb: command({}),
  /** It is an uplink, or no more: see Port.isUplink. At first none is. */
  setUplink: command({ port: PORT, on: flag }),
  /**
   * Every frame is in a VLAN from now on, or none is, as at first. Forgets every dynamic MAC address if
   * that changes.
   */
  useVlans: command({ on: flag }),
  /**
   * The VLANs of a port; null: it says nothing of them, as at first. If it does, every frame is in one
   * from now on (useVlans). Forgets its dynamic MAC addresses.
   */
  setVlans: command({ port: PORT, vlans: maybe(record(VLANS)) }),
  /** Frames to unknown addresses go to uplinks alone, or to all ports as at first. */
  setUnknown: command({ toUplinks: flag }),
  /**
   * A guest with this address is on a port, and may not have spoken yet: where there are uplinks it is
   * learned, and so announced to them.
   */
  expectMac: command({ port: PORT, macLo: WORD, macHi: WORD }),
  /** Announces every local address to uplinks. */
  announceAll: command({}),
  /** In service or not: not, its frames are taken and discarded, and it gets none. */
  setPortUp: command({ port: PORT, up: flag }),
  /**
   * Every frame of the port goes to port `to` and nowhere else, and no other port's frame to it;
   * NOT_LINKED ends that, LINK_WAITING discards. Forgets the port's dynamic MAC addresses.
   */
  setLink: command({ port: PORT, to: whole(LINK_WAITING, PORTS_MAX - 1) }),
  /**
   * Reserved addresses, frames to which pass between ports that both have them set; at first no
   * port has any. Bit n of `mask`: 01-80-C2-00-00-0n.
   */
  setReserved: command({ port: PORT, mask: whole(0, 0xffff) }),
  /**
   * Learns addresses on a port as if frames had come from them that long ago.
   * @returns how many; the others found no room
   */
  learnMacs: command({ port: PORT, macs: list(record(LEARNED_MAC), MACS_PER_COMMAND) }, COUNT),
  /**
   * Makes an address static at a port: it neither ages nor moves, and is no other port's.
   * @returns why not, if it is static elsewhere or there is no room
   */
  setStatic: command(
    { port: PORT, macLo: WORD, macHi: WORD },
    choice("done", "elsewhere", "full"),
  ),
  /** Forgets a static address. @returns whether it was one */
  unsetStatic: command({ macLo: WORD, macHi: WORD }, flag),
  /** Frames a second of a port that go to many, 0: no limit; at first none is limited. */
  setStorm: command({ port: PORT, broadcast: FRAMES, multicast: FRAMES, unknown: FRAMES }),
  /** Its isolation group by number, 0: none, as at first; see lib/switch/policy/isolation.ts. */
  setIsolation: command({ port: PORT, group: COUNT }),
  /** Rates of what comes from a port and goes to it, null: none, as at first. */
  setRates: command({ port: PORT, from: maybe(record(RATE)), to: maybe(record(RATE)) }),
  /** Frames to groups go to who is in them, or to all as at first; see Snooping. */
  setSnooping: command({ on: flag, strict: flag }),
  /** Groups that somebody behind a port is in, and a router as a group that is none. */
  listGroups: command(
    { port: PORT },
    list(record({ macLo: WORD, macHi: WORD, seconds: SECONDS }), GROUPS_MAX),
  ),
  /** What a port may not say; at first it may say anything. */
  setGuard: command({ port: PORT, ...GUARDS }),
  /** Of a locked port only static addresses are taken; at first none is. */
  setLock: command({ port: PORT, on: flag }),
  /** Addresses that a port may learn; at first those of `--fdb-port-entries`. */
  setAddressesMax: command({ port: PORT, most: whole(1, 2 ** 20) }),
  /** Adds to the counters of a port, in the order of PORT_COUNTERS. */
  addPortCounters: command({ port: PORT, counts: list(ANY_U64, PORT_COUNTERS.length) }),
  ...TAP_COMMANDS,
  /** Ends the thread. */
  shutdown: command({}),
} as const;

/** A command's name. */
export type Command = keyof typeof COMMANDS;

/** What a command is given. */
export type Given<C extends Command> = Value<(typeof COMMANDS)[C]["given"]>;

/** What a command answers. */
export type Result<C extends Command> = Value<(typeof COMMANDS)[C]["result"]>;

/** A command as a function: without argument, if it is given nothing. */
export type Method<C extends Command> = keyof Given<C> extends never ? () => Result<C>
  : (given: Given<C>) => Result<C>;

/**
 * A command could not be carried out, and what it was for is as before. Thrown by a data plane's
 * methods; it costs the port that it was for, never the process.
 */
export class CommandFailed extends Error {
  /** Stands before the message where the error is printed. */
  override readonly name = "CommandFailed";

  /** Names the command. @param why in the data plane's words */
  constructor(command: Command, why: string) {
    super(`the data plane cannot carry out ${command}: ${why}`);
  }
}

/** The data plane as the control thread sees it. */
export type DataPlane = { readonly [C in Command]: Method<C> };

/** What the data plane does, as its own thread sees it. */
export type Handlers = { readonly [C in Command]: (given: Given<C>) => Result<C> };

const NAMES = Object.keys(COMMANDS) as Command[];

/** Most numbers that any command takes. */
export const GIVEN_NUMBERS_MAX: number = Math.max(
  ...NAMES.map((name) => COMMANDS[name].given.numbersMax),
);
/** Most numbers that any command answers. */
export const RESULT_NUMBERS_MAX: number = Math.max(
  ...NAMES.map((name) => COMMANDS[name].result.numbersMax),
);

/** A command's number in the mailbox. */
export function numberOf(name: Command): number {
  return NAMES.indexOf(name);
}

/** The command with a number. */
export function commandOf(number: number): Command {
  const name = NAMES[number];
  assert(name !== undefined, `Command ${number} is in the table`);
  return name;
}

/** Writes what a command is given. @throws {AssertionError} a value is out of range */
export function writeGiven<C extends Command>(name: C, given: Given<C>, to: Float64Array): void {
  (COMMANDS[name].given as Field<Given<C>>).write(given, new Numbers(to), name);
}

/** Reads what {@linkcode writeGiven} wrote. */
export function readGiven<C extends Command>(name: C, from: Float64Array): Given<C> {
  return (COMMANDS[name].given as Field<Given<C>>).read(new Numbers(from));
}

/** Writes what a command answers. @throws {AssertionError} a value is out of range */
export function writeResult<C extends Command>(name: C, result: Result<C>, to: Float64Array): void {
  (COMMANDS[name].result as Field<Result<C>>).write(result, new Numbers(to), `result of ${name}`);
}

/** Reads what {@linkcode writeResult} wrote. */
export function readResult<C extends Command>(name: C, from: Float64Array): Result<C> {
  return (COMMANDS[name].result as Field<Result<C>>).read(new Numbers(from));
}

/** A data plane of which every command is `call`. */
export function makeDataPlane(
  call: <C extends Command>(name: C, given: Given<C>) => Result<C>,
): DataPlane {
  const methods = NAMES.map((name) => [name, (given: Given<Command> = {}) => call(name, given)]);
  return Object.fromEntries(methods) as DataPlane;
}
