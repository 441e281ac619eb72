/**
 * The options of a port: each has one row here, from which its reader, the errors, the help of the
 * commands and the table in docs/operate.md come.
 *
 * @module
 */
import { shown } from "../../base/shown.ts";
import { PORTS_MAX, QUEUE_PAIRS_MAX } from "../../base/limits.ts";
import { didYouMean } from "../../base/nearest.ts";
import {
  MAC_CONTROL_DIGIT,
  RESERVED_WORDS,
  reservedDigit,
  reservedName,
} from "../../switch/reserved.ts";
import { RATE_BURST_MS } from "../../switch/policy/rate.ts";
import { MTU_MAX, MTU_MIN } from "../../vhost/device/config_space.ts";
import { OFFER_WORDS } from "../../vhost/features/bits.ts";
import {
  OFFER_WORD_ROWS,
  type OfferWord,
  OFFLOAD_WORD_ROWS,
  type OffloadWord,
} from "../../vhost/features/rows.ts";
import { readSubnet, subnetText } from "../nat/subnet.ts";
import { groupId, userId } from "../sockets/accounts.ts";
import { ControlError, type PortConfig, type SocketOwner } from "../types.ts";
import { GUARD_FORM, GUARD_MEANING, readGuard, readIps } from "./guard_options.ts";
import { readGroup } from "./isolated_option.ts";
import { LIMIT_FORM, readLimit } from "./limit_option.ts";
import { readMac, readMacs } from "./policy_options.ts";
import { BUDGET_FORM, BUDGET_MEANING, readBudget } from "./budget_option.ts";
import { readStorm, STORM_FORM, STORM_MEANING } from "./storm_option.ts";
import { checkTargetOptions, type PortTargetKind } from "./port_targets.ts";
import { checkTrunk, checkVid } from "./port_vlans.ts";

/** One option. */
export interface PortOption {
  /** How its value is written. */
  readonly form: string;
  /** What it does, for the help of a command. */
  readonly brief: string;
  /** What it does, in full, Markdown. */
  readonly meaning: string;
  /** Reads its value: text in a specification, anything in a file or a request. */
  readonly read: (value: unknown) => Partial<PortConfig>;
}

/** Checks a number, or its digits. @throws {ControlError} */
function checkNumber(name: string, value: unknown, min: number, max: number): number {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  const fits = typeof number === "number" && Number.isInteger(number);
  if (fits && number >= min && number <= max) return number;
  throw new ControlError(
    "invalid",
    `${name} ${shown(value)} must be a number from ${min} to ${max}`,
  );
}

/** Checks who listens. @throws {ControlError} */
function checkMode(value: unknown): "listen" | "connect" {
  if (value === "listen" || value === "connect") return value;
  throw new ControlError(
    "invalid",
    `mode "${
      shown(value)
    }" must be listen (the switch binds the socket) or connect (the front-end does)`,
  );
}

/** Checks the words of an offer. @throws {ControlError} */
function checkOffer(value: unknown): OfferWord[] {
  const words: unknown[] = Array.isArray(value) ? value : shown(value).split("+");
  return words.map((given) => {
    const word = OFFER_WORDS.find((known) => known === given);
    if (word) return word;
    const known = OFFER_WORDS.join(", ");
    const fix = didYouMean(shown(given), OFFER_WORDS);
    throw new ControlError(
      "invalid",
      `offer "${shown(given)}" is unknown${fix ? `, ${fix}` : `; known: ${known}`}`,
    );
  });
}

/** Checks which reserved addresses pass; each once, by its word if it has one. */
function checkForward(value: unknown): string[] {
  const given: unknown[] = Array.isArray(value) ? value : shown(value).split("+");
  const names = given.map((each) => {
    const digit = typeof each === "string" ? reservedDigit(each) : null;
    if (digit === MAC_CONTROL_DIGIT) {
      throw new ControlError(
        "invalid",
        `forward "${
          shown(each)
        }" is the address of PAUSE frames, which must not be forwarded: leave it out`,
      );
    }
    if (digit !== null) return reservedName(digit);
    throw new ControlError(
      "invalid",
      `forward "${shown(each)}" is unknown; known: ${
        RESERVED_WORDS.join(", ")
      }, or the last byte of ` +
        `01:80:c2:00:00:0x such as "0e"`,
    );
  });
  return [...new Set(names)];
}

