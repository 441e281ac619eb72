/**
 * Completion in shells: the script a user sources, and the names it asks a running switch for.
 *
 * @module
 */
import type { ListenerStatus, PortStatus } from "../control/types.ts";
import { callSwitch } from "./client.ts";
import { trustedControlPath } from "./control_path.ts";

/**
 * What a shell reads to complete the words of vuswitch. zsh takes the function of bash.
 * @param ask the word that makes vuswitch propose how a line that follows goes on
 */
export function completionScript(shell: "bash" | "zsh", ask: string): string {
  const script = `_vuswitch() {
  local IFS=$'\\n'
  COMPREPLY=($("\${COMP_WORDS[0]}" ${ask} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null))
}
complete -o default -F _vuswitch vuswitch
`;
  return shell === "bash" ? script : `autoload -U +X bashcompinit && bashcompinit\n${script}`;
}

/** `completion SHELL`. */
export function completion(
  _flags: unknown,
  print: (text: string) => void,
  shell: "bash" | "zsh",
): void {
  print(completionScript(shell, "--complete"));
}

/** A shell's user is waiting: what takes longer is left out, ms. */
const PATIENCE_MS = 500;

/** Names of ports and of sockets of many, of the switch that is asked by default, if there is one. */
export async function portNames(): Promise<string[]> {
  const ask = async (path: string): Promise<readonly { readonly name: string }[]> =>
    await callSwitch(trustedControlPath(), "GET", path, null, PATIENCE_MS) as (
      | PortStatus
      | ListenerStatus
    )[];
  try {
    const both = await Promise.all([ask("/v1/ports"), ask("/v1/listeners")]);
    return both.flat().map(({ name }) => name);
  } catch {
    return [];
  }
}
