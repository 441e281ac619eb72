/**
 * Hosts in network namespaces, joined by a network of their own, with FRR on each: `fabric` is the
 * network, h1 … hN are the hosts at 10.77.0.1 … N. All of it lives in namespaces of one process:
 * whatever becomes of the test, nothing outlives it, neither devices nor daemons nor files in /run.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { hasProgram, PEERS_REQUIRED } from "./peers.ts";
import { vuswitchWords } from "./switch_process.ts";
import { until } from "./until.ts";

/** Where Debian has FRR's daemons. */
const FRR = "/usr/lib/frr";
/** As they must start: bfdd is there before bgpd asks for sessions. */
const DAEMONS = ["zebra", "bfdd", "bgpd"] as const;
/** One of them. */
export type FrrDaemon = typeof DAEMONS[number];

/** /proc stays this process's, for programs that run on a host as processes of the test's. */
const NAMESPACES = ["--mount", "--net", "--pid", "--fork", "--kill-child"];

/** Whether this user may make such namespaces; where peers are required, it must. */
function mayMakeFabrics(): boolean {
  if (PEERS_REQUIRED) return true;
  return hasProgram("unshare") &&
    new Deno.Command("unshare", { args: [...NAMESPACES, "true"], stderr: "null" })
      .outputSync().success;
}

/** Debian packages that are not there, and rights that this user has not. */
export const NEEDS_FOR_FABRIC: readonly string[] = [
  ...hasProgram("bridge") ? [] : ["iproute2"],
  ...mayMakeFabrics() ? [] : ["(as root)"],
];

/** The same for hosts that FRR joins. */
export const NEEDS_FOR_FRR: readonly string[] = [
  ...NEEDS_FOR_FABRIC,
  ...hasProgram("vtysh") ? [] : ["frr"],
];

/** Address of a host, by number from 1 on. */
export function hostAddress(host: number): string {
  return `10.77.0.${host}`;
}

/** A host by number from 1 on, their network, or where all of these were made. */
export type Place = number | "fabric" | "outside";

/** A flooded frame's row in a tunnel's table. */
const EVERYBODY = "00:00:00:00:00:00";

/** A machine on a host's bridge that needs no switch: a namespace with one device. */
export interface Station {
  /** Of its device. */
  readonly mac: string;
  /** Its number, also that of its address. */
  readonly number: number;
}

/** Makes hosts 1 … $1; reads until the test is gone, and gathers children that ended. */
const SETUP = `
set -e
mount -t tmpfs none /run
mount -t tmpfs none /var/tmp
[ ! -d /etc/frr ] || mount -t tmpfs none /etc/frr
ip netns add fabric
ip -n fabric link add hosts type bridge
ip -n fabric link set hosts up
for host in $(seq "$1"); do
  ip netns add h$host
  ip -n h$host link set lo up
  ip link add eth0 netns h$host type veth peer name h$host netns fabric
  ip -n fabric link set h$host master hosts up
  ip -n h$host addr add 10.77.0.$host/24 dev eth0
  ip -n h$host addr add fd77::$host/64 dev eth0 nodad
  ip -n h$host link set eth0 up
done
echo ready
while read -r line; do :; done
`;

/** What a command said and how it ended. */
export interface Said {
  readonly code: number;
  readonly output: string;
}

