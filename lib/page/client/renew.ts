/**
 * Makes what is shown the same as what came, and touches nothing that is: who reads with a screen
 * reader, has something selected, or stands on a link, stays where they are.
 *
 * @module
 */

/** What a person has opened stays open. */
const KEPT = ["open"];

function keyOf(node: Node): string | null {
  return node instanceof HTMLElement ? node.dataset.key ?? null : null;
}

function sameKind(one: Node, other: Node): boolean {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName &&
    keyOf(one) === keyOf(other);
}

function attributes(shown: Element, came: Element): void {
  for (const { name } of [...shown.attributes]) {
    if (!came.hasAttribute(name) && !KEPT.includes(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of came.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
}

/** Makes a node, its attributes, and all in it the same. */
function same(shown: Node, came: Node): void {
  if (!(shown instanceof Element) || !(came instanceof Element)) {
    if (shown.nodeValue !== came.nodeValue) shown.nodeValue = came.nodeValue;
    return;
  }
  attributes(shown, came);
  const keyed = new Map<string, Node>();
  for (const child of shown.childNodes) {
    const key = keyOf(child);
    if (key !== null) keyed.set(key, child);
  }
  let at: ChildNode | null = shown.firstChild;
  for (const child of [...came.childNodes]) {
    const key = keyOf(child);
    const found = key === null ? at : keyed.get(key) ?? null;
    if (found === null || !sameKind(found, child)) {
      shown.insertBefore(document.importNode(child, true), at);
      continue;
    }
    if (found === at) at = at.nextSibling;
    else shown.insertBefore(found, at);
    same(found, child);
  }
  while (at !== null) {
    const next: ChildNode | null = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** Renews the parts of a page that are live, by their ids. */
export function renew(shown: Document, came: Document): void {
  for (const part of came.querySelectorAll("[data-live]")) {
    const old = shown.getElementById(part.id);
    if (old === null) continue;
    if (sameKind(old, part)) same(old, part);
    else old.replaceWith(shown.importNode(part, true));
  }
}
