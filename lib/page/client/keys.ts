/**
 * Keys, for who does not want a pointer. None of them does anything where somebody types.
 *
 * @module
 */
import type { Live } from "./live.ts";

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement &&
    target.closest("input, select, textarea, [contenteditable]") !== null;
}

/** To the next or the previous row of a table with a link. */
function walk(step: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>("main tbody tr")]
    .flatMap((row) => row.querySelector<HTMLElement>("a") ?? []);
  const at = links.findIndex((each) => each.closest("tr")?.contains(document.activeElement));
  const next = links[at < 0 ? (step > 0 ? 0 : links.length - 1) : at + step];
  next?.focus();
}

/** Listens. */
export function keys(live: Live): void {
  const help = document.getElementById("help") as HTMLDialogElement;
  document.getElementById("keys")?.addEventListener("click", () => help.showModal());
  const does: Readonly<Record<string, () => void>> = {
    "/": () => document.querySelector<HTMLElement>("[data-search]")?.focus(),
    "?": () => help.showModal(),
    j: () => walk(1),
    k: () => walk(-1),
    p: () => live.toggle(),
  };
  document.addEventListener("keydown", (event) => {
    const { key, target, ctrlKey, altKey, metaKey } = event;
    if (ctrlKey || altKey || metaKey || help.open || isTyping(target)) return;
    const page = document.querySelector<HTMLElement>(`nav [data-digit="${CSS.escape(key)}"]`);
    const act = Object.hasOwn(does, key) ? does[key] : undefined;
    if (page === null && act === undefined) return;
    event.preventDefault();
    if (page !== null) page.click();
    else act?.();
  });
}
