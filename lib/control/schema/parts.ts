/**
 * Parts that several documents of the API have.
 *
 * @module
 */
import { type CounterRow, counterWay, onlyGrows, PORT_ROWS } from "../../switch/counter_rows.ts";
import { REASON_ROWS } from "../../vhost/reasons.ts";
import { RING_REASON_ROWS } from "../../virtio/ring.ts";
import { UPLINK_REASON_ROWS } from "../uplinks/reasons.ts";
import { PORT_NAME } from "../config/port_spec.ts";
import {
  about,
  amount,
  code,
  type CodeRows,
  maybe,
  named,
  numbers,
  record,
  type Schema,
  tally,
  text,
  time,
  whole,
} from "./builder.ts";

/** A number in hex. */
export const HEX = /^0x[0-9a-f]+$/;
/** A MAC address. */
export const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** A port's name. */
export function portName(description: string): Schema<string> {
  return text(description, PORT_NAME);
}

/** A name of a port, or the template of a listener's. */
export const NAME_OR_TEMPLATE = /^[A-Za-z0-9{][A-Za-z0-9._{}-]*$/;

/** Why a connection or a ring was ended. Where both have a code, it has both meanings. */
export const REASONS = [
  ...REASON_ROWS,
  ...RING_REASON_ROWS,
  ...UPLINK_REASON_ROWS,
] as const satisfies CodeRows;

/** Words of `admin`. */
export const ADMIN_WORDS = {
  up: "in service",
  down: "an operator took it out of service",
} as const;

/** Numbers by name. */
export type Counts = Schema<Readonly<Record<string, number>>>;

/** A counter's unit, way and meaning. */
function counterText([name, unit, meaning]: CounterRow): string {
  const way = counterWay(name);
  return `${meaning} (${unit}${way === null ? "" : `, ${way}`})`;
}

/** Counters of these rows, all of them. */
export function counters(description: string, rows: readonly CounterRow[]): Counts {
  return numbers(
    description,
    Object.fromEntries(rows.map((row) => [row[0], whole(counterText(row))])),
  );
}

/** By how much counters of these rows grew, per second; numbers that go up and down have none. */
export function rates(description: string, rows: readonly CounterRow[]): Counts {
  return numbers(
    description,
    Object.fromEntries(
      rows.filter(onlyGrows)
        .map((row) => [row[0], amount(`per second: ${counterText(row)}`)]),
    ),
  );
}

/** Counters of a port. */
export const PORT_COUNTS: Counts = named(
  "port-counters",
  counters("since it was added", PORT_ROWS),
);
/** Their rates, per second. */
export const PORT_RATES: Counts = named("port-rates", rates("of a port", PORT_ROWS));

/** Why a connection or a ring was ended. */
export const REASON: Schema<string> = named(
  "reason",
  code("reason code", REASONS) as Schema<string>,
);

const REASON_COUNTS: Counts = named("reason-counts", tally("how often, by reason code", REASONS));

/** Why connections and rings were ended, counted. */
export function reasonCounts(description: string): Counts {
  return about(description, REASON_COUNTS);
}

/** What went wrong last. */
export const LAST_ERROR: Schema<
  { readonly code: string; readonly detail: string; readonly at: string } | null
> = maybe(
  "nothing did",
  record("what went wrong last", {
    code: REASON,
    detail: text("what it means here, for people"),
    at: time("when"),
  }),
);
