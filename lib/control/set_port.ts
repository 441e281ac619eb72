/**
 * Sets options of ports that are there: all that are given, or none.
 *
 * @module
 */
import { checkLinked } from "./config/isolated_option.ts";
import { changedOptions } from "./config/option_values.ts";
import { changeConfig } from "./config/live_options.ts";
import { isUplink } from "./config/port_targets.ts";
import { applyPolicy } from "./policy.ts";
import type { ServedPort } from "./served_port.ts";
import type { PortConfig } from "./types.ts";

/** A port, or the listener of some. */
export interface Configured {
  /** As it is now. */
  config: PortConfig;
}

/**
 * Sets options. @param listener whose ports they are; null: it is one port, by itself
 * @param peerOf the configuration of the port that one is linked with
 * @throws {ControlError} nothing has changed then
 */
export function setOptions(
  ports: readonly ServedPort[],
  listener: Configured | null,
  given: Readonly<Record<string, unknown>>,
  peerOf: (name: string) => PortConfig | undefined,
): void {
  const template = listener && changeConfig(listener.config, given);
  const next = ports.map((port) => {
    const config = changeConfig(port.config, given);
    checkLinked(config, peerOf(config.name));
    return { port, config };
  });
  for (const { port, config } of next) setPort(port, config, Object.keys(given).length > 1);
  if (listener && template) listener.config = template;
}

/**
 * Makes a port what a configuration says, which nothing but live options may differ in.
 * @throws {ControlError} it is as it was
 */
export function becomePort(port: ServedPort, config: PortConfig): void {
  setPort(port, config, changedOptions(port.config, config).length > 1);
}

/** A listener's port with what changed of its template. @throws nothing: see {@linkcode becomePort} */
export function memberConfig(
  member: PortConfig,
  before: PortConfig,
  after: PortConfig,
): PortConfig {
  let next = member;
  for (const name of changedOptions(before, after)) {
    const { [name as keyof PortConfig]: _, ...rest } = next;
    const value = after[name as keyof PortConfig];
    next = (value === undefined ? rest : { ...rest, [name]: value }) as PortConfig;
  }
  return next;
}

/** @param together several options: no frame passes while one is in force and another is not yet */
function setPort(port: ServedPort, config: PortConfig, together: boolean): void {
  const { plane: { thread: { commands } }, number } = port;
  const pause = together && port.status().admin === "up";
  if (pause) commands.setPortUp({ port: number, up: false });
  try {
    applyPolicy(port, config, port.config);
    const becameUplink = isUplink(config) && !isUplink(port.config);
    port.config = config;
    if (becameUplink) commands.announceAll();
  } finally {
    if (pause) commands.setPortUp({ port: number, up: true });
  }
  port.expectGuest();
}
