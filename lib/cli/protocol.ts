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

function remark({ requires, reason, note }: Entry): string {
  const text = reason ?? (requires === null ? "" : `with ${requires}`);
  return [text, note ?? ""].filter((part) => part !== "").join("; ");
}

/** `protocol`. */
export function protocol(flags: ProtocolFlags, print: (text: string) => void): void {
  const entries = inventory();
  if (flags.output === "json") return print(`${JSON.stringify(entries, null, 2)}\n`);
  print(formatTable(
    ["KIND", "NUMBER", "NAME", "STATUS", "REMARK", "ANSWER", "TEST"],
    entries.map((entry) => [
      entry.kind,
      String(entry.number),
      entry.name,
      entry.option ?? entry.status.replace("-", " "),
      remark(entry),
      entry.answer?.payload ?? "-",
      entry.tests[0]?.file ?? "-",
    ]),
  ));
}
