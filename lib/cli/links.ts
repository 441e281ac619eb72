/**
 * The commands of direct links between two ports.
 *
 * @module
 */
import type { LinkStatus } from "../control/types.ts";
import { ask } from "./client.ts";
import type { ShowFlags } from "./show.ts";
import { formatTable } from "./table.ts";

type Print = (text: string) => void;

function answer(flags: ShowFlags, print: Print, value: unknown, text: string): void {
  print(flags.output === "json" ? `${JSON.stringify(value, null, 2)}\n` : text);
}

function linkTable(links: readonly LinkStatus[]): string {
  return formatTable(
    ["PORT", "PORT", "STATE", "FROM"],
    links.map((link) => [
      ...link.ports,
      link.state,
      link.configured ? "configuration" : "command",
    ]),
  );
}

/** `link list`. */
export async function linkList(flags: ShowFlags, print: Print): Promise<void> {
  const links = await ask(flags, "GET", "/v1/links") as LinkStatus[];
  answer(flags, print, links, linkTable(links));
}

/** `link add PORT PORT`. */
export async function linkAdd(
  flags: ShowFlags,
  print: Print,
  ...ports: string[]
): Promise<void> {
  const link = await ask(flags, "POST", "/v1/links", { ports });
  answer(flags, print, link, `ports ${ports.join(" and ")} are linked\n`);
}

/** `link del PORT PORT`. */
export async function linkDel(
  flags: ShowFlags,
  print: Print,
  ...ports: string[]
): Promise<void> {
  await ask(flags, "DELETE", `/v1/links/${ports.map(encodeURIComponent).join("/")}`);
  const text = `ports ${ports.join(" and ")} are not linked any more\n`;
  answer(flags, print, { removed: ports }, text);
}
