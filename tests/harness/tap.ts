/**
 * TAP devices of this machine and who is on the other side of them, for tests of uplinks. Names are
 * unique for each test process, and all is removed when its scope ends.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { F_SETFD, F_SETFL, O_RDWR } from "../../ffi/abi.ts";
import { closeFd, openTap, type TapQueue, TUN_PATH } from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { errno, SystemError } from "../../ffi/errno.ts";
import { hasProgram, peerTest } from "./peers.ts";
import { until } from "./until.ts";

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL = 3;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const FRAME_BYTES_MAX = 70_000;

/** What is missing here for tests with network devices. */
export function tapMissing(): string[] {
  const lacks: string[] = [];
  if (!hasProgram("ip")) lacks.push("iproute2");
  try {
    Deno.statSync("/dev/net/tun");
  } catch {
    lacks.push("/dev/net/tun (mknod c 10 200)");
  }
  if (Deno.uid() !== 0) lacks.push("root");
  return lacks;
}

/** Registers a test that needs TAP devices. */
export function tapTest(name: string, run: (t: Deno.TestContext) => Promise<void>): void {
  peerTest(name, tapMissing(), run);
}

let last = 0;

/** A name for a device or namespace that nobody else has. */
export function deviceName(): string {
  return `vt${Deno.pid.toString(36)}${(last++).toString(36)}`;
}

/** Runs `ip` to its end. @throws if it fails */
export function ip(...words: readonly string[]): string {
  const { code, stdout, stderr } = new Deno.Command("ip", { args: [...words] }).outputSync();
  const text = new TextDecoder();
  assert.equal(code, 0, `ip ${words.join(" ")}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

/** Makes a persistent TAP device that says nothing by itself, and switches it on. */
export function addTap(name: string, ...words: readonly string[]): void {
  ip("tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr", ...words);
  ip("link", "set", name, "addrgenmode", "none", "up");
}

/** Whether there is a device of that name in this namespace. */
export function deviceExists(name: string): boolean {
  return new Deno.Command("ip", { args: ["link", "show", name] }).outputSync().code === 0;
}

/** A persistent TAP device. */
export class TapDevice implements Disposable {
  readonly name = deviceName();

  /** @param words further ones of `ip tuntap add`, such as `multi_queue` */
  constructor(...words: readonly string[]) {
    addTap(this.name, ...words);
  }

  [Symbol.dispose](): void {
    if (deviceExists(this.name)) ip("link", "del", this.name);
  }
}

/** A queue that waits at reads, as open(2) makes one, and that programs started from here get. */
export class LeftOpen implements Disposable {
  readonly queue: TapQueue;

  constructor(device: string, multiQueue = false) {
    this.queue = openTap(TUN_PATH, device, multiQueue);
    assert.equal(libc.fcntl(this.fd, F_SETFD, 0), 0);
    assert.equal(libc.fcntl(this.fd, F_SETFL, O_RDWR), 0);
  }

  get fd(): number {
    return this.queue.fd;
  }

  [Symbol.dispose](): void {
    closeFd(this.fd);
  }
}

/** A macvtap device on one end of a pair of devices that are a cable. */
export class MacvtapDevice implements Disposable {
  readonly #lower = deviceName();
  /** The other end. */
  readonly peer = deviceName();
  /** What opens it. */
  readonly file: string;

  constructor() {
    const name = deviceName();
    ip("link", "add", this.#lower, "type", "veth", "peer", "name", this.peer);
    ip("link", "set", this.#lower, "addrgenmode", "none", "up");
    ip(
      ...["link", "add", "link", this.#lower, "name", name],
      ...["type", "macvtap", "mode", "passthru"],
    );
    ip("link", "set", name, "addrgenmode", "none", "up");
    const index = Deno.readTextFileSync(`/sys/class/net/${name}/ifindex`).trim();
    this.file = `/dev/tap${index}`;
  }

  [Symbol.dispose](): void {
    // A namespace takes its end of the cable along, and the other one with it.
    if (deviceExists(this.#lower)) ip("link", "del", this.#lower);
  }
}

/** A network namespace. */
export class Namespace implements Disposable {
  readonly name = deviceName();

  constructor() {
    ip("netns", "add", this.name);
    ip("-n", this.name, "link", "set", "lo", "up");
  }

  /** Moves a device of this machine into it, with an address, and switches it on. */
  take(device: string, address: string): void {
    ip("link", "set", device, "netns", this.name);
    ip("-n", this.name, "link", "set", device, "addrgenmode", "none", "up");
    ip("-n", this.name, "addr", "add", address, "dev", device);
  }

  /** A program in it. */
  command(program: string, ...args: readonly string[]): Deno.Command {
    return new Deno.Command("ip", {
      args: ["netns", "exec", this.name, program, ...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  [Symbol.dispose](): void {
    ip("netns", "del", this.name);
  }
}

/** Who is at the kernel's side of a device: sees what the switch writes, and sends to it. */
export class PacketPeer implements Disposable {
  readonly #fd: number;
  readonly #buffer = new Uint8Array(new ArrayBuffer(FRAME_BYTES_MAX));

  /** @param device a name of this namespace */
  constructor(device: string) {
    this.#fd = libc.socket(AF_PACKET, SOCK_RAW | 0o4000, 0);
    assert(this.#fd >= 0, "there is a packet socket");
    libc.setsockopt(this.#fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, new Int32Array([1]), 4);
    const address = new DataView(new ArrayBuffer(20));
    address.setUint16(0, AF_PACKET, true);
    address.setUint16(2, ETH_P_ALL);
    address.setInt32(4, Number(Deno.readTextFileSync(`/sys/class/net/${device}/ifindex`)), true);
    if (libc.bind(this.#fd, address.buffer, 20) !== 0) throw new SystemError("bind", errno());
  }

  /** Sends a frame to the switch. @returns false: no room now */
  send(frame: Uint8Array): boolean {
    return libc.write(this.#fd, new Uint8Array(frame), BigInt(frame.length)) >= 0n;
  }

  /** What came since the last call. */
  receive(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (;;) {
      const got = libc.read_frame(this.#fd, this.#buffer, FRAME_BYTES_MAX);
      if (got < 0) return frames;
      frames.push(this.#buffer.slice(0, got));
    }
  }

  /** Waits for a frame. */
  async waitFor(what: string, wanted: (frame: Uint8Array) => boolean): Promise<Uint8Array> {
    let found: Uint8Array | undefined;
    await until(what, () => (found ??= this.receive().find(wanted)) !== undefined);
    return found as Uint8Array;
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
  }
}
