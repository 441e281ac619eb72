/**
 * DPDK's testpmd with virtio-user ports: a vhost-user front-end without a guest around it, and a
 * fast one. Driven through its interactive prompt over pipes; `stdbuf -oL` keeps what it prints
 * and the prompt (which it writes past stdio) in order.
 *
 * @module
 */

/** One virtio-user port of testpmd, attached to a switch's socket. */
export interface VirtioUserPort {
  /** The back-end's socket. */
  readonly socket: string;
  /** As `02:00:00:00:00:01`; default `02:00:00:00:aa:0N` with the port's number. */
  readonly mac?: string;
  /** Queue pairs, 1 by default. */
  readonly queues?: number;
  /** Descriptors of each virtqueue, 256 by default; a power of two unless packed. */
  readonly queueSize?: number;
  /** Packed virtqueues; DPDK's default is split ones. */
  readonly packed?: boolean;
  /** Mergeable receive buffers; on by default. */
  readonly mrgRxbuf?: boolean;
  /** IN_ORDER; on by default. */
  readonly inOrder?: boolean;
  /** Asks for the vectorized paths; testpmd falls back silently where it cannot. */
  readonly vectorized?: boolean;
  /** testpmd owns the socket and listens. */
  readonly server?: boolean;
}

/** How a testpmd is started. */
export interface TestpmdOptions {
  /** Words before the command, such as `nsenter -n -t PID`. */
  readonly within?: readonly string[];
  /** Ports in the order of their numbers; a string is a `--vdev` word as it stands. */
  readonly ports: readonly (VirtioUserPort | string)[];
  /** Memory for buffers, MiB. */
  readonly memoryMib: number;
  /** Huge pages of the system, or ordinary pages of a memfd. */
  readonly hugepages: boolean;
  /** Processors of the prompt and of each forwarding core; any by default. */
  readonly cpus?: { readonly main: number; readonly forward: readonly number[] };
  /** Forwarding mode, such as `io` or `txonly`; default `io`. */
  readonly forward?: string;
  /** Frames per burst, 32 by default. */
  readonly burst?: number;
  /** Descriptors used of each receive and transmit virtqueue, all by default. */
  readonly descriptors?: { readonly rx: number; readonly tx: number };
  /** Buffers in the pool. */
  readonly mbufs?: number;
  /** Bytes of one buffer, 2176 with 128 of them headroom by default. */
  readonly mbufSize?: number;
  /** Largest frame, bytes, 4 of FCS included; 1518 by default. */
  readonly frameSizeMax?: number;
  /** Queue pairs used on each port, 1 by default. */
  readonly queues?: number;
  /** Largest vector width the drivers may use, bits; DPDK's default is 256. */
  readonly simdBits?: number;
  /** Words for the EAL, such as `--log-level=…`. */
  readonly eal?: readonly string[];
  /** Words for testpmd itself, after `--`. */
  readonly words?: readonly string[];
}

/** Counters of one port, as testpmd sees them. */
export interface TestpmdStats {
  /** Port number, from 0. */
  readonly port: number;
  /** Frames received. */
  readonly rxPackets: number;
  /** Bytes of these frames. */
  readonly rxBytes: number;
  /** Frames dropped for want of descriptors. */
  readonly rxMissed: number;
  /** Frames received with an error. */
  readonly rxErrors: number;
  /** Times no buffer was left in the pool. */
  readonly rxNoMbuf: number;
  /** Frames sent. */
  readonly txPackets: number;
  /** Frames that could not be sent. */
  readonly txErrors: number;
  /** Bytes of the frames sent. */
  readonly txBytes: number;
  /** Frames per second since the counters were last shown, by testpmd's clock. */
  readonly rxPps: number;
  /** The same for frames sent. */
  readonly txPps: number;
}

const PROMPT = "testpmd> ";
const START_MS_MAX = 120_000;
const COMMAND_MS_MAX = 60_000;
const REFUSED =
  /^(Bad arguments|Command not found|Ambiguous command|Not all ports were started|.*[Ff]ail)/m;
