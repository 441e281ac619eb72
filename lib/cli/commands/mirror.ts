/**
 * The commands of mirrors.
 *
 * @module
 */
import type { MirrorStatus } from "../../control/types.ts";
import { ask, asking, CLIENT_FLAGS, type CommandRow, LIVE, printing } from "../command.ts";
import { CliError, EXIT_USAGE } from "../failure.ts";
import { listing } from "../looks.ts";
import { formatTable } from "../table.ts";

const MIRROR = { placeholder: "NAME", brief: "name of a mirror" } as const;

/** The table of `mirror list`. */
export function mirrorTable(mirrors: readonly MirrorStatus[]): string {
  return formatTable(
    ["NAME", "FROM", "DIRECTION", "TO"],
    mirrors.map(({ name, from, direction, to }) => [name, from.join(","), direction, to]),
  );
}

/** In the order help lists them. */
export const MIRROR_COMMANDS: readonly CommandRow[] = [
  listing(
    {
      words: ["mirror", "list"],
      brief: "list the mirrors",
      examples: ["vuswitch mirror list", "vuswitch mirror list --watch"],
    },
    "mirrors",
    (flags) => ask(flags, "GET", "/v1/mirrors"),
    mirrorTable,
  ),
  printing({
    words: ["mirror", "add"],
    brief:
      "copy frames from and to ports to another one, which gets nothing else and sends nothing",
    arguments: [MIRROR],
    examples: ["vuswitch mirror add ids --from vm1,vm2 --to vm3 --direction in"],
    flags: {
      ...CLIENT_FLAGS,
      from: {
        brief: "ports to copy from",
        placeholder: "PORT[,PORT]",
        words: LIVE.portList,
      },
      to: { brief: "port that gets the copies", placeholder: "PORT", words: LIVE.ports },
      direction: {
        brief: "frames that come from the ports (in), go to them (out), or both",
        values: ["both", "in", "out"],
        otherwise: "both",
      },
    },
  }, () => ({
    document: () => "mirror",
    read: (flags, name = "") => {
      const { from, to, direction } = flags;
      if (from === undefined || to === undefined) {
        throw new CliError(EXIT_USAGE, "A mirror needs --from PORT[,PORT] and --to PORT");
      }
      return ask(flags, "POST", "/v1/mirrors", { name, from: from.split(","), to, direction });
    },
    draw: ({ name, from, to }) => `mirror ${name} copies ${from.join(", ")} to ${to}\n`,
  })),
  asking(
    {
      words: ["mirror", "del"],
      brief: "end a mirror: its port switches again",
      arguments: [{ ...MIRROR, words: LIVE.mirrors }],
      examples: ["vuswitch mirror del ids"],
    },
    "mirror-removed",
    async (flags, name = "") => {
      await ask(flags, "DELETE", `/v1/mirrors/${encodeURIComponent(name)}`);
      return { removed: name };
    },
    ({ removed }) => `mirror ${removed} is gone\n`,
  ),
];
