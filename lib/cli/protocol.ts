/**
 * `protocol`: the messages and feature bits of vhost-user and what this program makes of them. It
 * asks no switch.
 *
 * @module
 */
import { type Entry, inventory } from "../vhost/inventory.ts";
import { formatTable } from "./table.ts";

/** Flags of `protocol`. */
export interface ProtocolFlags {
  readonly output: "table" | "json";
}

function remark({ requires, reason }: Entry): string {
  return reason ?? (requires === null ? "" : `with ${requires}`);
}

/** `protocol`. */
export function protocol(flags: ProtocolFlags, print: (text: string) => void): void {
  const entries = inventory();
  if (flags.output === "json") return print(`${JSON.stringify(entries, null, 2)}\n`);
  print(formatTable(
    ["KIND", "NUMBER", "NAME", "STATUS", "REMARK", "TEST"],
    entries.map((entry) => [
      entry.kind,
      String(entry.number),
      entry.name,
      entry.option ?? entry.status.replace("-", " "),
      remark(entry),
      entry.tests[0]?.file ?? "-",
    ]),
  ));
}
