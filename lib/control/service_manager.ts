/**
 * Words to whoever started the switch as a service (sd_notify(3)): that it is ready, that it lives,
 * that it ends. Without NOTIFY_SOCKET there is nobody to tell.
 *
 * @module
 */
import { sendDatagram } from "../../ffi/mod.ts";
import type { Logger } from "./log.ts";

/** Signs of life come this much more often than they must. */
const SIGNS_PER_LIMIT = 3;
/** Between two of them, ms: a thread that is fine may be off its processor for as long. */
const PAUSE_MS_MIN = 100;
/** What systemd tells a service: sd_notify(3), sd_watchdog_enabled(3). */
const NOTIFY_SOCKET = "NOTIFY_SOCKET";
const WATCHDOG_USEC = "WATCHDOG_USEC";
const WATCHDOG_PID = "WATCHDOG_PID";

/** The environment, as far as it matters here. */
export interface ServiceEnvironment {
  /** Its value, if there is one. */
  get(name: string): string | undefined;
  /** Takes it away from processes that this one starts. */
  delete(name: string): void;
}

/** Whoever started the switch. Control thread only. */
export class ServiceManager {
  readonly #socket: string | undefined;
  /** Within so long it must hear of us, ms; 0: it does not ask for that. */
  readonly #limitMs: number;
  readonly #logger: Pick<Logger, "warn">;
  #timer: ReturnType<typeof setInterval> | undefined;
  #silent = false;

  /** Reads what the environment says of it. @param pid this process */
  constructor(
    logger: Pick<Logger, "warn">,
    env: ServiceEnvironment = Deno.env,
    pid: number = Deno.pid,
  ) {
    this.#logger = logger;
    this.#socket = env.get(NOTIFY_SOCKET);
    const usec = env.get(WATCHDOG_USEC) ?? "";
    const whose = env.get(WATCHDOG_PID);
    const ours = whose === undefined || Number(whose) === pid;
    this.#limitMs = ours && /^\d{1,15}$/.test(usec) ? Number(usec) / 1000 : 0;
    // What is started from here is not the service.
    for (const name of [NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID]) env.delete(name);
  }

  #tell(...words: string[]): void {
    if (this.#socket !== undefined) sendDatagram(this.#socket, words.join("\n"));
  }

  /**
   * The switch serves. From now on it is said that it lives, while it does.
   * @param isAlive asked once every third of the watchdog's limit
   */
  ready(status: string, isAlive: () => boolean): void {
    this.#tell("READY=1", `MAINPID=${Deno.pid}`, `STATUS=${status}`);
    if (this.#socket === undefined || this.#limitMs === 0) return;
    this.#timer = setInterval(() => this.#sign(isAlive()), this.#pauseMs);
  }

  get #pauseMs(): number {
    return Math.max(PAUSE_MS_MIN, this.#limitMs / SIGNS_PER_LIMIT);
  }

  #sign(lives: boolean): void {
    if (lives) this.#tell("WATCHDOG=1");
    else if (!this.#silent) {
      const text = `the data plane stands still: the service manager ends the switch within ` +
        `${this.#limitMs / 1000} s`;
      this.#logger.warn("switch", "stands-still", text);
      this.#tell("STATUS=the data plane stands still");
    }
    this.#silent = !lives;
  }

  /** The configuration is loaded anew; {@linkcode reloaded} follows. */
  reloading(): void {
    this.#tell("RELOADING=1");
  }

  /** It is, or was refused. */
  reloaded(status: string): void {
    this.#tell("READY=1", `STATUS=${status}`);
  }

  /** The switch ends, which may take as long as a stop takes. */
  stopping(): void {
    clearInterval(this.#timer);
    this.#tell("STOPPING=1");
  }
}
