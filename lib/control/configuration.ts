/**
 * The configuration of the running switch: what is in force and where it was said, what a reload
 * would change, and the reload itself.
 *
 * @module
 */
import { staticMacs } from "./config/policy_options.ts";
import { changedOptions, optionValues } from "./config/option_values.ts";
import { type ConfigInput, mergeAll } from "./config/config.ts";
import { readText } from "./config/config_file.ts";
import { type ConfigText, Faults } from "./config/faults.ts";
import { sameLink } from "./config/names.ts";
import { type ConfigChange, type InForce, type Plan, planReload } from "./config/plan.ts";
import { readConfigText } from "./config/read_config.ts";
import { SETTING_NAMES, type SettingName, SETTINGS, settingText } from "./config/settings.ts";
import { configLines, isInherited } from "./config/write_config.ts";
import type { Logger } from "./log.ts";
import { Reload, type ReloadHost } from "./reload.ts";
import type { Of } from "./schema/builder.ts";
import type { CONFIG_SCHEMAS } from "./schema/config.ts";
import { ControlError, type PortConfig, type SwitchConfig } from "./types.ts";

/** A configuration, and who says what of it. */
export interface LoadedConfig {
  /** Both together, checked. */
  readonly config: SwitchConfig;
  /** What the file says. */
  readonly file: ConfigInput;
  /** What flags say. */
  readonly flags: ConfigInput;
}

/** Where the configuration of a switch comes from. */
export interface ConfigSource {
  /** The file that it was started with, absolute; null: none. */
  readonly path: string | null;
  /** What was loaded at start. */
  readonly loaded: LoadedConfig;
  /**
   * Reads a file under the flags of the start. @param controlPath in force
   * @throws {ControlError} a line for the first fault
   */
  read(text: ConfigText, controlPath: string | null): Promise<LoadedConfig>;
  /** Reads the text of the file that it was started with. @throws {ControlError} */
  readFile(path: string): Promise<ConfigText>;
}

/** What is asked of a configuration. */
export interface ConfigAsked {
  /** A file's text; null: that of the file that the switch was started with. */
  readonly text: ConfigText | null;
  /** What was added at run time goes as well. */
  readonly exact: boolean;
}

/** `config diff`, `config reload`. */
export type ConfigChanges = Of<typeof CONFIG_SCHEMAS.CHANGES>;
/** `config show`. */
export type ConfigStatus = Of<typeof CONFIG_SCHEMAS.IN_FORCE>;
type Origin = ConfigStatus["links"][number]["origin"];

/** The configuration of a switch. Control thread only. */
export class Configuration {
  readonly #host: ReloadHost;
  readonly #source: ConfigSource;
  readonly #logger: Logger;
  #loaded: LoadedConfig;
  /** One reload at a time: its end. */
  #reloading: Promise<unknown> = Promise.resolve();
  /** A reload by signal waits for its turn: others are that one. */
  #isAsked = false;

  /** As loaded. */
  constructor(host: ReloadHost, source: ConfigSource, logger: Logger) {
    this.#host = host;
    this.#source = source;
    this.#logger = logger;
    this.#loaded = source.loaded;
  }

