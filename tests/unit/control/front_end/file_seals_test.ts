/** Files of a message are sealed off the thread before it is handled, and not waited for without end. */
import { strict as assert } from "node:assert";
import {
  closeFd,
  createEventFd,
  createMemoryFile,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  fdSeals,
  sealTenantFd,
} from "../../../../ffi/mod.ts";
import { MFD_ALLOW_SEALING } from "../../../../ffi/abi.ts";
import { libc } from "../../../../ffi/symbols.ts";
import { FileSeals } from "../../../../lib/control/front_end/file_seals.ts";
import { BlockingPool } from "../../../../lib/control/front_end/tenant_fds.ts";
import type { Outcome } from "../../../../lib/vhost/session.ts";
import * as id from "../../../../lib/vhost/wire/message.ts";
import { until, WAIT_MS_MAX } from "../../../harness/until.ts";
import { held, memoryFile, untilHeld } from "../support.ts";

const MFD_HUGETLB = 0x4;
const HANDLED: Outcome = { reply: new Uint8Array(1) };

function message(request: number, fds: readonly number[]): id.Message {
  return { request, flags: 1, payload: new DataView(new ArrayBuffer(0)), fds };
}

/** A sealing that ends when it is told to. */
class Gate {
  readonly begun: number[] = [];
  readonly #opened = Promise.withResolvers<void>();

  readonly seal = async (fd: number): Promise<void> => {
    this.begun.push(fd);
    await this.#opened.promise;
    await sealTenantFd(fd);
  };

  open(): void {
    this.#opened.resolve();
  }
}

Deno.test("a message is handled when its files are sealed, and at once if there is nothing to seal", async () => {
  const before = held();
  const seals = new FileSeals(new BlockingPool(), closeFd);
  const sealed = createMemoryFile("sealed", 4096, F_SEAL_SHRINK);
  const fixed = createMemoryFile("fixed", 4096, F_SEAL_SEAL);
  const [one, two, event] = [memoryFile(4096, 0), memoryFile(4096, 0), createEventFd()];
  const first = (request: number, fds: readonly number[]): Outcome =>
    seals.first(message(request, fds), () => HANDLED);
  assert.equal(first(id.VHOST_USER_SET_MEM_TABLE, [sealed, fixed, event]), HANDLED);
  assert.equal(first(id.VHOST_USER_SET_VRING_KICK, [one]), HANDLED, "it brings no memory");
  const { later } = first(id.VHOST_USER_SET_MEM_TABLE, [sealed, one, two]);
  assert.equal(await later, HANDLED);
  for (const fd of [one, two]) assert.equal(fdSeals(fd) & F_SEAL_SHRINK, F_SEAL_SHRINK);
  for (const request of [id.VHOST_USER_ADD_MEM_REG, id.VHOST_USER_SET_LOG_BASE]) {
    const fd = memoryFile(4096, 0);
    assert.equal(await first(request, [fd]).later, HANDLED);
    assert.equal(fdSeals(fd) & F_SEAL_SHRINK, F_SEAL_SHRINK);
    closeFd(fd);
  }
  for (const fd of [sealed, fixed, one, two, event]) closeFd(fd);
  await untilHeld(before);
});

Deno.test("a file that is kept busy costs its connection, and what comes late seals nothing else", async () => {
  const before = held();
  const gate = new Gate();
  const closed: number[] = [];
  const seals = new FileSeals(new BlockingPool(), (fd) => closed.push(fd), gate.seal, 1);
  const [one, two] = [memoryFile(4096, 0), memoryFile(4096, 0)];
  const { later } = seals.first(message(id.VHOST_USER_SET_MEM_TABLE, [one, two]), () => HANDLED);
  assert.equal((await later)?.close?.code, "slow-file");
  assert.deepEqual(closed, [one, two]);
  gate.open();
  await until("the late one is sealed", () => (fdSeals(one) & F_SEAL_SHRINK) !== 0);
  assert.deepEqual([gate.begun, fdSeals(two) & F_SEAL_SHRINK], [[one], 0]);
  for (const fd of [one, two]) closeFd(fd);
  await untilHeld(before);
});

Deno.test("what a front-end brought that is gone meanwhile is closed, and not handled", async () => {
  const before = held();
  const gate = new Gate();
  const seals = new FileSeals(new BlockingPool(), closeFd, gate.seal, WAIT_MS_MAX);
  let handled = 0;
  const { later } = seals.first(message(id.VHOST_USER_ADD_MEM_REG, [memoryFile(4096, 0)]), () => {
    handled++;
    return HANDLED;
  });
  seals.end();
  gate.open();
  assert.deepEqual([await later, handled], [{}, 0]);
  await untilHeld(before);
});

Deno.test("a file of huge pages is waited for off the thread, whether it takes a seal or not", async () => {
  const before = held();
  // Without pages: none is touched.
  const huge = (flags: number): number =>
    libc.memfd_create(new TextEncoder().encode("test-huge\0"), MFD_HUGETLB | flags);
  const fds = [huge(0), huge(MFD_ALLOW_SEALING)];
  // From the second time on both are sealed already.
  for (const busy of [false, true, true]) {
    for (const request of [id.VHOST_USER_SET_MEM_TABLE, id.VHOST_USER_SET_INFLIGHT_FD]) {
      const gate = new Gate();
      const pool = new BlockingPool();
      const seals = new FileSeals(pool, () => {}, gate.seal, busy ? 1 : WAIT_MS_MAX);
      const { later } = seals.first(message(request, fds), () => HANDLED);
      if (!busy) gate.open();
      const outcome = await later;
      if (busy) assert.equal(outcome?.close?.code, "slow-file");
      else assert.equal(outcome, HANDLED);
      gate.open();
      assert(await pool.idle(WAIT_MS_MAX));
      assert.deepEqual(gate.begun, busy ? fds.slice(0, 1) : fds);
    }
  }
  for (const fd of fds) closeFd(fd);
  await untilHeld(before);
});
