/**
 * Mirrors as an operator writes them, and what makes one impossible: none goes round in circles, so a
 * port that a mirror has is no source of one.
 *
 * @module
 */
import { MIRRORS_MAX } from "../../base/limits.ts";
import { ControlError, type MirrorConfig } from "../types.ts";
import { PORT_NAME } from "./port_spec.ts";

/** Keys of a mirror, in a file and a request. */
export const MIRROR_KEYS: readonly string[] = ["name", "from", "to", "direction"];

/** Reads what a request or a file says of a mirror. @throws {ControlError} */
export function readMirror(body: Readonly<Record<string, unknown>>): MirrorConfig {
  const { name, from, to, direction = "both" } = body;
  const isList = Array.isArray(from) && from.every((port) => typeof port === "string");
  if (typeof name !== "string" || !isList || typeof to !== "string") {
    throw new ControlError(
      "invalid",
      "A mirror needs name, from, names of ports, and to, one more",
    );
  }
  if (direction !== "in" && direction !== "out" && direction !== "both") {
    throw new ControlError("invalid", `direction ${direction} must be in, out or both`);
  }
  return { name, from: [...new Set<string>(from)], to, direction };
}

/** Whether two mirrors copy the same, in whatever order ports are named. */
export function sameMirror(one: MirrorConfig, other: MirrorConfig): boolean {
  return one.name === other.name && one.to === other.to && one.direction === other.direction &&
    one.from.toSorted().join() === other.from.toSorted().join();
}

/**
 * Checks a mirror that is to be added beside others; whether its ports are there is not looked at.
 * @throws {ControlError} naming the fix
 */
export function checkMirror(
  { name, from, to }: MirrorConfig,
  others: readonly MirrorConfig[],
): void {
  const fail = (kind: ControlError["kind"], what: string, hint: string | null = null): never => {
    throw new ControlError(kind, `Cannot add mirror ${name}: ${what}`, hint);
  };
  if (!PORT_NAME.test(name)) fail("invalid", "its name must be like that of a port");
  if (from.length === 0) fail("invalid", "it needs ports to copy from", "--from PORT");
  if (from.includes(to)) fail("invalid", `port "${to}" cannot be copied to itself`);
  for (const other of others) {
    if (other.name === name) fail("conflict", "there is one", `vuswitch mirror del ${name}`);
    const circle = from.find((port) => port === other.to) ?? other.from.find((port) => port === to);
    if (circle !== undefined) {
      const why =
        `port "${circle}" would be copied from and to, as mirror ${other.name} has it too`;
      fail("conflict", why, `vuswitch mirror del ${other.name}`);
    }
  }
  if (others.length >= MIRRORS_MAX) {
    fail("conflict", `there are ${MIRRORS_MAX}, which is the most`);
  }
}
