/**
 * A captured frame for people and for programs: what its headers say, as filters see it.
 *
 * @module
 */
import { formatMac } from "../base/mac.ts";
import { plainText } from "../base/plain_text.ts";
import type { DocumentOf } from "../control/schema/mod.ts";
import {
  FIELD_DESTINATION,
  FIELD_DESTINATION_PORT,
  FIELD_FROM_HIGH,
  FIELD_FROM_LOW,
  FIELD_HOSTS,
  FIELD_PROTOCOL,
  FIELD_SOURCE,
  FIELD_SOURCE_PORT,
  FIELD_TAGS,
  FIELD_TO_HIGH,
  FIELD_TO_LOW,
  FIELD_TYPE,
  FIELD_VID,
  fields,
  readFields,
} from "../switch/capture/fields.ts";
import type { CapturedFrame } from "./pcapng_reader.ts";

const TYPES: Readonly<Record<number, string>> = {
  0x0800: "IPv4",
  0x0806: "ARP",
  0x86dd: "IPv6",
  0x88cc: "LLDP",
  0x8809: "slow protocol",
  0x888e: "EAPOL",
};
const PROTOCOLS: Readonly<Record<number, string>> = {
  1: "ICMP",
  2: "IGMP",
  6: "TCP",
  17: "UDP",
  58: "ICMPv6",
  132: "SCTP",
};

function field(index: number): number {
  return fields[index] ?? 0;
}

function address(at: number): string | null {
  const version = field(FIELD_HOSTS);
  if (version === 0) return null;
  const words = Array.from({ length: version === 4 ? 1 : 4 }, (_, i) => field(at + i));
  if (version === 4) {
    return [24, 16, 8, 0].map((shift) => (words[0] ?? 0) >>> shift & 0xff).join(".");
  }
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff]);
  // As browsers and RFC 5952 write it.
  const text = groups.map((group) => group.toString(16)).join(":");
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

function known(value: number): number | null {
  return value < 0 ? null : value;
}

/** What is printed of a frame as JSON. */
export function describeFrame(frame: CapturedFrame): DocumentOf<"captured-frame"> {
  const { data, atUs, port, direction, bytes, comments } = frame;
  readFields(new DataView(data.buffer, data.byteOffset, data.length), 0, data.length);
  const at = new Date(Math.floor(atUs / 1000)).toISOString();
  const isWhole = data.length >= 14;
  const dropped = comments.map((each) => /^dropped: (\w+)/.exec(each)?.[1]).find((each) => each);
  return {
    ...{ at: `${at.slice(0, -1)}${String(atUs % 1000).padStart(3, "0")}Z`, port, direction },
    ...{ bytes, captured: data.length },
    from: isWhole ? formatMac(field(FIELD_FROM_LOW), field(FIELD_FROM_HIGH)) : null,
    to: isWhole ? formatMac(field(FIELD_TO_LOW), field(FIELD_TO_HIGH)) : null,
    vlans: Array.from({ length: field(FIELD_TAGS) }, (_, i) => field(FIELD_VID + i)),
    etherType: known(field(FIELD_TYPE)),
    source: address(FIELD_SOURCE),
    destination: address(FIELD_DESTINATION),
    protocol: known(field(FIELD_PROTOCOL)),
    sourcePort: known(field(FIELD_SOURCE_PORT)),
    destinationPort: known(field(FIELD_DESTINATION_PORT)),
    dropped: dropped ?? null,
    comments: [...comments],
  };
}

function end(host: string | null, port: number | null): string {
  if (host === null || port === null) return host ?? "";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function nameOf(names: Readonly<Record<number, string>>, number: number | null): string {
  return number === null ? "" : names[number] ?? `protocol ${number}`;
}

/** The line of a frame. */
export function captureLine(frame: DocumentOf<"captured-frame">): string {
  const { at, port, direction, bytes, captured, from, to, vlans, etherType } = frame;
  const { source, destination, protocol, sourcePort, destinationPort, comments } = frame;
  const type = etherType === null
    ? "no frame"
    : TYPES[etherType] ?? `type 0x${etherType.toString(16).padStart(4, "0")}`;
  const parts = [
    at.slice(11, -1),
    port,
    direction.padEnd(3),
    captured < bytes ? `${captured}/${bytes}` : String(bytes),
    ...from === null ? [] : [`${from} > ${to}`],
    ...vlans.map((vid) => `vlan ${vid}`),
    type,
    ...source === null ? [] : [`${end(source, sourcePort)} > ${end(destination, destinationPort)}`],
    nameOf(PROTOCOLS, protocol),
    ...comments.map((comment) => `[${comment}]`),
  ];
  return `${plainText(parts.filter((part) => part !== "").join(" "))}\n`;
}