const OFFLOAD_WORDS = Object.keys(OFFLOAD_WORD_ROWS) as readonly OffloadWord[];

/** Checks how far offloads go. @throws {ControlError} */
function checkOffload(value: unknown): OffloadWord {
  // A file's `offload = false` is what it looks like.
  const word = OFFLOAD_WORDS.find((known) => known === (value === false ? "off" : value));
  if (word) return word;
  const fix = didYouMean(shown(value), OFFLOAD_WORDS);
  throw new ControlError(
    "invalid",
    `offload "${shown(value)}" is unknown${
      fix ? `, ${fix}` : `; known: ${OFFLOAD_WORDS.join(", ")}`
    }`,
  );
}

/** Checks what is on or off. @throws {ControlError} */
function checkSwitch(name: string, value: unknown): boolean {
  if (value === "on" || value === true) return true;
  if (value === "off" || value === false) return false;
  throw new ControlError("invalid", `${name} ${shown(value)} must be on or off`);
}

/** Reads USER or USER:GROUP, each a name or number. @throws {ControlError} */
function checkOwner(value: unknown): SocketOwner {
  const [user = "", group, ...more] = shown(value).split(":");
  if (user === "" || group === "" || more.length > 0) {
    throw new ControlError(
      "invalid",
      `owner ${shown(value)} must be USER or USER:GROUP, names or numbers`,
    );
  }
  const what = "give a socket to";
  return {
    uid: userId(user, what),
    gid: group === undefined ? null : groupId(group, what),
  };
}

/** Reads users, names or numbers, each once. @throws {ControlError} */
function checkPeerUids(value: unknown): number[] {
  const given: unknown[] = Array.isArray(value) ? value : shown(value).split("+");
  if (given.length === 0) {
    throw new ControlError("invalid", "peer-uid names nobody: name users, or leave it out");
  }
  return [...new Set(given.map((user) => userId(shown(user), "let in")))];
}

/** Words of an offer, each with what it is, Markdown. */
const OFFERS = Object.entries(OFFER_WORD_ROWS).map(([word, what]) => `\`${word}\` (${what})`);

/** How far offloads go, word by word, Markdown. */
const OFFLOADS = Object.entries(OFFLOAD_WORD_ROWS).map(([word, what]) => `\`${word}\` (${what})`);

