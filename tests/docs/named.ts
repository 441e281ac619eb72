/**
 * Names that operators meet, as the code has them: log events, reason codes, routes. Found in the
 * text of lib/, so that a new one is found without anybody's help.
 *
 * @module
 */
import { ROUTES } from "../../lib/control/api/table.ts";
import { PROBLEM_CODES } from "../../lib/control/vhost_port/problem_codes.ts";

const LIB = new URL("../../lib/", import.meta.url).pathname;

function* textsOf(folders: readonly string[]): Generator<string> {
  for (const folder of folders) {
    for (const { name, isDirectory } of Deno.readDirSync(LIB + folder)) {
      if (isDirectory) yield* textsOf([`${folder}/${name}`]);
      else if (name.endsWith(".ts")) yield Deno.readTextFileSync(`${LIB}${folder}/${name}`);
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

/** What is logged under a name that is not written where it is logged, and where such names are. */
const NAMED_ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  // admin-${up or down}, and the verb of a port that starts: listening is written elsewhere too.
  "`admin-${admin}`": ["admin-up", "admin-down"],
  'verb.split(" ")[0] as string': ["connecting", "serving"],
  "problem.code": PROBLEM_CODES,
  "IOMMU.code": PROBLEM_CODES,
  // Reason codes have a table of their own.
  "refusal.code": [],
  "code": [],
  // Those that hand a call on.
  "event": [],
};

/**
 * Names of log events: the second word of a call that logs.
 * @throws one has a name that cannot be found
 */
export function eventNames(): string[] {
  const called = found(["control", "cli", "vhost", "worker", "page"], [
    // log.ts makes its four functions of one.
    /[lL]og\(\s*"(?:debug|info|warn|error)",\s*((?!\s|\.\.\.)[^,]+),/g,
    /[lL]ogger(?:\)|\?)?\.(?:debug|info|warn|error)\(\s*[^,()]+,\s*([^,]+),/g,
    /[lL]ogger\[\w+\]\(\s*[^,]+,\s*([^,]+),/g,
    // What a session's host logs and counts.
    /\.refused\(\s*([^,()]+),/g,
  ]);
  const names = called.flatMap((word) => {
    const [, fixed] = /^"([a-z-]+)"$/.exec(word) ?? [];
    const named = fixed === undefined ? NAMED_ELSEWHERE[word] : [fixed];
    if (named === undefined) throw new Error(`lib/ logs an event that has no name here: ${word}`);
    return named;
  });
  return [...new Set(names)].sort();
}

/** Reason codes of refusals: why a connection or a ring ended, or a request was answered no. */
export function reasonCodes(): string[] {
  return found(["control", "vhost", "worker"], [
    /\bcode:\s*"([a-z-]+)"/g,
    /\bcode = [^;]*?\? "([a-z-]+)"/g,
    /\bcode = [^;]*? : "([a-z-]+)"/g,
    /(?:[rR]efuse|\bends)\(\s*(?:fd,\s*)?"([a-z]+(?:-[a-z]+)*)"/g,
    /\breason: "([a-z-]+)"/g,
    /\.failed\(\s*"([a-z-]+)"/g,
  ]);
}

/** Routes of the control API, as `METHOD word`. The schema has its own. */
export function routeNames(): string[] {
  const names = Object.keys(ROUTES).map((route) => route.split("/")[0] ?? route);
  return [...new Set(["GET schema", ...names])].sort();
}