/** Hosts and what joins them. Leave its `await using` scope. */
export class Fabric implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;
  /** The first process in the namespaces, as this process sees it. */
  readonly #inside: number;
  readonly #watches: FdbWatch[] = [];
  readonly hosts: number;

  private constructor(holder: Deno.ChildProcess, inside: number, hosts: number) {
    this.#holder = holder;
    this.#inside = inside;
    this.hosts = hosts;
  }

  /** Makes hosts 1 … `hosts`, without FRR. */
  static async make(hosts: number): Promise<Fabric> {
    const holder = new Deno.Command("unshare", {
      args: [...NAMESPACES, "bash", "-c", SETUP, "fabric", `${hosts}`],
      ...{ stdin: "piped", stdout: "piped", stderr: "inherit" },
    }).spawn();
    const reader = holder.stdout.getReader();
    const { done } = await reader.read();
    await reader.cancel();
    if (done) {
      await holder.stdin.close();
      throw new Error("Cannot make hosts in namespaces: run as root");
    }
    const children = Deno.readTextFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`);
    return new Fabric(holder, Number(children.trim()), hosts);
  }

  /** Words in front of a program that runs on a host, as a process of the test's. */
  words(host: Place): string[] {
    const enter = ["nsenter", "--target", `${this.#inside}`, "--mount", "--net"];
    if (host === "outside") return enter;
    return [...enter, "ip", "netns", "exec", host === "fabric" ? host : `h${host}`];
  }

  /** Runs a shell's lines on a host, among its processes; says how they ended. */
  async tries(host: Place, lines: string): Promise<Said> {
    const [program = "", ...args] = this.words(host);
    args.splice(args.indexOf("--net"), 0, "--pid");
    const child = new Deno.Command(program, {
      args: [...args, "sh"],
      env: typeof host === "number" ? { VTYSH: `vtysh -N h${host}` } : {},
      ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(lines));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return { code, output: text(stdout) + text(stderr) };
  }

  /** Runs a shell's lines on a host, which must succeed. @returns what they printed */
  async run(host: Place, lines: string): Promise<string> {
    const { code, output } = await this.tries(host, lines);
    assert.equal(code, 0, `on ${host}: ${lines}\n${output}`);
    return output;
  }

  /** Starts FRR on a host, without any configuration. */
  async startFrr(host: number): Promise<void> {
    const name = `h${host}`;
    await this.run(
      host,
      `mkdir -p /run/frr/${name} /etc/frr/${name}
      touch /etc/frr/${name}/vtysh.conf /etc/frr/${name}/frr.conf
      chown -R frr:frr /run/frr /etc/frr`,
    );
    for (const daemon of DAEMONS) await this.startDaemon(host, daemon);
  }

  /** Starts one of FRR's daemons. */
  async startDaemon(host: number, daemon: FrrDaemon): Promise<void> {
    const folder = `/run/frr/h${host}`;
    const more = daemon === "bfdd" ? `--bfdctl ${folder}/bfdd.sock` : "";
    const words = `-d -N h${host} -f /dev/null -i ${folder}/${daemon}.pid ${more}`;
    // It keeps what it prints open for as long as it runs.
    await this.run(host, `${FRR}/${daemon} ${words} > /run/frr/h${host}/${daemon}.log 2>&1`);
  }

  /** Kills one of FRR's daemons. */
  async killDaemon(host: number, daemon: FrrDaemon): Promise<void> {
    await this.run(host, `kill -9 $(cat /run/frr/h${host}/${daemon}.pid)`);
  }

  /** Asks FRR on a host. @param command as `show bgp l2vpn evpn summary json` */
  async frr(host: number, command: string): Promise<string> {
    return await this.run(host, `$VTYSH -c '${command}'`);
  }

  /** Waits until a host has sessions with `peers`, and no others. */
  async sessions(host: number, peers: readonly number[]): Promise<void> {
    const expected = peers.map(hostAddress).sort();
    await until(`BGP sessions of host ${host}`, async () => {
      const { code, output } = await this.tries(
        host,
        "$VTYSH -c 'show bgp l2vpn evpn summary json'",
      );
      if (code !== 0) return false;
      const { peers = {} } = JSON.parse(output) as {
        readonly peers?: Readonly<Record<string, { readonly state: string }>>;
      };
      const up = Object.entries(peers).filter(([, { state }]) => state === "Established");
      return up.map(([address]) => address).sort().join() === expected.join();
    });
  }

  /** Prints with `emit evpn` what a host needs, and runs that there. @returns how that ended */
  async emit(host: number, ...words: readonly string[]): Promise<Said> {
    const [program = "", ...args] = [...this.words(host), ...vuswitchWords(), "emit", "evpn"];
    const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args, ...words] })
      .output();
    const decoder = new TextDecoder();
    assert.equal(code, 0, decoder.decode(stderr));
    return await this.tries(host, decoder.decode(stdout));
  }

  /** Joins a host with others in network 100; all of that must work. */
  async join(host: number, peers: readonly number[], ...words: readonly string[]): Promise<void> {
    const flags = peers.flatMap((peer) => ["--peer", hostAddress(peer)]);
    const { code, output } = await this.emit(host, "--vni", "100", ...flags, ...words);
    assert.equal(code, 0, `on ${host}: ${output}`);
  }

  /** The other hosts. */
  others(host: number): number[] {
    return Array.from({ length: this.hosts }, (_, i) => i + 1).filter((each) => each !== host);
  }

  /** Joins all hosts, with FRR on each if not `--static`, and waits until each floods to all. */
  async joinAll(...words: readonly string[]): Promise<void> {
    const hosts = this.others(0);
    if (!words.includes("--static")) { for (const host of hosts) await this.startFrr(host); }
    for (const host of hosts) await this.join(host, this.others(host), ...words);
    for (const host of hosts) {
      for (const other of this.others(host)) await this.knows(host, EVERYBODY, other);
    }
  }

  /** Hosts that a host sends flooded frames to. */
  async floodsTo(host: number): Promise<string[]> {
    const row = new RegExp(`^${EVERYBODY} dst (\\S+)`);
    return (await this.fdb(host, "dev vx100")).flatMap((line) => row.exec(line)?.[1] ?? []);
  }

  /** Waits until a host looks for an address on another one. */
  async knows(host: number, mac: string, where: number): Promise<void> {
    const row = new RegExp(`^${mac} dst ${hostAddress(where)}\\b`);
    await until(`host ${host} to know ${mac} on ${where}`, async () => {
      return (await this.fdb(host, "dev vx100")).some((line) => row.test(line));
    });
  }

  /** Whether a host's tables say of an address of the switches' that it is on host `where`. */
  async places(host: number, mac: string, where: number): Promise<boolean> {
    const rows = await this.fdb(host, "");
    const device = (name: string): boolean =>
      rows.some((row) => row.startsWith(`${mac} dev ${name} `) && row.includes(" br100"));
    if (where === host) return device("vsw100") && !device("vx100");
    const to = `${mac} dev vx100 dst ${hostAddress(where)} `;
    return device("vx100") && !device("vsw100") && rows.some((row) => row.startsWith(to));
  }

  /** Plugs a station into a host's bridge br100; its number is the last byte of its addresses. */
  async plug(host: number, number: number): Promise<Station> {
    const mac = `02:00:00:00:01:${number.toString(16).padStart(2, "0")}`;
    await this.run(
      "outside",
      `set -e
      ip netns add s${number}
      ip -n h${host} link add s${number} type veth peer name eth0 netns s${number}
      ip -n h${host} link set s${number} mtu 1450 master br100 up
      ip -n s${number} link set eth0 mtu 1450 address ${mac} addrgenmode none up
      ip -n s${number} addr add 10.0.0.${number}/24 dev eth0`,
    );
    return { mac, number };
  }

  /** Takes a station away. */
  async unplug({ number }: Station): Promise<void> {
    await this.run("outside", `ip -n s${number} link del eth0 && ip netns del s${number}`);
  }

  /** Three pings from one station to another, of which none may be lost. */
  async ping(from: Station, to: Station, bytes = 56): Promise<void> {
    const ping = `ping -c 3 -i 0.2 -W 20 -M do -s ${bytes} 10.0.0.${to.number}`;
    await this.run("outside", `ip netns exec s${from.number} ${ping}`);
  }

  /** Rows of a device's or bridge's table. */
  async fdb(host: number, words: string): Promise<string[]> {
    return (await this.run(host, `bridge fdb show ${words}`)).trim().split("\n");
  }

  /** Takes note of all changes of a host's tables from now on. */
  async watch(host: number): Promise<FdbWatch> {
    const watch = await FdbWatch.start(this, host);
    this.#watches.push(watch);
    return watch;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches) await watch.stop();
    // The first process ends with its input, and all others with it.
    await this.#holder.stdin.close();
    await this.#holder.status;
  }
}

