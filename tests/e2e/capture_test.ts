/**
 * `capture` of a running switch, read by tshark, tcpdump and curl.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { PcapngReader } from "../../lib/cli/pcapng_reader.ts";
import { ethernet } from "../../lib/guest/frames.ts";
import type { NetGuest } from "../../lib/guest/net_guest.ts";
import { Bed } from "../harness/bed.ts";
import { faults } from "../harness/json_schema.ts";
import { hasProgram, peerTest } from "../harness/peers.ts";
import { vuswitch, vuswitchWords } from "../harness/switch_process.ts";
import { introduce, macOf, numberedFrame, transfer } from "../harness/traffic.ts";
import { until, WAIT_MS_MAX } from "../harness/until.ts";
import { hex } from "../unit/switch/capture/frames.ts";

const MISSING = ["tshark", "tcpdump", "curl"].filter((program) => !hasProgram(program));

/** A program whose output is kept. */
class Running implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>[];
  out = "";
  error = "";

  constructor(...words: readonly string[]) {
    const [program = "", ...args] = words;
    this.#process = new Deno.Command(program, {
      ...{ args, stdin: "null", stdout: "piped", stderr: "piped" },
      env: { VSW_TIMEOUT: "60" },
    }).spawn();
    const keep = async (
      stream: ReadableStream<Uint8Array>,
      add: (text: string) => void,
    ): Promise<void> => {
      for await (const text of stream.pipeThrough(new TextDecoderStream("latin1"))) add(text);
    };
    this.#reading = [
      keep(this.#process.stdout, (text) => this.out += text),
      keep(this.#process.stderr, (text) => this.error += text),
    ];
  }

  async end(signal: Deno.Signal | null): Promise<number> {
    try {
      if (signal !== null) this.#process.kill(signal);
    } catch {
      // It ended before.
    }
    const { code } = await this.#process.status;
    await Promise.all(this.#reading);
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }
}

function capture(bed: Bed, ...words: readonly string[]): Running {
  return new Running(...vuswitchWords(), "capture", "--ctl", bed.process.ctl, ...words);
}

/** Whether the switch holds memory of captures. */
function holdsRings(bed: Bed): boolean {
  return Deno.readTextFileSync(`/proc/${bed.process.pid}/maps`).includes("vuswitch-capture");
}

async function read(program: string, ...args: readonly string[]): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args] }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n");
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}

/** UDP from 10.0.0.1:1000 to 10.0.0.2:`port`, from guest 1 to guest 2. */
function udp(port: number): Uint8Array {
  const payload = hex(`4500002000000000 40110000 0a000001 0a000002
    03e8${port.toString(16).padStart(4, "0")} 000c 0000 61626364`);
  return ethernet(macOf(2), macOf(1), 0x0800, payload);
}

async function asTshark(bed: Bed, one: NetGuest, two: NetGuest): Promise<void> {
  const file = bed.file("both.pcapng");
  await using running = capture(bed, "vm1", "vm2", "-w", file, "--drops");
  await until("its head is written", () => sizeOf(file) > 0);
  await introduce(one, two);
  assert(one.send(udp(53)));
  // Longer than the other one's MTU allows.
  assert(one.send(numberedFrame(macOf(2), macOf(1), 9, 1300)));
  assert(one.send(ethernet(macOf(2), "01:00:00:00:00:01", 0x88b5, new Uint8Array(50))));
  await until("all are written", () => sizeOf(file) > 3500);
  assert.equal(await running.end("SIGINT"), 0, running.error);
  assert.match(
    running.error,
    /^capturing vm1 vm2 into .*both.pcapng: Ctrl-c ends it\n9 frames captured, none lost\n$/,
  );
  assert.equal((Deno.statSync(file).mode ?? 0) & 0o777, 0o600);
  const names = ["interface_name", "packet_flags_direction", "len"];
  const fields = names.flatMap((name) => ["-e", `frame.${name}`]);
  const rows = await read(
    "tshark",
    "-r",
    file,
    "-T",
    "fields",
    "-E",
    "separator=/s",
    ...fields,
    "-e",
    "frame.comment",
  );
  const [hello, answer] = [60, 60];
  assert.deepEqual(
    rows.map((row) => row.replace(/(dropped: \w+).*/, "$1").trim()).sort(),
    [
      `vm1 0x00000001 ${hello}`,
      `vm1 0x00000002 ${answer}`,
      `vm2 0x00000001 ${answer}`,
      `vm2 0x00000002 ${hello}`,
      "vm1 0x00000001 46",
      "vm2 0x00000002 46",
      "vm1 0x00000001 1300",
      "vm2 0x00000002 1300 dropped: txDroppedOversize",
      "vm1 0x00000001 64 dropped: rxDroppedBadSource",
    ].sort(),
  );
  const infos = await read("capinfos", file);
  assert(infos.some((line) => /vuswitch/.test(line)), infos.join("\n"));
}

