/**
 * Paths that cannot be a socket's, each refused in one line with the fix; and switches that start at
 * the same time, or after one that was killed.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Bed } from "../harness/bed.ts";
import { SwitchProcess, vuswitch, vuswitchWords } from "../harness/switch_process.ts";
import { TempFolder } from "../harness/temp.ts";
import { until } from "../harness/until.ts";

Deno.test("a path that no socket can have is refused in one line with the fix", async () => {
  using folder = new TempFolder();
  const ctl = folder.file("ctl.sock");
  const long = folder.file("x".repeat(120));
  const deep = folder.file("y".repeat(95));
  Deno.mkdirSync(deep);
  Deno.mkdirSync(folder.file("folder"));
  Deno.writeTextFileSync(folder.file("file"), "");
  const config = folder.file("v.toml");
  Deno.writeTextFileSync(config, `[[port]]\nname = "a"\nsocket = "${long}"\n`);
  const cases: [string[], number, RegExp][] = [
    [["run", "-p", `a=${long}`, "--ctl", ctl], 2, /at most 107 bytes.*\(choose a shorter path\)/],
    [["run", "-p", `a=${long},mode=connect`, "--ctl", ctl], 2, /connect to .*at most 107 bytes/],
    [["run", "-p", "a", "--socket-dir", deep, "--ctl", ctl], 2, /a\.sock: .*at most 107 bytes/],
    [["run", "--config", config, "--ctl", ctl], 2, /at most 107 bytes/],
    [["run", "--ctl", long], 2, /at most 107 bytes/],
    [
      ["port", "list", "--ctl", long],
      2,
      /connect to .*at most 107 bytes.*\(choose a shorter path\)/,
    ],
    [["run", "-p", `a=${folder.file("no/a")}`, "--ctl", ctl], 2, /\(mkdir -p .*\/no\)/],
    [["run", "--ctl", folder.file("no/c")], 2, /\(mkdir -p .*\/no\)/],
    [["run", "-p", `a=${folder.file("file/a")}`, "--ctl", ctl], 2, /\/file is not a folder/],
    [["run", "--ctl", folder.file("file/c")], 2, /\/file is not a folder/],
    [
      ["run", "-p", `a=${folder.file("folder")}`, "--ctl", ctl],
      2,
      /not a socket \(.* move it away\)/,
    ],
    [["run", "--ctl", folder.file("file")], 2, /not a socket \(.* move it away\)/],
    [["run", "-p", "a", "--socket-dir", "", "--ctl", ctl], 2, /--socket-dir is empty \(name a/],
    [["run", "-p", "ctl", "--ctl", ctl], 2, /port ctl: .* is its control socket \(.*ctl=PATH\)/],
    [["run", "-p", `a=${folder.path}/./ctl.sock`, "--ctl", ctl], 2, /is its control socket/],
  ];
  for (const [args, exitCode, line] of cases) {
    const { code, stdout, stderr } = await vuswitch(...args);
    assert.deepEqual([code, stdout], [exitCode, ""], `${args.join(" ")}: ${stderr}`);
    assert.match(stderr.trim().split("\n").at(-1) ?? "", line);
    assert(!/at file:/.test(stderr), stderr);
  }
  const left = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assert.deepEqual(left, ["file", "folder", "v.toml", "y".repeat(95)]);
  await using _bed = await Bed.in(folder, 0, "-p", "a");
  for (const spec of ["ctl", `b=${ctl},mode=connect`]) {
    const { code, stderr } = await vuswitch("port", "add", spec, "--ctl", ctl);
    assert.deepEqual([code, /is its control socket/.test(stderr)], [2, true], stderr);
  }
});

/** Starts a switch that may lose. @returns its ready line, or why it ended */
function startOne(
  folder: string,
  port: string,
): { process: Deno.ChildProcess; first: Promise<string> } {
  const [program = "", ...words] = vuswitchWords();
  const process = new Deno.Command(program, {
    args: [...words, "run", "--ctl", `${folder}/ctl.sock`, "-p", port],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const read = async (): Promise<string> => {
    let text = "";
    const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
      for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
    };
    const both = Promise.all([collect(process.stdout), collect(process.stderr)]);
    let over = false;
    both.then(() => over = true);
    await until("a ready line or an end", () => over || /^ready /m.test(text));
    rest.push(both);
    return text;
  };
  return { process, first: read() };
}
const rest: Promise<unknown>[] = [];

Deno.test("of switches that start at once over a killed one's sockets one lives and is found", async () => {
  using folder = new TempFolder();
  for (let round = 0; round < 4; round++) {
    // Stale sockets in all places, as after SIGKILL.
    const killed = await SwitchProcess.start(folder.path, ["-p", "a", "-p", "b"]);
    await killed.stop("SIGKILL");
    assert(Deno.lstatSync(killed.ctl).isSocket);
    // With ports of their own they meet at the control socket, with the same one before that.
    const ports = round % 2 === 0 ? ["a", "a", "a"] : ["a", "b", "c"];
    const all = ports.map((port) => startOne(folder.path, port));
    const texts = await Promise.all(all.map(({ first }) => first));
    const ready = texts.filter((text) => /^ready /m.test(text));
    assert.equal(ready.length, 1, texts.join("---\n"));
    for (const text of texts.filter((each) => !/^ready /m.test(each))) {
      assert.match(
        text,
        /Cannot listen on .*: it (belongs to a running server|is in use) \(choose/,
      );
    }
    const { code, stdout } = await vuswitch("stats", "-o", "json", "--ctl", killed.ctl);
    assert.equal(code, 0);
    assert(all.some(({ process }) => process.pid === JSON.parse(stdout).pid));
    for (const { process } of all) {
      try {
        process.kill("SIGTERM");
      } catch {
        // It lost.
      }
      await process.status;
    }
    await Promise.all(rest.splice(0));
    const left = [...Deno.readDirSync(folder.path)].map(({ name }) => name);
    assert(!left.includes("ctl.sock") && !left.some((name) => name.startsWith(".")), left.join());
  }
});
