/**
 * Plots in the place of drawings: they go on with each second, follow the width and the colours of the
 * page, and tell the values at a moment that the pointer or the arrow keys choose.
 *
 * @module
 */
import uPlot from "uplot";
import { bits, short, tick } from "../numbers.ts";

/** Samples that are shown: as many as the switch keeps. */
const SAMPLES_MAX = 300;
const HEIGHT_PX = 150;
const ANSWER_MS_MAX = 10_000;

type Values = (number | null)[];
/** What the switch answers. */
type Samples = Readonly<Record<string, readonly (number | null)[]>>;

function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** One plot. */
class Plot {
  readonly #figure: HTMLElement;
  readonly #rates: readonly string[];
  readonly #kinds: readonly string[];
  readonly #bits: boolean;
  #plot: uPlot | null = null;
  #data: Values[];

  constructor(figure: HTMLElement) {
    this.#figure = figure;
    const lines = (figure.dataset.lines ?? "").split(" ").map((each) => each.split(":"));
    this.#rates = lines.map(([rate = ""]) => rate);
    this.#kinds = lines.map(([, kind = ""]) => kind);
    this.#bits = figure.dataset.unit === "bits";
    this.#data = [[], ...lines.map(() => [])];
    const drawing = this.#drawing;
    drawing.tabIndex = 0;
    drawing.addEventListener("keydown", (event) => this.#key(event));
    drawing.addEventListener("blur", () => this.#point(null));
  }

  get #drawing(): HTMLElement {
    return this.#figure.querySelector(".drawing") as HTMLElement;
  }

  /** Makes it, or makes it anew in other colours. */
  draw(): void {
    const drawing = this.#drawing;
    const width = Math.max(100, drawing.clientWidth);
    this.#plot?.destroy();
    drawing.replaceChildren();
    this.#plot = new uPlot(this.#options(width), this.#aligned(), drawing);
  }

  #options(width: number): uPlot.Options {
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = {
      ...{ stroke: color("--muted"), font },
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      ...{ width, height: HEIGHT_PX, legend: { show: false }, padding: [8, 8, 0, 0] },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        y: { range: (_, __, most) => [0, Math.max(most ?? 0, this.#bits ? 1000 : 1) * 1.05] },
      },
      axes: [
        { ...axis, size: 28, space: 70, values: (_, at) => at.map((each) => timeText(each)) },
        { ...axis, size: 56, space: 32, values: (_, values) => values.map(tick) },
      ],
      series: [
        {},
        ...this.#kinds.map((kind) => ({
          ...{ stroke: color(`--${kind}`), width: 1.75, points: { show: false } },
          ...this.#kinds.length === 1 ? { fill: `${color(`--${kind}`)}22` } : {},
        })),
      ],
      hooks: { setCursor: [() => this.#tell()] },
    };
  }

  #aligned(): uPlot.AlignedData {
    return this.#data as uPlot.AlignedData;
  }

  /** The width of the page has changed. */
  resize(): void {
    const width = Math.max(100, this.#drawing.clientWidth);
    if (this.#plot !== null && this.#plot.width !== width) {
      this.#plot.setSize({ width, height: HEIGHT_PX });
    }
  }

  /** What came since. */
  add(samples: Samples): void {
    const scale = this.#bits ? 8 : 1;
    const came = this.#rates.map((rate) =>
      (samples[rate] ?? []).map((value) => value === null ? null : scale * value)
    );
    [samples.at ?? [], ...came].forEach((values, i) => {
      this.#data[i] = [...this.#data[i] ?? [], ...values].slice(-SAMPLES_MAX);
    });
    this.#plot?.setData(this.#aligned());
    this.#tell();
  }

  /** The values where the cursor stands, or the newest. */
  #tell(): void {
    const last = (this.#data[0]?.length ?? 0) - 1;
    const at = this.#plot?.cursor.idx ?? last;
    this.#rates.forEach((rate, i) => {
      const element = this.#figure.querySelector(`[data-rate="${rate}"]`);
      const value = this.#data[i + 1]?.[at] ?? null;
      const text = value === null ? "–" : this.#bits ? bits(value / 8) : `${short(value)}/s`;
      if (element !== null && element.textContent !== text) element.textContent = text;
    });
    const title = this.#figure.querySelector(".title") as HTMLElement;
    const moment = typeof this.#plot?.cursor.idx !== "number"
      ? ""
      : timeText(this.#data[0]?.[at] ?? 0);
    title.dataset.moment = moment;
  }

  #key(event: KeyboardEvent): void {
    const last = (this.#data[0]?.length ?? 0) - 1;
    const now = this.#plot?.cursor.idx ?? last;
    const to = new Map([["ArrowLeft", now - 1], ["ArrowRight", now + 1], ["Home", 0], [
      "End",
      last,
    ]]).get(event.key);
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.#point(Math.min(last, Math.max(0, to)));
  }

  #point(index: number | null): void {
    const plot = this.#plot;
    if (plot === null) return;
    const at = index === null ? null : this.#data[0]?.[index] ?? null;
    const left = at === null ? -10 : plot.valToPos(at, "x");
    plot.setCursor({ left, top: at === null ? -10 : 10 });
  }
}

function timeText(at: number): string {
  return at === 0 ? "" : new Date(1000 * at).toISOString().slice(11, 19);
}

/** All plots of the page. */
export class Plots {
  readonly #base: string;
  readonly #port: string | null;
  readonly #plots: readonly Plot[];
  #after = 0;

  /** Finds them. @param base in front of paths */
  constructor(base: string) {
    this.#base = base;
    const section = document.querySelector<HTMLElement>(".plots");
    this.#port = section?.dataset.port ?? null;
    const figures = [...document.querySelectorAll<HTMLElement>("figure.plot")];
    this.#plots = figures.map((figure) => new Plot(figure));
    if (section === null) return;
    const redraw = (): void => this.#plots.forEach((plot) => plot.draw());
    redraw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new ResizeObserver(() => this.#plots.forEach((plot) => plot.resize())).observe(section);
  }

  /** Asks for what came since. */
  async renew(): Promise<void> {
    if (this.#plots.length === 0) return;
    const query = new URLSearchParams({ after: String(this.#after) });
    if (this.#port !== null) query.set("port", this.#port);
    const signal = AbortSignal.timeout(ANSWER_MS_MAX);
    const response = await fetch(`${this.#base}samples.json?${query}`, { signal });
    if (!response.ok) throw new Error(`it answers with ${response.status}`);
    const samples = await response.json() as Samples;
    this.#after = samples.at?.at(-1) ?? this.#after;
    for (const plot of this.#plots) plot.add(samples);
  }
}