peerTest("capture: tshark, tcpdump and curl read what the switch saw", MISSING, async (t) => {
  await using bed = await Bed.make(["", "mtu=1200", ""]);
  const [one, two] = [await bed.guest(1), await bed.guest(2)];
  await introduce(one, two);

  await t.step(
    "names, directions, drops with reasons, nothing lost",
    () => asTshark(bed, one, two),
  );

  await t.step("a pipe into tcpdump has its lines at once", async () => {
    const words = [...vuswitchWords(), "capture", "vm1", "--ctl", bed.process.ctl, "-w", "-"];
    const filter = "--filter 'udp port 7777 and not dst host 10.0.0.3'";
    await using running = new Running(
      "sh",
      "-c",
      `${words.join(" ")} ${filter} --count 2 | tcpdump -l -nn -e -r -`,
    );
    await until("tcpdump has the head", () => /link-type EN10MB/.test(running.error));
    assert(one.send(udp(1)));
    assert(one.send(udp(7777)));
    await until("a line while the capture goes on", () => running.out.endsWith("\n"));
    assert.match(running.out, /10\.0\.0\.1\.1000 > 10\.0\.0\.2\.7777: UDP/);
    assert(one.send(udp(7777)));
    assert.equal(await running.end(null), 0, running.error);
    assert.equal(running.out.trim().split("\n").length, 2, running.out);
  });

  await t.step("lines for people and for programs", async () => {
    await using lines = capture(bed, "vm2", "--count", "1", "--filter", "port 99", "--snap", "42");
    await using json = capture(bed, "vm2", "--count", "1", "--filter", "port 99", "-o", "json");
    await until("both capture", async () => {
      assert(one.send(udp(99)));
      return await Promise.resolve(lines.out !== "" && json.out !== "");
    });
    assert.equal(await lines.end(null), 0, lines.error);
    assert.equal(await json.end(null), 0, json.error);
    const line = lines.out.replace(/^\d\d:\d\d:\d\d\.\d{6} /, "").replace(/52:\S+:/g, "");
    assert.equal(line, "vm2 out 42/46 01 > 02 IPv4 10.0.0.1:1000 > 10.0.0.2:99 UDP\n");
    const frame = JSON.parse(json.out);
    assert.deepEqual(faults("captured-frame", frame), []);
    assert.deepEqual(
      [frame.port, frame.direction, frame.bytes, frame.destinationPort, frame.dropped],
      ["vm2", "out", 46, 99, null],
    );
  });

  await t.step("any program of HTTP", async () => {
    const url = "http://switch/v1/capture?port=vm1&count=1&filter=port%2098";
    await using curl = new Running("curl", "-sN", "--unix-socket", bed.process.ctl, url);
    await until("the head is there", () => curl.out.length > 100);
    assert(one.send(udp(98)));
    assert.equal(await curl.end(null), 0);
    const reader = new PcapngReader();
    reader.push(Uint8Array.from(curl.out, (each) => each.charCodeAt(0)));
    assert.deepEqual([reader.frames, reader.lost], [1, 0]);
  });

  await t.step("whoever does not read loses frames, and slows nobody", async () => {
    using connection = await Deno.connect({ transport: "unix", path: bed.process.ctl });
    const ask = "GET /v1/capture?port=vm1&ring=256K HTTP/1.1\r\nhost: x\r\n\r\n";
    await connection.write(new TextEncoder().encode(ask));
    const first = new Uint8Array(65536);
    let have = 0;
    const headEnd = (): number =>
      new TextDecoder("latin1").decode(first.subarray(0, have)).indexOf("\r\n\r\n") + 4;
    while (headEnd() < 4) have += await connection.read(first.subarray(have)) ?? 0;
    const many = 2000;
    await transfer(one, two, new Array<number>(many).fill(1000), 32);
    await connection.closeWrite();
    const reader = new PcapngReader();
    reader.push(first.slice(headEnd(), have));
    for await (const part of connection.readable) reader.push(part);
    assert(reader.lost !== null && reader.lost > 0, "the statistics say how many");
    assert.equal(reader.frames + reader.lost, many);
  });

  await t.step("a mirror's port gets what others send, until the mirror ends", async () => {
    const three = await bed.guest(3);
    const mirror = async (...words: readonly string[]): Promise<string> => {
      const said = await vuswitch("mirror", ...words, "--ctl", bed.process.ctl);
      assert.equal(said.code, 0, said.stderr);
      return said.stdout;
    };
    await mirror("add", "ids", "--from", "vm1", "--to", "vm3", "--direction", "in");
    assert.match(await mirror("list"), /^ids\s+vm1\s+in\s+vm3$/m);
    assert(two.send(numberedFrame(macOf(1), macOf(2), 1, 70)));
    assert(one.send(numberedFrame(macOf(2), macOf(1), 2, 71)));
    const first = await three.waitFor(() => true, WAIT_MS_MAX);
    assert.equal(first?.length, 71, "what comes from vm1, and nothing else");
    assert(three.send(numberedFrame("ff:ff:ff:ff:ff:ff", macOf(3), 3, 72)));
    await until("it sends nothing", async () => {
      return (await bed.port(3)).counters["rxDroppedMirror"] === 1;
    });
    await mirror("del", "ids");
    assert(two.send(numberedFrame("ff:ff:ff:ff:ff:ff", macOf(2), 4, 73)));
    assert.equal((await three.waitFor(() => true, WAIT_MS_MAX))?.length, 73, "it switches again");
  });

  await t.step("one clear line for what cannot be", async () => {
    const { ctl } = bed.process;
    for (
      const [words, code, line] of [
        [["nobody"], 4, /No port named "nobody"/],
        [["vm1", "--filter", "tcp port"], 2, /filter "tcp port" ends where a port is missing/],
        [["vm1", "--ring", "1"], 2, /ring 1 must be from 256K to 512M/],
        [["vm1", "--count", "-1"], 2, /count/],
        [["vm1", "-w", "/nonexistent/x"], 2, /Cannot write \/nonexistent\/x/],
      ] as const
    ) {
      const said = await vuswitch("capture", "--ctl", ctl, ...words);
      assert.equal(said.code, code, said.stderr);
      assert.match(said.stderr, line);
      assert.equal(said.stderr.trim().split("\n").length, 1, said.stderr);
    }
  });

  await t.step("nothing is left of captures that ended, however they did", async () => {
    await until("no ring is mapped", () => !holdsRings(bed));
    await using killed = capture(bed, "vm1");
    await until("it runs", () => holdsRings(bed));
    await killed.end("SIGKILL");
    await until("it is gone", () => !holdsRings(bed));
    await using last = capture(bed, "vm1", "vm2");
    await until("the next runs", () => holdsRings(bed));
    await vuswitch("port", "del", "vm2", "--ctl", bed.process.ctl);
    await vuswitch("port", "del", "vm1", "--ctl", bed.process.ctl);
    assert.equal(await last.end(null), 0, "it ends with its last port");
    assert.match(last.error, /none lost/);
  });

  await t.step("the switch ends whoever captures", async () => {
    await vuswitch("port", "add", "new", "--ctl", bed.process.ctl);
    await using running = capture(bed, "new");
    await until("it runs", () => holdsRings(bed));
    await bed.kill("SIGTERM");
    assert.equal(await running.end(null), 0, running.error);
    assert.equal(running.error, "0 frames captured, none lost\n");
  });
});
