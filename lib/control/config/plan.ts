/**
 * What a reload would change: how the switch gets from what is in force to what a configuration
 * says. Nothing is changed here.
 *
 * @module
 */
import { ControlError, type PortConfig, type SwitchConfig } from "../types.ts";
import type { Of } from "../schema/builder.ts";
import type { CONFIG_SCHEMAS } from "../schema/config.ts";
import type { Link } from "../links.ts";
import type { Mirror } from "../mirrors.ts";
import { changeText, whyRenewed } from "./live_options.ts";
import { checkMirror, sameMirror } from "./mirror_config.ts";
import { checkLinks, checkMirrors, checkNames, checkSandbox, sameLink } from "./names.ts";
import { numberedNames } from "./port_spec.ts";
import { changedOptions } from "./option_values.ts";
import { changedSettings, SETTINGS, settingText } from "./settings.ts";
import { isInherited } from "./write_config.ts";

/** One line of what changes. */
export type ConfigChange = Of<typeof CONFIG_SCHEMAS.CHANGE>;

/** What is in force. */
export interface InForce extends SwitchConfig {
  /** In the order they were made. */
  readonly links: readonly Link[];
  /** By their numbers. */
  readonly mirrors: readonly Mirror[];
}

/** A port that becomes another one. */
export interface PortChange {
  /** As it is. */
  readonly before: PortConfig;
  /** As it will be. */
  readonly after: PortConfig;
}

/** How to get there. */
export interface Plan {
  /** What is in force afterwards. */
  readonly next: InForce;
  /** For people and programs. */
  readonly changes: readonly ConfigChange[];
  /** Ports that go. */
  readonly removed: readonly PortConfig[];
  /** Ports that are removed and made anew. */
  readonly renewed: readonly PortChange[];
  /** Ports that change while they are there. */
  readonly live: readonly PortChange[];
  /** Ports that come. */
  readonly added: readonly PortConfig[];
}

/** What a plan depends on besides two configurations. */
export interface PlanOptions {
  /** Names of ports that the configuration before this one had. */
  readonly loaded: ReadonlySet<string>;
  /** What was added at run time goes as well. */
  readonly exact: boolean;
  /** How many front-ends a port or a listener has. */
  readonly guests: (name: string) => number;
}

/** Ports on their way from one configuration to another. */
class PortPlan {
  readonly final: PortConfig[] = [];
  readonly changes: ConfigChange[] = [];
  readonly removed: PortConfig[] = [];
  readonly renewed: PortChange[] = [];
  readonly live: PortChange[] = [];
  readonly added: PortConfig[] = [];
  readonly #options: PlanOptions;

  constructor(now: InForce, next: SwitchConfig, options: PlanOptions) {
    this.#options = options;
    const wanted = new Map(next.ports.map((port) => [port.name, port]));
    for (const port of now.ports) {
      const after = wanted.get(port.name);
      if (after !== undefined) this.#change(port, after);
      else if (options.exact || options.loaded.has(port.name)) this.#remove(port);
      else {
        this.final.push(port);
        this.#say(port.name, "kept", "it was added at run time: vuswitch config save keeps it");
      }
    }
    const names = new Set(now.ports.map(({ name }) => name));
    for (const port of next.ports) if (!names.has(port.name)) this.#add(port);
  }

  #say(name: string, how: ConfigChange["how"], detail: string): void {
    this.changes.push({ what: "port", name, how, detail });
  }

  #ending(name: string): string {
    const guests = this.#options.guests(name);
    if (guests === 0) return "";
    return guests === 1 ? "its front-end is disconnected" : `${guests} front-ends are disconnected`;
  }

  #change(before: PortConfig, after: PortConfig): void {
    const renewed = whyRenewed(before, after);
    if (renewed !== null && isInherited(before)) {
      this.final.push(before);
      this.#say(after.name, "restart", `${renewed}: it has a descriptor that cannot be had again`);
      return;
    }
    this.final.push(after);
    const changed = changedOptions(before, after);
    if (renewed !== null) {
      this.renewed.push({ before, after });
      const texts = [renewed, this.#ending(before.name)].filter((text) => text !== "");
      this.#say(after.name, "renewed", texts.join("; "));
    } else if (changed.length > 0) {
      this.live.push({ before, after });
      const texts = changed.map((name) => changeText(name, before, after));
      this.#say(after.name, "changed", texts.join(", "));
    }
  }

  #remove(port: PortConfig): void {
    this.removed.push(port);
    this.#say(
      port.name,
      "removed",
      [port.path, this.#ending(port.name)].filter(Boolean).join("; "),
    );
  }

  #add(port: PortConfig): void {
    if (isInherited(port)) {
      this.#say(port.name, "restart", "it had a descriptor that cannot be had again");
      return;
    }
    this.final.push(port);
    this.added.push(port);
    this.#say(port.name, "added", port.path);
  }
}

