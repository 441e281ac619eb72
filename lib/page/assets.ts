/**
 * Style, script and icon of the page. The binary carries them beside its program (lib/build/compile.ts);
 * in a checkout the style is a file, and the script is bundled when the page is first served: browsers
 * run no TypeScript, and know no packages.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { bundle } from "../worker/program.ts";

/** Names of the files in the binary. */
export const STYLE_FILE = "page.css";
/** Likewise. */
export const SCRIPT_FILE = "page.js";
/** Where they are made from, from the root of a checkout. */
export const STYLE_SOURCE = "lib/page/style.css";
/** Likewise. */
export const SCRIPT_ENTRY = "lib/page/client/main.ts";

/** A file that is served. */
export interface Asset {
  /** Its name, with a digest of what is in it: it may be kept for ever. */
  readonly name: string;
  /** Its media type. */
  readonly type: string;
  /** What is in it. */
  readonly text: string;
}

/** All of them. */
export interface Assets {
  /** How pages look. */
  readonly style: Asset;
  /** What makes them live; a comment that says why not, where it cannot be had. */
  readonly script: Asset;
  /** The icon in a browser's tab. */
  readonly icon: Asset;
  /** Why there is no script; null: there is. */
  readonly problem: string | null;
}

const ICON =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" \
rx="7" fill="#0b5cad"/><path d="M6 11h15l-4-4M26 21H11l4 4" fill="none" stroke="#fff" stroke-width="3" \
stroke-linecap="round" stroke-linejoin="round"/></svg>\n`;

function asset(name: string, ending: string, type: string, text: string): Asset {
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 10);
  return { name: `${name}-${digest}.${ending}`, type, text };
}

/** Makes the script of a checkout. @param output a file @throws naming what failed */
export async function bundleScript(deno: string, root: string, output: string): Promise<void> {
  await bundle(deno, root + SCRIPT_ENTRY, output, "browser");
}

async function scriptOfCheckout(root: string): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-page-" });
  try {
    await bundleScript(Deno.execPath(), root, `${folder}/${SCRIPT_FILE}`);
    return await Deno.readTextFile(`${folder}/${SCRIPT_FILE}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Reads, or makes, all of them. Without script pages are what they are, but do not move. */
export async function loadAssets(): Promise<Assets> {
  let problem: string | null = null;
  const without = (error: unknown): string => {
    problem = error instanceof Error ? error.message : String(error);
    return "// The script could not be bundled; the switch's log says why.\n";
  };
  const here = (file: string): URL => new URL(`./${file}`, import.meta.url);
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const [style, script] = Deno.build.standalone
    ? await Promise.all([STYLE_FILE, SCRIPT_FILE].map((file) => Deno.readTextFile(here(file))))
    : await Promise.all([
      Deno.readTextFile(root + STYLE_SOURCE),
      scriptOfCheckout(root).catch(without),
    ]);
  return {
    style: asset("style", "css", "text/css; charset=utf-8", style ?? ""),
    script: asset("script", "js", "text/javascript; charset=utf-8", script ?? ""),
    icon: asset("icon", "svg", "image/svg+xml", ICON),
    problem,
  };
}
