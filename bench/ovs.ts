/**
 * OVS-DPDK with a database and a daemon of its own: a bridge that learns, one poll-mode thread, two
 * vhost-user ports.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { exists, type Rival, type RivalKind } from "./rival.ts";

const DAEMON = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";
const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";
const END_MS_MAX = 10_000;

async function must(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  const { code, stderr } = await new Deno.Command(program, { args: [...args], env }).output();
  if (code === 0) return;
  throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}

/** Ends the process of a pid file and waits until it is gone. */
async function end(pidFile: string): Promise<void> {
  const pid = Number(await Deno.readTextFile(pidFile).catch(() => "0"));
  if (pid === 0) return;
  const deadline = Date.now() + END_MS_MAX;
  for (let signal: Deno.Signal = "SIGTERM"; exists(`/proc/${pid}`);) {
    try {
      Deno.kill(pid, signal);
    } catch {
      // It ended in this moment.
    }
    if (Date.now() > deadline) signal = "SIGKILL";
    await delay(20);
  }
}

async function startDaemons(
  folder: string,
  cpu: number,
  hugepages: boolean,
): Promise<(...args: string[]) => Promise<void>> {
  const names = ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"];
  const env = Object.fromEntries(names.map((name) => [name, folder]));
  const db = `unix:${folder}/db.sock`;
  const vsctl = (...args: string[]): Promise<void> =>
    must("ovs-vsctl", ["--timeout=60", `--db=${db}`, ...args], env);
  const daemon = ["--detach", "--no-chdir", `--log-file=${folder}/ovs.log`];
  await must("ovsdb-tool", ["create", `${folder}/conf.db`, SCHEMA]);
  await must("ovsdb-server", [
    ...[`${folder}/conf.db`, `--remote=punix:${folder}/db.sock`, ...daemon],
    `--pidfile=${folder}/db.pid`,
  ], env);
  await vsctl(
    ...["--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true"],
    `other_config:pmd-cpu-mask=0x${(1 << cpu).toString(16)}`,
    ...(hugepages
      ? ["other_config:dpdk-socket-mem=1024", "other_config:dpdk-extra=--in-memory --no-pci"]
      : ["other_config:dpdk-extra=--no-huge -m 1024 --no-pci"]),
  );
  // OVS makes tap devices with global names: a network namespace of its own.
  const words = [db, ...daemon, `--pidfile=${folder}/vs.pid`];
  await must("unshare", ["-n", DAEMON, ...words], env);
  return vsctl;
}

/** OVS-DPDK as Debian builds it, with its default datapath settings. */
export const ovs: RivalKind = {
  name: "OVS-DPDK",
  missing: exists(DAEMON) ? [] : ["openvswitch-switch-dpdk"],
  async start(folder, cpu, hugepages): Promise<Rival> {
    const stop = async (): Promise<void> => {
      await end(`${folder}/vs.pid`);
      await end(`${folder}/db.pid`);
    };
    try {
      const vsctl = await startDaemons(folder, cpu, hugepages);
      await vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev");
      for (const name of ["vm1", "vm2"]) {
        // The generator connects, as it does to the others: as a listener, virtio-user is slower.
        await vsctl(
          ...["add-port", "br0", name, "--", "set", "Interface", name, "type=dpdkvhostuser"],
        );
      }
    } catch (error) {
      await stop();
      throw error;
    }
    return { sockets: [`${folder}/vm1`, `${folder}/vm2`], [Symbol.asyncDispose]: stop };
  },
};
