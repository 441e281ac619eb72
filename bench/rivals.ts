/**
 * The switches that are compared: each takes the same two virtio-user ports of one testpmd.
 *
 * @module
 */

/** A switch under load. */
export interface Rival extends AsyncDisposable {
  readonly name: string;
  /** Socket paths of the two ports, and whether the generator listens on them. */
  readonly sockets: readonly [string, string];
  readonly generatorListens: boolean;
}

/** How to start one, on processor `cpu`. */
export interface RivalKind {
  readonly name: string;
  /** Debian packages it lacks; empty when it can run. */
  readonly missing: readonly string[];
  start(folder: string, cpu: number, hugepages: boolean): Promise<Rival>;
}

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const OVS_DAEMON = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";
const OVS_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function sockets(folder: string): [string, string] {
  return [`${folder}/vm1.sock`, `${folder}/vm2.sock`];
}

async function lineOf(child: Deno.ChildProcess, pattern: RegExp): Promise<void> {
  let output = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!pattern.test(output)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`A switch ended before it was ready: ${output.slice(-400)}`);
    output += value;
  }
  // Go on reading: a full pipe would stop it.
  (async () => {
    while (!(await reader.read()).done);
  })();
}

/** This switch, from source. */
export const vuswitch: RivalKind = {
  name: "vuswitch",
  missing: [],
  async start(folder, cpu): Promise<Rival> {
    const paths = sockets(folder);
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-check", MAIN, "run", "-q", "--cpus", String(cpu)],
        ...["--idle", "poll", "--ctl", `${folder}/ctl.sock`],
        ...paths.flatMap((path, i) => ["-p", `vm${i + 1}=${path}`]),
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    await lineOf(child, /^ready /m);
    return {
      name: "vuswitch",
      sockets: paths,
      generatorListens: false,
      async [Symbol.asyncDispose](): Promise<void> {
        child.kill("SIGTERM");
        await child.status;
      },
    };
  },
};

async function must(program: string, args: readonly string[], env = {}): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args: [...args], env }).output();
  if (code === 0) return;
  throw new Error(`${program} ${args[0]} failed: ${new TextDecoder().decode(stderr).trim()}`);
}

/** OVS-DPDK: its own database and daemon in `folder`, learning bridge, one poll-mode thread. */
export const ovs: RivalKind = {
  name: "OVS-DPDK",
  missing: exists(OVS_DAEMON) ? [] : ["openvswitch-switch-dpdk"],
  async start(folder, cpu, hugepages): Promise<Rival> {
    const db = `unix:${folder}/db.sock`;
    const names = ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"];
    const env = Object.fromEntries(names.map((name) => [name, folder]));
    await must("ovsdb-tool", ["create", `${folder}/conf.db`, OVS_SCHEMA]);
    const daemons = [
      ...["--detach", "--no-chdir", `--log-file=${folder}/ovs.log`],
    ];
    await must("ovsdb-server", [
      ...[`${folder}/conf.db`, `--remote=punix:${folder}/db.sock`, ...daemons],
      `--pidfile=${folder}/db.pid`,
    ], env);
    const vsctl = (...args: string[]): Promise<void> => must("ovs-vsctl", [`--db=${db}`, ...args]);
    const memory = hugepages ? "--in-memory" : "--no-huge -m 1024";
    await vsctl(
      ...["--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true"],
      `other_config:pmd-cpu-mask=0x${(1 << cpu).toString(16)}`,
      `other_config:dpdk-extra=${memory} --no-pci`,
      ...(hugepages ? ["other_config:dpdk-socket-mem=512"] : []),
    );
    // A network namespace of its own: OVS makes tap devices with global names.
    await must("unshare", ["-n", OVS_DAEMON, db, ...daemons, `--pidfile=${folder}/vs.pid`], env);
    const paths = sockets(folder);
    await vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev");
    for (const [i, path] of paths.entries()) {
      await vsctl(
        ...["add-port", "br0", `p${i}`, "--", "set", "Interface", `p${i}`],
        ...["type=dpdkvhostuserclient", `options:vhost-server-path=${path}`],
      );
    }
    return {
      name: "OVS-DPDK",
      sockets: paths,
      generatorListens: true,
      async [Symbol.asyncDispose](): Promise<void> {
        for (const file of ["vs.pid", "db.pid"]) {
          const pid = Number(await Deno.readTextFile(`${folder}/${file}`));
          Deno.kill(pid, "SIGTERM");
          while (exists(`/proc/${pid}/stat`)) await new Promise((r) => setTimeout(r, 20));
        }
      },
    };
  },
};

/** DPDK's own vhost library forwarding between two ports, no switching: a reference. */
export const dpdkIo: RivalKind = {
  name: "DPDK net_vhost io",
  missing: exists("/usr/bin/dpdk-testpmd") ? [] : ["dpdk-dev"],
  async start(folder, cpu, hugepages): Promise<Rival> {
    const paths = sockets(folder);
    const child = new Deno.Command("stdbuf", {
      args: [
        ...["-oL", "dpdk-testpmd", "--no-pci", "--no-telemetry", `--file-prefix=io${Deno.pid}`],
        ...["--lcores", `0@0,1@${cpu}`],
        ...(hugepages ? ["--in-memory", "-m", "512"] : ["--no-huge", "--no-shconf", "-m", "512"]),
        ...paths.flatMap((path, i) => ["--vdev", `net_vhost${i},iface=${path}`]),
        ...["--", "-i", "--nb-cores=1", "--total-num-mbufs=16384", "--forward-mode=io"],
        ...["--auto-start"],
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    await lineOf(child, /testpmd> /);
    return {
      name: "DPDK net_vhost io",
      sockets: paths,
      generatorListens: false,
      async [Symbol.asyncDispose](): Promise<void> {
        child.kill("SIGKILL");
        await child.stdin.close().catch(() => {});
        await child.status;
      },
    };
  },
};
