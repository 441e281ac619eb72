/**
 * `top` at a real terminal: what stands on it in any size, what keys do, and that the terminal is
 * what it was before on every way out; and its pages and JSON where there is no terminal.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { Bed } from "../harness/bed.ts";
import { strictFaults } from "../harness/json_schema.ts";
import { vuswitch, vuswitchWords } from "../harness/switch_process.ts";
import { TerminalSession } from "../harness/terminal_session.ts";
import { until } from "../harness/until.ts";

/** Sends from vm1 to everybody until its scope ends. */
async function traffic(bed: Bed): Promise<Disposable> {
  const guest = await bed.guest(1);
  const frame = new Uint8Array(60).fill(0xff, 0, 6);
  frame.set([0x52, 0x54, 0, 0, 0, 1], 6);
  const timer = setInterval(() => guest.send(frame), 5);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** `top` in a shell, with what is left of the terminal's modes behind it in a file. */
async function topAt(
  bed: Bed,
  size: { readonly columns: number; readonly rows: number },
  ...words: string[]
): Promise<TerminalSession> {
  const line = [...vuswitchWords(), "top", "--ctl", bed.process.ctl, "-d", "0.2", ...words];
  const quoted = line.map((word) => `'${word}'`).join(" ");
  const shell = `sh -c 'echo $$ > "$0"; exec "$@"' '${bed.file("pid")}' ${quoted}`;
  const modes = `stty -a > '${bed.file("modes")}'`;
  return await TerminalSession.start(`${shell}; code=$?; ${modes}; exit $code`, size);
}

/** The terminal is as a shell wants it. */
function isRestored(session: TerminalSession, bed: Bed): void {
  assert.deepEqual([session.isTaken, session.wraps, session.hasCursor], [false, true, true]);
  const modes = Deno.readTextFileSync(bed.file("modes"));
  for (const mode of ["icanon", "echo", "isig", "opost", "icrnl"]) {
    assert.match(modes, new RegExp(`(?<![-\\w])${mode}\\b`), `${mode} is on again`);
  }
}

async function keysWork(session: TerminalSession): Promise<void> {
  await session.until(/^vm1 +up +[1-9]\S* .*flows|^vm1 +up +[1-9]/m);
  await session.until(/^worker 0 busy +\d+ %/m);
  assert(session.isTaken && !session.hasCursor && !session.wraps);
  await session.type("n");
  await session.until(/^by name, every 0\.2 s$/m);
  await session.type("\x1b[B");
  await session.type("\r");
  await session.until(/^ {2}verdict +waiting for a front-end/m);
  await session.type("\x1b[A");
  await session.until(/^ {2}vring 1 +from guest, 256 entries, running, \S+ frames\/s/m);
  await session.until(/^ {2}addresses +52:54:00:00:00:01/m);
  await session.type("\x1b");
  await session.until(/^(?![^]*addresses +52)/);
  await session.type("?");
  await session.until(/Ctrl-Z, Ctrl-L +to the shell/);
  await session.type("x/VM2\r");
  await session.until(/filter \/VM2\/ 1 of 3/);
  await session.until(/^(?![^]*^vm1 )/m);
  await session.type("\x1b");
  await session.until(/^vm1 /m);
  await session.type("p");
  await session.until(/PAUSED/);
  await session.type("p");
  await session.until(/^(?![^]*PAUSED)/);
}

async function sizesWork(session: TerminalSession): Promise<void> {
  const headings = [
    [40, 12, /^\*PORT +RX\/s +TX\/s +DROP\/s VERDICT$/m],
    [20, 4, /^\*PORT +RX\/s$/m],
    [200, 50, /^\*PORT +LINK .* HISTORY +VERDICT$/m],
    [80, 24, /^\*PORT +LINK .* VERDICT$/m],
  ] as const;
  for (const [columns, rows, heading] of headings) {
    await session.resize({ columns, rows });
    await session.until(heading);
    // The last line of a screen that is drawn anew stays the last one.
    if (rows > 4) {
      await until("its last line", () => session.lines.at(-1)?.startsWith("q end") === true);
    }
    await session.until(/^vm1 /m);
  }
}

async function survivesTheSwitch(session: TerminalSession, bed: Bed): Promise<void> {
  await bed.kill();
  await session.until(/No switch answers at .*: trying again/);
  await session.until(/^vm1 /m);
  await bed.start();
  await session.until(new RegExp(`pid ${bed.process.pid} `));
  await session.until(/^(?![^]*trying again)/);
}

Deno.test("top at a terminal: keys, sizes, a switch that ends and comes again, and the way out", async () => {
  await using bed = await Bed.make(3);
  {
    using _sending = await traffic(bed);
    await using session = await topAt(bed, { columns: 100, rows: 30 });
    await keysWork(session);
    await sizesWork(session);
    await survivesTheSwitch(session, bed);
    await session.type("\x03");
    assert.equal(await session.end(), 0);
    isRestored(session, bed);
  }
  for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const) {
    await using session = await topAt(bed, { columns: 80, rows: 24 });
    await session.until(/^vm1 /m);
    Deno.kill(Number(Deno.readTextFileSync(bed.file("pid"))), signal);
    assert.equal(await session.end(), code, signal);
    isRestored(session, bed);
  }
});

