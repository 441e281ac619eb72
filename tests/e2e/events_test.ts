/** `vuswitch events`: what happened, and what happens, of a switch whose ports come and go. */
import { strict as assert } from "node:assert";
import { Bed } from "../harness/bed.ts";
import { strictFaults } from "../harness/json_schema.ts";
import { vuswitch, vuswitchWords } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";

/** `vuswitch events --follow`, read as it prints. */
class Following implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>[];
  text = "";
  errors = "";

  constructor(...words: readonly string[]) {
    const [program = "", ...rest] = vuswitchWords();
    this.#child = new Deno.Command(program, {
      args: [...rest, "events", "--follow", ...words],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const read = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) add(text);
    };
    this.#reading = [
      read(this.#child.stdout, (text) => this.text += text),
      read(this.#child.stderr, (text) => this.errors += text),
    ];
  }

  /** Ends by itself. @returns its exit code */
  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await Promise.all(this.#reading);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.ended();
  }
}

Deno.test("events are listed and followed, by port and name, until the switch ends", async () => {
  await using bed = await Bed.make(2, "--quiet");
  const ctl = ["--ctl", bed.process.ctl, "--timeout", "60"];
  await using json = new Following(...ctl, "--port", "vm1", "-o", "json");
  await using lines = new Following(...ctl, "--type", "link-up", "--last", "0");
  const heard = async (following: Following, pattern: RegExp): Promise<void> => {
    await until(`${pattern} of ${following.errors}`, () => pattern.test(following.text));
  };
  await heard(json, /"listening"/);
  const one = await bed.guest(1);
  const two = await bed.guest(2);
  await heard(json, /"event":"link-up"/);
  // It may have come after the first guest's.
  await heard(lines, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} info {2}port vm2: link-up: link up/m);
  one.close();
  await heard(json, /"event":"disconnected"/);
  for (const line of json.text.trimEnd().split("\n")) {
    assert.deepEqual(strictFaults("event", JSON.parse(line)), [], line);
    assert.equal(JSON.parse(line).port, "vm1");
  }
  assert(!/connected|vm1: disconnected/.test(lines.text), lines.text);

  const listed = await vuswitch("events", ...ctl, "--port", "vm2", "--last", "2", "-o", "json");
  const events = JSON.parse(listed.stdout).map(({ event }: { event: string }) => event);
  assert.deepEqual(events, ["connected", "link-up"]);
  const { stdout } = await vuswitch("events", ...ctl, "--type", "disconnected");
  assert.match(stdout, /^\S+ \S+ info {2}port vm1: disconnected: /);
  const counted = await vuswitch("events", "--follow", "--count", "2", ...ctl, "-o", "json");
  assert.deepEqual([counted.code, counted.stdout.trimEnd().split("\n").length], [0, 2]);
  const none = await vuswitch("events", "--follow", "--count", "0", ...ctl);
  assert.equal(none.code, 2, none.stderr);
  const wrong = await vuswitch("events", ...ctl, "--type", "link-upp", "--follow");
  assert.equal(wrong.code, 2, wrong.stderr);
  assert.match(wrong.stderr, /No event is called "link-upp" \(did you mean link-up\?\)/);

  two.close();
  await bed.kill("SIGTERM");
  assert.equal(await json.ended(), 3);
  assert.match(json.errors, /^vuswitch: The switch at .* ended\n$/);
});
