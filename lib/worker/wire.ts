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
import { MEM_SLOTS_MAX, PORTS_MAX, VRINGS_PER_PORT } from "../base/limits.ts";
import { PORT_COUNTERS } from "../switch/counters.ts";
import { STORM_RATE_MAX } from "../switch/policy/storm.ts";
import { LANE_KINDS } from "../switch/ports/lane_port.ts";
import { LINK_WAITING, PORT_KINDS } from "../switch/ports/port.ts";
import { VID_MAX, VLAN_WORDS } from "../switch/vlan/port_vlans.ts";
import { VIRTIO_NET_HDR_BYTES, VIRTIO_NET_HDR_MRG_RXBUF_BYTES } from "../virtio/net_header.ts";
import { ALL_OFFLOADS } from "../virtio/offloads.ts";
import {
  LOG_BY_PLACE,
  QUEUE_FEATURES,
  type QueueFeatures,
  type VringPosition,
} from "../virtio/ring.ts";
import {
  choice,
  type Field,
  flag,
  list,
  maybe,
  nothing,
  Numbers,
  record,
  type Shape,
  type Value,
  type Values,
  whole,
} from "./fields.ts";

export type { VringPosition };

/**
 * Instead of a kick or call descriptor: notifications are messages. Kicks come as `kickVring`, calls
 * leave as events.
 */
export const IN_BAND: number = -2;
/** Addresses learned by one command, at most. */
export const MACS_PER_COMMAND = 512;

const PORT = whole(0, PORTS_MAX - 1);
const VRING = whole(0, VRINGS_PER_PORT - 1);
/** A host address of user space. */
const ADDRESS = whole(0, 2 ** 47 - 1);
const SIZE_BYTES = whole(1, 2 ** 47);
const GUEST_ADDR = whole(0, 2 ** 53 - 1);
/** A number of the tenant's, of 64 bits; above 2^53 it is rounded. */
const ANY_U64 = whole(0, 2 ** 64);
/** Of a mapping, as `addMapping` gave it. */
const MAPPING = whole(1, 2 ** 53 - 1);
/** A descriptor, -1 for none, or {@linkcode IN_BAND}. It stays the control thread's. */
const FD = whole(IN_BAND, 2 ** 31 - 1);
/** A 32-bit word, signed or not. */
const WORD = whole(-(2 ** 31), 2 ** 32 - 1);
/** Guest address at which the device area is logged, LOG_BY_PLACE or LOG_OFF. */
const LOG_GUEST_ADDR = whole(LOG_BY_PLACE, 2 ** 53 - 1);
const COUNT = whole(0, 2 ** 53 - 1);
/** Frames a second. */
const FRAMES = whole(0, STORM_RATE_MAX);
const SECONDS = whole(0, 2 ** 31 - 1);

