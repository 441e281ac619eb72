/**
 * Prometheus' own programs: they check what we serve and print, and one scrapes a switch.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { hasProgram } from "./peers.ts";

/** Debian packages that are missing. */
export const PROMETHEUS_MISSING: readonly string[] =
  hasProgram("promtool") && hasProgram("prometheus") ? [] : ["prometheus"];

/** Runs promtool. @param input its standard input @returns what it said @throws it finds a fault */
export async function promtool(input: string, ...words: string[]): Promise<string> {
  const child = new Deno.Command("promtool", {
    args: words,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, `promtool ${words.join(" ")}: ${text}`);
  return text.trim();
}

/** What Prometheus answers to a query. */
export interface QueryAnswer {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

/** A running Prometheus. Leave its `await using` scope to end it. */
export class Prometheus implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #log = "";
  readonly url: string;

  private constructor(process: Deno.ChildProcess, url: string) {
    this.#process = process;
    this.url = url;
    this.#reading = this.#read();
  }

  /** Starts one. @param folder for its data and configuration, which is JSON and so YAML */
  static async start(folder: string, config: unknown): Promise<Prometheus> {
    const file = `${folder}/prometheus.yml`;
    await Deno.writeTextFile(file, JSON.stringify(config));
    // A port that is free now; it says so if somebody takes it meanwhile.
    const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = `127.0.0.1:${probe.addr.port}`;
    probe.close();
    const process = new Deno.Command("prometheus", {
      args: [
        ...[`--config.file=${file}`, `--storage.tsdb.path=${folder}/data`],
        `--web.listen-address=${address}`,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    return new Prometheus(process, `http://${address}`);
  }

  async #read(): Promise<void> {
    const text = this.#process.stderr.pipeThrough(new TextDecoderStream());
    for await (const piece of text) this.#log += piece;
  }

  /** What it logged so far. */
  get log(): string {
    return this.#log;
  }

  /** Asks its API; null: it does not answer yet. */
  async ask(path: string): Promise<QueryAnswer | null> {
    try {
      return await (await fetch(`${this.url}/api/v1/${path}`)).json();
    } catch {
      return null;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
    await this.#reading;
  }
}
