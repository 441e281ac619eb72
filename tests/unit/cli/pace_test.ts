/** How often a command looks, and what a watched one prints. */
import { strict as assert } from "node:assert";
import { commandOf, readLine } from "../../../lib/cli/command_line.ts";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { CliError } from "../../../lib/cli/failure.ts";
import { paceOf, screenText } from "../../../lib/cli/pace.ts";
import { type AnyView, showView } from "../../../lib/cli/view.ts";

Deno.test("once, twice, or again and again, as flags say", () => {
  assert.equal(paceOf({}), null);
  assert.deepEqual(paceOf({ rate: true }), { firstMs: 1000, ms: 1000, again: false });
  assert.deepEqual(paceOf({ seconds: "5" }), { firstMs: 5000, ms: 5000, again: false });
  assert.deepEqual(paceOf({ watch: "10" }), { firstMs: 1000, ms: 10_000, again: true });
  assert.deepEqual(paceOf({ watch: "1", seconds: "0.2" }), { firstMs: 200, ms: 200, again: true });
  for (const wrong of ["0", "0.05", "3601", "-1", "x", "", "1e3"]) {
    assert.throws(() => paceOf({ watch: wrong }), CliError, wrong);
    assert.throws(() => paceOf({ seconds: wrong }), CliError, wrong);
  }
});

Deno.test("--watch takes the number behind it, and nothing else", () => {
  const args = (...line: string[]): string => readLine(line).args.join(" ");
  assert.equal(args("stats", "--watch", "vm1"), "stats --watch=1 vm1");
  assert.equal(args("stats", "--watch", "0.5", "vm1"), "stats --watch=0.5 vm1");
  assert.equal(args("stats", "vm1", "--watch"), "stats vm1 --watch=1");
  assert.equal(args("stats", "--watch=3", "7"), "stats --watch=3 7");
  assert.equal(args("stats", "--watch", "--rate"), "stats --watch=1 --rate");
  assert.equal(args("stats", "--watch", "--", "5"), "stats --watch=1 -- 5");
  assert.equal(args("stats", "--", "--watch"), "stats -- --watch");
  assert.equal(args("port", "list", "-j", "--watch", "2"), "port list --output json --watch=2");
  assert.equal(args("version", "--watch"), "version --watch");
});

Deno.test("every command that lists or shows what a switch does can be watched", () => {
  // What config shows is a file.
  const lists = COMMANDS.filter(({ words: [first, second = first], flags }) =>
    /^(list|show|stats)$/.test(second) && "ctl" in flags && first !== "config"
  );
  assert(lists.length >= 9);
  for (const { words, flags } of lists) assert("watch" in flags, words.join(" "));
  for (const name of ["port list", "port show", "stats", "vring show", "worker show"]) {
    assert("rate" in (commandOf(name.split(" "))?.flags ?? {}), `${name} has rates`);
  }
});

/** A view of a number that grows by one a look. */
function growing(): AnyView {
  let count = 0;
  return {
    document: () => "stats",
    read: () => ({ count: ++count }),
    between: (first: { count: number }, last: { count: number }, seconds: number) => ({
      ...{ ...last, grown: last.count - first.count, fast: seconds > 0 },
    }),
    draw: ({ count, grown }: { count: number; grown?: number }) => `${count} ${grown ?? "-"}\n`,
  };
}

async function printed(flags: object, times: number): Promise<string[]> {
  const texts: string[] = [];
  await showView(growing(), { output: "table", ...flags }, (text) => {
    texts.push(text);
    return texts.length < times;
  });
  return texts;
}

Deno.test("what is watched is compared with the look before, until nobody reads", async () => {
  assert.deepEqual(await printed({}, 9), ["1 -\n"]);
  assert.deepEqual(await printed({ rate: true, seconds: "0.1" }, 9), ["2 1\n"]);
  assert.deepEqual(await printed({ watch: "0.1" }, 3), ["2 1\n", "\n3 1\n", "\n4 1\n"]);
  const lines = await printed({ watch: "0.1", output: "json" }, 2);
  assert.deepEqual(lines, [
    '{"count":2,"grown":1,"fast":true}\n',
    '{"count":3,"grown":1,"fast":true}\n',
  ]);
});

Deno.test("what has no rates is shown at once, and again", async () => {
  const { between: _, ...still } = growing();
  const texts: string[] = [];
  await showView(still, { output: "table", watch: "0.1" }, (text) => {
    texts.push(text);
    return texts.length < 2;
  });
  assert.deepEqual(texts, ["1 -\n", "\n2 -\n"]);
});

Deno.test("on a terminal there is as much as it has room for, and what is not is said", () => {
  const pace = { firstMs: 1000, ms: 2000, again: true };
  const at = "2026-01-01T01:02:03.000Z";
  const text = "NAME\n" + Array.from({ length: 10 }, (_, i) => `vm${i}  abcdef\n`).join("");
  const lines = screenText(text, pace, at, { columns: 26, rows: 6 }).split("\n");
  assert.deepEqual(lines, [
    ...["every 2 s  01:02:03 UTC", "NAME", "vm0  abcdef", "vm1  abcdef", "(8 more lines)", ""],
  ]);
  const whole = screenText(text, pace, at, { columns: 5, rows: 13 }).split("\n");
  assert.deepEqual([whole.length, whole[1], whole[11]], [13, "NAME", "vm9  "]);
  for (const rows of [1, 2, 3]) {
    assert.equal(screenText(text, pace, at, { columns: 80, rows }).split("\n").length, 3);
  }
});
