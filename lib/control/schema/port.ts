/**
 * A port and its virtqueues in the JSON of the API.
 *
 * @module
 */
import { onlyGrows, VRING_ROWS } from "../../switch/counter_rows.ts";
import { MTU_MAX, MTU_MIN } from "../../vhost/device/config_space.ts";
import { VID_MAX } from "../../switch/vlan/port_vlans.ts";
import { VIRTQUEUE_SIZE_MAX } from "../../virtio/ring.ts";
import { QUEUE_PAIRS_MAX, VRINGS_PER_PORT } from "../../base/limits.ts";
import type { RateLimit } from "../config/limit_option.ts";
import { VERDICT_LEVELS, VERDICT_ROWS } from "../verdict/rows.ts";
import { PROBLEM_ROWS } from "../vhost_port/problem_codes.ts";
import {
  about,
  amount,
  choice,
  code,
  flag,
  list,
  maybe,
  named,
  optional,
  record,
  type Schema,
  text,
  time,
  whole,
} from "./builder.ts";
import {
  ADMIN_WORDS,
  counters,
  HEX,
  LAST_ERROR,
  NAME_OR_TEMPLATE,
  PORT_COUNTS,
  PORT_RATES,
  portName,
  rates as growth,
  REASON,
  reasonCounts,
} from "./parts.ts";

/** Largest process and user numbers of Linux. */
const PID_MAX = 2 ** 22;
const UID_MAX = 2 ** 32 - 1;
const RING = /^(split|packed)\/[1-9][0-9]{0,4}$/;

/** A link's state. */
const LINK = choice("its link", {
  wait: "no front-end, or no device",
  down: "a front-end is connected, its virtqueues do not run; or the device is down",
  up: "frames flow",
});

/** Why a port does not work. */
const PROBLEM = record("why a port does not work, for whoever has to mend it", {
  code: code("stable", PROBLEM_ROWS),
  text: text("what is wrong"),
  hint: maybe("nothing is known to", text("what helps")),
});

const MEMORY_REGION = record("a region of guest memory", {
  guestAddr: text("first guest-physical address", HEX),
  sizeBytes: whole("bytes", 1),
  userAddr: text("first address in the front-end", HEX),
});

const PEER = record("the front-end", {
  pid: whole("process, as the switch sees it; 0: of another PID namespace", 0, PID_MAX),
  uid: whole("user", 0, UID_MAX),
  command: text("the process' name, which it may choose itself"),
});

const ELSEWHERE = "it is in another network namespace";

/** The network device behind a port. */
const DEVICE = record("the network device behind it", {
  name: text("its name"),
  mtu: maybe(ELSEWHERE, whole("its MTU, bytes")),
  up: maybe(ELSEWHERE, flag("it is switched on")),
  carrier: maybe(ELSEWHERE, flag("it is, and has a carrier")),
  headerBytes: whole("bytes of the virtio-net header in front of each frame"),
  offloads: list("forms of unfinished frames that the kernel may hand over", text("TUN_F name")),
  queues: whole("its queues that this port serves"),
});

/** An IPv4 address. */
const IPV4 = /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/;

/** How a port does NAT. */
const NAT = record("the NAT behind it", {
  by: choice("what translates", {
    tap: "the kernel, by nftables, behind a TAP device",
    slirp4netns: "that program",
    passt: "that program, for one guest",
  }),
  subnet: text("the guests' network", /^[0-9.]+\/[0-9]+$/),
  gateway: text("the guests' way out", IPV4),
  helper: text("program that gives guests addresses, and names"),
  helperPid: maybe("it does not run now", whole("its process", 1, PID_MAX)),
  helperStarts: whole("how often it was started", 0),
});

const VLANS = record("its VLANs", {
  access: maybe("it is a trunk", whole("the one that it is in, without tags", 1, VID_MAX)),
  trunk: maybe("it is an access port", text("those that it is in, such as 1-10,20", /^[0-9,-]+$/)),
  native: maybe("there are none", whole("of a trunk, that of frames without tags", 1, VID_MAX)),
});

function rates(way: string): Schema<RateLimit | null> {
  return maybe(
    "any",
    record(`rates ${way}`, {
      bits: whole("bits a second; 0: any number"),
      frames: whole("frames a second, large ones as they are cut; 0: any number"),
      burstMs: whole("what it may be ahead, ms", 1),
    }),
  );
}

const LIMITS = record("its rates, as in limit= of a port", {
  rx: rates("from the guest"),
  tx: rates("to the guest"),
});

const NO_FRONT_END = "no front-end is connected";

/** What front-ends are offered, as the operator wrote it. */
const OFFERED = record("what front-ends are offered", {
  queuePairs: maybe(
    "nobody named a number, all that there can be",
    whole("queue pairs at most", 1),
  ),
  mtu: maybe("nobody named one", whole("MTU of a guest at most", MTU_MIN, MTU_MAX)),
  mac: maybe("nobody named one", text("address of the guest's NIC, of mac= or static=")),
  words: list("what is off by default, as in offer= of a port", text("a word")),
});

/** Regions of guest memory that the front-end shared. */
const MEMORY = list("guest memory that the front-end shared", MEMORY_REGION);
/** Negotiated virtio features. */
const FEATURES = maybe(NO_FRONT_END, text("negotiated virtio feature bits", HEX));
/** Negotiated virtio or protocol features by name. */
const FEATURE_NAMES = list("their names", text("name, or bit N"));

