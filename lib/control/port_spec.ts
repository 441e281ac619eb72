/**
 * How an operator writes a port, everywhere: `NAME[=PATH][,option…]`.
 *
 * @module
 */
import { isAbsolute, join, resolve } from "node:path";
import { QUEUE_PAIRS_MAX } from "../worker/types.ts";
import { ControlError, type PortConfig } from "./types.ts";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;
const MTU_MIN = 68;
const MTU_MAX = 65535;

/** The fault of a port name, or null if it is a good one. */
export function nameFault(name: string): string | null {
  if (NAME.test(name)) return null;
  return `port name "${name}" must be 1-32 of A-Z a-z 0-9 . _ - and start with a letter or digit`;
}

/** Checks an MTU. @throws {ControlError} */
export function checkMtu(value: unknown): number {
  const mtu = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof mtu === "number" && Number.isInteger(mtu) && mtu >= MTU_MIN && mtu <= MTU_MAX) {
    return mtu;
  }
  throw new ControlError("invalid", `mtu ${value} must be a number from ${MTU_MIN} to ${MTU_MAX}`);
}

/** Checks a number of queue pairs. @throws {ControlError} */
export function checkQueues(value: unknown): number {
  const pairs = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (
    typeof pairs === "number" && Number.isInteger(pairs) && pairs >= 1 && pairs <= QUEUE_PAIRS_MAX
  ) return pairs;
  throw new ControlError(
    "invalid",
    `queues ${value} must be a number from 1 to ${QUEUE_PAIRS_MAX}`,
  );
}

/**
 * Reads a port. @param socketDir folder of `NAME.sock` when no path is given
 * @throws {ControlError} naming the fix
 */
export function parsePortSpec(spec: string, socketDir: string): PortConfig {
  const [head = "", ...options] = spec.split(",");
  const equals = head.indexOf("=");
  const name = equals < 0 ? head : head.slice(0, equals);
  const fault = nameFault(name);
  if (fault) throw new ControlError("invalid", `Cannot read port "${spec}": ${fault}`);
  const given = equals < 0 ? join(socketDir, `${name}.sock`) : head.slice(equals + 1);
  if (given === "") {
    throw new ControlError("invalid", `Cannot read port "${spec}": the path behind = is empty`);
  }
  const port: PortConfig = { name, path: isAbsolute(given) ? given : resolve(given) };
  return { ...port, ...readOptions(spec, options) };
}

/** Options of a port, by the name they have in a port's specification. */
const OPTIONS: Readonly<Record<string, (value: string) => Partial<PortConfig>>> = {
  mtu: (value) => ({ mtu: checkMtu(value) }),
  queues: (value) => ({ queuePairs: checkQueues(value) }),
};

/** `N` or a form of it for each option. */
const KNOWN_OPTIONS = "mtu=N, queues=N";

function readOptions(spec: string, options: readonly string[]): Partial<PortConfig> {
  let read: Partial<PortConfig> = {};
  for (const option of options) {
    const [key = "", value] = option.split("=", 2);
    const reader = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    if (!reader || value === undefined) {
      throw new ControlError(
        "invalid",
        `Cannot read port "${spec}": unknown option "${option}"; known: ${KNOWN_OPTIONS}`,
      );
    }
    read = { ...read, ...reader(value) };
  }
  return read;
}
