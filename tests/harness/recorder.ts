/**
 * A control socket in front of a switch's own, which remembers what was asked and answered: a
 * command that is run again gets the same answers, and changes nothing.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { request } from "node:http";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

interface Recorded {
  readonly asked: string;
  readonly answer: Answer;
}

/** Asks the switch behind `ctl`, whatever it may say. */
export function askSwitch(
  ctl: string,
  method: string,
  path: string,
  body: string | null,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: ctl, method, path, headers: { host: "x" } }, (response) => {
      const parts: Uint8Array[] = [];
      response.on("data", (part: Uint8Array) => parts.push(part));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers["content-type"] ?? "",
          body: Buffer.concat(parts).toString(),
        }));
    });
    call.on("error", reject);
    if (body !== null) call.write(body);
    call.end();
  });
}

/** Stands between commands and a switch. */
export class Recorder implements AsyncDisposable {
  readonly ctl: string;
  readonly #server: Deno.HttpServer<Deno.UnixAddr>;
  #answers: Recorded[] = [];
  #again: Recorded[] | null = null;

  /** @param ctl where to listen @param behind the switch's own control socket */
  constructor(ctl: string, behind: string) {
    this.ctl = ctl;
    this.#server = Deno.serve({ path: ctl, onListen: () => {} }, async (request) => {
      const url = new URL(request.url);
      const path = url.pathname + url.search;
      const text = await request.text();
      const asked = `${request.method} ${path} ${text}`;
      const answer = this.#again === null
        ? await askSwitch(behind, request.method, path, text === "" ? null : text)
        : this.#replay(asked);
      if (this.#again === null) this.#answers.push({ asked, answer });
      const headers = { "content-type": answer.type };
      return new Response(answer.status === 204 ? null : answer.body, {
        status: answer.status,
        headers,
      });
    });
  }

  #replay(asked: string): Answer {
    const next = this.#again?.shift();
    if (next?.asked === asked) return next.answer;
    const body = `The second time it asks "${asked}" instead of "${next?.asked}"`;
    return { status: 418, type: "text/plain", body };
  }

  /** What is asked from now on is new. */
  record(): void {
    this.#answers = [];
    this.#again = null;
  }

  /** What is asked from now on is answered as it was since {@linkcode record}. */
  replay(): void {
    this.#again = [...this.#answers];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
