/**
 * What a large network of many hosts costs on each of them, for the figures on paper in
 * docs/scale-out.md: `deno run -A bench/fabric.ts`, as root, with FRR. Two hosts in namespaces; a
 * thousand others are rows of a table that lead to the second one.
 *
 * @module
 */
import { closeFd, openTap, setTapHeader, TUN_PATH } from "../ffi/mod.ts";
import { libc } from "../ffi/symbols.ts";
import { Fabric } from "../tests/harness/fabric.ts";
import { until } from "../tests/harness/until.ts";

const SELF = new URL(import.meta.url).pathname;
/** Says that this process is on a host, and floods. */
const FLOOD = "--flood";
const ADDRESSES = 20_000;
const TUNNELS = [1, 9, 99, 999];
const FRAMES = 500;
const ROUNDS = 9;
const HEADER_BYTES = 12;
/** An RARP request without the padding's end: what a switch announces an address with. */
const RARP_BYTES = 60;

function macOf(number: number): string {
  const bytes = [2, 0, 0, number >> 16, number >> 8, number].map((byte) => byte & 0xff);
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Writes broadcasts into the uplink's device, as the switch does. Prints ns a frame, the least. */
function flood(): void {
  const { fd } = openTap(TUN_PATH, "vsw100", false);
  setTapHeader(fd, HEADER_BYTES);
  const frame = new Uint8Array(new ArrayBuffer(HEADER_BYTES + RARP_BYTES));
  frame.fill(0xff, HEADER_BYTES, HEADER_BYTES + 6);
  frame.set([2, 0, 0, 0, 0, 1, 0x80, 0x35], HEADER_BYTES + 6);
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const begin = performance.now();
    for (let i = 0; i < FRAMES; i++) libc.write(fd, frame, BigInt(frame.length));
    least = Math.min(least, performance.now() - begin);
  }
  console.log(((least * 1e6) / FRAMES).toFixed(0));
  closeFd(fd);
}

/** Kernel memory in small pieces, bytes. */
function slabBytes(): number {
  const text = Deno.readTextFileSync("/proc/meminfo");
  return 1024 * Number(/^Slab: +(\d+)/m.exec(text)?.[1]);
}

/** Runs `bridge` over many lines on a host. */
async function batch(fabric: Fabric, host: number, lines: readonly string[]): Promise<void> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, `${lines.join("\n")}\n`);
    await fabric.run(host, `bridge -batch ${file}`);
  } finally {
    await Deno.remove(file);
  }
}

const NUMBERS = Array.from({ length: ADDRESSES }, (_, i) => i + 16);

async function kernelMemory(): Promise<void> {
  await using fabric = await Fabric.make(2);
  await fabric.joinAll("--static");
  await fabric.run(1, "ip link set dev br100 type bridge ageing_time 0");
  const before = slabBytes();
  const rows = NUMBERS.flatMap((number) => [
    `fdb add ${macOf(number)} dev vx100 dst 10.77.0.2 self extern_learn`,
    `fdb add ${macOf(number)} dev vx100 master extern_learn`,
  ]);
  await batch(fabric, 1, rows);
  console.log(`kernel: ${((slabBytes() - before) / ADDRESSES).toFixed(0)} B an address elsewhere`);
}

async function floods(): Promise<void> {
  await using fabric = await Fabric.make(2);
  await fabric.joinAll("--static");
  await fabric.run(1, "ip route add 10.78.0.0/16 via 10.77.0.2");
  let there = 1;
  for (const tunnels of TUNNELS) {
    const rows: string[] = [];
    for (; there < tunnels; there++) {
      rows.push(`fdb append 00:00:00:00:00:00 dev vx100 dst 10.78.${there >> 8}.${there & 0xff}`);
    }
    if (rows.length > 0) await batch(fabric, 1, rows);
    const [program = "", ...args] = [...fabric.words(1), Deno.execPath(), "run", "-A"];
    const { stdout } = await new Deno.Command(program, { args: [...args, SELF, FLOOD] }).output();
    const ns = Number(new TextDecoder().decode(stdout));
    const each = (ns / tunnels).toFixed(0);
    console.log(
      `flood to ${tunnels} hosts: ${(ns / 1000).toFixed(1)} us a frame, ${each} ns a copy`,
    );
  }
}

/** Resident memory of a daemon, bytes. */
async function resident(fabric: Fabric, host: number, daemon: string): Promise<number> {
  const pid = `$(cat /run/frr/h${host}/${daemon}.pid)`;
  // ps would look for the process in this machine's /proc, where it has another number.
  const words = `grep -l "^NSpid:.*[[:space:]]${pid}$" /proc/[0-9]*/status | xargs grep -h VmRSS`;
  const text = await fabric.run(host, words);
  return 1024 * Number(/(\d+) kB/.exec(text)?.[1]);
}

async function bgp(): Promise<void> {
  await using fabric = await Fabric.make(2);
  await fabric.joinAll();
  const daemons = ["zebra", "bgpd"] as const;
  const sizes = (): Promise<number[]> =>
    Promise.all([1, 2].flatMap((host) => daemons.map((name) => resident(fabric, host, name))));
  const before = await sizes();
  const begin = performance.now();
  const rows = NUMBERS.map((number) => `fdb add ${macOf(number)} dev vsw100 master static`);
  await batch(fabric, 1, rows);
  const added = performance.now() - begin;
  await until("all addresses at the other host", async () => {
    const rows = await fabric.run(2, "bridge fdb show dev vx100 | grep -c ' self extern_learn'");
    return Number(rows) >= ADDRESSES;
  });
  const seconds = (performance.now() - begin) / 1000;
  console.log(
    `BGP: ${ADDRESSES} addresses, added in ${(added / 1000).toFixed(1)} s, all at the other host ` +
      `${seconds.toFixed(1)} s after the first`,
  );
  const after = await sizes();
  const [zebraHere, bgpdHere, zebraThere, bgpdThere] = after.map((bytes, i) =>
    `${((bytes - (before[i] ?? 0)) / ADDRESSES).toFixed(0)} B`
  );
  console.log(`an address of its own: zebra ${zebraHere}, bgpd ${bgpdHere}`);
  console.log(`an address elsewhere: zebra ${zebraThere}, bgpd ${bgpdThere}`);
}

if (Deno.args[0] === FLOOD) flood();
else {
  await kernelMemory();
  await floods();
  await bgp();
}
