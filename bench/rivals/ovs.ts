/**
 * OVS-DPDK with a database and a daemon of its own: a bridge that learns, one poll-mode thread, two
 * vhost-user ports.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import type { Work } from "../busy.ts";
import { exists, type Rival, type RivalKind, type RivalSettings } from "./rival.ts";

const DAEMON = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk";
const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";
const END_MS_MAX = 10_000;
const MEMORY_MIB = 1024;
const MISSING: readonly string[] = exists(DAEMON) ? [] : ["openvswitch-switch-dpdk"];

async function must(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const command = new Deno.Command(program, { args: [...args], env });
  const { code, stdout, stderr } = await command.output();
  if (code === 0) return new TextDecoder().decode(stdout);
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

/** Share of processing cycles in what `pmd-stats-show` prints; null if no thread ran. */
export function parsePmdStats(text: string): number | null {
  const idle = /idle cycles: (\d+)/.exec(text);
  const processing = /processing cycles: (\d+)/.exec(text);
  if (!idle || !processing) return null;
  const all = Number(idle[1]) + Number(processing[1]);
  return all === 0 ? null : Number(processing[1]) / all;
}

async function pidOf(pidFile: string): Promise<number[]> {
  const pid = Number(await Deno.readTextFile(pidFile).catch(() => "0"));
  return pid === 0 ? [] : [pid];
}

async function startDaemons(
  { folder, cpu, hugepages }: RivalSettings,
  config: readonly string[],
): Promise<(...args: string[]) => Promise<string>> {
  const names = ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVS_SYSCONFDIR"];
  const env = Object.fromEntries(names.map((name) => [name, folder]));
  const db = `unix:${folder}/db.sock`;
  const vsctl = (...args: string[]): Promise<string> =>
    must("ovs-vsctl", ["--timeout=60", `--db=${db}`, ...args], env);
  const daemon = ["--detach", "--no-chdir", `--log-file=${folder}/ovs.log`];
  await must("ovsdb-tool", ["create", `${folder}/conf.db`, SCHEMA]);
  await must("ovsdb-server", [
    ...[`${folder}/conf.db`, `--remote=punix:${folder}/db.sock`, ...daemon],
    `--pidfile=${folder}/db.pid`,
  ], env);
  await vsctl(
    ...["--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true"],
    `other_config:pmd-cpu-mask=0x${(1n << BigInt(cpu)).toString(16)}`,
    ...(hugepages
      ? [
        `other_config:dpdk-socket-mem=${MEMORY_MIB}`,
        "other_config:dpdk-extra=--in-memory --no-pci",
      ]
      : ["other_config:dpdk-extra=--no-huge -m 1024 --no-pci"]),
    ...config,
  );
  // OVS makes tap devices with global names: a network namespace of its own.
  const words = [db, ...daemon, `--pidfile=${folder}/vs.pid`, `--unixctl=${folder}/vs.ctl`];
  await must("unshare", ["-n", DAEMON, ...words], env);
  return vsctl;
}

/** A bridge with all ports in it, made in one step. @param guestsListen QEMU has the sockets */
function bridgeWords(
  { folder, ports, frameBytes, addresses }: RivalSettings,
  names: string[],
  guestsListen: boolean,
): string[] {
  const mtu = frameBytes > 1514 ? [`mtu_request=${frameBytes - 14}`] : [];
  const words = ["add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev"];
  if (addresses > ports) words.push(`other-config:mac-table-size=${addresses}`);
  for (const name of names) {
    // The generator connects, as it does to the others: as a listener, virtio-user is slower.
    words.push("--", "add-port", "br0", name);
    const kind = guestsListen
      ? ["type=dpdkvhostuserclient", `options:vhost-server-path=${folder}/${name}`]
      : ["type=dpdkvhostuser"];
    words.push("--", "set", "Interface", name, ...kind, ...mtu);
  }
  return words;
}

async function start(
  settings: RivalSettings,
  guestsListen: boolean,
  config: readonly string[],
): Promise<Rival> {
  const { folder } = settings;
  const names = Array.from({ length: settings.ports }, (_, i) => `vm${i + 1}`);
  const stop = async (): Promise<void> => {
    await end(`${folder}/vs.pid`);
    await end(`${folder}/db.pid`);
  };
  try {
    const vsctl = await startDaemons(settings, config);
    await vsctl(...bridgeWords(settings, names, guestsListen));
  } catch (error) {
    await stop();
    throw error;
  }
  const pids = await pidOf(`${folder}/vs.pid`);
  const appctl = (command: string): Promise<string> =>
    must("ovs-appctl", ["-t", `${folder}/vs.ctl`, command]);
  return {
    sockets: names.map((name) => `${folder}/${name}`),
    ...(guestsListen
      ? {
        nics: names.map((name) => ({ socket: `${folder}/${name}`, chardev: ["server=on"] })),
      }
      : {}),
    pids,
    clearWork: async (): Promise<void> => {
      await appctl("dpif-netdev/pmd-stats-clear");
    },
    readWork: async (): Promise<Work> => {
      const worked = parsePmdStats(await appctl("dpif-netdev/pmd-stats-show"));
      return { worked, emptyPolls: null };
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** OVS-DPDK as Debian builds it, with its default datapath settings. */
export const ovs: RivalKind = {
  name: "OVS-DPDK",
  missing: MISSING,
  start: (settings) => start(settings, false, []),
};

/**
 * OVS-DPDK for Linux guests that cut nothing themselves: only ports at which the guest listens offer
 * that. Its poll-mode thread sleeps when there is little to do: guests need the processors.
 */
export const ovsTso: RivalKind = {
  name: "OVS-DPDK (userspace TSO)",
  missing: MISSING,
  start: (settings) =>
    start(settings, true, [
      "other_config:userspace-tso-enable=true",
      "other_config:pmd-maxsleep=200",
    ]),
};
