/**
 * What `capture` prints of frames in JSON.
 *
 * @module
 */
import { choice, list, maybe, record, type Schema, text, whole } from "./builder.ts";
import { MAC, portName } from "./parts.ts";

/** A frame as its headers describe it. */
export interface CapturedFrame {
  /** See the schema, as of all fields. */
  readonly at: string;
  /** See the schema. */
  readonly port: string;
  /** See the schema. */
  readonly direction: "in" | "out";
  /** See the schema. */
  readonly bytes: number;
  /** See the schema. */
  readonly captured: number;
  /** See the schema. */
  readonly from: string | null;
  /** See the schema. */
  readonly to: string | null;
  /** See the schema. */
  readonly vlans: readonly number[];
  /** See the schema. */
  readonly etherType: number | null;
  /** See the schema. */
  readonly source: string | null;
  /** See the schema. */
  readonly destination: string | null;
  /** See the schema. */
  readonly protocol: number | null;
  /** See the schema. */
  readonly sourcePort: number | null;
  /** See the schema. */
  readonly destinationPort: number | null;
  /** See the schema. */
  readonly dropped: string | null;
  /** See the schema. */
  readonly comments: readonly string[];
}

/** `capture -o json`, a line each. */
export const CAPTURED_FRAME: Schema<CapturedFrame> = record(
  "capture -o json: a frame, in a line of its own",
  {
    at: text("when, in UTC", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    port: portName("the port"),
    direction: choice("which way", {
      in: "from whoever is behind the port into the switch",
      out: "from the switch to whoever is behind the port",
    }),
    bytes: whole("bytes of the frame, without virtio-net header and FCS"),
    captured: whole("of them, bytes that were captured"),
    from: maybe("it is too short", text("source MAC address", MAC)),
    to: maybe("it is too short", text("destination MAC address", MAC)),
    vlans: list("VLANs of its tags, the outer one first", whole("a VLAN", 0, 4095)),
    etherType: maybe("it is too short", whole("EtherType behind all tags", 0, 0xffff)),
    source: maybe("neither IP nor ARP", text("source IP address")),
    destination: maybe("neither IP nor ARP", text("destination IP address")),
    protocol: maybe("no IP", whole("IP protocol behind extension headers", 0, 255)),
    sourcePort: maybe("no TCP, UDP or SCTP", whole("source port", 0, 65535)),
    destinationPort: maybe("no TCP, UDP or SCTP", whole("destination port", 0, 65535)),
    dropped: maybe("it was not", text("name of the counter that says why the switch dropped it")),
    comments: list("why it was dropped, which offloads it asks for", text("a line")),
  },
);
