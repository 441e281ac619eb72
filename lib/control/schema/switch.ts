/**
 * The switch, its listeners, links and addresses in the JSON of the API.
 *
 * @module
 */
import { FDB_ROWS, onlyGrows, WORKER_ROWS } from "../../switch/counter_rows.ts";
import { VID_MAX } from "../../switch/vlan/port_vlans.ts";
import { PORTS_MAX } from "../../base/limits.ts";
import {
  about,
  amount,
  byName,
  choice,
  code,
  flag,
  list,
  maybe,
  named,
  optional,
  pair,
  record,
  type Schema,
  share,
  text,
  time,
  whole,
} from "./builder.ts";
import {
  ADMIN_WORDS,
  counters,
  LAST_ERROR,
  MAC,
  NAME_OR_TEMPLATE,
  PORT_COUNTS,
  PORT_RATES,
  portName,
  rates,
  reasonCounts,
} from "./parts.ts";
import { PORT_SCHEMAS } from "./port.ts";

const { OFFERED, PORT_STATUS, PROBLEM } = PORT_SCHEMAS;

/** A listening socket that takes many front-ends. */
const LISTENER_STATUS = named(
  "listener-status",
  record("a listening socket that takes many front-ends", {
    name: text("name template of its ports, with {n} for their numbers", NAME_OR_TEMPLATE),
    socket: text("path of its socket, or fd N if it was inherited"),
    admin: choice("whether it is in service", ADMIN_WORDS),
    adminSince: time("since when"),
    multi: whole("front-ends it takes at once", 1, PORTS_MAX),
    ports: list("its ports of now", portName("name")),
    connects: whole("front-ends that connected"),
    lastConnectAt: maybe("none did", time("when the last one connected")),
    lastError: LAST_ERROR,
    refused: reasonCounts("why front-ends were not taken, and how often"),
    errors: reasonCounts("why connections of its ended ports were closed by the switch"),
    problems: list("what is wrong with its socket now", PROBLEM),
    offered: OFFERED,
  }),
);

/** One of `link list`. */
const LINK_STATUS = named(
  "link-status",
  record("two ports whose frames go to each other and nowhere else", {
    ports: pair("the two", portName("name")),
    state: choice("its state", {
      linked: "both ports are there",
      waiting: "a port is missing, frames of the other go nowhere",
    }),
    configured: flag("it stands in the configuration and outlives its ports"),
  }),
);

/** One of `mirror list`. */
const MIRROR_STATUS = named(
  "mirror-status",
  record("a port that gets copies of what others get and send", {
    name: portName("its name"),
    from: list("ports that it copies from", portName("name")),
    to: portName("port that gets the copies, and nothing else"),
    direction: choice("which frames", {
      in: "that come from these ports",
      out: "that go to them",
      both: "",
    }),
    state: choice("its state", {
      mirroring: "frames are copied",
      waiting: "the port that gets them is missing, or all that they come from",
    }),
    configured: flag("it stands in the configuration and outlives its ports"),
  }),
);

/** One of `group list`. */
const GROUP_STATUS = named(
  "group-status",
  record("a group that somebody behind a port is in, or a router", {
    port: portName("the port"),
    vlan: whole("VLAN identifier; 0: there are no VLANs", 0, VID_MAX),
    group: maybe("a router, which gets all groups", text("Ethernet address of the group", MAC)),
    secondsLeft: whole("until it is forgotten, if nobody says it again"),
  }),
);

/** One of `fdb show`. Keys as `bridge -j fdb` has them, where it has them. */
const FDB_STATUS = named(
  "fdb-status",
  record("an address and where it is", {
    mac: text("MAC address", MAC),
    port: portName("where it lives"),
    vlan: whole(
      "VLAN identifier; 0: of a static one, all of its port; there are no VLANs",
      0,
      VID_MAX,
    ),
    state: code("how it got here", [["dynamic", "learned"], [
      "static",
      "an operator put it there: it neither ages nor moves",
    ]]),
    ageSeconds: whole("time since it was last seen as a source, s; 0: it is static"),
  }),
);

const SECONDS = amount("time between the two looks, s");

const IDLE = choice("what the data plane does without work", {
  poll: "it looks on",
  adaptive: "it looks on for a while, then sleeps",
  sleep: "it sleeps",
});
const CPUS = list("processors of the data plane; none: any", whole("number"));

