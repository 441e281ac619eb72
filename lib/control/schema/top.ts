/**
 * What `top` prints in JSON, and draws on a terminal: how fast everything is, of late.
 *
 * @module
 */
import {
  amount,
  byName,
  choice,
  list,
  maybe,
  named,
  record,
  share,
  text,
  time,
  whole,
} from "./builder.ts";
import { portName } from "./parts.ts";
import { VERDICT_LEVELS } from "../verdict/rows.ts";

/** How fast frames go. */
const FLOW = named(
  "flow",
  record("how fast frames go, a second", {
    rxFrames: amount("frames from the guest"),
    rxBits: amount("bits of them"),
    txFrames: amount("frames to the guest"),
    txBits: amount("bits of them"),
    drops: amount("frames that were dropped, for whatever reason"),
  }),
);

/** A port of late. */
const TOP_PORT = named(
  "top-port",
  record("a port of late", {
    name: portName("its name"),
    link: text("its link, and what is wrong with it, as port list has it"),
    flow: FLOW,
    share: share("of the frames of all ports"),
    dropped: byName("frames dropped, a second, by counter; those that are not 0", amount("")),
    verdict: text("what is said of it by what it did of late"),
    verdictCode: text("which verdict that is, see port show"),
    verdictLevel: choice("how bad that is", VERDICT_LEVELS),
    verdictFix: maybe("nothing is to be done, or nothing is known to", text("what helps")),
  }),
);

/** A data plane of late. */
const TOP_WORKER = record("a data plane of late", {
  number: whole("its number, from 0 on"),
  busy: maybe("there is no time to share", share("of the time, in rounds that took frames")),
  polling: maybe("there is no time to share", share("of the time, in rounds that found none")),
  asleep: maybe("there is no time to share", share("of the time, asleep")),
  waited: maybe("there is no time to share", share("of the time, not running")),
  frames: amount("frames taken a second"),
  nsPerFrame: maybe("no frames", amount("busy time for each frame, ns")),
});

/** `top -o json`, a line. */
const TOP = record("a line of top -o json: how fast everything is, of late", {
  at: time("when this was so"),
  seconds: amount("since the look before, s: all rates are of that time"),
  version: text("of vuswitch"),
  pid: whole("its process", 1),
  uptimeSeconds: whole("since it was started, s"),
  addresses: whole("addresses known now"),
  addressesMax: whole("addresses that it can know"),
  all: FLOW,
  workers: list("data planes", TOP_WORKER),
  ports: list("all ports, those with most frames first", TOP_PORT),
});

/** Schemas of what is watched. */
export const TOP_SCHEMAS = { TOP } as const;
