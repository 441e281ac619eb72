/**
 * What a port knows moves from one switch to another through a pipe; what is no state changes
 * nothing, and holds nobody up.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { crc32 } from "node:zlib";
import {
  closeFd,
  createMemoryFile,
  createPipe,
  readTenantFd,
  socketPair,
  writeTenantFd,
} from "../../ffi/mod.ts";
import { type NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { Bed } from "../harness/bed.ts";
import { Bystanders, held, heldAsBefore } from "../harness/bystanders.ts";
import { until } from "../harness/until.ts";
import { introduce, isNumbered, macOf, numberedFrame, transfer } from "../harness/traffic.ts";

const SAVE = 0;
const LOAD = 1;
/** Replies: the pipe that was sent is used; and something was wrong. */
const OWN_PIPE = 0x100n;
const FAILED = 0x101n;
const SET = id.VHOST_USER_SET_DEVICE_STATE_FD;
const CHECK = id.VHOST_USER_CHECK_DEVICE_STATE;

async function suspend(guest: NetGuest): Promise<void> {
  await guest.getBase(RX);
  await guest.getBase(TX);
}

/** Sends SET_DEVICE_STATE_FD with a descriptor, and closes it here. @returns the reply */
async function begin(guest: NetGuest, direction: number, fd: number): Promise<bigint> {
  const answer = await guest.frontEnd.ask(SET, id.encodeVringState(direction, 0), [fd]);
  closeFd(fd);
  return answer;
}

/** Saves a suspended guest's port. */
async function save(guest: NetGuest): Promise<Uint8Array<ArrayBuffer>> {
  const [out, into] = createPipe();
  assert.equal(await begin(guest, SAVE, into), OWN_PIPE);
  const all: number[] = [];
  const piece = new Uint8Array(new ArrayBuffer(65536));
  for (let got = -1; got !== 0;) {
    got = await readTenantFd(out, piece);
    all.push(...piece.subarray(0, got));
  }
  closeFd(out);
  assert.equal(await guest.frontEnd.ask(CHECK), 0n);
  return new Uint8Array(all);
}

/** Loads bytes into a suspended guest's port. @returns what CHECK_DEVICE_STATE answers */
async function load(guest: NetGuest, bytes: Uint8Array<ArrayBuffer>): Promise<bigint> {
  const [out, into] = createPipe();
  assert.equal(await begin(guest, LOAD, out), OWN_PIPE);
  for (let at = 0; at < bytes.length;) {
    const count = await writeTenantFd(into, bytes.subarray(at, at + 4096));
    // The switch read as much as it takes and closed its end.
    if (count < 0) break;
    at += count;
  }
  closeFd(into);
  return await guest.frontEnd.ask(CHECK);
}

/** Addresses behind port vm1, as the switch tells them. */
async function behind(bed: Bed): Promise<string[]> {
  const entries = await bed.process.fdb();
  return entries.filter(({ port }) => port === "vm1").map(({ mac }) => mac).sort();
}

/** A switch whose port vm1 has learned addresses and counted frames; its guest is suspended. */
async function seasoned(bed: Bed, packed: boolean): Promise<NetGuest> {
  const guest = await bed.guest(1, { packed });
  const other = await bed.guest(2);
  await introduce(guest, other);
  await transfer(guest, other, new Array<number>(50).fill(100), 16);
  // Machines inside the machine.
  for (const inner of [0x51, 0x52, 0x53]) {
    assert(guest.send(numberedFrame(other.options.mac, macOf(inner), inner, 60)));
    assert(await other.waitFor(isNumbered));
  }
  await suspend(guest);
  return guest;
}

const ADDRESSES = [macOf(1), macOf(0x51), macOf(0x52), macOf(0x53)].sort();

Deno.test("device state: what one switch knew of a port, another one knows", async () => {
  for (const packed of [false, true]) {
    await using source = await Bed.make(["mac=52:54:00:00:00:07,mtu=4000", ""]);
    const gone = await seasoned(source, packed);
    assert.deepEqual(await behind(source), [], "the port forgot them when its link went down");
    const state = await save(gone);
    const before = (await source.port(1)).counters;
    await using target = await Bed.make(3);
    const come = await target.guest(1, { packed });
    await suspend(come);
    assert.equal(await load(come, state), 0n);
    assert.deepEqual(await behind(target), ADDRESSES);
    const { counters, mtu } = await target.port(1);
    assert.deepEqual(counters, before);
    assert.equal(mtu, 4000);
    // The guest goes on: frames to its inner machines reach it, and nobody else.
    const [peer, third] = [await target.guest(2), await target.guest(3)];
    await come.startRings(await stoppedAt(come));
    await until("the link", async () => (await target.port(1)).link === "up");
    assert(peer.send(numberedFrame(macOf(0x52), peer.options.mac, 9, 200)));
    assert.deepEqual(await come.waitFor(isNumbered), numberedFrame(macOf(0x52), macOf(2), 9, 200));
    assert.equal(third.receive().filter(isNumbered).length, 0, "it was not flooded");
  }
});

