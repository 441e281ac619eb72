/** Colours: text can be read on what it stands on, light and dark (WCAG 2.2 §1.4.3, §1.4.11). */
import { strict as assert } from "node:assert";
import { STYLE_SOURCE } from "../../../lib/page/assets.ts";

const style = Deno.readTextFileSync(new URL(`../../../${STYLE_SOURCE}`, import.meta.url));

function colors(block: string): Map<string, string> {
  return new Map(
    Array.from(
      block.matchAll(/--([a-z]+): (#[0-9a-f]{6});/g),
      ([, name = "", hex = ""]) => [name, hex],
    ),
  );
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(hex.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

Deno.test("text has a contrast of 4.5 on all grounds, edges one of 3", () => {
  const [light = "", dark = ""] = style.split("@media (prefers-color-scheme: dark)");
  assert(contrast("#000000", "#ffffff") === 21);
  for (const [scheme, block] of [["light", light], ["dark", dark]] as const) {
    const of = colors(block);
    const get = (name: string): string => of.get(name) ?? assert.fail(`${scheme} has no ${name}`);
    const texts = ["text", "muted", "accent", "good", "bad", "warn", "idle", "rx", "tx", "drop"];
    const low: string[] = [];
    const look = (text: string, ground: string, least: number): void => {
      const value = contrast(get(text), get(ground));
      if (value < least) low.push(`${scheme}: ${text} on ${ground} ${value.toFixed(2)}`);
    };
    for (const text of texts) for (const ground of ["ground", "surface"]) look(text, ground, 4.5);
    look("text", "mark", 4.5);
    look("surface", "accent", 4.5);
    for (const ground of ["ground", "surface"]) look("edge", ground, 3);
    assert.deepEqual(low, []);
  }
});

Deno.test("style takes nothing from elsewhere", () => {
  assert.doesNotMatch(style, /url\(|@import|https?:/);
});