/** A piece of guest-physical memory and where it is mapped. */
export const REGION = {
  /** First guest-physical address. */
  guestAddr: GUEST_ADDR,
  /** Above 0. */
  sizeBytes: SIZE_BYTES,
  /** Host address of the region's first byte, inside the mapping. */
  address: ADDRESS,
  /** The mapping, as `addMapping` numbered it. */
  mapping: MAPPING,
} as const;
/** See {@linkcode VringPosition}. */
const POSITION: Field<VringPosition> = record({
  availIndex: whole(0, 65535),
  availWrap: whole(0, 1),
  usedIndex: whole(0, 65535),
  usedWrap: whole(0, 1),
});
/** Where a virtqueue's position is kept for the next process. */
export const RECORD = {
  /** Shared with the front-end, or a file of ours (packed rings). */
  kind: choice("journal", "inflight"),
  /** Host address, inside a mapping the data plane knows. */
  address: ADDRESS,
  /** Entries of an inflight region, or of the ring. */
  entries: whole(0, 65535),
  /** Inflight: number of the next chain taken. */
  counter: COUNT,
  /** Inflight, split: chains held before are served first, from the region. */
  listed: flag,
} as const;
const FEATURE_FLAGS = Object.fromEntries(
  Object.keys(QUEUE_FEATURES).map((name) => [name, flag]),
) as { readonly [Name in keyof QueueFeatures]: Field<boolean> };
/** Everything the data plane needs to serve one virtqueue. */
export const VRING_START = {
  /** Entries; a power of two for split rings. */
  size: whole(1, 32768),
  /** VIRTIO_F_RING_PACKED was negotiated. */
  packed: flag,
  /** Which of these features were negotiated, one by one. */
  ...FEATURE_FLAGS,
  /** Bytes of the virtio-net header. */
  headerBytes: whole(VIRTIO_NET_HDR_BYTES, VIRTIO_NET_HDR_MRG_RXBUF_BYTES),
  /** Descriptor table (split) or ring (packed). */
  descAddress: ADDRESS,
  /** Available ring (split) or driver event suppression (packed). */
  driverAddress: ADDRESS,
  /** Used ring (split) or device event suppression (packed). */
  deviceAddress: ADDRESS,
  /** Where it goes on. */
  position: POSITION,
  /** -1: the front-end asks for polling. */
  kickFd: FD,
  /** An eventfd or a socket; -1: the driver polls. */
  callFd: FD,
  /** As `setVringEnabled` sets it. */
  enabled: flag,
  /** As `setVringLog` sets it. */
  logGuestAddr: LOG_GUEST_ADDR,
  /** Null: what is taken and given back is noted nowhere. */
  record: maybe(record(RECORD)),
} as const;
/** A dirty log and where it is mapped. */
export const LOG = {
  /** One bit a page of 4096 bytes. */
  sizeBytes: SIZE_BYTES,
  /** Host address of its first byte, inside the mapping. */
  address: ADDRESS,
  /** The mapping, as `addMapping` numbered it. */
  mapping: MAPPING,
} as const;
/** VLANs of a port, as PortVlans (lib/switch/vlan/port_vlans.ts) has them. */
export const VLANS = {
  /** A bit for each VLAN, those of 32 in each word, the least first. */
  members: list(WORD, VLAN_WORDS),
  /** Of untagged frames; 0: they are in none. */
  native: whole(0, VID_MAX),
  /** What is in its frames is the matter of who is behind it. */
  access: flag,
} as const;
/** A MAC address known on a port, as lib/base/mac.ts has them. */
export const LEARNED_MAC = {
  /** Address bytes 0-3. */
  macLo: WORD,
  /** Address bytes 4-5, and a VLAN in bits 16-27. */
  macHi: WORD,
  /** Since its last frame. */
  ageSeconds: SECONDS,
} as const;

/** A value of {@linkcode REGION}. */
export type PlacedRegion = Values<typeof REGION>;
/** A value of {@linkcode RECORD}. */
export type VringRecord = Values<typeof RECORD>;
/** A value of {@linkcode VRING_START}. */
export type VringStart = Values<typeof VRING_START>;
/** A value of {@linkcode LOG}. */
export type PlacedLog = Values<typeof LOG>;
/** A value of {@linkcode VLANS}. */
export type Vlans = Values<typeof VLANS>;
/** A value of {@linkcode LEARNED_MAC}. */
export type LearnedMac = Values<typeof LEARNED_MAC>;

interface Row<S extends Shape, R> {
  readonly given: Field<Values<S>>;
  readonly result: Field<R>;
}

function command<S extends Shape>(shape: S): Row<S, void>;
function command<S extends Shape, R>(shape: S, result: Field<R>): Row<S, R>;
function command<S extends Shape>(shape: S, result: Field<unknown> = nothing): Row<S, unknown> {
  return { given: record(shape), result };
}

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
  /** Of a locked port only static addresses are taken; at first none is. */
  setLock: command({ port: PORT, on: flag }),
  /** Adds to the counters of a port, in the order of PORT_COUNTERS. */
  addPortCounters: command({ port: PORT, counts: list(ANY_U64, PORT_COUNTERS.length) }),
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
