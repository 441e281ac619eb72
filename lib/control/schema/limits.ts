/**
 * Limits of a port in the JSON of the API.
 *
 * @module
 */
import { LIMIT_NAMES, type LimitName, limitRow, type LimitUnit } from "../../base/port_limits.ts";
import {
  about,
  choice,
  code,
  type CodeRows,
  list,
  maybe,
  record,
  type Schema,
  text,
  whole,
} from "./builder.ts";
import { NAME_OR_TEMPLATE, REASON } from "./parts.ts";

const NAMES: CodeRows = LIMIT_NAMES.map((name) => [name, limitRow(name).meaning]);

const UNIT: Schema<LimitUnit> = code("what it is counted in", [
  ["bytes", ""],
  ["GiB", "of address space"],
  ["regions", "of guest memory"],
  ["descriptors", "of files and sockets"],
  ["vrings", "virtqueues"],
  ["entries", "of a virtqueue"],
  ["translations", "of an IOMMU"],
  ["front-ends", ""],
  ["messages", "of a front-end"],
  ["addresses", "MAC addresses"],
  ["ms", "milliseconds"],
]);

const LIMIT = record("a limit", {
  name: code("its name", NAMES) as Schema<LimitName>,
  unit: UNIT,
  scope: choice("who shares it", {
    port: "nobody: it is this port's",
    socket: "all front-ends of a socket",
    switch: "all ports",
  }),
  limit: whole("at most so many, here and now"),
  used: maybe("nobody counts them on this thread", whole("so many are used now")),
  left: maybe("the same", whole("so many could be had; what others may have is taken off")),
  reason: maybe(
    "nothing ends, or is refused",
    about("what more is refused with, or ended for", REASON),
  ),
});

/** `port show NAME --limits`. */
const PORT_LIMITS = record(
  "port show --limits; GET /v1/ports/NAME/limits: what a port or listener may have",
  {
    name: text("name of the port, or of the listener", NAME_OR_TEMPLATE),
    limits: list("those that mean something there", LIMIT),
  },
);

/** Schemas of limits. */
export const LIMIT_SCHEMAS = { LIMIT, PORT_LIMITS } as const;
