/**
 * Names that operators meet, as the code has them: log events, reason codes, routes. Found in the
 * text of lib/, so that a new one is found without anybody's help.
 *
 * @module
 */
const LIB = new URL("../../lib/", import.meta.url).pathname;

function* textsOf(folders: readonly string[]): Generator<string> {
  for (const folder of folders) {
    for (const entry of Deno.readDirSync(LIB + folder)) {
      if (entry.name.endsWith(".ts")) yield Deno.readTextFileSync(`${LIB}${folder}/${entry.name}`);
    }
  }
}

function found(folders: readonly string[], patterns: readonly RegExp[]): string[] {
  const names = new Set<string>();
  for (const text of textsOf(folders)) {
    for (const pattern of patterns) {
      for (const [, name = ""] of text.matchAll(pattern)) names.add(name);
    }
  }
  return [...names].sort();
}

/** Names of log events: the second word of a call that logs, or the first behind the component. */
export function eventNames(): string[] {
  const fixed = found(["control", "cli", "worker"], [
    /[lL]og\(\s*"(?:debug|info|warn|error)",\s*"([a-z-]+)"/g,
    /[lL]ogger(?:\)|\?)?\.(?:debug|info|warn|error)\(\s*[^,()]+,\s*"([a-z-]+)"/g,
  ]);
  // Those that are made: admin-${up or down}, and the verb of a port that starts.
  return [...fixed, "admin-up", "admin-down", "connecting"].sort();
}

/** Reason codes of refusals: why a connection or a ring ended, or a request was answered no. */
export function reasonCodes(): string[] {
  return found(["control", "vhost", "worker"], [
    /\bcode:\s*"([a-z-]+)"/g,
    /\bcode = [^;]*?\? "([a-z-]+)"/g,
    /\bcode = [^;]*? : "([a-z-]+)"/g,
    /[rR]efuse\(\s*(?:fd,\s*)?"([a-z]+(?:-[a-z]+)*)"/g,
    /\breason: "([a-z-]+)"/g,
  ]);
}

/** Routes of the control API: those of its `case "METHOD word"` clauses, as `METHOD word`. */
export function routeNames(): string[] {
  return found(["control"], [/case "((?:GET|POST|PUT|PATCH|DELETE) [a-z]+)"/g]);
}