  /** What is in force now, whoever said it. */
  #inForce(): InForce {
    const { ports, listeners, links, mirrors } = this.#host;
    const own = [...ports.values()].filter((port) => !port.isAdopted);
    // In the order of the file, what was added since behind it.
    const names = this.#loaded.config.ports.map(({ name }) => name);
    const place = ({ name }: PortConfig): number =>
      names.includes(name) ? names.indexOf(name) : names.length;
    return {
      ...this.#host.settings(),
      ports: [...own, ...listeners.values()].map(({ config }) => config)
        .sort((one, other) => place(one) - place(other)),
      links: links.list(),
      mirrors: mirrors.list(),
    };
  }

  /** For `config show`. */
  async show(): Promise<ConfigStatus> {
    const now = this.#inForce();
    const isSaid = (name: SettingName): boolean => this.#settingOrigin(now, name) !== "default";
    return {
      file: this.#source.path,
      toml: await configLines(now, {
        isWritten: () => true,
        setting: (name) => this.#settingOrigin(now, name),
        port: (port) => this.#portOrigin(port),
      }),
      toSave: await configLines(this.#toSave(now), { isWritten: isSaid }),
      settings: SETTING_NAMES.map((name) => {
        const { table, key } = SETTINGS[name];
        const value = SETTINGS[name].value(now) === null ? null : settingText(name, now);
        return { table, key, value, origin: this.#settingOrigin(now, name) };
      }),
      ports: now.ports.map((port) => ({
        ...{ name: port.name, socket: port.fd === undefined ? port.path : `fd ${port.fd}` },
        ...{ origin: this.#portOrigin(port), options: optionValues(port) },
      })),
      links: now.links.map((link) => ({
        ports: link.ports,
        origin: link.configured
          ? originOf((input) => input.links?.some((each) => sameLink(each, link)), this.#loaded)
          : "run time",
      })),
      mirrors: now.mirrors.map(({ name, from, to, direction, configured }) => ({
        ...{ name, from, to, direction },
        origin: configured ? "file" : "run time",
      })),
      unsaid: this.#unsaid(now),
    };
  }

  /** What waits for the next start is not written over. */
  #toSave(now: InForce): SwitchConfig {
    const { config } = this.#loaded;
    const waiting = SETTING_NAMES.filter((name) => !SETTINGS[name].isLive);
    return { ...now, ...Object.fromEntries(waiting.map((name) => [name, config[name]])) };
  }

  #settingOrigin(now: SwitchConfig, name: SettingName): Origin {
    const { config } = this.#loaded;
    const origin = originOf((input) => input[name] !== undefined, this.#loaded, "default");
    // What could not change is what an earlier file said.
    return settingText(name, now) === settingText(name, config) ? origin : "run time";
  }

  #portOrigin(port: PortConfig): Origin {
    const loaded = this.#loaded.config.ports.find(({ name }) => name === port.name);
    if (loaded === undefined || changedOptions(loaded, port).length > 0) return "run time";
    return originOf((input) => input.ports?.some(({ name }) => name === port.name), this.#loaded);
  }

  /** What is in force and no file can say. */
  #unsaid(now: InForce): string[] {
    const ports = now.ports.filter(isInherited).map(({ name }) =>
      `port ${name}: it has a descriptor that whoever starts the switch gives it`
    );
    const flags = this.#loaded.flags.ports ?? [];
    const changed = now.ports.filter((port) => {
      const flag = flags.find(({ name }) => name === port.name);
      return flag !== undefined && changedOptions(flag, port).length > 0;
    }).map(({ name }) => `port ${name}: run says it with -p, and otherwise: change that too`);
    const adopted = [...this.#host.ports.values()].filter((port) => port.isAdopted);
    const statics = adopted.flatMap(({ config }) =>
      staticMacs(config).map((mac) => `address ${mac}: port ${config.name} ends with its front-end`)
    );
    return [...ports, ...changed, ...statics];
  }

  async #plan({ text, exact }: ConfigAsked): Promise<Planned> {
    const { path } = this.#source;
    if (text === null && path === null) {
      throw new ControlError(
        "invalid",
        "The switch was started without a configuration file",
        "name one: vuswitch config reload FILE",
      );
    }
    const read = text ?? await this.#source.readFile(path ?? "");
    const loaded = await this.#source.read(read, this.#host.settings().controlPath);
    const now = this.#inForce();
    const plan = planReload(now, loaded.config, {
      loaded: new Set(this.#loaded.config.ports.map(({ name }) => name)),
      exact,
      guests: (name) => this.#guests(name),
    });
    return { file: read.name, loaded, plan };
  }

  #guests(name: string): number {
    const listener = this.#host.listeners.get(name);
    if (listener !== undefined) return listener.members.length;
    return (this.#host.ports.get(name)?.status().peer ?? null) === null ? 0 : 1;
  }

  /** For `config diff`. @throws {ControlError} the file has a fault */
  async diff(asked: ConfigAsked): Promise<ConfigChanges> {
    const { file, plan } = await this.#plan(asked);
    return { file, changes: plan.changes };
  }

  /** Loads a configuration. @throws {ControlError} nothing has changed, the log says so as well */
  reload(asked: ConfigAsked): Promise<ConfigChanges> {
    const reload = this.#reloading.then(() => this.#reload(asked));
    this.#reloading = reload.catch(() => {});
    return reload;
  }

  /** SIGHUP: the file of the start; the log says what becomes of it. */
  async reloadOnSignal(): Promise<void> {
    if (this.#source.path === null) {
      const text = "SIGHUP: nothing changes, the switch was started without a configuration file";
      this.#logger.warn("switch", "no-reload", text);
      return;
    }
    if (this.#isAsked) return;
    this.#isAsked = true;
    const turn = this.#reloading.then(() => {
      this.#isAsked = false;
      return this.#reload({ text: null, exact: false });
    });
    this.#reloading = turn.catch(() => {});
    try {
      await turn;
    } catch (error) {
      // Said in the log; anything else is a bug of ours.
      if (!(error instanceof ControlError)) throw error;
    }
  }

  async #reload(asked: ConfigAsked): Promise<ConfigChanges> {
    try {
      const { file, loaded, plan } = await this.#plan(asked);
      new Reload(this.#host, plan).run();
      this.#loaded = loaded;
      this.#tell(file, plan.changes);
      return { file, changes: plan.changes };
    } catch (error) {
      if (error instanceof ControlError) {
        const hint = error.hint === null ? "" : ` (${error.hint})`;
        this.#logger.warn("switch", "reload-refused", `not reloaded: ${error.message}${hint}`);
      }
      throw error;
    }
  }

  #tell(file: string, changes: readonly ConfigChange[]): void {
    const done = changes.filter(({ how }) => how !== "kept" && how !== "restart");
    const texts = done.map(({ what, name, how }) => `${what} ${name} ${how}`);
    const what = texts.length === 0 ? "nothing changes" : texts.join(", ");
    this.#logger.info("switch", "reloaded", `${file} is in force: ${what}`);
    for (const { what, name, how, detail } of changes) {
      if (how !== "restart") continue;
      this.#logger.warn("switch", "needs-restart", `${what} ${name}: ${detail}`);
    }
  }
}

interface Planned {
  readonly file: string;
  readonly loaded: LoadedConfig;
  readonly plan: Plan;
}

/** Who says something. */
function originOf(
  says: (input: ConfigInput) => boolean | undefined,
  { file, flags }: LoadedConfig,
  otherwise: Origin = "run time",
): Origin {
  return says(flags) ? "flag" : says(file) ? "file" : otherwise;
}

/** The source of a switch that was started without a file: flags say all of it. */
export function withoutFile(config: SwitchConfig): ConfigSource {
  const { ports, links } = config;
  return {
    path: null,
    loaded: { config, file: {}, flags: { ports, links } },
    read: async (text) => {
      const faults = new Faults(text);
      const file = await readConfigText(text, faults);
      const merged = mergeAll(file, {}, config.controlPath ?? "ctl.sock", faults);
      faults.throwFirst();
      return { config: { ...merged, controlPath: config.controlPath }, file, flags: {} };
    },
    readFile: async (path) => ({ name: path, text: await readText(path) }),
  };
}
