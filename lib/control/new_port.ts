/**
 * Whether a port can come beside those that are there.
 *
 * @module
 */
import { checkAddition, checkControlPath, checkSandbox } from "./config/names.ts";
import { numberedNames } from "./config/port_spec.ts";
import { checkFdLimit } from "./fd_limit.ts";
import type { PortConfig, SwitchConfig } from "./types.ts";

/** Whatever has a configuration. */
export interface Configured {
  /** As it is now. */
  readonly config: PortConfig;
}

/**
 * Checks a new port. @param ports those that listeners brought included
 * @param fdLimit descriptors of this process @throws {ControlError} naming the fix
 */
export function checkNewPort(
  config: PortConfig,
  ports: Iterable<Configured & { readonly isAdopted: boolean }>,
  listeners: Iterable<Configured>,
  { sandbox, controlPath }: Pick<SwitchConfig, "sandbox" | "controlPath">,
  fdLimit: number,
): void {
  const [served, many] = [[...ports], [...listeners]];
  checkAddition(config, [...served, ...many].map((each) => each.config));
  checkSandbox(config, sandbox);
  checkControlPath(config, controlPath);
  checkFdLimit(config, served.filter((port) => !port.isAdopted).length, many, fdLimit);
}

/** The listener's configuration by which a port of this name may come. */
export function templateOf(name: string, listeners: Iterable<Configured>): PortConfig | undefined {
  for (const { config } of listeners) if (numberedNames(config).includes(name)) return config;
  return undefined;
}
