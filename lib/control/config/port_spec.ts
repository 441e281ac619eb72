/**
 * How an operator writes a port, everywhere: `NAME[=PATH][,option…]`.
 *
 * @module
 */
import { isAbsolute, join, resolve } from "node:path";
import { formatMac, parseMac } from "../../base/mac.ts";
import { didYouMean } from "../../base/nearest.ts";
import {
  MAC_CONTROL_DIGIT,
  RESERVED_WORDS,
  reservedDigit,
  reservedName,
} from "../../switch/reserved.ts";
import { MTU_MAX, MTU_MIN } from "../../vhost/device/config_space.ts";
import { OFFER_WORDS, type OfferWord } from "../../vhost/offer.ts";
import { PORTS_MAX, QUEUE_PAIRS_MAX } from "../../base/limits.ts";
import { ControlError, type PortConfig } from "../types.ts";

/** Names of ports. */
export const PORT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;

/** Where the number of each port goes in a template. */
const PLACE = "{n}";

/** The name that a template gives port `number`. */
export function numberedName(template: string, number: number): string {
  return template.replace(PLACE, String(number));
}

/** Every name that a listener may give its ports. */
export function numberedNames(listener: PortConfig): string[] {
  return Array.from({ length: listener.multi ?? 0 }, (_, n) => numberedName(listener.name, n));
}

/** The fault of a port's name, or null. @param multi how many ports, for a template */
function nameFault(name: string, multi: number | undefined): string | null {
  const places = name.split(PLACE).length - 1;
  if (multi === undefined && places > 0) {
    return `port name "${name}" is a template: say for how many front-ends with multi=N`;
  }
  if (multi !== undefined && places !== 1) {
    return `port name "${name}" needs ${PLACE} once, the number of each of its multi=${multi} ports`;
  }
  if (PORT_NAME.test(multi === undefined ? name : numberedName(name, multi - 1))) return null;
  return `port name "${name}" must be 1-32 of A-Z a-z 0-9 . _ - and start with a letter or digit`;
}

/** Checks a port as a whole. @throws {ControlError} naming the fix */
export function checkPort(port: PortConfig): PortConfig {
  const fault = nameFault(port.name, port.multi);
  if (fault) throw new ControlError("invalid", fault);
  if (port.multi !== undefined && port.mode === "connect") {
    throw new ControlError(
      "invalid",
      `port "${port.name}" cannot have multi and mode=connect: one front-end listens at a socket`,
    );
  }
  if (port.multi !== undefined && port.mac !== undefined) {
    throw new ControlError(
      "invalid",
      `port "${port.name}" cannot have multi and mac: each front-end needs an address of its own`,
    );
  }
  return port;
}

/** Checks who listens. @throws {ControlError} */
function checkMode(value: unknown): "listen" | "connect" {
  if (value === "listen" || value === "connect") return value;
  throw new ControlError(
    "invalid",
    `mode "${value}" must be listen (the switch binds the socket) or connect (the front-end does)`,
  );
}

/** Checks how many front-ends a socket takes. @throws {ControlError} */
function checkMulti(value: unknown): number {
  const multi = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (
    typeof multi === "number" && Number.isInteger(multi) && multi >= 1 && multi <= PORTS_MAX
  ) return multi;
  throw new ControlError("invalid", `multi ${value} must be a number from 1 to ${PORTS_MAX}`);
}

/** Checks an MTU. @throws {ControlError} */
function checkMtu(value: unknown): number {
  const mtu = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof mtu === "number" && Number.isInteger(mtu) && mtu >= MTU_MIN && mtu <= MTU_MAX) {
    return mtu;
  }
  throw new ControlError("invalid", `mtu ${value} must be a number from ${MTU_MIN} to ${MTU_MAX}`);
}

/** Checks a number of queue pairs. @throws {ControlError} */
function checkQueues(value: unknown): number {
  const pairs = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (
    typeof pairs === "number" && Number.isInteger(pairs) && pairs >= 1 && pairs <= QUEUE_PAIRS_MAX
  ) return pairs;
  throw new ControlError(
    "invalid",
    `queues ${value} must be a number from 1 to ${QUEUE_PAIRS_MAX}`,
  );
}

/** Bit 0 of an address's first byte: a group of stations. */
const GROUP_BIT = 1;

/** Checks a MAC address. @throws {ControlError} */
function checkMac(value: unknown): string {
  const mac = typeof value === "string" ? parseMac(value) : null;
  if (mac && (mac.low & GROUP_BIT) === 0 && (mac.low | mac.high) !== 0) {
    return formatMac(mac.low, mac.high);
  }
  throw new ControlError(
    "invalid",
    `mac ${value} must be the address of one station, such as 52:54:00:00:00:01`,
  );
}