/** Names of ports that are there or may come. */
function possibleNames(ports: readonly PortConfig[]): Set<string> {
  return new Set(ports.flatMap((port) => port.multi ? numberedNames(port) : [port.name]));
}

function planLinks(
  now: InForce,
  next: SwitchConfig,
  ports: readonly PortConfig[],
  exact: boolean,
  changes: ConfigChange[],
): Link[] {
  const names = possibleNames(ports);
  const links: Link[] = next.links.map(({ ports }) => ({ ports, configured: true }));
  const taken = new Set(links.flatMap(({ ports }) => ports));
  const name = (link: Link): string => link.ports.join(":");
  for (const link of now.links) {
    if (links.some((wanted) => sameLink(wanted, link))) continue;
    const stays = !link.configured && !exact &&
      link.ports.every((port) => names.has(port) && !taken.has(port));
    const how = stays ? "kept" : "removed";
    const detail = stays ? "it was added at run time: vuswitch config save keeps it" : "";
    changes.push({ what: "link", name: name(link), how, detail });
    if (stays) links.push(link);
  }
  for (const link of links) {
    if (now.links.some((had) => sameLink(had, link))) continue;
    changes.push({ what: "link", name: name(link), how: "added", detail: "" });
  }
  return links;
}

function mirrorText({ from, direction, to }: Mirror): string {
  return `${from.join(",")} ${direction} -> ${to}`;
}

function planMirrors(
  now: InForce,
  next: SwitchConfig,
  ports: readonly PortConfig[],
  exact: boolean,
  changes: ConfigChange[],
): Mirror[] {
  const names = possibleNames(ports);
  const mirrors: Mirror[] = (next.mirrors ?? []).map((each) => ({ ...each, configured: true }));
  const say = (mirror: Mirror, how: ConfigChange["how"], detail = mirrorText(mirror)): void => {
    changes.push({ what: "mirror", name: mirror.name, how, detail });
  };
  for (const mirror of [...mirrors]) {
    const had = now.mirrors.find(({ name }) => name === mirror.name);
    if (had === undefined) say(mirror, "added");
    else if (!sameMirror(had, mirror)) say(mirror, "changed");
  }
  for (const mirror of now.mirrors) {
    if (mirrors.some(({ name }) => name === mirror.name)) continue;
    const stays = !mirror.configured && !exact &&
      [...mirror.from, mirror.to].every((port) => names.has(port)) && mayStand(mirror, mirrors);
    if (stays) {
      mirrors.push(mirror);
      say(mirror, "kept", "it was added at run time: vuswitch config save keeps it");
    } else say(mirror, "removed");
  }
  return mirrors;
}

function mayStand(mirror: Mirror, others: readonly Mirror[]): boolean {
  try {
    checkMirror(mirror, others);
    return true;
  } catch (error) {
    if (error instanceof ControlError) return false;
    throw error;
  }
}

/** Settings afterwards: those that cannot change stay. */
function planSettings(now: InForce, next: SwitchConfig, changes: ConfigChange[]): SwitchConfig {
  let settings: SwitchConfig = now;
  for (const name of changedSettings(now, next)) {
    const { table, key, isLive } = SETTINGS[name];
    if (isLive) settings = { ...settings, [name]: next[name] };
    const [was, is] = [settingText(name, now), settingText(name, next)];
    changes.push({
      ...{ what: "setting", name: `[${table}] ${key}`, how: isLive ? "changed" : "restart" },
      detail: `${was} -> ${is}${
        isLive ? "" : ": it stays as it is until the switch is started again"
      }`,
    });
  }
  return settings;
}

/** Plans a reload. @throws {ControlError} it cannot be, with what was added at run time */
export function planReload(now: InForce, next: SwitchConfig, options: PlanOptions): Plan {
  const ports = new PortPlan(now, next, options);
  const { final, removed, renewed, live, added, changes } = ports;
  checkNames(final);
  const { exact } = options;
  const links = planLinks(now, next, final, exact, changes);
  const mirrors = planMirrors(now, next, final, exact, changes);
  checkLinks(links, final);
  checkMirrors(mirrors, final);
  for (const port of final) checkSandbox(port, now.sandbox);
  const settings = planSettings(now, next, changes);
  return {
    next: { ...settings, ports: final, links, mirrors },
    ...{ changes, removed, renewed, live, added },
  };
}
