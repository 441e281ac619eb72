/**
 * The fenced blocks of README.md and docs/, and what a block's first line says of how it runs:
 *
 * - `sh`: runs to its end and must succeed; what it exports and defines holds for later blocks.
 * - `sh terminal=NAME until="WORDS"`: runs on in a terminal of its own, and has said WORDS.
 * - `console`: lines behind `$ ` run as `sh`, and print the lines below them.
 * - `console terminal=NAME`: lines behind another prompt are typed into that terminal.
 * - `toml`: a configuration that a switch starts with. `json`: read.
 * - `text`: a picture; no commands.
 *
 * @module
 */

/** Kinds of blocks that a test knows what to do with. */
export const FENCE_KINDS = ["sh", "console", "toml", "json", "text"] as const;
/** One of them. */
export type FenceKind = typeof FENCE_KINDS[number];

/** A fenced block. */
export interface Fence {
  /** Where it begins, as `docs/attach.md:12`. */
  readonly place: string;
  readonly kind: FenceKind;
  readonly words: ReadonlyMap<string, string>;
  readonly body: string;
}

/** One command of a transcript and what it prints. */
export interface Step {
  readonly prompt: string;
  readonly command: string;
  readonly expected: readonly string[];
}

const WORDS: Readonly<Record<FenceKind, readonly string[]>> = {
  sh: ["terminal", "until"],
  console: ["terminal"],
  toml: [],
  json: [],
  text: [],
};
const COMMAND = /^\s*(\$|#|vuswitch|qemu-|dpdk-|curl|npx|deno|apt|sudo|kill|mkdir|export)\b/m;
/** Of the shell, testpmd, QEMU's monitor, and a guest's shell. */
const PROMPT = /^(\$|testpmd>|\(qemu\)|\w+#) /;

/** All blocks of a page. @throws on a block that no test would know what to do with */
export function fencesOf(page: string, text: string): Fence[] {
  const fences: Fence[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const open = /^\s*(`{3,}|~{3,})(.*)$/.exec(lines[i] ?? "");
    if (!open) continue;
    const [, mark = "", info = ""] = open;
    const end = lines.findIndex((line, j) => j > i && line.trim() === mark);
    const place = `${page}:${i + 1}`;
    if (end < 0) throw new Error(`${place}: the block has no end`);
    fences.push(readFence(place, info.trim(), lines.slice(i + 1, end).join("\n")));
    i = end;
  }
  return fences;
}

function readFence(place: string, info: string, body: string): Fence {
  const kind = FENCE_KINDS.find((known) => known === info.split(/\s/)[0]);
  if (!kind) throw new Error(`${place}: "${info}" is none of ${FENCE_KINDS.join(", ")}`);
  const words = new Map<string, string>();
  const rest = info.slice(kind.length).replace(/\s+(\w+)=(?:"([^"]*)"|(\S+))/g, (_, name, a, b) => {
    words.set(name, a ?? b);
    return "";
  });
  const unknown = [...words.keys()].find((name) => !WORDS[kind].includes(name));
  if (rest.trim() !== "" || unknown) throw new Error(`${place}: "${info}" has unknown words`);
  const untold = kind === "sh" && words.has("terminal") !== words.has("until");
  if (untold) throw new Error(`${place}: terminal= and until= go together`);
  if (kind === "text" && COMMAND.test(body)) throw new Error(`${place}: a text with commands`);
  return { place, kind, words, body };
}

/** The commands of a transcript. @throws if it does not begin with a prompt */
export function stepsOf({ place, body }: Fence): Step[] {
  const steps: { prompt: string; command: string; expected: string[] }[] = [];
  for (const line of body.split("\n")) {
    const prompt = PROMPT.exec(line)?.[0];
    const last = steps.at(-1);
    if (prompt) steps.push({ prompt, command: line.slice(prompt.length), expected: [] });
    else if (last) last.expected.push(line);
    else throw new Error(`${place}: does not begin with a prompt`);
  }
  return steps;
}

/**
 * The first expected line that the output lacks, or null. Lines may come in any order, as those of
 * the FDB do, each once; spaces are as many as there are, and … stands for whatever varies.
 */
export function firstMissing(expected: readonly string[], output: string): string | null {
  const lines = output.replaceAll("\r", "").split("\n").map(squeeze);
  for (const line of expected) {
    if (line.trim() === "") continue;
    const parts = squeeze(line).split(/ ?… ?/).map((part) =>
      part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")
    );
    const pattern = new RegExp(`^${parts.join(".*")}$`);
    const found = lines.findIndex((other) => pattern.test(other));
    if (found < 0) return line;
    lines.splice(found, 1);
  }
  return null;
}

function squeeze(line: string): string {
  return line.replace(/\s+/g, " ").trim();
}