function partOfTime(description: string): Schema<number | null> {
  return maybe("there is no time to share", share(description));
}

/** What a data plane did with some time. */
const WORK = named(
  "work",
  record("what a data plane did in some time", {
    seconds: amount("how long that is, s: all of it is told apart"),
    busy: partOfTime("of the time, in rounds that took frames"),
    idle: partOfTime("of the time, without frames: polling and asleep"),
    polling: partOfTime("of the time, in rounds that found none"),
    asleep: partOfTime("of the time, asleep"),
    commands: partOfTime("of the time, in commands of the control thread"),
    waited: partOfTime("of the time, not running: others had its processor, or a call held it"),
    nsPerFrame: maybe("no frames", amount("busy time for each frame, ns")),
    counters: counters("growth of its counters", WORKER_ROWS.filter(onlyGrows)),
  }),
);

/** One of `worker show`. */
const WORKER_STATUS = named(
  "worker-status",
  record("a data plane: a thread that moves frames", {
    number: whole("its number, from 0 on"),
    at: time("when this was so"),
    idle: IDLE,
    cpus: CPUS,
    longestStallUs: whole("longest time away from its queues, sleep aside, since it started, us"),
    total: about("what it did since it started", WORK),
    lately: optional(about("what it did between two looks: only with --rate", WORK)),
  }),
);

/** By how much the counters of the whole switch grew. */
const SWITCH_RATES = record("how fast counters grow: only with --rate", {
  seconds: SECONDS,
  ports: byName("ports that were there at both looks", PORT_RATES),
  fdb: rates("of the forwarding database", FDB_ROWS),
  worker: rates("of the data plane", WORKER_ROWS),
});

/** `stats`: the switch as a whole. */
const SWITCH_STATUS = record("stats; GET /v1/switch: the switch as a whole", {
  version: text("of vuswitch"),
  pid: whole("its process", 1),
  at: time("when this was so"),
  startedAt: time("when it was started"),
  uptimeSeconds: whole("time since then, s"),
  socketDir: text("folder of sockets without a path of their own, absolute"),
  idle: IDLE,
  unknown: choice("where frames to addresses that nobody knows go", {
    flood: "to all ports",
    uplink: "to uplinks alone",
  }),
  cpus: CPUS,
  fdb: counters("of the forwarding database", FDB_ROWS),
  addresses: record("how many addresses are known now, and where", {
    ports: byName("of each port, static ones included", whole("addresses")),
    vlans: byName("of each VLAN that has any; 0: without one", whole("addresses")),
  }),
  fdbEntriesMax: whole("addresses that it holds"),
  fdbPortEntriesMax: whole("of them, those of one port at most"),
  worker: counters("of the data plane", WORKER_ROWS),
  ports: list("all ports", PORT_STATUS),
  listeners: list("all listeners", LISTENER_STATUS),
  links: list("all links", LINK_STATUS),
  rates: optional(SWITCH_RATES),
});

/** `stats PORT`. */
const PORT_STATS = record("stats PORT: the counters of one port", {
  name: text("name of the port, or of a listener: that has no counters", NAME_OR_TEMPLATE),
  at: time("when this was so"),
  counters: maybe("a listener has none", PORT_COUNTS),
  errors: reasonCounts("why connections and rings were ended by the switch, and how often"),
  rates: optional(
    record("how fast counters grow: only with --rate", {
      seconds: SECONDS,
      counters: PORT_RATES,
    }),
  ),
  ports: optional(
    byName(
      "of a listener: its ports of now",
      record("one of them", {
        counters: PORT_COUNTS,
        errors: reasonCounts("why rings were ended by the switch, and how often"),
        rates: optional(about("per second: only with --rate", PORT_RATES)),
      }),
    ),
  ),
});

/** Schemas of the switch, its listeners, links and addresses, and of counters. */
export const SWITCH_SCHEMAS = {
  FDB_STATUS,
  GROUP_STATUS,
  LINK_STATUS,
  MIRROR_STATUS,
  LISTENER_STATUS,
  PORT_STATS,
  SWITCH_STATUS,
  WORK,
  WORKER_STATUS,
} as const;
