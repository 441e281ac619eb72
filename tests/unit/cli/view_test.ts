/** What a command prints, whatever stands in the document. */
import { strict as assert } from "node:assert";
import { type AnyView, showView } from "../../../lib/cli/view.ts";

Deno.test("no control character of anybody's name reaches a terminal, in whatever text it stands", async () => {
  const document = {
    detail: "pid 7, a\x1b[2J\u009b1m",
    rows: [{ command: "b\nc\u2028d", count: 2 }],
  };
  const shown: AnyView = {
    document: () => "port-list",
    read: () => document,
    draw: ({ detail, rows: [row] }: typeof document) =>
      `${detail}\n${row?.command} ${row?.count}\n`,
  };
  const prints = async (output: "table" | "json"): Promise<string> => {
    let text = "";
    await showView(shown, { output }, (more) => text += more);
    return text;
  };
  assert.equal(await prints("table"), "pid 7, a?[2J?1m\nb?c?d 2\n");
  assert.equal(await prints("json"), `${JSON.stringify(document, null, 2)}\n`);
});
