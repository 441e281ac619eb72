/**
 * `protocol`: the messages and feature bits of vhost-user and what this program makes of them. It
 * asks no switch.
 *
 * @module
 */
import { type Entry, inventory } from "../vhost/inventory/inventory.ts";
import { formatTable } from "./table.ts";
import { type View, view } from "./view.ts";

function remark({ requires, reason, note }: Entry): string {
  const text = reason ?? (requires === null ? "" : `with ${requires}`);
  return [text, note ?? ""].filter((part) => part !== "").join("; ");
}

/** `protocol`. */
export const protocol: View<unknown, "protocol"> = view(
  "protocol",
  inventory,
  (entries) =>
    formatTable(
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
    ),
);
