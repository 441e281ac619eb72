/**
 * The client of the control API: HTTP over the switch's control socket.
 *
 * @module
 */
import { request } from "node:http";
import { ControlError } from "../control/types.ts";
import { CliError, EXIT_PERMISSION, EXIT_UNREACHABLE } from "./failure.ts";

/** The control socket used when no `--ctl` is given. */
export function defaultControlPath(): string {
  const own = Deno.env.get("VSW_CTL");
  if (own) return own;
  const runtime = Deno.env.get("RUNTIME_DIRECTORY");
  if (runtime) return `${runtime}/ctl.sock`;
  if (Deno.uid() === 0) return "/run/vuswitch/ctl.sock";
  return `${Deno.env.get("XDG_RUNTIME_DIR") ?? `/tmp/vuswitch-${Deno.uid()}`}/vuswitch/ctl.sock`;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

function send(ctl: string, method: string, path: string, body: string | null): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      { socketPath: ctl, method, path, headers: { host: "vuswitch", connection: "close" } },
      (response) => {
        const parts: Uint8Array[] = [];
        response.on("data", (part: Uint8Array) => parts.push(part));
        response.on("error", reject);
        response.on("end", () => {
          const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
          let at = 0;
          for (const part of parts) {
            bytes.set(part, at);
            at += part.length;
          }
          resolve({ status: response.statusCode ?? 0, body: new TextDecoder().decode(bytes) });
        });
      },
    );
    call.on("error", reject);
    if (body !== null) call.write(body);
    call.end();
  });
}

/**
 * Asks the switch behind `ctl`. @returns the parsed answer, or undefined where there is none
 * @throws {CliError} unreachable; {ControlError} the switch refused
 */
export async function callSwitch(
  ctl: string,
  method: string,
  path: string,
  body: unknown = null,
): Promise<unknown> {
  let answer: Answer;
  try {
    answer = await send(ctl, method, path, body === null ? null : JSON.stringify(body));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (/EACCES|permission denied/i.test(message)) {
      throw new CliError(
        EXIT_PERMISSION,
        `No permission to use ${ctl}`,
        "run as the switch's user",
      );
    }
    throw new CliError(
      EXIT_UNREACHABLE,
      `No switch answers at ${ctl}`,
      "start one with: vuswitch run, or name its socket with --ctl PATH",
    );
  }
  if (answer.status < 300) return answer.body === "" ? undefined : JSON.parse(answer.body);
  throw refusal(answer);
}

function refusal(answer: Answer): Error {
  try {
    const { title, detail, hint } = JSON.parse(answer.body);
    return new ControlError(title, detail, hint ?? null);
  } catch {
    return new CliError(1, `The switch answered with status ${answer.status}`);
  }
}
