/**
 * Blocks that are not for a shell: whether they are well-formed, and say what they must.
 *
 * @module
 */
import type { Fence } from "./fences.ts";

/** Checks a block of XML or JSON. @throws naming the fault */
export function checkValues({ kind, body }: Fence): void {
  if (kind === "json") JSON.parse(body);
  if (kind === "xml") checkXml(body);
}

/** Elements of a libvirt domain: closed in order; with sockets and shared memory as they must be. */
function checkXml(body: string): void {
  const open: string[] = [];
  for (const [tag] of body.matchAll(/<[^>]*>/g)) {
    const match = /^<(\/?)([\w:]+)((?:\s+[\w:]+=(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>$/.exec(tag);
    if (!match) throw new Error(`${tag} is not well-formed`);
    const [, end, name = "", , empty] = match;
    if (end && open.pop() !== name) throw new Error(`${tag} closes what is not open`);
    if (!end && !empty) open.push(name);
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`);
  // https://libvirt.org/formatdomain.html: vhost-user needs memory that is shared.
  const values = [
    /<source type=["']memfd["']\/>/,
    /<access mode=["']shared["']\/>/,
    /<interface type=["']vhostuser["']>/,
    /<source type=["']unix["'] path=["']\/run\/vuswitch\/[\w.]+\.sock["'] mode=["'](client|server)["']\/?>/,
    /<model type=["']virtio["']\/>/,
  ];
  const missing = values.find((value) => !value.test(body));
  if (missing) throw new Error(`it has no ${missing.source}`);
}