const LOG_CHARS_MAX = 1 << 20;

function vdevWord(port: VirtioUserPort | string, index: number): string {
  if (typeof port === "string") return `--vdev=${port}`;
  const flag = (name: string, value: boolean | undefined): string[] =>
    value === undefined ? [] : [`${name}=${value ? 1 : 0}`];
  const mac = port.mac ?? `02:00:00:00:aa:0${index}`;
  return "--vdev=" + [
    `net_virtio_user${index}`,
    `path=${port.socket}`,
    `mac=${mac}`,
    `queues=${port.queues ?? 1}`,
    `queue_size=${port.queueSize ?? 256}`,
    ...flag("packed_vq", port.packed),
    ...flag("mrg_rxbuf", port.mrgRxbuf),
    ...flag("in_order", port.inOrder),
    ...flag("vectorized", port.vectorized),
    ...flag("server", port.server),
  ].join(",");
}

/** The words after `dpdk-testpmd`; what a user would type. */
export function testpmdWords(options: TestpmdOptions): string[] {
  const everywhere = `(0-${navigator.hardwareConcurrency - 1})`;
  const forwards = options.cpus?.forward ?? [everywhere];
  const lcores = [options.cpus?.main ?? everywhere, ...forwards]
    .map((cpu, lcore) => `${lcore}@${cpu}`).join(",");
  const queueSizes = options.ports.map((port) =>
    typeof port === "string" ? 0 : port.queueSize ?? 256
  );
  // testpmd would use 512 of a larger virtqueue.
  const all = Math.max(...queueSizes) || undefined;
  const memory = options.hugepages
    // One file for all pages: a front-end may name only eight regions (vhost-user.rst).
    ? ["--in-memory", "--single-file-segments"]
    : ["--no-huge", "--no-shconf"];
  const testpmd: [string, number | string | undefined][] = [
    ["nb-cores", forwards.length],
    ["rxd", options.descriptors?.rx ?? all],
    ["txd", options.descriptors?.tx ?? all],
    ["burst", options.burst],
    ["rxq", options.queues],
    ["txq", options.queues],
    ["total-num-mbufs", options.mbufs ?? 16384],
    ["mbuf-size", options.mbufSize],
    ["max-pkt-len", options.frameSizeMax],
    ["forward-mode", options.forward],
  ];
  return [
    ...["--lcores", lcores, "--no-pci", "--no-telemetry", ...memory],
    ...["-m", `${options.memoryMib}`],
    ...(options.simdBits === undefined ? [] : [`--force-max-simd-bitwidth=${options.simdBits}`]),
    ...options.ports.map(vdevWord),
    ...options.eal ?? [],
    ...["--", "-i"],
    ...testpmd.filter(([, value]) => value !== undefined).map(([name, value]) =>
      `--${name}=${value}`
    ),
    ...options.words ?? [],
  ];
}

/** Reads `show port stats all`. */
export function parseStats(text: string): TestpmdStats[] {
  return text.split("NIC statistics for port ").slice(1).map((block) => {
    const number = (name: string): number => {
      const match = new RegExp(`${name}:\\s*(\\d+)`).exec(block);
      if (match === null) throw new Error(`testpmd shows no ${name}: ${block}`);
      return Number(match[1]);
    };
    return {
      port: Number.parseInt(block, 10),
      rxPackets: number("RX-packets"),
      rxBytes: number("RX-bytes"),
      rxMissed: number("RX-missed"),
      rxErrors: number("RX-errors"),
      rxNoMbuf: number("RX-nombuf"),
      txPackets: number("TX-packets"),
      txErrors: number("TX-errors"),
      txBytes: number("TX-bytes"),
      rxPps: number("Rx-pps"),
      txPps: number("Tx-pps"),
    };
  });
}

