/**
 * Live migration of Linux guests from one QEMU to another, and a TCP stream that lasts for as long
 * as that takes.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { type GuestOptions, QemuGuest } from "../../lib/demo/qemu.ts";
import { RX, TX } from "../../lib/guest/net_guest.ts";
import { qemu10 } from "./guests.ts";
import { PEERS_REQUIRED } from "./peers.ts";
import { until } from "./until.ts";

/** How long it took, ms, as QEMU says. */
export interface MigrationTimes {
  readonly total: number;
  /** The guest stood still. */
  readonly downtime: number;
}

/**
 * QEMU 10, whose own losses (below) do not hide what the switch forgot; the system's where it cannot be
 * had.
 * @throws where it is required
 */
export async function qemuThatMigrates(): Promise<Pick<GuestOptions, "qemu">> {
  const qemu = await qemu10();
  assert(qemu || !PEERS_REQUIRED, "QEMU 10 from bookworm-backports could not be had");
  return qemu ? { qemu } : {};
}

/**
 * QEMU 7.2 without KVM loses pages that the guest's processor wrote last, under load in every third
 * attempt; with its own user-mode network and no switch at all in 2 of 5; QEMU 10 in none of 31, however
 * busy. Such a guest would hang; it goes on where it was, to be moved once more.
 */
const ATTEMPTS_MAX = 8;
/**
 * Receive buffers that differ in so many attempts were written by the switch and not logged. In one
 * they may be a piece of memory that the guest has just taken for buffers, and wrote last itself.
 */
const STRIKES_MAX = 2;
const PAGE_BYTES = 4096;
const DESC_BYTES = 16;
/** Linux cuts receive buffers from pieces of this size, in which nothing else is. */
const BUFFERS_BYTES = 32768;
const RECEIVE_BUFFERS = "receive buffers";
/** Bytes of a split used ring beside its entries. */
const USED_BYTES = 6;

/**
 * Migrates a guest into a new QEMU on another socket of the same switch; the old QEMU ends. Before
 * the guest goes on, the memory of both is compared: pages the switch writes must be the same, rings
 * at once, receive buffers in the second attempt at the latest.
 * @param name of the new one, for its own sockets
 */
export async function migrate(
  from: QemuGuest,
  name: string,
  socket: string,
): Promise<{ readonly guest: QemuGuest; readonly times: MigrationTimes }> {
  let strikes = 0;
  for (let attempt = 1;; attempt++) {
    const uri = `unix:${from.options.folder}/${name}${attempt}.in`;
    const words = ["-S", "-incoming", uri];
    const guest = QemuGuest.start({ ...from.options, name: `${name}${attempt}`, socket, words });
    try {
      const times = await copyTo(guest, from, uri);
      const { different, buffers } = await differentPages(from, guest);
      if (buffers > 0) strikes++;
      assert(strikes < STRIKES_MAX, `what the switch writes is in the log: ${buffers} pages lost`);
      if (different === 0) {
        await guest.qmp("cont");
        await guest.arrived();
        await from.stop();
        return { guest, times };
      }
      console.log(`    QEMU lost ${different} pages its guest had written: once more`);
      assert(attempt < ATTEMPTS_MAX, "both QEMUs have the same memory");
    } catch (error) {
      await guest.stop();
      throw error;
    }
    // The guest has not run there: it goes on where it was.
    await guest.stop();
    await from.qmp("cont");
  }
}

async function copyTo(to: QemuGuest, from: QemuGuest, uri: string): Promise<MigrationTimes> {
  await until("the new QEMU", async () => await runState(to) === "inmigrate");
  await from.qmp("migrate", { uri });
  let info: Record<string, unknown> = {};
  await until("the migration", async () => {
    info = await from.qmp("query-migrate") as Record<string, unknown>;
    assert.notEqual(info.status, "failed", JSON.stringify(info));
    return info.status === "completed";
  });
  await until("its end", async () => await runState(to) !== "inmigrate");
  return { total: Number(info["total-time"]), downtime: Number(info.downtime) };
}

