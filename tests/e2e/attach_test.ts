/**
 * The programs that guests are made with read what `emit` prints: QEMU, DPDK and libvirt's schema.
 * docs/attach.md boots guests with the same words.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { ATTACH_COMMANDS } from "../../lib/cli/commands/attach.ts";
import { hasTestpmd } from "../../lib/demo/testpmd.ts";
import { Bed } from "../harness/bed.ts";
import { hasProgram, peerTest } from "../harness/peers.ts";
import { vuswitch } from "../harness/switch_process.ts";
import { until } from "../harness/until.ts";

const PORTS = ["offer=iommu", "mode=connect", "mtu=9000,queues=2,mac=52:54:00:aa:bb:03", ""];
/** Before the guest has run an instruction; with places for two more NICs. */
const PAUSED = "qemu-system-x86_64 -S -nodefaults -display none -qmp stdio -accel tcg " +
  "-device pcie-root-port,id=free0,slot=9 -device pcie-root-port,id=free1,slot=10";

const MISSING = [
  ...hasProgram("qemu-system-x86_64") ? [] : ["qemu-system-x86"],
  ...hasTestpmd() ? [] : ["dpdk-dev"],
  ...hasProgram("virt-xml-validate") ? [] : ["libvirt-clients"],
  ...hasProgram("xmllint") ? [] : ["libxml2-utils"],
];

/** What a command prints; its code alone runs, which is faster. */
async function emit(
  bed: Bed,
  target: string,
  port: string,
  flags: Record<string, string | true> = {},
): Promise<string> {
  const row = ATTACH_COMMANDS.find(({ words }) => words[1] === target);
  assert(row);
  let printed = "";
  const all = { output: "table", ctl: bed.process.ctl, timeout: "60", ...flags };
  await (await row.load())(all as never, (text) => printed += text, port);
  return printed;
}

/** A program whose words come from a shell, as in the examples; it ends with its scope. */
class Shelled implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<unknown>;
  output = "";

  constructor(command: string, printed: string) {
    this.#child = new Deno.Command("bash", {
      args: ["-c", `eval exec ${command} $1 2>&1`, "bash", printed],
      ...{ stdin: "piped", stdout: "piped" },
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#input.closed.catch(() => {});
    this.#reading = this.#read();
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.output += text;
    }
  }

  /** Types a line. */
  async type(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  /** Waits until it ends by itself. @returns its exit code */
  async ended(): Promise<number> {
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await Promise.all([this.#child.status, this.#reading]);
    await this.#input.close().catch(() => {});
  }
}

async function attached(bed: Bed, number: number, program: Shelled): Promise<void> {
  try {
    await until(`a front-end at vm${number}`, async () => (await bed.port(number)).peer !== null);
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${program.output}`);
  }
}

async function qemuTakesIt(bed: Bed): Promise<void> {
  const words = [
    await emit(bed, "qemu", "vm1", { memory: "64M", packed: true }),
    await emit(bed, "qemu", "vm2", { nic: true, tcg: true }),
    await emit(bed, "qemu", "vm3", { nic: true }),
    await emit(bed, "qemu", "odd", { nic: true, mac: "52:54:00:00:00:44" }),
    await emit(bed, "qemu", "bytes", { nic: true, packed: true }),
  ];
  await using qemu = new Shelled(PAUSED, words.join(" "));
  for (const number of [1, 2, 3]) await attached(bed, number, qemu);
  const isThere = (name: string): Promise<void> =>
    until(`somebody at ${name}`, async () => (await bed.portNamed(name)).peer !== null);
  await isThere("odd");
  await isThere("bytes");
  await qemu.type('{"execute":"qmp_capabilities"}');
  const commands = (await emit(bed, "qemu-json", "vm4", { bus: "free0" })).trim().split("\n");
  commands.push(...(await emit(bed, "qemu-json", "late", { bus: "free1" })).trim().split("\n"));
  for (const command of commands) await qemu.type(command);
  await qemu.type('{"execute":"query-rx-filter","id":"last"}');
  await until("QEMU answers", () => qemu.output.includes('"id": "last"'));
  assert(!qemu.output.includes('"error"'), qemu.output);
  const macs = [...qemu.output.matchAll(/"main-mac": "([0-9a-f:]+)"/g)].map(([, mac]) => mac);
  const emitted = await Promise.all(
    ["vm1", "vm2", "vm4", "bytes", "late"].map(async (name) =>
      JSON.parse(await emit(bed, "qemu", name, { output: "json" })).mac
    ),
  );
  assert.deepEqual(macs.sort(), [...emitted, "52:54:00:aa:bb:03", "52:54:00:00:00:44"].sort());
  await attached(bed, 4, qemu);
  await isThere("late");
  await qemu.type('{"execute":"quit"}');
  assert.equal(await qemu.ended(), 0, qemu.output);
}

async function testpmdTakesIt(bed: Bed): Promise<void> {
  for (const [number, flags] of [[2, { packed: true }], [3, {}]] as const) {
    const words = await emit(bed, "testpmd", `vm${number}`, { memory: "128M", ...flags });
    await using testpmd = new Shelled("dpdk-testpmd", words);
    await attached(bed, number, testpmd);
    await until(`vm${number} is up`, async () => {
      const { link, queuePairs, ring } = await bed.port(number);
      return link === "up" && queuePairs === (number === 3 ? 2 : 1) &&
        ring?.startsWith(number === 3 ? "split/" : "packed/") === true;
    });
    await testpmd.type("quit");
    assert.equal(await testpmd.ended(), 0, testpmd.output);
  }
}

async function libvirtTakesIt(bed: Bed): Promise<void> {
  const file = bed.file("domain.xml");
  for (const name of ["vm1", "vm2", "vm3", "odd"]) {
    const xml = await emit(bed, "libvirt", name, name === "vm3" ? { packed: true } : {});
    const said = validate(file, xml);
    assert.equal(said.code, 0, `${said.text}: ${xml}`);
  }
  const wrong = await emit(bed, "libvirt", "vm1");
  assert.notEqual(validate(file, wrong.replace("vhostuser", "vhostusr")).code, 0, "it looks");
}

function validate(file: string, xml: string): { code: number; text: string } {
  Deno.writeTextFileSync(file, xml);
  const { code, stdout, stderr } = new Deno.Command("virt-xml-validate", {
    args: [file, "domain"],
  }).outputSync();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

async function whatIsUnknown(bed: Bed): Promise<void> {
  const { code, stderr } = await vuswitch("emit", "qemu", "none", "--ctl", bed.process.ctl);
  assert.deepEqual({ code, stderr }, {
    code: 4,
    stderr: 'vuswitch: No port named "none" (see: vuswitch port list)\n',
  });
}

peerTest("programs take the words that are printed for them", MISSING, async (t) => {
  await using bed = await Bed.make(PORTS);
  const odd = `odd=${bed.file("it's odd.sock")}`;
  const streams = ["bytes", "late"].map((name) => `${name}=stream:${bed.file(`${name}.sock`)}`);
  for (const spec of [odd, ...streams]) {
    assert.equal((await vuswitch("port", "add", spec, "--ctl", bed.process.ctl)).code, 0);
  }
  await t.step("QEMU, at its start and while it runs", () => qemuTakesIt(bed));
  await t.step("testpmd", () => testpmdTakesIt(bed));
  await t.step("libvirt's schema", () => libvirtTakesIt(bed));
  await t.step("a port that is not there is one line", () => whatIsUnknown(bed));
});
