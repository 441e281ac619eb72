/**
 * The commands of the configuration.
 *
 * @module
 */
import type { DocumentOf } from "../../control/schema/mod.ts";
import { ask, asking, CLIENT_FLAGS, type CommandRow, OUTPUT, printing } from "../command.ts";
import { formatTable } from "../table.ts";

const FILE = { placeholder: "FILE", brief: "a configuration file, TOML" } as const;
const MAYBE_FILE = {
  placeholder: "FILE",
  brief: "a configuration file; the one that the switch was started with, if not given",
  optional: true,
} as const;
const EXACT = {
  brief: "what was added at run time, and no file says, goes as well",
  yes: true,
} as const;

/** The table of `config diff` and `config reload`. */
export function changeTable({ file, changes }: DocumentOf<"config-changes">): string {
  if (changes.length === 0) return `nothing changes: all is as ${file} says\n`;
  return formatTable(
    ["WHAT", "NAME", "HOW", "DETAIL"],
    changes.map(({ what, name, how, detail }) => [what, name, how, detail]),
  );
}

/** Asks for a change to what a file says: its text is sent, as the switch may see other files. */
async function askChange(
  flags: Parameters<typeof ask>[0] & { readonly exact: boolean },
  what: "diff" | "reload",
  file: string | undefined,
): Promise<DocumentOf<"config-changes">> {
  const { exact } = flags;
  const text = file === undefined ? {} : await (await import("../config_files.ts")).toSend(file);
  return await ask(flags, "POST", `/v1/config/${what}`, { ...text, exact });
}

const CHECK = printing({
  words: ["config", "check"],
  brief: "say what is wrong with a configuration file, a line for each fault; no switch is asked",
  arguments: [FILE],
  examples: ["vuswitch config check /etc/vuswitch.toml"],
  flags: { output: OUTPUT },
}, async () => {
  const { checkedText, faultsOf } = await import("../run_config.ts");
  return {
    document: () => "config-checked",
    read: (_flags, config = "") => faultsOf({ ...NO_FLAGS, config }),
    draw: checkedText,
  };
});

/** Flags of a `run` that has none. */
const NO_FLAGS = { nat: false, sandbox: false, check: true, quiet: false, verbose: false };

/** In the order help lists them. */
export const CONFIG_COMMANDS: readonly CommandRow[] = [
  {
    ...CHECK,
    load: async () => {
      const act = await CHECK.load();
      const { endChecked } = await import("../run_config.ts");
      return async (flags, print, ...words) => {
        let faults = 0;
        const { output } = flags as { readonly output: string };
        await act(flags, (text) => {
          faults = output === "json"
            ? (JSON.parse(text) as DocumentOf<"config-checked">).faults.length
            : /^.*: good: /.test(text)
            ? 0
            : text.split("\n").length - 1;
          return print(text);
        }, ...words);
        endChecked(faults);
      };
    },
  },
  asking(
    {
      words: ["config", "show"],
      brief: "print what is in force as a file that can be loaded again",
      examples: ["vuswitch config show", "vuswitch config show -o json"],
    },
    "config",
    (flags) => ask(flags, "GET", "/v1/config"),
    ({ toml, unsaid }) =>
      unsaid.map((line) => `# Not in a file: ${line}\n`).join("") +
      toml.map((line) => `${line}\n`).join(""),
  ),
  printing({
    words: ["config", "diff"],
    brief: "print what a reload would change, and change nothing",
    arguments: [MAYBE_FILE],
    examples: ["vuswitch config diff", "vuswitch config diff new.toml"],
    flags: { ...CLIENT_FLAGS, exact: EXACT },
  }, () => ({
    document: () => "config-changes",
    read: (flags, file) => askChange(flags, "diff", file),
    draw: changeTable,
  })),
  printing({
    words: ["config", "reload"],
    brief: "have the switch be what a file says; ports that are the same are not touched",
    arguments: [MAYBE_FILE],
    examples: ["vuswitch config reload", "vuswitch config reload new.toml --exact"],
    flags: { ...CLIENT_FLAGS, exact: EXACT },
  }, () => ({
    document: () => "config-changes",
    read: (flags, file) => askChange(flags, "reload", file),
    draw: changeTable,
  })),
  printing({
    words: ["config", "save"],
    brief: "write what is in force, and was set at run time, into a file",
    arguments: [MAYBE_FILE],
    examples: ["vuswitch config save", "vuswitch config save /etc/vuswitch.toml"],
    flags: CLIENT_FLAGS,
  }, () => ({
    document: () => "config-saved",
    read: async (flags, file) => {
      const config = await ask<DocumentOf<"config">>(flags, "GET", "/v1/config");
      return (await import("../config_files.ts")).save(config, file);
    },
    draw: ({ file, unsaid }) =>
      `${file} is written\n` +
      unsaid.map((line) => `not in it: ${line}\n`).join(""),
  })),
];
