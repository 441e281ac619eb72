/**
 * Linux guests in QEMU, attached to a switch by vhost-user. Software emulation (TCG): it runs
 * everywhere, also where a KVM device exists but does not work.
 *
 * @module
 */
import { retry } from "@std/async/retry";
import type { GuestImage } from "./guest_image.ts";

/** How a guest is made. */
export interface GuestOptions {
  /** Its host name, and the names of its files in `folder`. */
  readonly name: string;
  /** Address with prefix length, such as `10.77.0.1/24`, or `dhcp`. */
  readonly address: string;
  /** Of its NIC, as `52:54:00:00:00:01`. */
  readonly mac: string;
  /** The switch's socket. */
  readonly socket: string;
  /** What it boots. */
  readonly image: GuestImage;
  /** Folder for the guest's own sockets and logs. */
  readonly folder: string;
  /** Its memory, MiB; default 160. */
  readonly memoryMib?: number;
  /** MTU of its NIC, bytes; default 1500. */
  readonly mtu?: number;
  /** Further properties of the NIC, such as `packed=on`. */
  readonly nic?: readonly string[];
  /** Further properties of the NIC's back-end, such as `queues=2`. */
  readonly netdev?: readonly string[];
  /** Further properties of the vhost-user socket, such as `reconnect=1` or `server=on`. */
  readonly chardev?: readonly string[];
  /** QEMU's words of the NIC's back-end `n0`; vhost-user at `socket` if not given. */
  readonly backEnd?: readonly string[];
  /** Processors; 1 if not given. */
  readonly processors?: number;
  /** QEMU's words for the guest's memory; one shared memfd if not given. */
  readonly memoryWords?: readonly string[];
  /** Further words of `-m`, such as `slots=4,maxmem=1G`. */
  readonly memorySlots?: string;
  /** QEMU's words in front of the NIC, such as `-device intel-iommu`. */
  readonly words?: readonly string[];
  /** Further words of the kernel's command line. */
  readonly kernelWords?: readonly string[];
  /** QEMU binary and the words it needs before all others; default QEMU of the system. */
  readonly qemu?: { readonly binary: string; readonly words: readonly string[] };
  /** MSI-X vectors; 0 (INTx) is what QEMU 7.2 survives under TCG. */
  readonly vectors?: number;
}

/** What a command in the guest gave. */
export interface GuestResult {
  /** Exit code of the shell. */
  readonly code: number;
  /** Standard output and error, without carriage returns, trimmed. */
  readonly output: string;
}

const KERNEL_WORDS = [
  "console=ttyS0",
  "quiet",
  "mitigations=off",
  "nokaslr",
  "no_timer_check",
  "tsc=reliable",
  "cryptomgr.notests",
  "random.trust_cpu=on",
  "rcupdate.rcu_expedited=1",
  "panic=-1",
];
const READY = "@@READY@@";
const HELLO = "@@HELLO@@";
const READY_MS_MAX = 120_000;
const CONNECT_PAUSE_MS = 50;

function qemuArguments(options: GuestOptions): string[] {
  const memory = options.memoryMib ?? 160;
  const { name, folder, socket, mac, image } = options;
  const guestWords = [
    `vu_name=${name}`,
    `vu_address=${options.address}`,
    `vu_mtu=${options.mtu ?? 1500}`,
  ];
  const nic = [
    "virtio-net-pci",
    "netdev=n0",
    `mac=${mac}`,
    `vectors=${options.vectors ?? 0}`,
    "romfile=",
    ...options.nic ?? [],
  ];
  const sizes = [`${memory}M`, ...options.memorySlots ? [options.memorySlots] : []].join(",");
  const socketWords = [`path=${socket}`, ...options.chardev ?? []].join(",");
  const kernelWords = [...KERNEL_WORDS, ...options.kernelWords ?? [], ...guestWords].join(" ");
  return [
    ...options.qemu?.words ?? [],
    ...["-M", "q35,hpet=off,vmport=off,smbus=off,sata=off", "-accel", "tcg", "-cpu", "Nehalem"],
    ...["-m", sizes, "-smp", `${options.processors ?? 1}`],
    ...["-nodefaults", "-no-user-config", "-display", "none"],
    ...options.memoryWords ?? [
      ...["-object", `memory-backend-memfd,id=m0,size=${memory}M,share=on`],
      ...["-numa", "node,memdev=m0"],
    ],
    ...["-kernel", image.kernel, "-initrd", image.initrd],
    ...["-append", kernelWords],
    ...["-serial", `file:${folder}/${name}.console`],
    ...["-chardev", `socket,id=cmd,path=${folder}/${name}.cmd,server=on,wait=off`],
    ...["-serial", "chardev:cmd"],
    ...["-qmp", `unix:${folder}/${name}.qmp,server=on,wait=off`],
    ...options.words ?? [],
    ...options.backEnd ?? [
      ...["-chardev", `socket,id=vhost0,${socketWords}`],
      ...["-netdev", ["vhost-user,id=n0,chardev=vhost0", ...options.netdev ?? []].join(",")],
    ],
    ...["-device", nic.join(",")],
  ];
}

/** A running guest. Stop it, or leave its `await using` scope. */
export class QemuGuest implements AsyncDisposable {
  /** As it was started. */
  readonly options: GuestOptions;
  readonly #process: Deno.ChildProcess;
  readonly #errors: Promise<string>;
  #serial: Deno.UnixConn | null = null;
  #buffer = "";
  #exited = false;

