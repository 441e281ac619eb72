/**
 * Runs all blocks of one page, in order, as a reader would who copies them: `page.ts PAGE`. To be
 * started by `docs_test.ts` in namespaces of its own, where /run is empty and every process ends
 * with this one.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { type Fence, fencesOf, firstMissing, type Step, stepsOf } from "./fences.ts";
import { Terminal } from "./terminal.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const [path = "README.md", scratch = "/nonexistent"] = Deno.args;
/** Commands that change nothing. */
const LOOKS = /\b(show|list|stats)\b/;
/** How long what they show may be late on a busy machine, and between two looks, ms. */
const LATE_MS_MAX = 60_000;
const LATE_MS = 200;
const STATE = `${scratch}/state.sh`;

/** Deno as README names it is this very Deno; the tests do not run themselves. */
const NPX = `#!/bin/sh
if [ "$1" != -y ] || [ "$2" != deno@2.9.6 ]; then echo "npx $*: not as .ci/run says" >&2; exit 1; fi
if [ "$3 $4" = "task test" ]; then exec grep -F "npx $*" ${ROOT}.ci/run; fi
shift 2
exec "${Deno.execPath()}" "$@"
`;

/** Installs nothing, but says whether .ci/run does. */
const APT_GET = `#!/bin/bash
for word in "$@"; do
  case $word in install | update | -*) continue ;; esac
  grep -qE "packages=\\(.*\\b$word\\b" "${ROOT}.ci/run" && continue
  echo "$word is not among the packages of .ci/run" >&2
  exit 1
done
`;

const terminals = new Map<string, Terminal>();
/** Nothing of the caller's; and commands wait for a busy machine longer than for a person. */
const env = {
  PATH: `${scratch}/bin:${Deno.env.get("PATH")}`,
  NO_COLOR: "1",
  TERM: "dumb",
  VSW_CTL: "",
  VSW_TIMEOUT: "60",
  RUNTIME_DIRECTORY: "",
};

/** A folder that looks like a clone, so that what blocks make does not stay. */
function prepare(): string {
  const clone = `${scratch}/vuswitch`;
  Deno.mkdirSync(clone);
  for (const { name } of Deno.readDirSync(ROOT)) {
    if (!name.startsWith(".") && name !== "guest") {
      Deno.symlinkSync(ROOT + name, `${clone}/${name}`);
    }
  }
  Deno.mkdirSync(`${scratch}/bin`);
  const programs = { npx: NPX, "apt-get": APT_GET, sudo: '#!/bin/sh\nexec "$@"\n' };
  for (const [name, text] of Object.entries(programs)) {
    Deno.writeTextFileSync(`${scratch}/bin/${name}`, text, { mode: 0o755 });
  }
  Deno.writeTextFileSync(STATE, "");
  return clone;
}

const clone = prepare();

/** Runs to its end. @returns what it printed @throws if it fails */
async function shell(script: string): Promise<string> {
  const file = `${scratch}/output`;
  const lines = [
    `exec > ${file} 2>&1 < /dev/null`,
    `. ${STATE}`,
    "set -e -o pipefail",
    script,
    `{ declare -f; export -p; printf 'cd %q\\n' "$PWD"; } > ${STATE}`,
  ];
  const { code } = await new Deno.Command("bash", {
    args: ["-c", lines.join("\n")],
    cwd: clone,
    env,
  }).output();
  const output = Deno.readTextFileSync(file);
  if (code !== 0) throw new Error(`it exits with ${code}:\n${output.slice(-4000)}`);
  return output;
}

async function runSh({ words, body }: Fence): Promise<void> {
  const terminal = words.get("terminal");
  if (terminal) {
    const file = `${scratch}/terminal${terminals.size}.sh`;
    Deno.writeTextFileSync(file, `. ${STATE}\n${body}\n`);
    const running = new Terminal(file, clone, env);
    terminals.set(terminal, running);
    await running.said(words.get("until") ?? "");
  } else {
    await shell(body);
  }
}

/** Runs one command of a transcript; one that only looks is typed again, as what it shows may be late. */
async function runCommand({ command, expected }: Step): Promise<void> {
  const end = Date.now() + (LOOKS.test(command) ? LATE_MS_MAX : 0);
  for (;;) {
    const output = await shell(command);
    const missing = firstMissing(expected, output);
    if (missing === null) return;
    if (Date.now() >= end) throw new Error(`${command} does not print\n${missing}\n${output}`);
    await delay(LATE_MS);
  }
}

async function runConsole(fence: Fence): Promise<void> {
  const name = fence.words.get("terminal");
  const terminal = terminals.get(name ?? "");
  if (name && !terminal) throw new Error(`there is no terminal ${name}`);
  for (const step of stepsOf(fence)) {
    if ((step.prompt === "$ ") !== (terminal === undefined)) {
      throw new Error(`the prompt ${step.prompt} and the terminal ${name} do not fit`);
    }
    if (terminal) {
      await terminal.type(step);
      continue;
    }
    await runCommand(step);
  }
}

/** Starts a switch with the configuration, with a /run of its own, and ends it. */
async function runToml({ body }: Fence): Promise<void> {
  const file = `${scratch}/block.toml`;
  Deno.writeTextFileSync(file, body);
  const run = `"${Deno.execPath()}" run -A ${ROOT}main.ts run --config ${file}`;
  await shell(`unshare --mount bash -e -c '
    mount -t tmpfs none /run
    mkfifo /run/said
    ${run} > /run/said & switch=$!
    read -r line < /run/said
    [[ $line == ready* ]]
    kill $switch
    wait $switch'`);
}

async function runFence(fence: Fence): Promise<void> {
  if (fence.kind === "sh") return await runSh(fence);
  if (fence.kind === "console") return await runConsole(fence);
  if (fence.kind === "toml") return await runToml(fence);
  if (fence.kind === "json") JSON.parse(fence.body);
}

for (const fence of fencesOf(path, Deno.readTextFileSync(new URL(path, `file://${ROOT}`)))) {
  const begin = performance.now();
  try {
    await runFence(fence);
  } catch (error) {
    console.log(`${fence.place}: ${(error as Error).message}`);
    Deno.exit(1);
  }
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(`${fence.place}: ${[fence.kind, ...fence.words.values()].join(" ")}, ${seconds} s`);
}
Deno.exit(0);