/** Guest memory, as it is in the memory file of its QEMU. */
function memoryOf({ pid }: QemuGuest): ArrayBuffer {
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${name}`;
    if (!Deno.readLinkSync(path).includes("memory-backend-memfd")) continue;
    return Deno.readFileSync(path).buffer;
  }
  throw new Error(`QEMU ${pid} has no memory file`);
}

/**
 * How many pages two QEMUs, both at rest, have differently, and how many of these are of receive
 * buffers; none may be of a ring.
 */
async function differentPages(
  from: QemuGuest,
  to: QemuGuest,
): Promise<{ readonly different: number; readonly buffers: number }> {
  const memory = memoryOf(from);
  const [a, b] = [new Int32Array(memory), new Int32Array(memoryOf(to))];
  assert.equal(a.length, b.length);
  const different = new Set<number>();
  for (let word = 0; word < a.length; word++) {
    if (a[word] === b[word]) continue;
    const page = Math.floor((4 * word) / PAGE_BYTES);
    different.add(page);
    word = ((page + 1) * PAGE_BYTES) / 4 - 1;
  }
  const written = await writtenBySwitch(from, new DataView(memory));
  const lost = [...written].filter(([page]) => different.has(page));
  const rings = lost.filter(([, what]) => what !== RECEIVE_BUFFERS);
  assert.deepEqual(rings, [], "what the switch writes is in the log");
  return { different: different.size, buffers: lost.length };
}

interface QueueAddresses {
  readonly "vring-num": number;
  readonly "vring-desc": number;
  readonly "vring-used": number;
}

/** Pages the switch writes: rings, and buffers that are offered or were used before those. */
async function writtenBySwitch(guest: QemuGuest, memory: DataView): Promise<Map<number, string>> {
  const devices = await guest.qmp("x-query-virtio") as { name: string; path: string }[];
  const path = devices.find(({ name }) => name === "virtio-net")?.path;
  const packed = guest.options.nic?.includes("packed=on") ?? false;
  const pages = new Map<number, string>();
  const add = (what: string, at: number, bytes: number): void => {
    for (let page = Math.floor(at / PAGE_BYTES); page * PAGE_BYTES < at + bytes; page++) {
      pages.set(page, what);
    }
  };
  for (const queue of [RX, TX]) {
    const query = { path, queue };
    const ring = await guest.qmp("x-query-virtio-queue-status", query) as QueueAddresses;
    const { "vring-num": size, "vring-desc": desc, "vring-used": used } = ring;
    add(`used ${queue}`, used, packed ? 4 : USED_BYTES + 8 * size);
    if (packed) add(`descriptors ${queue}`, desc, DESC_BYTES * size);
    if (queue === TX) continue;
    for (let at = desc; at < desc + DESC_BYTES * size; at += DESC_BYTES) {
      const address = Number(memory.getBigUint64(at, true));
      const piece = address - (address % BUFFERS_BYTES);
      if (address > 0) add(RECEIVE_BUFFERS, piece, BUFFERS_BYTES);
    }
  }
  assert(pages.size > 0);
  return pages;
}

async function runState(guest: QemuGuest): Promise<string> {
  try {
    return (await guest.qmp("query-status") as { status: string }).status;
  } catch (error) {
    // QEMU does not listen yet.
    if (error instanceof Deno.errors.NotFound) return "starting";
    if (error instanceof Deno.errors.ConnectionRefused) return "starting";
    throw error;
  }
}

/** A stream from one guest to another. */
export interface Stream {
  /** Ends it. @param to the receiver, wherever it runs now @returns bytes that arrived, all right */
  end(to: QemuGuest): Promise<number>;
}

/**
 * Starts a stream that never repeats itself, from a guest that stays to one that may move. Both
 * sides count and checksum it.
 */
export async function startStream(from: QemuGuest, to: QemuGuest): Promise<Stream> {
  const address = to.options.address.split("/")[0];
  /** Checksum and count of what goes through a pipe. */
  const sum = (side: string): string =>
    `rm -f /tmp/${side}.*; mkfifo /tmp/${side}.pipe; ` +
    `sha256sum < /tmp/${side}.pipe > /tmp/${side}.sum & `;
  // busybox's nc ends with its standard input: a pipe that stays open keeps it.
  const receive = "sleep 600 | nc -l -p 5002 | tee /tmp/in.pipe | wc -c > /tmp/in.bytes";
  await to.run(`(${sum("in")} ${receive}) > /dev/null 2>&1 &`);
  await from.run("rm -f /tmp/stop; head -c 1000000 /dev/urandom > /tmp/data");
  const data = "n=0; while [ ! -f /tmp/stop ]; do n=$((n+1)); echo $n; cat /tmp/data; done";
  const send = `(${data}) | tee /tmp/out.pipe | nc -w 20 ${address} 5002`;
  await from.run(`(${sum("out")} ${send}) > /dev/null 2>&1 &`);
  const ended = "while pidof nc sha256sum wc > /dev/null; do sleep 0.1; done";
  return {
    async end(receiver: QemuGuest): Promise<number> {
      await from.run(`touch /tmp/stop; ${ended}`);
      await receiver.run(ended);
      const sent = await from.run("cat /tmp/out.sum");
      const got = await receiver.run("cat /tmp/in.sum");
      assert.match(sent.output, /^[0-9a-f]{64}/);
      assert.equal(got.output, sent.output, "both sides have the same bytes");
      return Number((await receiver.run("cat /tmp/in.bytes")).output);
    },
  };
}
