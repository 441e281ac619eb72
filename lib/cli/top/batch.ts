/**
 * `top` as plain text, for files and pipes: a page for each look.
 *
 * @module
 */
import { formatTable, shortNumber } from "../table.ts";
import { rateText, verdictText } from "./columns.ts";
import type { Figures } from "./figures.ts";
import { asciiText } from "./spans.ts";
import { shownPorts, type TopState } from "./state.ts";

function share(value: number | null): string {
  return value === null ? "-" : `${(100 * value).toFixed(1)} %`;
}

/** A page of what was seen. */
export function batchText(figures: Figures, state: TopState): string {
  const { at, seconds, version, pid, all, workers, ports, addresses } = figures;
  const lines = [
    `vuswitch ${version}  pid ${pid}  ${at}  over ${seconds} s  ${ports.length} ports`,
    `rx ${rateText(all.rxFrames)}/s ${shortNumber(all.rxBits)}bit/s  ` +
    `tx ${rateText(all.txFrames)}/s ${shortNumber(all.txBits)}bit/s  ` +
    `drops ${rateText(all.drops)}/s  addresses ${addresses}`,
    ...workers.map(({ number, busy, polling, asleep, waited, nsPerFrame }) =>
      `worker ${number}  busy ${share(busy)}  polls ${share(polling)}  sleeps ${share(asleep)}  ` +
      `not run ${share(waited)}  ns a frame ${nsPerFrame ?? "-"}`
    ),
  ];
  const rows = shownPorts(figures, state).map((port) => [
    port.name,
    asciiText(port.link),
    rateText(port.flow.rxFrames),
    shortNumber(port.flow.rxBits),
    rateText(port.flow.txFrames),
    shortNumber(port.flow.txBits),
    rateText(port.flow.drops),
    `${Math.round(100 * port.share)}%`,
    verdictText(port),
  ]);
  const heading = [
    ...["PORT", "LINK", "RX/s", "RX-bit/s", "TX/s", "TX-bit/s", "DROPS/s", "SHARE", "VERDICT"],
  ];
  return `${lines.join("\n")}\n${formatTable(heading, rows)}`;
}
