/**
 * Tenants whose files lose pages: under frames, rings and the dirty log.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { addressOf, closeFd, memoryGuard } from "../../../ffi/mod.ts";
import type { NetGuest } from "../../../lib/guest/net_guest.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import { addRegion, type BadFile, truncated } from "../bad_pages.ts";
import { bytesOf, type Siege } from "../siege.ts";
import { introduce, numberedFrame } from "../traffic.ts";
import { until } from "../until.ts";

const PAGE = 4096;
const MIB = 2 ** 20;
const LOG_ALL = 1n << 26n;

/** Waits for the end of a guest's connection. */
export async function gone(guest: NetGuest): Promise<void> {
  assert(await guest.frontEnd.closedBySwitch(), "the switch closes the connection");
}

/** A guest whose transmit buffers lie in a bad file. */
export async function sends(siege: Siege, file: BadFile, packed = false): Promise<void> {
  using guest = await siege.guest({ packed });
  await introduce(guest, siege.witness);
  const at = await addRegion(guest, file);
  file.spoil();
  assert(guest.sendChain([{ address: at + PAGE + 8, bytes: 400 }]));
  await gone(guest);
}

/** One whose receive buffers do. */
export async function receives(siege: Siege, file: BadFile, packed = false): Promise<void> {
  using guest = await siege.guest({ packed, buffers: 0 });
  const at = await addRegion(guest, file);
  file.spoil();
  guest.rx.add([{ address: at + PAGE, bytes: 2048 }], true);
  guest.kickReceive();
  const frame = numberedFrame("ff:ff:ff:ff:ff:ff", siege.witness.options.mac, 1, 1500);
  assert(siege.witness.send(frame));
  await gone(guest);
}

/** Rings and all buffers truncated under traffic. */
export async function truncatedRings(siege: Siege, packed: boolean): Promise<void> {
  const file = truncated(16 * MIB);
  using guest = await siege.guest({ packed, memoryFd: file.fd });
  // This process has the file mapped as well.
  const guard = memoryGuard();
  const start = addressOf(guest.ram.view.buffer as ArrayBuffer);
  const record = guard.cover(start, 16 * MIB, PAGE) as number;
  await introduce(guest, siege.witness);
  file.spoil();
  const frame = numberedFrame(guest.options.mac, siege.witness.options.mac, 1, 900);
  let closed = false;
  const closing = gone(guest).then(() => closed = true);
  await until("the switch to notice", () => {
    siege.witness.send(frame);
    guest.kick(1);
    return closed;
  });
  await closing;
  guard.uncover(record);
  guard.seenTo();
  closeFd(file.fd);
}

/** A dirty log truncated under traffic. */
export async function truncatedLog(siege: Siege): Promise<void> {
  using guest = await siege.guest();
  const file = truncated(PAGE);
  const { frontEnd, features } = guest;
  frontEnd.message(id.VHOST_USER_SET_LOG_BASE, bytesOf(PAGE, 0), [file.fd]);
  await frontEnd.reply();
  const wanted = id.encodeU64(features | LOG_ALL);
  assert.equal(await frontEnd.ask(id.VHOST_USER_SET_FEATURES, wanted), 0n);
  file.spoil();
  const frame = numberedFrame("ff:ff:ff:ff:ff:ff", siege.witness.options.mac, 1, 100);
  assert(siege.witness.send(frame));
  await gone(guest);
  closeFd(file.fd);
}
