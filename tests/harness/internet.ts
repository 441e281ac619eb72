/**
 * A host and an internet of its own for it, each a network namespace: what a switch does to the
 * host's network it does there.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { missingQemuPackages } from "../../lib/demo/guest_image.ts";
import { hasProgram } from "./peers.ts";
import { deviceName, ip, Namespace, tapMissing } from "./tap.ts";
import { TempFolder } from "./temp.ts";
import { until } from "./until.ts";

/** The internet's web and name server. */
const SERVER = "203.0.113.1";
/** The host's address there. */
const HOST = "203.0.113.2";
/** A name that nobody else knows. */
export const WEB = "web.test";
const PAGE_BYTES = 4 << 20;

/** Debian packages of programs, where they have other names. */
const PACKAGES: Readonly<Record<string, string>> = { dnsmasq: "dnsmasq-base", nft: "nftables" };

/** Debian packages that are missing for tests of NAT. @param programs that do it */
export function missingForNat(...programs: readonly string[]): string[] {
  const missing = ["dnsmasq", ...programs].filter((program) => !hasProgram(program));
  const packages = missing.map((program) => PACKAGES[program] ?? program);
  return [...missingQemuPackages(), ...tapMissing(), ...packages];
}

/** Both, until its scope ends. */
export class Internet implements AsyncDisposable {
  readonly host = new Namespace();
  readonly net = new Namespace();
  readonly #folder = new TempFolder();
  readonly #servers: Deno.ChildProcess[] = [];
  /** Of the page, in hex. */
  readonly sum: string;

  private constructor() {
    const [a, b] = [deviceName(), deviceName()];
    ip("link", "add", a, "type", "veth", "peer", "name", b);
    this.host.take(a, `${HOST}/24`);
    this.net.take(b, `${SERVER}/24`);
    ip("-n", this.host.name, "route", "add", "default", "via", SERVER);
    Deno.mkdirSync(this.#etc, { recursive: true });
    Deno.writeTextFileSync(`${this.#etc}/resolv.conf`, `nameserver ${SERVER}\n`);
    const page = new Uint8Array(PAGE_BYTES);
    for (let at = 0; at < PAGE_BYTES; at += 65536) {
      crypto.getRandomValues(page.subarray(at, at + 65536));
    }
    Deno.writeFileSync(this.#folder.file("page"), page);
    this.sum = createHash("sha256").update(page).digest("hex");
  }

  /** `ip netns exec` puts it in the place of the machine's. */
  get #etc(): string {
    return `/etc/netns/${this.host.name}`;
  }

  /** Makes both, and waits until the servers listen. */
  static async make(): Promise<Internet> {
    const made = new Internet();
    made.#serve("busybox", "httpd", "-f", "-p", `${SERVER}:80`, "-h", made.#folder.path);
    made.#serve(
      "dnsmasq",
      ...["--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--no-resolv"],
      ...["--no-hosts", `--listen-address=${SERVER}`, "--bind-interfaces"],
      `--address=/${WEB}/${SERVER}`,
    );
    await until("the internet's servers to listen", async () => {
      const heard = await made.say(made.net, "cat /proc/net/tcp /proc/net/udp");
      return heard.includes(":0050 ") && heard.includes(":0035 ");
    });
    return made;
  }

  #serve(program: string, ...args: readonly string[]): void {
    this.#servers.push(this.net.command(program, ...args).spawn());
  }

  /** Words in front of a program of the host's. @param lines of a shell that come first */
  words(lines = ":"): string[] {
    return ["ip", "netns", "exec", this.host.name, "sh", "-c", `${lines}; exec "$@"`, "sh"];
  }

  /** What a shell's lines print in one of the two. */
  async say(where: Namespace, lines: string): Promise<string> {
    const { stdout, stderr, code } = await where.command("sh", "-c", lines).output();
    const text = new TextDecoder();
    assert.equal(code, 0, `${lines}: ${text.decode(stderr)}`);
    return text.decode(stdout);
  }

  /** Tables of switches on the host. */
  async tables(): Promise<string[]> {
    const listed = await this.say(this.host, "nft list tables");
    return listed.split("\n").filter((line) => line.includes("vuswitch"));
  }

  /** Whether the host forwards. */
  async forwards(): Promise<boolean> {
    return (await this.say(this.host, "cat /proc/sys/net/ipv4/ip_forward")).trim() === "1";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      try {
        server.kill("SIGKILL");
      } catch {
        // It ended before.
      }
      await server.output();
    }
    this.host[Symbol.dispose]();
    this.net[Symbol.dispose]();
    Deno.removeSync(this.#etc, { recursive: true });
    this.#folder[Symbol.dispose]();
  }
}
