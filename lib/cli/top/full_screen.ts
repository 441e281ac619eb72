/**
 * `top` on a terminal: looks, draws and listens to keys until somebody ends it.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { ControlError } from "../../control/types.ts";
import { CliError } from "../failure.ts";
import type { Details } from "./details.ts";
import type { Figures } from "./figures.ts";
import { TopHistory } from "./history.ts";
import type { Key } from "./keys.ts";
import { drawScreen } from "./screen.ts";
import type { TopSource } from "./source.ts";
import type { Looks } from "./spans.ts";
import { press, type TopState } from "./state.ts";
import { Terminal } from "./terminal.ts";

/** The first rates are there after this time, whatever is chosen, s. */
const FIRST_SECONDS_MAX = 0.5;

/** Why it ended: with a key, or by a signal. */
export type End = Deno.Signal | null;

/** A `top` that has the terminal. */
class FullScreen {
  readonly #source: TopSource;
  readonly #terminal: Terminal;
  readonly #looks: Looks;
  readonly #history = new TopHistory();
  readonly #done = Promise.withResolvers<End>();
  #state: TopState;
  #figures: Figures;
  #measured = false;
  #details: Details | null = null;
  #trouble: string | null = null;
  #names: readonly string[] = [];
  #portLines = 1;
  #aside = false;
  /** Ends the wait for the next look. */
  #waiting = new AbortController();

  constructor(source: TopSource, state: TopState, figures: Figures, looks: Looks) {
    this.#source = source;
    this.#state = state;
    this.#figures = figures;
    this.#looks = looks;
    this.#terminal = new Terminal({
      pressed: (key) => this.#try(() => this.#pressed(key)),
      changed: () => this.#try(() => this.#draw()),
      ended: (signal) => this.#done.resolve(signal),
    }, looks);
  }

  /** To its end. The terminal is what it was before, whatever happens. */
  async run(): Promise<End> {
    try {
      this.#terminal.enter();
      this.#draw();
      this.#watch().catch((error) => this.#done.reject(error));
      return await this.#done.promise;
    } finally {
      this.#terminal.leave();
    }
  }

  /** What is thrown where nobody waits for it ends the program all the same. */
  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#done.reject(error);
    }
  }

  async #watch(): Promise<void> {
    let first = true;
    for (;;) {
      const { seconds } = this.#state;
      await this.#wait(first ? Math.min(seconds, FIRST_SECONDS_MAX) : seconds);
      first = false;
      await this.#look();
      this.#draw();
    }
  }

  async #wait(seconds: number): Promise<void> {
    this.#waiting = new AbortController();
    try {
      await delay(1000 * seconds, { signal: this.#waiting.signal });
    } catch {
      // Somebody wants to see something at once.
    }
  }

  async #look(): Promise<void> {
    if (this.#state.paused) return;
    try {
      const { figures, measured } = await this.#source.look();
      this.#figures = figures;
      this.#measured = measured;
      if (measured) this.#history.add(figures);
      this.#trouble = null;
      await this.#lookClosely();
    } catch (error) {
      // A switch that ends, and starts again, is what somebody may want to see here.
      if (!(error instanceof CliError || error instanceof ControlError)) throw error;
      this.#trouble = `${error.message}: trying again`;
    }
  }

  async #lookClosely(): Promise<void> {
    const name = this.#state.selected ?? this.#names[0];
    if (!this.#state.details || name === undefined) return;
    try {
      this.#details = await this.#source.details(name);
    } catch (error) {
      // It was removed meanwhile.
      if (!(error instanceof ControlError)) throw error;
      this.#details = null;
    }
  }

  /** Looks at the port that was just selected, once at a time. */
  #lookAside(): void {
    if (this.#aside) return;
    this.#aside = true;
    const asked = this.#state.selected;
    this.#lookClosely().catch((error) => {
      // The next look says what is wrong.
      if (!(error instanceof CliError)) this.#done.reject(error);
    }).then(() => {
      this.#aside = false;
      if (asked === this.#state.selected) this.#try(() => this.#draw());
      else this.#lookAside();
    });
  }

  #pressed(key: Key): void {
    if (key === "ctrl-l") this.#terminal.clear();
    const next = press(this.#state, key, this.#names, this.#portLines);
    if (next === "quit") return this.#done.resolve(null);
    if (next === "suspend") return this.#terminal.suspend();
    const { details, selected, seconds, paused } = this.#state;
    this.#state = next;
    this.#draw();
    if (next.seconds !== seconds || next.paused !== paused) this.#waiting.abort();
    if (next.details && (!details || next.selected !== selected)) this.#lookAside();
  }

  #draw(): void {
    const chosen = this.#state.selected ?? this.#names[0];
    const screen = drawScreen({
      figures: this.#figures,
      measured: this.#measured,
      history: this.#history,
      state: this.#state,
      details: this.#details?.port.name === chosen ? this.#details : null,
      trouble: this.#trouble,
      ...this.#terminal.size,
      looks: this.#looks,
    });
    this.#state = screen.state;
    this.#names = screen.names;
    this.#portLines = screen.portLines;
    this.#terminal.draw(screen.lines);
  }
}

/** Shows a switch until a key or a signal ends it. @throws {CliError} nobody answers at first */
export async function showFullScreen(
  source: TopSource,
  state: TopState,
  looks: Looks,
): Promise<End> {
  const { figures } = await source.look();
  return await new FullScreen(source, state, figures, looks).run();
}
