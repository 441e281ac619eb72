import { strict as assert } from "node:assert";
import { join } from "node:path";
import {
  prepareProgram,
  type Program,
  PROGRAM_ENTRY,
  PROGRAM_FOLDERS,
} from "../../../lib/worker/program.ts";
import { TempFolder } from "../../harness/temp.ts";

/** A checkout of one module, and programs made from it. */
class Checkout {
  readonly #folder = new TempFolder();
  readonly root = `${this.#folder.path}/source/`;
  readonly cache = this.#folder.file("cache");
  /** Bundles as `deno bundle` does, and says so; needs no network. */
  readonly deno = this.#folder.file("deno");
  readonly #calls = this.#folder.file("calls");

  constructor() {
    for (const folder of PROGRAM_FOLDERS) {
      Deno.mkdirSync(join(this.root, folder), { recursive: true });
    }
    this.write("one");
    this.bundler('while [ "$1" != --output ]; do shift; done; cp "$3" "$2"');
  }

  write(text: string): void {
    Deno.writeTextFileSync(join(this.root, PROGRAM_ENTRY), text);
  }

  bundler(does: string): void {
    Deno.writeTextFileSync(this.deno, `#!/bin/sh\necho >> ${this.#calls}\n${does}\n`);
    Deno.chmodSync(this.deno, 0o755);
  }

  get calls(): number {
    return Deno.readTextFileSync(this.#calls).length;
  }

  prepare(cache: string | null = this.cache): Promise<Program> {
    return prepareProgram({ root: this.root, cache, deno: this.deno });
  }

  [Symbol.dispose](): void {
    this.#folder[Symbol.dispose]();
  }
}

Deno.test("a program is made once for each state of the sources", async () => {
  using checkout = new Checkout();
  const first = await checkout.prepare();
  assert.equal(first.slow, null);
  assert.equal(await Deno.readTextFile(first.url), "one");
  assert.deepEqual(await checkout.prepare(), first);
  assert.equal(checkout.calls, 1);
  checkout.write("two");
  const second = await checkout.prepare();
  assert.equal(await Deno.readTextFile(second.url), "two");
  checkout.write("one");
  assert.deepEqual(await checkout.prepare(), first);
  assert.equal(checkout.calls, 2);
});

Deno.test("a program is there as a whole, whoever else makes the same", async () => {
  using checkout = new Checkout();
  checkout.bundler('while [ "$1" != --output ]; do shift; done; cp "$3" "$2"; sleep 0.1');
  const made = await Promise.all([1, 2, 3].map(() => checkout.prepare()));
  for (const each of made) assert.equal(await Deno.readTextFile(each.url), "one");
  assert.equal(Array.from(Deno.readDirSync(checkout.cache)).length, 1);
});

Deno.test("old programs go, the ones in use stay", async () => {
  using checkout = new Checkout();
  for (let state = 0; state < 12; state++) {
    checkout.write(`state ${state}`);
    const { url } = await checkout.prepare();
    assert.equal(await Deno.readTextFile(url), `state ${state}`);
  }
  assert.equal(Array.from(Deno.readDirSync(checkout.cache)).length, 9);
});

Deno.test("without a program the sources run, and it is said why", async () => {
  using checkout = new Checkout();
  const sources = `file://${checkout.root}${PROGRAM_ENTRY}`;
  const refuses = async (why: RegExp, cache?: string | null): Promise<void> => {
    const { url, slow } = await checkout.prepare(cache);
    assert.equal(url.href, sources);
    assert.match(slow ?? "", why);
  };
  checkout.bundler("echo 'error: no esbuild here' >&2; exit 1");
  await refuses(/^deno bundle: no esbuild here$/);
  checkout.bundler("kill $$");
  await refuses(/^deno bundle: exit code 143$/);
  checkout.bundler("exit 0");
  await refuses(/^deno bundle: /);
  assert.deepEqual(Array.from(Deno.readDirSync(checkout.cache)), [], "nothing half made is left");
  await refuses(/HOME/, null);
  await refuses(/Not a directory|ENOTDIR/, `${checkout.deno}/cache`);
});

Deno.test("no program is taken from where others may write", async () => {
  using checkout = new Checkout();
  const { url } = await checkout.prepare();
  const refused = async (cache: string, why: RegExp): Promise<void> => {
    const again = await checkout.prepare(cache);
    assert.notEqual(again.url.href, url.href);
    assert.match(again.slow ?? "", why);
  };
  Deno.chmodSync(checkout.cache, 0o770);
  await refused(checkout.cache, /others may write into /);
  Deno.chmodSync(checkout.cache, 0o700);
  const link = `${checkout.root}link`;
  Deno.symlinkSync(checkout.cache, link);
  await refused(link, /is a link/);
  const open = `${checkout.root}open`;
  Deno.mkdirSync(open);
  Deno.chmodSync(open, 0o777);
  await refused(`${open}/cache`, /others may write into .*open/);
  assert.deepEqual(await checkout.prepare(), { url, slow: null });
});

Deno.test("an empty program is made again, and files of others stay", async () => {
  using checkout = new Checkout();
  const { url } = await checkout.prepare();
  Deno.truncateSync(url.pathname);
  assert.deepEqual(await checkout.prepare(), { url, slow: null });
  assert.equal(await Deno.readTextFile(url), "one");
  for (let i = 0; i < 12; i++) Deno.writeTextFileSync(`${checkout.cache}/other${i}.js`, "");
  checkout.write("two");
  await checkout.prepare();
  assert.equal(Array.from(Deno.readDirSync(checkout.cache)).length, 14);
});
