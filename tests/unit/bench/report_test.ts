/**
 * The report: its pictures show what the figures say, and it needs nothing but itself.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { parseHTML } from "linkedom";
import { type CellRecord, type Session, summarize } from "../../../bench/record.ts";
import { comparable, formatHtml, formatPicture } from "../../../bench/report/html.ts";
import { colorOf, drawBars, drawCurve, drawLatency } from "../../../bench/report/plots.ts";
import { QUANTILES } from "../../../bench/statistics.ts";
import { HEAD, run, SESSION } from "./sessions.ts";

/** What is used of a document here. */
interface Part {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): ArrayLike<Part>;
}

function parse(html: string): Part {
  const { document } = parseHTML(html) as unknown as { document: Part };
  return document;
}

function all(html: string, selector: string): Part[] {
  return Array.from(parse(html).querySelectorAll(selector));
}

const CELLS: CellRecord[] = [
  summarize(HEAD, [run("vuswitch", 0, 12), run("OVS-DPDK", 0, 6)]),
  summarize({ ...HEAD, cell: "packed 64" }, [run("vuswitch", 0, 9), run("OVS-DPDK", 0, 3)]),
];

const LATENCY = summarize(
  { ...HEAD, suite: "latency", cell: "ping-pong, split 64", unit: "us", better: "less" },
  ["vuswitch", "OVS-DPDK"].map((contender, i) => ({
    ...run(contender, 0, 2 + i),
    quantilesUs: QUANTILES.map((share) => 2 + i + share),
  })),
);

function scaleCell(x: number): CellRecord {
  const head = { ...HEAD, suite: "scale", cell: `${x} ports, 2 of them busy`, x };
  return summarize(head, [run("vuswitch", 0, 12 - x / 100), run("vuswitch (2 ports)", 0, 12)]);
}

Deno.test("bars are as long as the figures are large, each in its contender's color", () => {
  const bars = all(drawBars("a title", CELLS), 'g[aria-label="bar"] rect');
  assert.equal(bars.length, 4);
  const widths = bars.map((bar) => Number(bar.getAttribute("width")));
  const [unit = 0] = widths.map((width) => width / 12);
  for (const [i, value] of [12, 6, 9, 3].entries()) {
    assert(Math.abs((widths[i] ?? 0) - value * unit) < 0.01, `${widths}`);
  }
  const fills = new Set(bars.map((bar) => bar.getAttribute("fill")));
  assert.deepEqual([...fills], [colorOf("vuswitch"), colorOf("OVS-DPDK")]);
});

Deno.test("a picture stands alone: it is XML with a title, whatever the title has in it", () => {
  const svg = drawBars('5 < 6 & "so on"', CELLS);
  assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" role="img" /);
  assert.match(svg, /aria-label="5 &lt; 6 &amp; &quot;so on&quot;"/);
  assert(!/<[^>]*=[^>"]*</.test(svg));
  assert.equal((svg.match(/<svg/g) ?? []).length, 1);
  assert.match(
    formatPicture({ ...SESSION, cells: CELLS }),
    />Million frames a second .*2026-11-29/,
  );
});

Deno.test("the latency picture has a line for each contender, the slower one above", () => {
  const lines = all(drawLatency("latency", LATENCY, QUANTILES), 'g[aria-label="line"] path');
  assert.equal(lines.length, 2);
  const heights = lines.map((line) =>
    Number(/^M[\d.]+,([\d.]+)/.exec(line.getAttribute("d") ?? "")?.[1])
  );
  const [fast = NaN, slow = NaN] = heights;
  assert(slow < fast, "up is more");
});

Deno.test("a curve goes through its cells from the smallest to the largest", () => {
  const svg = drawCurve("ports", "ports", [scaleCell(16), scaleCell(64), scaleCell(256)]);
  const [path] = all(svg, 'g[aria-label="line"] path');
  assert.equal(path?.getAttribute("d")?.split(/[ML]/).length, 4);
});

const FULL: Session = {
  ...SESSION,
  machine: { cpu: "a <fast> one", cores: 2 },
  cells: [...CELLS, LATENCY, scaleCell(16), scaleCell(256)],
};

Deno.test("the report has every suite, cell, contender and ratio, and nothing from elsewhere", () => {
  const html = formatHtml(FULL, [FULL]);
  const titles = all(html, "h2").map(({ textContent }) => textContent);
  assert.deepEqual(titles, ["throughput", "latency", "scale", "machine"]);
  const text = all(html, "td").map(({ textContent }) => textContent);
  for (const words of ["split 64", "packed 64", "OVS-DPDK", "12 Mpps", "a <fast> one"]) {
    assert(text.includes(words), words);
  }
  assert(text.includes("2.00 (2.00 - 2.00)"), "the ratio stands beside the rival");
  // Bars, ratios, one latency, one curve.
  assert.equal(all(html, "svg").length, 4);
  assert.deepEqual(all(html, "script, link, img, iframe"), []);
  const addresses = new Set(html.match(/https?:[^"' )]*/g));
  assert.deepEqual([...addresses], ["http://www.w3.org/2000/svg"]);
});

Deno.test("the report warns of what it is not worth, and shows how ratios went over time", () => {
  const quick = { ...FULL, quick: true };
  assert.match(all(formatHtml(quick, []), ".attention")[0]?.textContent ?? "", /a quick look/);
  assert.deepEqual(all(formatHtml(FULL, [FULL]), ".attention"), []);
  const later = { ...FULL, started: "2026-12-02T12:00:00.000Z" };
  const elsewhere = { ...FULL, machine: { cpu: "another" } };
  assert.deepEqual(comparable(later, [FULL, quick, elsewhere, later]), [FULL, later]);
  const html = formatHtml(later, [FULL, elsewhere, later]);
  assert(all(html, "h2").some(({ textContent }) => textContent === "over time"));
  assert.equal(all(html, "svg").length, 5);
});
