/**
 * `explain`: what a word means that a counter, the log or a metric says. It asks no switch.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import { type CommandRow, OUTPUT, printing } from "../command.ts";
import { formatTable } from "../table.ts";

/** What is printed. */
export type Explanations = DocumentOf<"explanations">;

/** One word in full, many as a table. */
export function explainText({ asked, words }: Explanations): string {
  if (asked === null) {
    return formatTable(
      ["WORD", "KIND", "MEANING"],
      words.map(({ word, kind, meaning }) => [word, kind, meaning]),
    );
  }
  return words.map(({ word, kind, about, meaning, seenIn }) =>
    `${word}  ${kind}: ${about}\n  ${meaning}\n  seen in: ${seenIn}\n`
  ).join("\n");
}

/** In the order help lists them. */
export const EXPLAIN_COMMANDS: readonly CommandRow[] = [
  printing({
    words: ["explain"],
    brief: "say what a drop reason, counter, refusal, problem, log event or metric means",
    examples: [
      "vuswitch explain no_buffer",
      "vuswitch explain bad-size",
      "vuswitch explain rxDroppedVlan",
      "vuswitch explain",
    ],
    arguments: [{
      placeholder: "WORD",
      brief: "what was printed; all words are listed if not given",
      optional: true,
      words: async () => (await import("../../control/glossary.ts")).glossaryWords(),
    }],
    flags: { output: OUTPUT },
  }, async () => {
    const { explain, glossary } = await import("../../control/glossary.ts");
    const { WORD_KINDS } = await import("../../control/word_kinds.ts");
    return {
      document: () => "explanations",
      read: (_flags, word?: string) => {
        const found = word === undefined ? glossary() : explain(word);
        const words = found.map((each) => ({ ...each, about: WORD_KINDS[each.kind] }));
        return { asked: word ?? null, words };
      },
      draw: explainText,
    };
  }),
];