/** Checks the words of an offer. @throws {ControlError} */
function checkOffer(value: unknown): OfferWord[] {
  const words: unknown[] = Array.isArray(value) ? value : String(value).split("+");
  return words.map((given) => {
    const word = OFFER_WORDS.find((known) => known === given);
    if (word) return word;
    const known = OFFER_WORDS.join(", ");
    const fix = didYouMean(String(given), OFFER_WORDS);
    throw new ControlError(
      "invalid",
      `offer "${given}" is unknown${fix ? `, ${fix}` : `; known: ${known}`}`,
    );
  });
}

/** Checks which reserved addresses pass; each once, by its word if it has one. */
function checkForward(value: unknown): string[] {
  const given: unknown[] = Array.isArray(value) ? value : String(value).split("+");
  const names = given.map((each) => {
    const digit = typeof each === "string" ? reservedDigit(each) : null;
    if (digit === MAC_CONTROL_DIGIT) {
      throw new ControlError(
        "invalid",
        `forward "${each}" is the address of PAUSE frames, which must not be forwarded: leave it out`,
      );
    }
    if (digit !== null) return reservedName(digit);
    throw new ControlError(
      "invalid",
      `forward "${each}" is unknown; known: ${RESERVED_WORDS.join(", ")}, or the last byte of ` +
        `01:80:c2:00:00:0x such as "0e"`,
    );
  });
  return [...new Set(names)];
}

/** Checks what is on or off. @throws {ControlError} */
function checkSwitch(name: string, value: unknown): boolean {
  if (value === "on" || value === true) return true;
  if (value === "off" || value === false) return false;
  throw new ControlError("invalid", `${name} ${value} must be on or off`);
}

/**
 * Reads a port. @param socketDir folder of `NAME.sock` when no path is given
 * @throws {ControlError} naming the fix
 */
export function parsePortSpec(spec: string, socketDir: string): PortConfig {
  const [head = "", ...options] = spec.split(",");
  const equals = head.indexOf("=");
  const name = equals < 0 ? head : head.slice(0, equals);
  const given = equals < 0 ? join(socketDir, `${name}.sock`) : head.slice(equals + 1);
  if (given === "") {
    throw new ControlError("invalid", `Cannot read port "${spec}": the path behind = is empty`);
  }
  const port: PortConfig = { name, path: isAbsolute(given) ? given : resolve(given) };
  try {
    return checkPort({ ...port, ...readOptions(splitOptions(options)) });
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    throw new ControlError("invalid", `Cannot read port "${spec}": ${error.message}`);
  }
}

/**
 * Options of a port by their name in a specification, a configuration file and the control API. The
 * first has texts only.
 */
const OPTIONS: Readonly<Record<string, (value: unknown) => Partial<PortConfig>>> = {
  mode: (value) => ({ mode: checkMode(value) }),
  multi: (value) => ({ multi: checkMulti(value) }),
  mtu: (value) => ({ mtu: checkMtu(value) }),
  queues: (value) => ({ queuePairs: checkQueues(value) }),
  mac: (value) => ({ mac: checkMac(value) }),
  offer: (value) => ({ offer: checkOffer(value) }),
  announce: (value) => ({ announce: checkSwitch("announce", value) }),
  forward: (value) => ({ forward: checkForward(value) }),
};

/** Names of all options. */
export const OPTION_NAMES: readonly string[] = Object.keys(OPTIONS);

/** Each option and a form of its values. */
const KNOWN_OPTIONS =
  "mode=listen|connect, multi=N, mtu=N, queues=N, mac=ADDRESS, offer=WORD+…, announce=on|off, " +
  "forward=WORD+…";

/** Reads those of a table's entries that are options. @throws {ControlError} naming the fix */
export function readOptions(table: Readonly<Record<string, unknown>>): Partial<PortConfig> {
  let read: Partial<PortConfig> = {};
  for (const [name, reader] of Object.entries(OPTIONS)) {
    if (table[name] !== undefined) read = { ...read, ...reader(table[name]) };
  }
  return read;
}

function splitOptions(options: readonly string[]): Record<string, string> {
  const table: Record<string, string> = {};
  for (const option of options) {
    const [name = "", ...values] = option.split("=");
    if (option.trim() === "") {
      throw new ControlError("invalid", "an option is empty: leave out the comma before it");
    }
    if (!OPTION_NAMES.includes(name)) {
      const fix = didYouMean(name, OPTION_NAMES);
      const known = `known: ${KNOWN_OPTIONS}`;
      throw new ControlError(
        "invalid",
        `unknown option "${option}"${fix ? `, ${fix}` : `; ${known}`}`,
      );
    }
    if (values.length === 0 || values[0] === "") {
      const form = KNOWN_OPTIONS.split(", ").find((each) => each.startsWith(`${name}=`));
      throw new ControlError("invalid", `option ${name} has no value: ${form}`);
    }
    if (Object.hasOwn(table, name)) {
      throw new ControlError("invalid", `${name} is given twice: keep one`);
    }
    table[name] = values.join("=");
  }
  return table;
}
