/**
 * Asks for the page again and again, as long as somebody can see it, and puts what has changed in its
 * place.
 *
 * @module
 */
import { renew } from "./renew.ts";

/** Between two requests, ms; a page that takes long is asked for more seldom. */
const STEP_MS = 1000;
/** Part of the time that requests may take. */
const SHARE_MAX = 0.2;
/** A request is given up after this, ms. */
const ANSWER_MS_MAX = 10_000;

function find<T extends Element>(id: string): T {
  return document.getElementById(id) as unknown as T;
}

/** Renews the page. */
export class Live {
  readonly #also: () => Promise<void>;
  readonly #button = find<HTMLButtonElement>("hold");
  readonly #trouble = find<HTMLElement>("trouble");
  #held = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since: Date | null = null;

  /** Still. @param also called with each step */
  constructor(also: () => Promise<void>) {
    this.#also = also;
  }

  /** Begins. */
  start(): void {
    find<HTMLElement>("live").hidden = false;
    this.#button.addEventListener("click", () => this.toggle());
    document.addEventListener("visibilitychange", () => this.#plan(0));
    void this.#step(false);
  }

  /** Holds the page as it is, or lets it go on. */
  toggle(): void {
    this.#held = !this.#held;
    this.#button.setAttribute("aria-pressed", String(this.#held));
    this.#button.textContent = this.#held ? "Go on" : "Hold";
    document.body.classList.toggle("held", this.#held);
    this.#plan(0);
  }

  #plan(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#held || document.hidden) return;
    this.#timer = setTimeout(() => void this.#step(true), ms);
  }

  async #step(renews: boolean): Promise<void> {
    const begin = performance.now();
    try {
      if (renews) await this.#renew();
      await this.#also();
      this.#say(null);
    } catch (error) {
      this.#say(error instanceof Error ? error.message : String(error));
    }
    const took = performance.now() - begin;
    this.#plan(Math.max(STEP_MS - took, took / SHARE_MAX));
  }

  async #renew(): Promise<void> {
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const response = await fetch(location.href, { signal });
    if (response.status === 403) throw new Error("it was started again: vuswitch page");
    const text = await response.text();
    if (this.#held) return;
    renew(document, new DOMParser().parseFromString(text, "text/html"));
  }

  #say(trouble: string | null): void {
    this.#since = trouble === null ? null : this.#since ?? new Date();
    const since = this.#since?.toLocaleTimeString() ?? "";
    const text = trouble === null ? "" : `No answer from the switch since ${since}: ${trouble}`;
    if (this.#trouble.textContent !== text) this.#trouble.textContent = text;
    this.#trouble.hidden = trouble === null;
    document.body.classList.toggle("stale", trouble !== null);
  }
}
