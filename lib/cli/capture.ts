/**
 * `capture`: frames of a running switch into a file, into a pipe, or as lines.
 *
 * @module
 */
import type { FlagsOf, Print } from "./command.ts";
import type { CAPTURE_FLAGS } from "./commands/capture.ts";
import { captureLine, describeFrame } from "./captured_line.ts";
import { CliError, EXIT_FAILED, EXIT_USAGE } from "./failure.ts";
import { PcapngReader } from "./pcapng_reader.ts";
import { openStream } from "./streams.ts";

/** What `capture` gets of its flags. */
export type CaptureFlags = FlagsOf<typeof CAPTURE_FLAGS>;

/** Takes a piece of the stream. @returns false: nobody reads any more */
type Writer = (part: Uint8Array, reader: PcapngReader) => boolean;

function query(flags: CaptureFlags, ports: readonly string[]): string {
  const words = new URLSearchParams(ports.map((port) => ["port", port]));
  for (const name of ["filter", "count", "snap", "ring"] as const) {
    const value = flags[name];
    if (value !== undefined) words.set(name, value);
  }
  if (flags.drops) words.set("drops", "1");
  return words.toString();
}

function writeAll(file: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}

/** A file that nobody else may read: what tenants say to each other is in it. */
function createFile(path: string): Deno.FsFile {
  try {
    return Deno.openSync(path, { write: true, create: true, truncate: true, mode: 0o600 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT_USAGE, `Cannot write ${path}: ${why}`);
  }
}

function toFile(path: string, file: Deno.FsFile): Writer {
  return (part, reader) => {
    reader.push(part);
    try {
      writeAll(file, part);
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new CliError(EXIT_FAILED, `Cannot write ${path}: ${why}`);
    }
  };
}

function toPipe(part: Uint8Array, reader: PcapngReader): boolean {
  reader.push(part);
  try {
    writeAll(Deno.stdout, part);
    return true;
  } catch {
    return false;
  }
}

function toLines(output: "table" | "json", print: Print): Writer {
  return (part, reader) => {
    const lines = reader.push(part).map((frame) => {
      const described = describeFrame(frame);
      return output === "json" ? `${JSON.stringify(described)}\n` : captureLine(described);
    });
    return lines.length === 0 || print(lines.join("")) !== false;
  };
}

function summary(reader: PcapngReader): string {
  const { frames, lost } = reader;
  const said = lost === null
    ? "the switch ended before it could say how many were lost"
    : lost === 0
    ? "none lost"
    : `${lost} lost: make --ring larger, or --snap or --filter narrower`;
  return `${frames} ${frames === 1 ? "frame" : "frames"} captured, ${said}\n`;
}

/** Runs until the capture ends: by its count, a signal, the end of its ports or of who reads. */
export async function capture(
  flags: CaptureFlags,
  print: Print,
  ...ports: readonly string[]
): Promise<void> {
  const { write } = flags;
  if (write === "-" && Deno.stdout.isTerminal()) {
    throw new CliError(
      EXIT_USAGE,
      "-w - writes pcapng, which a terminal cannot show",
      "pipe it, as into tcpdump -r -, name a file, or leave -w out",
    );
  }
  const stream = await openStream(flags, `/v1/capture?${query(flags, ports)}`);
  // Behind the switch's word: what it refuses overwrites no file.
  const file = write === undefined || write === "-" ? null : createFile(write);
  const writer = file !== null && write !== undefined
    ? toFile(write, file)
    : write === "-"
    ? toPipe
    : toLines(flags.output, print);
  const stop = (): void => stream.end();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  const reader = new PcapngReader();
  // From here on nothing is missed: whoever wants to start traffic can.
  if (file !== null) tell(`capturing ${ports.join(" ")} into ${write}: Ctrl-c ends it\n`);
  try {
    for await (const part of stream.parts) if (!writer(part, reader)) break;
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.removeSignalListener(signal, stop);
    file?.close();
  }
  tell(summary(reader));
}

function tell(text: string): void {
  try {
    writeAll(Deno.stderr, new TextEncoder().encode(text));
  } catch {
    // Nobody reads.
  }
}
