/**
 * How far something long is and how long the rest takes: one line that is written over, on a terminal
 * alone. What is read by nobody stays out of logs.
 *
 * @module
 */
import { spanWords } from "./span.ts";

/** Where it stands; stderr as a rule. */
export interface StatusScreen {
  /** Whether somebody looks. */
  isTerminal(): boolean;
  /** Writes bytes. */
  writeSync(bytes: Uint8Array): number;
}

/** Of a terminal, columns; a longer line would wrap and not be written over. */
const COLUMNS = 79;

/** One such line. */
export class StatusLine {
  readonly #screen: StatusScreen;
  #isThere = false;

  /** On a screen, or nowhere. */
  constructor(screen: StatusScreen = Deno.stderr) {
    this.#screen = screen;
  }

  /** Says it in place of what was said before. @param leftSeconds until the end @param what is done */
  tell(leftSeconds: number, what: string): void {
    if (!this.#screen.isTerminal()) return;
    this.#isThere = true;
    // deno-lint-ignore no-control-regex -- they would move the cursor
    const line = `${spanWords(leftSeconds)} left: ${what}`.replaceAll(/[\x00-\x1f]/g, " ");
    this.#screen.writeSync(new TextEncoder().encode(`\r\x1b[K${line.slice(0, COLUMNS)}`));
  }

  /** Takes it away. */
  end(): void {
    if (this.#isThere) this.#screen.writeSync(new TextEncoder().encode("\r\x1b[K"));
    this.#isThere = false;
  }
}
