/**
 * Completion as it is typed: in bash and zsh on a terminal, and in fish by its own question. The
 * program that they run says what it was given.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Bed } from "../harness/bed.ts";
import { hasProgram, peerTest } from "../harness/peers.ts";
import { vuswitch, vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";

/** What is typed, and what the program gets. */
type Typed = readonly [line: string, given: string];

/** Those that bash and zsh do the same. */
const TYPED: readonly Typed[] = [
  ["run --fdb-a\t9", "run --fdb-age 9"],
  ["link add vm1 m\t", "link add vm1 many{n}"],
  ["port add x,mo\tl", "port add x,mode=l"],
  ["port set vm1 lock=o\tn", "port set vm1 lock=on"],
  ["fdb del 52:54:00:00:00:0\t", "fdb del 52:54:00:00:00:07"],
];

/** The program as a shell's function: it completes, and otherwise says what it was given. */
function program(shell: "sh" | "fish"): string {
  const words = vuswitchWords().map((word) => `'${word}'`).join(" ");
  return shell === "sh"
    ? `vuswitch() { case $1 in --complete) ${words} "$@" ;; *) echo "given: $*." ;; esac; }`
    : `function vuswitch; if test "$argv[1]" = --complete; ${words} $argv; end; end`;
}

/** Types lines into a shell on a terminal. @returns what it showed */
async function type(shell: string, start: string, typed: readonly Typed[]): Promise<string> {
  const process = new Deno.Command("script", {
    args: ["--quiet", "--flush", "--return", "--command", shell, "/dev/null"],
    env: { TERM: "dumb", PS1: "> ", HISTFILE: "/dev/null" },
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  let shown = "";
  const reading = (async () => {
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) shown += text;
  })();
  const writer = process.stdin.getWriter();
  const write = (text: string): Promise<void> => writer.write(new TextEncoder().encode(text));
  try {
    await write(`. ${start}\n`);
    await until("the shell", () => shown.includes("given: nothing."));
    for (const [line, given] of typed) {
      await write(`vuswitch ${line}\n`);
      await until(`${shell}: "${line}" is "${given}"`, () => shown.includes(`given: ${given}.`))
        .catch((error) => assert.fail(`${error}: ${shown}`));
    }
    await write("exit\n");
    await writer.close();
    await reading;
    return shown;
  } finally {
    try {
      process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await process.status;
  }
}

const missing = ["zsh", "fish"].filter((name) => !hasProgram(name));

peerTest("shells complete words, options and what a switch has", missing, async (t) => {
  using folder = new TempFolder();
  const many = ["-p", `many{n}=${folder.file("m.sock")},multi=2`];
  await using bed = await Bed.in(folder, 2, ...many);
  assert.equal(
    (await vuswitch("fdb", "add", "52:54:00:00:00:07", "vm2", "--ctl", bed.process.ctl)).code,
    0,
  );
  const start = async (shell: string): Promise<string> => {
    const { stdout } = await vuswitch("completion", shell);
    const file = folder.file(`${shell}.start`);
    const lines = [
      shell === "fish" ? `set -gx VSW_CTL ${bed.process.ctl}` : `export VSW_CTL=${bed.process.ctl}`,
      program(shell === "fish" ? "fish" : "sh"),
      stdout,
    ];
    if (shell === "zsh") lines.unshift("autoload -Uz compinit && compinit -D");
    if (shell !== "fish") lines.push("vuswitch nothing");
    Deno.writeTextFileSync(file, `${lines.join("\n")}\n`);
    return file;
  };
  await t.step("bash", async () => {
    await type("bash --norc --noprofile -i", await start("bash"), TYPED);
  });
  await t.step("zsh", async () => {
    await type("zsh -f -i", await start("zsh"), TYPED);
  });
  await t.step("fish", async () => {
    const file = await start("fish");
    const lines = ["port show vm", "port add x,mode=", "emit qemu -", "nothing ./"];
    const { stdout, stderr } = await new Deno.Command("fish", {
      args: [
        "--no-config",
        "-c",
        `source ${file}; ${
          lines.map((line) => `complete -C 'vuswitch ${line}'; echo .`).join("; ")
        }`,
      ],
      signal: AbortSignal.timeout(WAIT_MS_MAX),
    }).output();
    const [ports, modes, flags, files] = new TextDecoder().decode(stdout).split("\n.\n");
    const errors = new TextDecoder().decode(stderr);
    assert.equal(ports, "vm1\twait\nvm2\twait", errors);
    assert.equal(modes, "x,mode=connect\nx,mode=listen");
    assert.match(flags ?? "", /^--ctl\tcontrol socket of the switch$/m);
    assert.match(files ?? "", /^\.\/\S+/);
  });
});
