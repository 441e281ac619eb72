/** Programs beside the switch: started again when they end, not too often, and ended with it. */
import { strict as assert } from "node:assert";
import { Helper } from "../../../../lib/control/nat/helper.ts";
import { programsOf } from "../../../../lib/control/nat/runtime_folder.ts";
import { TempFolder } from "../../../harness/temp.ts";
import { until } from "../../../harness/until.ts";

function helper(
  folder: TempFolder,
  lines: string,
  prepare?: () => void,
): { made: Helper; said: string[] } {
  const said: string[] = [];
  const made = new Helper({
    path: "/bin/sh",
    args: ["-c", lines, "sh", folder.file("file")],
    folder: folder.path,
    restarted: (why) => said.push(why),
    ...prepare === undefined ? {} : { prepare },
  });
  return { made, said };
}

Deno.test("one that ends is started again, ever later, and its last words are told", async () => {
  using folder = new TempFolder();
  let prepared = 0;
  const { made, said } = helper(folder, "echo first >&2; echo no luck >&2; exit 3", () => {
    prepared++;
  });
  const begin = performance.now();
  made.start();
  try {
    await until("the third start", () => made.starts === 3);
    // 250 and 500 ms are between them; it may always be more.
    assert(performance.now() - begin >= 740, "the pauses grow");
    assert.equal(prepared, 3);
    assert.deepEqual(said, new Array(2).fill("sh ended (exit 3: no luck)"));
    await until("it ended", () => made.problem !== null);
    assert.equal(made.pid, null);
  } finally {
    made.stop();
    await made.idle();
  }
});

Deno.test("one that is killed is told of, with what it had started", async () => {
  using folder = new TempFolder();
  // Its child has the same words, and outlives it.
  const { made, said } = helper(folder, "(while :; do sleep 0.1; done) & wait");
  made.start();
  try {
    await until("both run", () => programsOf(folder.path).length === 2);
    const before = programsOf(folder.path);
    Deno.kill(made.pid as number, "SIGKILL");
    await until("the second start", () => made.starts === 2);
    assert.deepEqual(said, ["sh ended (SIGKILL)"]);
    await until("both run anew", () => programsOf(folder.path).length === 2);
    assert(programsOf(folder.path).every((pid) => !before.includes(pid)), "none of before");
  } finally {
    made.stop();
    await made.idle();
  }
  assert.deepEqual(programsOf(folder.path), []);
});

Deno.test("one that is not there is a problem, and no end of the switch", async () => {
  using folder = new TempFolder();
  const said: string[] = [];
  const made = new Helper({
    ...{ path: folder.file("nowhere"), args: [], folder: folder.path },
    restarted: (why) => said.push(why),
  });
  made.start();
  try {
    assert.match(made.problem ?? "", /^nowhere ended \(.*nowhere/);
    await until("it is tried again", () => made.starts === 2);
    assert.equal(said.length, 1);
  } finally {
    made.stop();
    await made.idle();
  }
});

Deno.test("one that is asked to start anew is not said to have ended", async () => {
  using folder = new TempFolder();
  const { made, said } = helper(folder, "while :; do sleep 0.1; done");
  made.start();
  try {
    const first = made.pid;
    made.restart();
    await until("another one runs", () => made.pid !== null && made.pid !== first);
    assert.deepEqual(said, []);
    assert.equal(made.starts, 2);
  } finally {
    made.stop();
    await made.idle();
  }
  assert.equal(made.pid, null);
});
