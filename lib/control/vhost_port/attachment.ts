/**
 * What a port has of the one front-end that is connected.
 *
 * @module
 */
import type { Session } from "../../vhost/session.ts";
import type { BackEndLink } from "../front_end/back_end_link.ts";
import type { Connection } from "../front_end/connection.ts";
import type { RingRecords } from "../front_end/ring_records.ts";
import type { Arrival } from "../sockets/arrival.ts";
import type { PeerWatch } from "../sockets/peer_watch.ts";
import type { Visit } from "../sockets/visits.ts";
import type { PortStatus } from "../types.ts";

/** A connected front-end. */
export interface Attachment {
  /** Its connection. */
  readonly fd: number;
  /** What it has said so far. */
  readonly session: Session;
  /** Reads what it says. */
  readonly connection: Connection;
  /** When it counts as a front-end. */
  readonly arrival: Arrival;
  /** What the log hears of it. */
  readonly visit: Visit;
  /** Its process when it connected, or null. */
  readonly peer: PortStatus["peer"];
  /** Whether that has ended. */
  readonly watch: PeerWatch;
  /** Where its rings stand. */
  readonly records: RingRecords;
  /** The channel to it. */
  readonly backEnd: BackEndLink;
}