  private constructor(options: GuestOptions) {
    this.options = options;
    this.#process = new Deno.Command(options.qemu?.binary ?? "qemu-system-x86_64", {
      args: qemuArguments(options),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    this.#process.status.then(() => {
      this.#exited = true;
    });
    this.#errors = new Response(this.#process.stderr).text();
  }

  /** Starts a guest; it boots while you go on. */
  static start(options: GuestOptions): QemuGuest {
    return new QemuGuest(options);
  }

  /** Process of QEMU. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Waits until the guest takes commands. @throws with QEMU's message if it ends or hangs */
  async ready(): Promise<void> {
    const end = Date.now() + READY_MS_MAX;
    await this.#connect(end);
    await this.#until(READY, end);
  }

  /**
   * As {@linkcode QemuGuest.ready}, for a guest that came by migration: it has booted elsewhere,
   * and is asked.
   */
  async arrived(): Promise<void> {
    const end = Date.now() + READY_MS_MAX;
    await this.#connect(end);
    await (this.#serial as unknown as Deno.UnixConn).write(new TextEncoder().encode(`${HELLO}\n`));
    await this.#until(READY, end);
  }

  async #connect(end: number): Promise<void> {
    const path = `${this.options.folder}/${this.options.name}.cmd`;
    try {
      this.#serial ??= await retry(() => Deno.connect({ transport: "unix", path }), {
        ...{ minTimeout: CONNECT_PAUSE_MS, multiplier: 1, jitter: 0 },
        maxAttempts: Number.MAX_SAFE_INTEGER,
        isRetriable: () => !this.#exited && Date.now() <= end,
      });
    } catch {
      throw await this.#failure("did not start");
    }
  }

  async #failure(what: string): Promise<Error> {
    const errors = this.#exited ? await this.#errors : "";
    return new Error(`Guest ${this.options.name} ${what}: ${errors.trim() || "see its console"}`);
  }

  /** Reads until `mark` came; returns what stood before it. */
  async #until(mark: string | RegExp, end: number): Promise<{ before: string; match: string }> {
    const decoder = new TextDecoder();
    const bytes = new Uint8Array(65536);
    for (;;) {
      const serial = this.#serial;
      if (serial === null) throw await this.#failure("was stopped");
      const match = typeof mark === "string"
        ? (this.#buffer.includes(mark) ? mark : null)
        : mark.exec(this.#buffer)?.[0] ?? null;
      if (match !== null) {
        const at = this.#buffer.indexOf(match);
        const before = this.#buffer.slice(0, at);
        this.#buffer = this.#buffer.slice(at + match.length);
        return { before, match };
      }
      let timer: ReturnType<typeof setTimeout> | undefined;
      const timeout = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => this.#failure("does not answer").then(reject),
          Math.max(1, end - Date.now()),
        );
      });
      const read = serial.read(bytes);
      const count = await Promise.race([read, timeout]).finally(() => clearTimeout(timer));
      if (count === null) throw await this.#failure("ended");
      this.#buffer += decoder.decode(bytes.subarray(0, count), { stream: true });
    }
  }

  /** Runs a shell command in the guest; standard error is part of the output. */
  async run(command: string, timeoutMs = 120_000): Promise<GuestResult> {
    const line = new TextEncoder().encode(`${command}\n`);
    await (this.#serial as Deno.UnixConn).write(line);
    const { before, match } = await this.#until(/@@EXIT \d+@@/, Date.now() + timeoutMs);
    return { code: Number(/\d+/.exec(match)?.[0]), output: before.replaceAll("\r", "").trim() };
  }

  /** Runs one QMP command. @returns what it returned @throws with QEMU's words if it failed */
  async qmp(execute: string, parameters: Record<string, unknown> = {}): Promise<unknown> {
    const path = `${this.options.folder}/${this.options.name}.qmp`;
    const connection = await Deno.connect({ transport: "unix", path });
    try {
      const lines = readLines(connection);
      for (const command of [{ execute: "qmp_capabilities" }, { execute, arguments: parameters }]) {
        await connection.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
        for await (const line of lines) {
          const answer = JSON.parse(line);
          if (answer.error) throw new Error(`${execute}: ${answer.error.desc}`);
          if (!("return" in answer)) continue;
          if (command.execute === execute) return answer.return;
          break;
        }
      }
      throw new Error(`${execute}: QEMU closed the connection`);
    } finally {
      connection.close();
    }
  }

  /** Restarts the guest's kernel without a word to its programs, and waits until it is back. */
  async reboot(): Promise<void> {
    await (this.#serial as Deno.UnixConn).write(new TextEncoder().encode("reboot -f\n"));
    await this.#until(READY, Date.now() + READY_MS_MAX);
  }

  /** Ends QEMU. */
  async stop(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    this.#serial?.close();
    this.#serial = null;
    if (!this.#exited) {
      try {
        this.#process.kill(signal);
      } catch {
        // It ended in this moment.
      }
    }
    await this.#process.status;
    await this.#errors;
  }

  /** Ends QEMU at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Lines of a connection; goes on where it was left. */
function readLines(connection: Deno.UnixConn): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let buffer = "";
  return {
    async *[Symbol.asyncIterator](): AsyncGenerator<string> {
      const bytes = new Uint8Array(65536);
      for (;;) {
        for (let end = buffer.indexOf("\n"); end >= 0; end = buffer.indexOf("\n")) {
          const line = buffer.slice(0, end);
          buffer = buffer.slice(end + 1);
          yield line;
        }
        const count = await connection.read(bytes);
        if (count === null) return;
        buffer += decoder.decode(bytes.subarray(0, count), { stream: true });
      }
    },
  };
}
