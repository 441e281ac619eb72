/**
 * Where metrics are served, as an operator writes it: `127.0.0.1:9477`.
 *
 * @module
 */
import { ControlError, type MetricsAddress } from "../types.ts";

const PORT_MAX = 65535;
/** An address and a port; IPv6 in brackets. */
const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/;
/** Addresses that only this host reaches (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
const LOOPBACK = /^(?:127(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}|(?:0{0,4}:){2,7}0{0,3}1)$/;

/**
 * Reads it. Addresses that others reach are refused: anybody there could read.
 * @param where what names it, for errors @throws {ControlError}
 */
export function parseMetricsAddress(where: string, text: string): MetricsAddress {
  const [, six, four, digits = ""] = ADDRESS.exec(text) ?? [];
  const hostname = six ?? (four === "localhost" ? "127.0.0.1" : four);
  const port = Number(digits);
  if (hostname === undefined || port > PORT_MAX) {
    throw new ControlError(
      "invalid",
      `${where} ${JSON.stringify(text)} must be an address and a port such as 127.0.0.1:9477`,
    );
  }
  if (LOOPBACK.test(hostname)) return { hostname, port };
  throw new ControlError(
    "invalid",
    `${where} ${text} is no loopback address: anybody who reaches it could read`,
    `${where} 127.0.0.1:${port}, and a proxy in front of it that asks who they are`,
  );
}
