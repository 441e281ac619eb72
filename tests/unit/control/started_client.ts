/**
 * A front-end that negotiated and started empty rings, for tests that need a port whose link is up.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd } from "../../../ffi/mod.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import { DEFAULT_OFFER } from "../../../lib/vhost/offer.ts";
import { addr, state, table, words } from "../vhost/fake_host.ts";
import { Client, eventFds, memoryFile } from "./support.ts";

const BYTES = 2 ** 20;
const USER = 0x7f00_0000_0000;
const NEED_REPLY = 0x9;
/** The two rings, user addresses relative to the guest's memory. */
const RINGS = [
  { desc: 0, avail: 0x2000, used: 0x3000 },
  { desc: 0x8000, avail: 0xa000, used: 0xb000 },
];

export const GET_FEATURES_ID = id.VHOST_USER_GET_FEATURES;
/** MRG_RXBUF, VERSION_1 and bit 30. */
export const FEATURES = (1n << 15n) | (1n << 30n) | (1n << 32n);

/** Client, memory and descriptors of a started front-end. */
export interface Started {
  readonly client: Client;
  /** Err eventfds by virtqueue. */
  readonly errs: readonly number[];
  /** Closes everything. */
  release(): void;
}

/**
 * Connects and starts both rings, split, 256 entries, in 1 MiB of memory.
 * @param to a socket's path, or the connection itself
 * @throws if it is not served to the end; everything is closed then
 */
export async function startedClient(
  to: string | Client,
  mtu: number | null = null,
): Promise<Started> {
  const client = typeof to === "string" ? Client.connect(to) : to;
  const errs = eventFds(2);
  const release = (): void => {
    client.close();
    for (const err of errs) closeFd(err);
  };
  try {
    await negotiate(client, errs, mtu);
    await startRings(client);
  } catch (error) {
    release();
    throw error;
  }
  return { client, errs, release };
}

async function negotiate(
  client: Client,
  errs: readonly number[],
  mtu: number | null,
): Promise<void> {
  assert.equal(await client.ask(id.VHOST_USER_GET_FEATURES), DEFAULT_OFFER.features);
  const protocol = await client.ask(id.VHOST_USER_GET_PROTOCOL_FEATURES);
  client.send(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(protocol));
  client.send(id.VHOST_USER_SET_OWNER);
  errs.forEach((err, index) => client.send(id.VHOST_USER_SET_VRING_ERR, words(index), [err]));
  if (mtu !== null) {
    client.send(id.VHOST_USER_NET_SET_MTU, words(mtu), [], NEED_REPLY);
    assert.equal(await client.u64(id.VHOST_USER_NET_SET_MTU), 0n);
  }
  client.send(id.VHOST_USER_SET_FEATURES, words(FEATURES));
}

async function startRings(client: Client): Promise<void> {
  const regions = [{ sizeBytes: BYTES, userAddr: USER }];
  client.give(id.VHOST_USER_SET_MEM_TABLE, table(regions), [memoryFile(BYTES)], NEED_REPLY);
  assert.equal(await client.u64(id.VHOST_USER_SET_MEM_TABLE), 0n);
  RINGS.forEach(({ desc, avail, used }, index) => {
    client.send(id.VHOST_USER_SET_VRING_NUM, state(index, 256));
    client.send(id.VHOST_USER_SET_VRING_BASE, state(index, 0));
    client.send(id.VHOST_USER_SET_VRING_ADDR, addr(index, USER + desc, USER + used, USER + avail));
    client.give(id.VHOST_USER_SET_VRING_KICK, words(index), eventFds(1));
    client.give(id.VHOST_USER_SET_VRING_CALL, words(index), eventFds(1));
  });
  for (const index of [0, 1]) {
    client.send(id.VHOST_USER_SET_VRING_ENABLE, state(index, 1), [], NEED_REPLY);
    assert.equal(await client.u64(id.VHOST_USER_SET_VRING_ENABLE), 0n);
  }
}