/** `port show NAME`. */
const PORT_STATUS = named(
  "port-status",
  record("a port", {
    name: portName("name"),
    kind: choice("what is behind it", {
      vhost: "a vhost-user front-end",
      tap: "a TAP device of this host",
      stream: "a process at a stream socket",
      seqpacket: "a process at a socket of packets",
      nat: "the internet, by NAT of this host",
    }),
    uplink: flag("it is an uplink: nothing passes to another one, local addresses are announced"),
    link: LINK,
    socket: text("path of its socket, or fd N if it was inherited; of another kind, its target"),
    mode: choice("who listens at the socket", {
      listen: "the switch",
      connect: "the front-end, or it is a device that the switch opens",
    }),
    admin: choice("whether it is in service", ADMIN_WORDS),
    retry: maybe(
      "it does not wait for that",
      record("why a port in mode connect has no front-end, or another one no device", {
        reason: text("why, for people"),
        afterMs: whole("how long it waits before it tries again, ms"),
      }),
    ),
    listener: maybe("it has none", text("name of the listener it came from", NAME_OR_TEMPLATE)),
    linkedTo: maybe("it is not linked", portName("the port it is linked with")),
    queuePairs: whole("queue pairs that frames flow through", 0, QUEUE_PAIRS_MAX),
    ring: maybe("its rings do not run", text("kind and size of its rings", RING)),
    features: FEATURES,
    featureNames: FEATURE_NAMES,
    protocolFeatures: maybe(NO_FRONT_END, text("negotiated protocol feature bits", HEX)),
    protocolFeatureNames: FEATURE_NAMES,
    peer: maybe(`${NO_FRONT_END}, or the kernel cannot tell`, PEER),
    device: maybe("it has none", DEVICE),
    nat: maybe("it does no NAT", NAT),
    mtu: maybe(
      "nobody named one",
      whole("MTU in force: the front-end's, at most the operator's", MTU_MIN, MTU_MAX),
    ),
    forward: list(
      "reserved addresses that pass, as in forward= of a port",
      text("a word, or the address' last byte"),
    ),
    vlans: maybe("it says nothing of VLANs", VLANS),
    limit: maybe("it has none", LIMITS),
    isolated: maybe("it is in none", text("its isolation group, as in isolated= of a port")),
    guard: list("what it may not say, as in guard= of a port", text("a word")),
    ip: list(
      "IP addresses and prefixes that it may speak with; none: any",
      text("such as 10.0.0.5 or 2001:db8::/64", /^[0-9a-f.:]+(\/[0-9]{1,3})?$/),
    ),
    connects: whole("front-ends that connected since the port was added"),
    connectedAt: maybe(NO_FRONT_END, time("when the front-end connected")),
    linkSince: time("since when the link is what it is"),
    lastError: LAST_ERROR,
    verdict: text("its state in words, with what helps"),
    verdictCode: code(
      "which verdict that is, or which of its problems",
      [...VERDICT_ROWS.map(([word, , meaning]) => [word, meaning] as const), ...PROBLEM_ROWS],
    ) as Schema<string>,
    verdictLevel: choice("how bad that is", VERDICT_LEVELS),
    verdictFix: maybe("nothing is to be done, or nothing is known to", text("what helps")),
    counters: PORT_COUNTS,
    errors: reasonCounts("why connections and rings were ended by the switch, and how often"),
    problems: list("what is wrong now as far as one can tell from here", PROBLEM),
    memory: MEMORY,
    sharesMemoryWith: list(
      "ports that brought one of the same memory files: as a rule, of the same machine",
      portName("name"),
    ),
    offered: maybe("it is for no front-end", OFFERED),
    rates: optional(
      record("how fast counters grow: only with --rate or --watch", {
        seconds: amount("time between the two looks, s"),
        counters: PORT_RATES,
      }),
    ),
  }),
);

/** One of `vring show PORT`. */
const VRING_STATUS = named(
  "vring-status",
  record("a virtqueue", {
    index: whole("number; even: to the guest, odd: from it", 0, VRINGS_PER_PORT - 1),
    direction: choice("where its frames go", { "to guest": "", "from guest": "" }),
    state: choice("its state", {
      stopped: "not started, or stopped by the front-end",
      disabled: "started, and not enabled",
      running: "frames flow",
      broken: "stopped by the switch",
    }),
    size: whole("entries", 0, VIRTQUEUE_SIZE_MAX),
    packed: flag("packed virtqueue; false: split"),
    lastAvail: whole("position of the last buffer taken"),
    lastUsed: whole("position of the last buffer given back"),
    counters: counters(
      "since the virtqueue was started",
      VRING_ROWS.filter(([name]) => name !== "lastAvail" && name !== "lastUsed"),
    ),
    error: maybe(
      "it was not",
      about("why it was stopped by the switch", REASON),
    ),
    errors: reasonCounts("why it was stopped since its front-end came, and how often"),
    rates: optional(growth(
      "how fast they grow: only with --rate or --watch",
      VRING_ROWS.filter(onlyGrows),
    )),
  }),
);

/** `vring show PORT`. */
const VRING_LIST = record("vring show: the virtqueues of a port", {
  port: portName("name"),
  link: LINK,
  features: FEATURES,
  featureNames: FEATURE_NAMES,
  memory: MEMORY,
  vrings: list("those in use; the first pair always", VRING_STATUS),
});

/** Schemas of ports, of what may be wrong with one, and of their virtqueues. */
export const PORT_SCHEMAS = { OFFERED, PORT_STATUS, PROBLEM, VRING_LIST, VRING_STATUS } as const;