/** Options of a port by their name in a specification, a configuration file and the control API. */
export const PORT_OPTIONS: Readonly<Record<string, PortOption>> = {
  mode: {
    form: "listen|connect",
    brief: "who makes the socket, the switch or the front-end",
    meaning: "who makes the socket, see [attach](attach.md#who-listens-and-for-how-many)",
    read: (value) => ({ mode: checkMode(value) }),
  },
  multi: {
    form: "N",
    brief: "N front-ends at once, NAME has {n} for their numbers",
    meaning: "N front-ends at one socket, `{n}` in NAME",
    read: (value) => ({ multi: checkNumber("multi", value, 1, PORTS_MAX) }),
  },
  mtu: {
    form: "N",
    brief: "offered to the guest and enforced",
    meaning:
      `offered to the guest (${MTU_MIN}-${MTU_MAX}) and enforced: frames of N + 22 bytes pass ` +
      "(Ethernet header and two VLAN tags). A larger one of the front-end's is refused, or said in " +
      "the log if it waits for no answer",
    read: (value) => ({ mtu: checkNumber("mtu", value, MTU_MIN, MTU_MAX) }),
  },
  queues: {
    form: "N",
    brief: "queue pairs at most",
    meaning: `queue pairs at most, 1-${QUEUE_PAIRS_MAX} (${QUEUE_PAIRS_MAX})`,
    read: (value) => ({ queuePairs: checkNumber("queues", value, 1, QUEUE_PAIRS_MAX) }),
  },
  mac: {
    form: "ADDRESS",
    brief: "the address in the device's configuration space",
    meaning: "the address a front-end finds in its device's configuration space; by itself it " +
      "limits nothing, see `lock=`",
    read: (value) => ({ mac: readMac(value) }),
  },
  static: {
    form: "ADDRESS+…",
    brief: "addresses that are here and nowhere else",
    meaning: "addresses that are [static](policy.md#who-may-have-an-address) at this port: they " +
      "neither age nor move, and no other port may send from them",
    read: (value) => ({ static: readMacs(value) }),
  },
  lock: {
    form: "on|off",
    brief: "on: only the addresses of mac= and static= may be sources",
    meaning: "`on`: frames from any other address than those of `mac=` and `static=` are dropped " +
      "(`rxDroppedSpoofed`), and those are static here",
    read: (value) => ({ lock: checkSwitch("lock", value) }),
  },
  storm: {
    form: STORM_FORM,
    brief: "frames a second that may go to many ports at once",
    meaning: `frames a second that may go to many ports at once, by kind: ${STORM_MEANING}; see ` +
      "[storm limits](policy.md#storm-limits)",
    read: (value) => ({ storm: readStorm(value) }),
  },
  limit: {
    form: LIMIT_FORM,
    brief: "bits and frames a second from the guest (rx) and to it (tx), such as rx:100M/50kpps",
    meaning:
      "[rates](policy.md#rates) of what comes from the guest (`rx:`) and goes to it (`tx:`, " +
      "neither: both), in bits (`100Mbit`, `100M`) and frames (`50kpps`) a second; what is above " +
      "one is dropped (`rxDroppedRate`, `txDroppedRate`). `200ms` beside them is the burst " +
      `(${RATE_BURST_MS}ms); \`off\`: none`,
    read: (value) => {
      const limit = readLimit(value);
      return limit === undefined ? {} : { limit };
    },
  },
  isolated: {
    form: "GROUP",
    brief: "never a frame between ports of one group",
    meaning: "ports of one [group](policy.md#isolated-ports), a name of your choice, never get a " +
      "frame of one another, only of ports outside of it and of uplinks; `off`: in none",
    read: (value) => {
      const isolated = readGroup(value);
      return isolated === undefined ? {} : { isolated };
    },
  },
  budget: {
    form: BUDGET_FORM,
    brief: "how much of memory, regions and addresses it may have, see port show --limits",
    meaning: `how much it may have: ${BUDGET_MEANING}; see [limits](reference.md#limits-of-a-port)`,
    read: (value) => ({ budget: readBudget(value) }),
  },
  guard: {
    form: GUARD_FORM,
    brief: "drop what DHCP servers or routers say",
    meaning: `what the port may not say: ${GUARD_MEANING}; \`on\`: all of it. See ` +
      "[guards](guards.md)",
    read: (value) => ({ guard: readGuard(value) }),
  },
  ip: {
    form: "ADDRESS+…",
    brief: "IP addresses and prefixes that it may speak with",
    meaning:
      "the IP addresses, and prefixes such as `2001:db8::/64`, that the port may send from and " +
      "claim by ARP and neighbour discovery; others are dropped (`rxDroppedIp`). See " +
      "[guards](guards.md#addresses)",
    read: (value) => ({ ip: readIps(value) }),
  },
  announce: {
    form: "on|off",
    brief: "off leaves GUEST_ANNOUNCE out",
    meaning: "`off` leaves GUEST_ANNOUNCE out; User-Mode Linux needs that, and `queues=1`",
    read: (value) => ({ announce: checkSwitch("announce", value) }),
  },
  offload: {
    form: OFFLOAD_WORDS.join("|"),
    brief: "how far checksum and segmentation offloads are offered, all by default",
    meaning: `how far [offloads](how-it-works.md#offloads) are offered: ${OFFLOADS.join(", ")}; ` +
      "`uso` by default. Keep it for as long as a guest lives, and for both ends of a migration",
    read: (value) => ({ offload: checkOffload(value) }),
  },
  forward: {
    form: "WORD+…",
    brief:
      `${RESERVED_WORDS.join("+")}: let these, or 0e of 01:80:c2:00:00:0e, pass between ports ` +
      "that both have them",
    meaning:
      "let frames to these reserved addresses pass between ports that both have them: `lldp` " +
      "(…:0e), `lacp` (…:02, all slow protocols), `eapol` (…:03), `stp` (…:00), or another one by " +
      "its last byte, such as `0d`; without it they are dropped (`rxDroppedReserved`)",
    read: (value) => ({ forward: checkForward(value) }),
  },
  uplink: {
    form: "on|off",
    brief:
      "behind it is the outside: nothing passes between uplinks, local addresses are announced",
    meaning:
      "whether it is an [uplink](uplinks.md#rules): nothing passes between two of them, and " +
      "local addresses are announced there (`on` for a TAP, and for a process at a socket of its own)",
    read: (value) => ({ uplink: checkSwitch("uplink", value) }),
  },
  owner: {
    form: "USER[:GROUP]",
    brief: "user and group that own the socket's file",
    meaning: "user, and group, that own the socket's file, names or numbers: with `--socket-mode " +
      "0600` that user's processes alone can connect. The switch must be root, or have CAP_CHOWN",
    read: (value) => ({ owner: checkOwner(value) }),
  },
  "peer-uid": {
    form: "USER+…",
    brief: "users whose processes may be its front-end",
    meaning:
      "users, names or numbers, whose processes may be its front-end, whatever the socket's " +
      "file allows: others are held a second and refused (`peer-uid`)",
    read: (value) => ({ peerUids: checkPeerUids(value) }),
  },
  subnet: {
    form: "ADDRESS/N",
    brief: "the guests' network of a port that is nat",
    meaning: "the guests' network of a port that is `nat`, see [NAT](nat.md); one that is free",
    read: (value) => ({ subnet: subnetText(readSubnet(value)) }),
  },
  access: {
    form: "VID",
    brief: "in this VLAN alone, frames to and from the guest without tags",
    meaning:
      "the one [VLAN](vlans.md) that the port is in, 1-4094: frames to and from the guest have " +
      "no tag, and those of other VLANs never pass",
    read: (value) => ({ access: checkVid("access", value) }),
  },
  trunk: {
    form: "LIST",
    brief: "in these VLANs, such as 1-10,20, frames with tags",
    meaning:
      "the [VLANs](vlans.md) that the port is in, such as `1-10,20`: frames have their tags; " +
      "those without one are dropped, unless `native=` says where they belong",
    read: (value) => ({ trunk: checkTrunk(value) }),
  },
  native: {
    form: "VID",
    brief: "of a trunk, the VLAN of frames without tags",
    meaning:
      "of a trunk, the VLAN of frames without tags, either way; without `trunk=` the port is " +
      "in all VLANs",
    read: (value) => ({ native: checkVid("native", value) }),
  },
  offer: {
    form: "WORD+…",
    brief: `${OFFER_WORDS.join("+")}: offer what is off by default`,
    meaning: `offer what is off by default: ${OFFERS.join(", ")}`,
    read: (value) => ({ offer: checkOffer(value) }),
  },
};

/** Names of all options. */
export const OPTION_NAMES: readonly string[] = Object.keys(PORT_OPTIONS);

/** An option and a form of its values. */
export function optionForm(name: string): string {
  return `${name}=${PORT_OPTIONS[name]?.form ?? ""}`;
}

/**
 * Reads those of a table's entries that are options. @param kind what is behind the port, if no
 * front-end @throws {ControlError} naming the fix
 */
export function readOptions(
  table: Readonly<Record<string, unknown>>,
  kind?: PortTargetKind,
): Partial<PortConfig> {
  let read: Partial<PortConfig> = {};
  checkTargetOptions(kind, OPTION_NAMES.filter((name) => table[name] !== undefined));
  for (const [name, option] of Object.entries(PORT_OPTIONS)) {
    if (table[name] !== undefined) read = { ...read, ...option.read(table[name]) };
  }
  return read;
}
