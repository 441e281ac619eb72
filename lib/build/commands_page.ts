/**
 * Writes docs/commands.md: what `--help` says of each command, never edited by hand.
 *
 * @module
 */
const ROOT = new URL("../../", import.meta.url).pathname;
const COMMANDS_MAX = 200;

/** What `vuswitch WORDS --help` prints. @throws if there is no such command */
async function helpOf(words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}main.ts`, ...words, "--help"],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  if (code !== 0) throw new Error(`vuswitch ${words.join(" ")} --help: ${text(stderr)}`);
  return text(stdout).trimEnd().replace(/ +$/gm, "");
}

/** Names of the commands that a help text lists. */
function listed(help: string): string[] {
  const lines = help.split("\n");
  const begin = lines.findIndex((line) => /^COMMANDS/.test(line));
  const names: string[] = [];
  for (const line of begin < 0 ? [] : lines.slice(begin + 1)) {
    if (/^\S/.test(line)) break;
    const name = /^ {2}([a-z][a-z-]*)\b/.exec(line)?.[1];
    if (name !== undefined) names.push(name);
  }
  return names;
}

/** The whole page, Markdown. Runs the program once for each command. */
export async function commandsPage(): Promise<string> {
  const parts = [
    "# Commands",
    "What `vuswitch COMMAND --help` prints; `deno task docs` writes this page, and a test compares.",
  ];
  const waiting: string[][] = [[]];
  for (let words = waiting.shift(); words !== undefined; words = waiting.shift()) {
    const here = words;
    const help = await helpOf(here);
    waiting.unshift(...listed(help).map((name) => [...here, name]));
    if (parts.length > 2 * COMMANDS_MAX) throw new Error("The commands have no end");
    const title = ["vuswitch", ...here].join(" ");
    parts.push(`## ${title}`, `\`\`\`console\n$ ${title} --help\n${help}\n\`\`\``);
  }
  return `${parts.join("\n\n")}\n`;
}

if (import.meta.main) await Deno.writeTextFile(`${ROOT}docs/commands.md`, await commandsPage());
