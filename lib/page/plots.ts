/**
 * Plots of rates: without script a drawing of the last minutes; the script puts a plot in its place
 * that goes on (client/).
 *
 * @module
 */
import { line } from "./figures.ts";
import { bits, short } from "./numbers.ts";
import { type History, type Rate, SAMPLES_MAX } from "./history.ts";
import { type Html, markup } from "./html.ts";

/** A plot: what it shows, in which unit, and its lines. */
export interface PlotKind {
  /** Stands above it. */
  readonly title: string;
  /** How values are written. */
  readonly unit: "frames" | "bits";
  /** Rates, each with its name for people and its colour. */
  readonly lines: readonly (readonly [rate: Rate, name: string, kind: string])[];
}

/** All of them. */
export const PLOTS: readonly PlotKind[] = [
  {
    title: "Frames a second",
    unit: "frames",
    lines: [["rxFrames", "from guests", "rx"], ["txFrames", "to guests", "tx"]],
  },
  {
    title: "Bits a second",
    unit: "bits",
    lines: [["rxBytes", "from guests", "rx"], ["txBytes", "to guests", "tx"]],
  },
  { title: "Dropped frames a second", unit: "frames", lines: [["drops", "dropped", "drop"]] },
];

/** A rate for people. */
function valueText(unit: PlotKind["unit"], value: number): string {
  return unit === "bits" ? bits(value) : `${short(value)}/s`;
}

function plot(history: History, port: string | null, kind: PlotKind): Html {
  const { title, unit, lines } = kind;
  const [width, height] = [400, 120];
  const values = lines.map(([rate]) => history.newest(port, rate, SAMPLES_MAX));
  const most = Math.max(1, ...values.flat().filter((value) => !Number.isNaN(value)));
  const now = history.rates(port);
  const legend = lines.map(([rate, name, color]) =>
    markup`<span class="key ${color}">${name} <b data-rate="${rate}">${
      valueText(unit, now[rate])
    }</b></span> `
  );
  const drawn = lines.map(([, , color], i) => line(values[i] ?? [], most, width, height, color));
  return markup`<figure class="plot" data-unit="${unit}" data-lines="${
    lines.map(([rate, , color]) => `${rate}:${color}`).join(" ")
  }"><figcaption><span class="title">${title}</span> ${legend}</figcaption>
<div class="drawing" role="img" aria-label="${title}, the last five minutes; most: ${
    valueText(unit, most)
  }"><svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true">${drawn}</svg></div></figure>`;
}

/** All plots of a port, or with null of the switch. */
export function plots(history: History, port: string | null): Html {
  const all = PLOTS.map((kind) => plot(history, port, kind));
  return markup`<section class="plots" aria-label="Rates"${
    port === null ? null : markup` data-port="${port}"`
  }>${all}</section>`;
}
