/**
 * Which options of a port can change while it is there, and what its configuration is then.
 *
 * @module
 */
import { didYouMean } from "../../base/nearest.ts";
import { ControlError, type PortConfig } from "../types.ts";
import { changedOptions, optionValue } from "./option_values.ts";
import { OPTION_NAMES, PORT_OPTIONS } from "./port_options.ts";
import { checkPort } from "./port_spec.ts";
import { checkTargetOptions } from "./port_targets.ts";

const AT_BIRTH = "its socket was made with it";
const NEGOTIATED = "a front-end is told it once, when it connects";

/** Options that stay what they were, and why. All others can change. */
const FIXED: Readonly<Record<string, string>> = {
  mode: AT_BIRTH,
  multi: AT_BIRTH,
  owner: AT_BIRTH,
  "peer-uid": AT_BIRTH,
  mtu: "a guest reads it once, when it starts",
  queues: NEGOTIATED,
  announce: NEGOTIATED,
  offload: NEGOTIATED,
  offer: NEGOTIATED,
  subnet: "its guests have addresses of it",
};

/** Options that can change while a port is there. */
export const LIVE_OPTIONS: readonly string[] = OPTION_NAMES.filter((name) =>
  FIXED[name] === undefined
);

/** Takes an option back to what it is when nobody says it. */
export const DEFAULT_WORD = "default";

function invalid(message: string, hint: string | null = null): ControlError {
  return new ControlError("invalid", message, hint);
}

function checkLive(name: string): void {
  if (LIVE_OPTIONS.includes(name)) return;
  const why = FIXED[name];
  if (why !== undefined) {
    throw invalid(
      `${name} cannot change, ${why}: vuswitch port del, then port add; ` +
        `${LIVE_OPTIONS.join(", ")} can`,
    );
  }
  const fix = didYouMean(name, LIVE_OPTIONS);
  throw invalid(
    `unknown option "${name}"${fix ? `, ${fix}` : `; known: ${LIVE_OPTIONS.join(", ")}`}`,
  );
}

/** Access ports and trunks exclude each other: what is given says which one it is from now on. */
function withoutOtherVlans(config: PortConfig, given: readonly string[]): PortConfig {
  const { access, trunk, native, ...rest } = config;
  const kept = {
    ...access === undefined ? {} : { access },
    ...trunk === undefined ? {} : { trunk },
    ...native === undefined ? {} : { native },
  };
  if (given.includes("access")) return rest;
  if (!given.includes("trunk") && !given.includes("native")) return { ...rest, ...kept };
  const { access: _, ...trunkOnly } = kept;
  return { ...rest, ...trunkOnly };
}

/** Of a budget, only addresses are not bound to what a front-end brought. */
function checkBudget(before: PortConfig, after: PortConfig): void {
  const { addresses, ...rest } = after.budget ?? {};
  const { addresses: had, ...kept } = before.budget ?? {};
  if (JSON.stringify(rest) !== JSON.stringify(kept)) {
    throw invalid(
      "of budget only addresses:N can change, a front-end's memory is taken as it comes",
    );
  }
  if (addresses === undefined && had !== undefined) {
    throw invalid("budget has no way back but a number: budget=addresses:N");
  }
}

/** A budget keeps what is not named. */
function readOption(config: PortConfig, name: string, value: unknown): Partial<PortConfig> {
  const read = PORT_OPTIONS[name]?.read(value) ?? {};
  return name === "budget" ? { budget: { ...config.budget, ...read.budget } } : read;
}

/**
 * The configuration of a port when these options are set, checked as a whole.
 * @param given values by the names of options, as in a request; `default` takes one back
 * @throws {ControlError} one line with the fix
 */
export function changeConfig(
  config: PortConfig,
  given: Readonly<Record<string, unknown>>,
): PortConfig {
  const names = Object.keys(given);
  try {
    if (names.length === 0) throw invalid("no option is given: OPTION=VALUE, such as limit=100M");
    names.forEach(checkLive);
    checkTargetOptions(config.kind, names);
    let next = withoutOtherVlans(config, names);
    for (const name of names) {
      const { [name as keyof PortConfig]: _, ...rest } = next;
      const value = given[name];
      const read = value === DEFAULT_WORD ? {} : readOption(config, name, value);
      next = { ...rest, ...read } as PortConfig;
    }
    checkBudget(config, next);
    return checkPort(next);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    throw invalid(`Cannot set port ${config.name}: ${error.message}`, error.hint);
  }
}

/**
 * Why a port cannot become another one while it is there: something of it cannot change.
 * @returns a line of what differs, or null: it can, as {@linkcode changedOptions} says
 */
export function whyRenewed(before: PortConfig, after: PortConfig): string | null {
  const changes = changedOptions(before, after);
  const fixed = changes.filter((name) => FIXED[name] !== undefined);
  const whats = fixed.map((name) => changeText(name, before, after));
  if (targetOf(before) !== targetOf(after)) {
    whats.unshift(`socket ${targetOf(before)} -> ${targetOf(after)}`);
  }
  if (changes.includes("budget")) {
    try {
      checkBudget(before, after);
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      whats.push(changeText("budget", before, after));
    }
  }
  return whats.length === 0 ? null : whats.join(", ");
}

/** What a port serves, as it is written. */
function targetOf({ path, fd }: PortConfig): string {
  return fd === undefined ? path : `descriptor ${fd}`;
}

/** What becomes of an option, for people. */
export function changeText(name: string, before: PortConfig, after: PortConfig): string {
  const [was, is] = [optionValue(name, before), optionValue(name, after)];
  return `${name} ${was ?? DEFAULT_WORD} -> ${is ?? DEFAULT_WORD}`;
}

/** Options as they would be typed, for the log. */
export function optionsText(given: Readonly<Record<string, unknown>>): string {
  return Object.entries(given)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}