/** A running testpmd at its prompt. Stop it, or leave its `await using` scope. */
export class Testpmd implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<unknown>;
  #pending = "";
  #log = "";
  #ended = false;
  #code = -1;
  #wake: () => void = () => {};

  private constructor(words: readonly string[], within: readonly string[] = []) {
    const [program = "", ...args] = [...within, "stdbuf", "-oL", "dpdk-testpmd", ...words];
    this.#process = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    // A process that ends makes writes fail; commands notice the end by themselves.
    this.#input.closed.catch(() => {});
    this.#reading = Promise.all([
      this.#collect(this.#process.stdout, true),
      this.#collect(this.#process.stderr, false),
      this.#process.status.then(({ code }) => this.#code = code),
    ]).then(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Starts testpmd and waits for its prompt. @throws with what it printed if it ends instead */
  static async start(options: TestpmdOptions): Promise<Testpmd> {
    const testpmd = new Testpmd(testpmdWords(options), options.within);
    try {
      await testpmd.#untilPrompt("start", START_MS_MAX);
    } catch (error) {
      await testpmd.kill();
      throw error;
    }
    return testpmd;
  }

  async #collect(stream: ReadableStream<Uint8Array>, prompts: boolean): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#log = (this.#log + text).slice(-LOG_CHARS_MAX);
      if (!prompts) continue;
      this.#pending += text;
      this.#wake();
    }
  }

  /** Everything it printed so far, errors included (the last MiB). */
  get log(): string {
    return this.#log;
  }

  /** Process of stdbuf, which becomes that of testpmd. */
  get pid(): number {
    return this.#process.pid;
  }

  async #untilPrompt(what: string, timeoutMs: number): Promise<string> {
    const end = performance.now() + timeoutMs;
    while (!this.#pending.endsWith(PROMPT)) {
      const left = end - performance.now();
      if (this.#ended || left <= 0) {
        const how = this.#ended ? `ended with code ${this.#code}` : "does not answer";
        throw new Error(`testpmd ${how} (${what}): ${this.#log.slice(-4000)}`);
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, left);
      });
      clearTimeout(timer);
    }
    const answer = this.#pending.slice(0, -PROMPT.length);
    this.#pending = "";
    return answer;
  }

  async #exchange(line: string, timeoutMs: number): Promise<string> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
    return await this.#untilPrompt(line, timeoutMs);
  }

  /** Types one command. @returns what it printed, its echo included @throws if it ends or hangs */
  async command(line: string, timeoutMs: number = COMMAND_MS_MAX): Promise<string> {
    return (await this.#exchange(line, timeoutMs)).replaceAll("\r", "");
  }

  /** Types commands one after the other. @throws if one is refused */
  async commands(...lines: string[]): Promise<void> {
    for (const line of lines) {
      const answer = await this.command(line);
      if (REFUSED.test(answer)) {
        throw new Error(`testpmd refuses "${line}": ${answer}`);
      }
    }
  }

  /** Counters of all its ports, by port number. */
  async stats(): Promise<TestpmdStats[]> {
    const answer = await this.#exchange("show port stats all", COMMAND_MS_MAX);
    // Asked for again and again; nobody wants to read it in the log.
    if (this.#log.endsWith(answer + PROMPT)) {
      this.#log = this.#log.slice(0, -answer.length - PROMPT.length);
    }
    return parseStats(answer);
  }

  /** Quits as a user would; its capture files are complete then. @returns the exit code */
  async stop(): Promise<number> {
    if (!this.#ended) {
      await this.#input.write(new TextEncoder().encode("stop\nquit\n")).catch(() => {});
      const timer = setTimeout(() => this.#signal("SIGKILL"), COMMAND_MS_MAX);
      await this.#reading;
      clearTimeout(timer);
    }
    await this.#input.close().catch(() => {});
    return this.#code;
  }

  #signal(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // It ended in this moment.
    }
  }

  /** Ends it without a word to the back-end, as a crash would. */
  async kill(): Promise<void> {
    if (!this.#ended) this.#signal("SIGKILL");
    await this.#reading;
    await this.#input.close().catch(() => {});
  }

  /** Quits as a user would. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Whether testpmd is installed. */
export function hasTestpmd(): boolean {
  try {
    return new Deno.Command("dpdk-testpmd", {
      args: ["--version"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync().code >= 0;
  } catch {
    return false;
  }
}