Deno.test("top goes to the shell with Ctrl-Z, and comes back", async () => {
  await using bed = await Bed.make(1);
  const line = [...vuswitchWords(), "top", "--ctl", bed.process.ctl, "-d", "0.2"];
  const shell = `set -m; ${line.join(" ")}; stty -a > ${bed.file("modes")}; echo stopped; fg`;
  await using session = await TerminalSession.start(`bash -c '${shell}'`, {
    ...{ columns: 80, rows: 24 },
  });
  await session.until(/^vm1 /m);
  await session.type("\x1a");
  await until("the shell", () => session.output.includes("stopped"));
  isStopped(session, bed);
  await session.until(/^vm1 /m);
  await session.type("n");
  await session.until(/^by name/m);
  await session.type("q");
  assert.equal(await session.end(), 0);
  assert(!session.isTaken && session.hasCursor);
});

/** While it is stopped, and before it goes on: the screen may be its own again already. */
function isStopped(session: TerminalSession, bed: Bed): void {
  assert.match(Deno.readTextFileSync(bed.file("modes")), / icanon\b[^]* echo\b/);
  const { output } = session;
  assert(output.indexOf("\x1b[?1049l") < output.indexOf("stopped"));
}

Deno.test("top without a terminal: one clear line, pages, JSON, and an end when nobody is there", async () => {
  await using bed = await Bed.make(2);
  const ctl = ["--ctl", bed.process.ctl];
  const none = await vuswitch("top", ...ctl);
  assert.equal(none.code, 2);
  assert.match(
    none.stderr,
    /^vuswitch: top needs a terminal, and stdout is no terminal \(-n 1 .*\)\n$/,
  );
  const pages = await vuswitch("top", "-n", "2", "-d", "0.1", "--sort", "name", ...ctl);
  assert.equal(pages.code, 0, pages.stderr);
  assert.equal(pages.stdout.match(/^PORT +LINK +RX\/s .*VERDICT\nvm1 /gm)?.length, 2);
  assert(!pages.stdout.includes("\x1b"));
  const json = await vuswitch("top", "-n", "2", "-d", "0.1", "-o", "json", ...ctl);
  const lines = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  for (const line of lines) assert.deepEqual(strictFaults("top", line), []);
  for (const wrong of [["-d", "0"], ["-n", "1.5"]]) {
    assert.equal((await vuswitch("top", ...wrong, ...ctl)).code, 2, wrong.join(" "));
  }
  const nobody = await vuswitch("top", "-n", "1", "--ctl", bed.file("none.sock"));
  assert.equal(nobody.code, 3);
});
