/**
 * `demo`: a private switch and two guests that ping each other through it, one of them fetches a page
 * from this host, then what the switch saw. Everything is cleaned up, also after an interrupt.
 *
 * @module
 */
import { missingQemuPackages } from "../demo/guest_image.ts";
import type { DemoIo } from "../demo/demo_qemu.ts";
import type { FdbStatus, SwitchStatus } from "../control/types.ts";
import { callSwitch } from "./client.ts";
import { CliError, EXIT_FAILED, EXIT_INTERRUPTED } from "./failure.ts";
import { fdbTable } from "./commands/fdb.ts";
import { openDemoWeb } from "./demo_web.ts";
import { statsTable } from "./commands/stats.ts";
import { portTable } from "./views.ts";

/** Kinds of guests. */
export type DemoGuest = "builtin" | "testpmd" | "qemu";

const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

type Demo = (io: DemoIo, sockets: { a: string; b: string }) => Promise<boolean>;

async function load(guest: DemoGuest): Promise<Demo> {
  if (guest === "qemu") return (await import("../demo/demo_qemu.ts")).qemuDemo;
  if (guest === "testpmd") return (await import("../demo/demo_testpmd.ts")).testpmdDemo;
  return (await import("../demo/demo_builtin.ts")).builtinDemo;
}

/** The most real guests that this machine can start. */
function choose(print: (text: string) => void): DemoGuest {
  const missing = missingQemuPackages();
  if (missing.length === 0) return "qemu";
  print(`for Linux guests: apt-get install ${missing.join(" ")}; using built-in guests instead\n`);
  return "builtin";
}

/** Command words of this very program: the single binary, or Deno with its main module. */
function ownWords(): string[] {
  if (Deno.build.standalone) return [Deno.execPath()];
  return [Deno.execPath(), "run", "-A", Deno.mainModule];
}

/** A switch of its own with ports vm1 and vm2 in `folder`. */
async function startSwitch(folder: string): Promise<Deno.ChildProcess> {
  const [program = "", ...words] = ownWords();
  const ports = ["vm1", "vm2"].flatMap((name) => ["-p", `${name}=${folder}/${name}.sock`]);
  const child = new Deno.Command(program, {
    args: [...words, "run", ...ports, "--ctl", `${folder}/ctl.sock`, "-q"],
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let output = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!output.includes("ready ")) {
    const { value, done } = await reader.read();
    if (done) throw new CliError(EXIT_FAILED, "The demo's switch did not start");
    output += value;
  }
  await reader.cancel();
  return child;
}

/** `demo`. */
export async function demoCommand(
  flags: { readonly guest?: DemoGuest },
  print: (text: string) => void,
): Promise<void> {
  await demo(flags.guest ?? null, print);
}

/** Runs the demo. @param wanted null picks the most real guests available */
export async function demo(
  wanted: DemoGuest | null,
  print: (text: string) => void,
): Promise<void> {
  const guest = wanted ?? choose(print);
  const folder = await Deno.makeTempDir({ prefix: "vuswitch-" });
  const child = await startSwitch(folder);
  const stop = new AbortController();
  const interrupted = (): void => stop.abort();
  for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, interrupted);
  try {
    print(`switch: pid ${child.pid}, ports vm1 and vm2 in ${folder}\n`);
    const run = await load(guest);
    await using web = new AsyncDisposableStack();
    const io: DemoIo = {
      print: (line) => print(`  ${line}\n`),
      web: async () => web.use(await openDemoWeb(`${folder}/ctl.sock`, print)),
      inspect: () => showSwitch(`${folder}/ctl.sock`, print),
      signal: stop.signal,
    };
    const good = await run(io, { a: `${folder}/vm1.sock`, b: `${folder}/vm2.sock` })
      .catch((error) => {
        // Guests that were told to stop fail in whatever they were doing: no news.
        if (stop.signal.aborted) return false;
        throw error;
      });
    if (stop.signal.aborted) throw new CliError(EXIT_INTERRUPTED, "The demo was interrupted");
    if (!good) throw new CliError(EXIT_FAILED, "The demo's guests lost frames, or got no page");
    print("\nall good\n");
  } finally {
    for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, interrupted);
    child.kill("SIGTERM");
    await child.status;
    await Deno.remove(folder, { recursive: true });
  }
}

async function showSwitch(ctl: string, print: (text: string) => void): Promise<void> {
  const status = await callSwitch(ctl, "GET", "/v1/switch") as SwitchStatus;
  const fdb = await callSwitch(ctl, "GET", "/v1/fdb") as FdbStatus[];
  print(`\nvuswitch port list\n${portTable({ ports: status.ports, listeners: [] })}`);
  print(`\nvuswitch fdb show\n${fdbTable(fdb)}`);
  print(`\nvuswitch stats\n${statsTable(status)}`);
}