/** A change of a table. */
export interface FdbEvent {
  /** When the kernel told of it, ms since 1970, to the microsecond. */
  readonly at: number;
  /** As `bridge` prints it. */
  readonly text: string;
}

/** Changes of a host's tables, as they happen. */
export class FdbWatch {
  readonly events: FdbEvent[] = [];
  readonly #host: number;
  readonly #process: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #at = 0;

  private constructor(process: Deno.ChildProcess, host: number) {
    this.#process = process;
    this.#host = host;
    this.#reading = this.#read(process.stdout);
  }

  /** Watches a host; what happens after this is seen. */
  static async start(fabric: Fabric, host: number): Promise<FdbWatch> {
    const [program = "", ...args] = fabric.words(host);
    const process = new Deno.Command(program, {
      args: [...args, "bridge", "-timestamp", "monitor", "fdb"],
      env: { TZ: "UTC" },
      ...{ stdin: "null", stdout: "piped", stderr: "inherit" },
    }).spawn();
    const watch = new FdbWatch(process, host);
    // It listens when it hears of a bridge that comes and goes.
    const lines = "ip link add br0 type bridge; ip link add vut1 type veth peer name vut2; " +
      "ip link set vut1 master br0; ip link del br0; ip link del vut1";
    await until("the watch to hear", async () => {
      await fabric.run(host, lines);
      return watch.events.length > 0;
    });
    return watch;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
    }
  }

  /** A line with the time, or with what happened then. */
  #take(line: string): void {
    const [, day, time, year, micros] =
      /^Timestamp: \w+ (\w+ +\d+) ([\d:]+) (\d+) (\d+) usec$/.exec(line) ?? [];
    if (day !== undefined) {
      this.#at = Date.parse(`${day} ${year} ${time} UTC`) + Number(micros) / 1000;
    } else this.events.push({ at: this.#at, text: line.trim() });
  }

  /** Waits for the first change from `since` on, ms since 1970, that `pattern` fits. */
  async event(since: number, pattern: RegExp): Promise<FdbEvent> {
    let found: FdbEvent | undefined;
    await until(`${pattern} in the tables of host ${this.#host}`, () => {
      found = this.events.find(({ at, text }) => at >= since && pattern.test(text));
      return found !== undefined;
    });
    return found as FdbEvent;
  }

  /** When the last change of an address was, ms since 1970; 0 without one since then. */
  last(since: number, mac: string): number {
    const all = this.events.filter(({ at, text }) => at >= since && text.includes(mac));
    return all.at(-1)?.at ?? 0;
  }

  /** Ends it. */
  async stop(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It ended before.
    }
    await this.#process.status;
    await this.#reading;
  }
}
