/**
 * The manual: its pages by name.
 *
 * @module
 */
import type { Print } from "../command.ts";
import type { ManPage } from "../man_pages.ts";
import { configPage } from "./config_page.ts";
import { programPage } from "./program_page.ts";

const PAGES: Readonly<Record<ManPage, () => string>> = {
  vuswitch: programPage,
  "vuswitch.toml": configPage,
};

/** A page of the manual, mdoc(7). */
export function manPage(page: ManPage): string {
  return PAGES[page]();
}

/** `man [PAGE]`. */
export function man(_flags: unknown, print: Print, page: ManPage = "vuswitch"): void {
  print(manPage(page));
}
