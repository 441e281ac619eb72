/** Folders of NAT's programs: those of processes that are no more are taken away, and no others. */
import { strict as assert } from "node:assert";
import { isAlive, ownerText, readOwner, thisOwner } from "../../../../lib/control/nat/owner.ts";
import {
  makeRuntimeFolder,
  programsOf,
  removeRuntimeFolder,
  sweepRuntimeFolders,
} from "../../../../lib/control/nat/runtime_folder.ts";
import { TempFolder } from "../../../harness/temp.ts";
import { until } from "../../../harness/until.ts";

/** A program that works in a folder, and ends when told; or does not. */
function program(folder: string, stubborn = false): Deno.ChildProcess {
  const trap = stubborn ? "trap '' TERM; " : "";
  return new Deno.Command("sh", {
    args: [
      "-c",
      `${trap}: > "$1"; while :; do sleep 0.1; done`,
      "sh",
      `${folder}/ready${stubborn ? 1 : 0}`,
    ],
    stdin: "null",
  }).spawn();
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

Deno.test("whether a process is there is told by its number, its start and where that counts", () => {
  const own = thisOwner();
  assert.deepEqual(readOwner(ownerText(own)), own);
  assert.equal(isAlive(own), true);
  assert.equal(isAlive({ ...own, start: own.start + 1 }), false, "the number is another's now");
  assert.equal(isAlive({ ...own, pid: 2 ** 30 }), false);
  assert.equal(isAlive({ ...own, space: own.space + 1 }), null, "of another namespace");
  for (const text of ["", "1-2", "1-2-3-4", "a-2-3", "1-2-3/x"]) {
    assert.equal(readOwner(text), null, text);
  }
});

Deno.test("folders of the dead are swept with their programs, those of the living stay", async () => {
  using base = new TempFolder();
  const own = thisOwner();
  const folder = (name: string): string => {
    Deno.mkdirSync(base.file(name));
    return base.file(name);
  };
  const alive = makeRuntimeFolder(base.path);
  assert.equal((Deno.statSync(alive).mode ?? 0) & 0o777, 0o700);
  const dead = folder(`vuswitch-nat-${ownerText({ ...own, start: own.start + 1 })}-x`);
  const foreign = folder(`vuswitch-nat-${ownerText({ ...own, pid: 2 ** 30, space: 1 })}-x`);
  const others = folder("vuswitch-nat-x");
  const link = base.file(`vuswitch-nat-${ownerText({ ...own, pid: 2 ** 30 })}-link`);
  Deno.symlinkSync(others, link);
  const [left, stubborn, kept] = [program(dead), program(dead, true), program(alive)];
  const ready = [`${dead}/ready0`, `${dead}/ready1`, `${alive}/ready0`];
  await until("all run", () => ready.every(exists));
  assert.equal(sweepRuntimeFolders(base.path), 1);
  assert.equal((await left.status).signal, "SIGTERM");
  assert.equal((await stubborn.status).signal, "SIGKILL");
  assert.deepEqual(programsOf(base.path), [kept.pid]);
  const names = Array.from(Deno.readDirSync(base.path), ({ name }) => base.file(name)).sort();
  assert.deepEqual(names, [alive, foreign, link, others].sort());
  removeRuntimeFolder(alive);
  await kept.status;
  assert.throws(() => Deno.statSync(alive), Deno.errors.NotFound);
  removeRuntimeFolder(alive);
});
