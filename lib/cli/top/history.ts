/**
 * The last minutes of some rates, and how a line of text draws them.
 *
 * @module
 */
import { type Figures, framesOf } from "./figures.ts";

/** Looks that are kept of each rate. */
export const HISTORY_LOOKS_MAX = 120;

const BLOCKS = [..."▁▂▃▄▅▆▇█"];
const ASCII = [..."_.-=+*#@"];

/**
 * The last `width` values as a line of as many characters, the newest at the end. The largest of
 * them is a whole block, 0 an empty place.
 * @param most what a whole block stands for; 0: the largest
 */
export function sparkline(
  values: readonly number[],
  width: number,
  isUnicode: boolean,
  most = 0,
): string {
  const steps = isUnicode ? BLOCKS : ASCII;
  const last = width <= 0 ? [] : values.slice(-width);
  const top = most > 0 ? most : Math.max(0, ...last);
  const line = last.map((value) => {
    if (!(value > 0)) return " ";
    const step = Math.ceil((steps.length * value) / top) - 1;
    return steps[Math.min(steps.length - 1, Math.max(0, step))];
  }).join("");
  return line.padStart(Math.max(0, width));
}

/** Rates of ports, of all of them, and busy shares of data planes. */
export class TopHistory {
  readonly #ports = new Map<string, number[]>();
  readonly #workers = new Map<number, number[]>();
  readonly #drops: number[] = [];

  /** Takes what was seen. Ports that are gone are forgotten. */
  add({ ports, workers, all }: Figures): void {
    const names = new Set(ports.map(({ name }) => name));
    for (const name of [...this.#ports.keys()]) if (!names.has(name)) this.#ports.delete(name);
    for (const { name, flow } of ports) push(valuesOf(this.#ports, name), framesOf(flow));
    for (const { number, busy } of workers) push(valuesOf(this.#workers, number), busy ?? 0);
    push(this.#drops, all.drops);
  }

  /** Frames a second of a port, oldest first. */
  port(name: string): readonly number[] {
    return this.#ports.get(name) ?? [];
  }

  /** Busy shares of a data plane. */
  worker(number: number): readonly number[] {
    return this.#workers.get(number) ?? [];
  }

  /** Drops of all ports. */
  get drops(): readonly number[] {
    return this.#drops;
  }
}

function valuesOf<Key>(all: Map<Key, number[]>, key: Key): number[] {
  const values = all.get(key) ?? [];
  all.set(key, values);
  return values;
}

function push(values: number[], value: number): void {
  values.push(value);
  if (values.length > HISTORY_LOOKS_MAX) values.shift();
}