function flip(bytes: Uint8Array, at: number, bits: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ bits;
}

/** Where both rings stand, asked again: a stopped ring answers the same. */
async function stoppedAt(guest: NetGuest): Promise<[number, number]> {
  return [await guest.getBase(RX), await guest.getBase(TX)];
}

Deno.test("device state: what is none, cut, changed, too long or too late changes nothing", async () => {
  await using source = await Bed.make(2);
  const good = await save(await seasoned(source, false));
  await using target = await Bed.make(["mtu=4000", "", "", ""]);
  using bystanders = await Bystanders.attach(target.socket(3), target.socket(4));
  const guest = await target.guest(1);
  await suspend(guest);
  const before = held(target.process.pid);
  const changed = (change: (bytes: Uint8Array<ArrayBuffer>) => void): Uint8Array<ArrayBuffer> => {
    const bytes = good.slice();
    change(bytes);
    return bytes;
  };
  const sealed = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
    const end = bytes.length - 4;
    new DataView(bytes.buffer).setUint32(end, crc32(bytes.subarray(0, end)), true);
    return bytes;
  };
  const bad: Record<string, Uint8Array<ArrayBuffer>> = {
    "nothing": good.slice(0, 0),
    "one byte": good.slice(0, 1),
    "all but one byte": good.slice(0, -1),
    "one byte more": new Uint8Array([...good, 0]),
    "one bit": changed((bytes) => flip(bytes, bytes.length >> 1, 4)),
    "its checksum": changed((bytes) => flip(bytes, bytes.length - 1, 1)),
    "version 2": sealed(changed((bytes) => bytes[8] = 2)),
    "an MTU above the operator's": sealed(changed((bytes) => bytes[31] = 0xff)),
    "more queue pairs than there are": sealed(changed((bytes) => bytes[32] = 33)),
    "2 MiB": new Uint8Array(2 << 20).fill(7),
  };
  const facts = async (): Promise<unknown> => {
    const { counters, mtu } = await target.port(1);
    return [await behind(target), counters, mtu];
  };
  const as = await facts();
  for (const [what, bytes] of Object.entries(bad)) {
    assert.equal(await load(guest, bytes), 1n, what);
    assert.deepEqual(await facts(), as, what);
  }
  // Neither pipe nor socket, and no transfer at all.
  assert.equal(await begin(guest, LOAD, createMemoryFile("state", 4096)), FAILED);
  assert.equal(await guest.frontEnd.ask(CHECK), 1n);
  // A pipe that never ends: the answer comes in time, messages behind it wait, others do not.
  const [out, silent] = createPipe();
  assert.equal(await begin(guest, LOAD, out), OWN_PIPE);
  guest.frontEnd.message(CHECK);
  guest.frontEnd.message(id.VHOST_USER_GET_FEATURES);
  await bystanders.check();
  const first = await guest.frontEnd.reply();
  assert.deepEqual([first.request, first.payload.getBigUint64(0, true)], [CHECK, 1n]);
  assert.equal((await guest.frontEnd.reply()).request, id.VHOST_USER_GET_FEATURES);
  closeFd(silent);
  // Nobody reads what is saved; the guest goes on anyway, and a good state still loads.
  const [near, far] = socketPair();
  assert.equal(await begin(guest, SAVE, far), OWN_PIPE);
  assert.deepEqual(await facts(), as);
  assert.equal(await load(guest, good), 0n);
  assert.deepEqual(await behind(target), ADDRESSES);
  closeFd(near);
  // Descriptors of the start may have been closing when they were counted.
  await until("all to be closed", () => held(target.process.pid).fds <= before.fds);
  await bystanders.check();
  // Each refusal is counted once, by what was wrong.
  assert.deepEqual((await target.port(1)).errors, {
    ...{ "state-truncated": 3, "state-trailing": 1, "state-too-long": 1, "state-corrupted": 2 },
    ...{ "state-version": 1, "bad-state": 2, "not-pipe": 1, "no-state": 1, "state-timeout": 1 },
  });
});

Deno.test("device state: a front-end that goes in the middle takes its transfer along", async () => {
  await using bed = await Bed.make(2);
  const before = held(bed.process.pid);
  for (const direction of [SAVE, LOAD]) {
    const guest = await bed.guest(1);
    await suspend(guest);
    const [out, into] = createPipe();
    const [theirs, ours] = direction === SAVE ? [into, out] : [out, into];
    assert.equal(await begin(guest, direction, theirs), OWN_PIPE);
    if (direction === LOAD) guest.frontEnd.message(CHECK);
    guest.close();
    await until("the port", async () => (await bed.port(1)).link === "wait");
    await heldAsBefore(bed.process.pid, before);
    closeFd(ours);
  }
});
