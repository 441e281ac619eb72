/**
 * Pages that cannot be had: whatever a front-end's file loses, whoever touches it first, only that
 * front-end goes.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { closeFd, createEventFd } from "../../ffi/mod.ts";
import { callSwitch } from "../../lib/cli/client.ts";
import type { SwitchStatus } from "../../lib/control/types.ts";
import { PLAIN } from "../../lib/guest/front_end.ts";
import { NetGuest } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { gone, receives, sends, truncatedLog, truncatedRings } from "../harness/attacks/pages.ts";
import {
  addRegion,
  type BadFile,
  FullFileSystem,
  hugeTruncated,
  truncated,
} from "../harness/bad_pages.ts";
import { Bed } from "../harness/bed.ts";
import { bytesOf, closes, Siege, steps } from "../harness/siege.ts";
import { introduce, macOf } from "../harness/traffic.ts";

const PAGE = 4096;
const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** Faults that one storm may cost; see ffi/guard_code.ts. */
const STORM_FAULTS_MAX = 100;

async function badPages({ process }: Siege): Promise<number> {
  const status = await callSwitch(process.ctl, "GET", "/v1/switch") as SwitchStatus;
  return status.worker["badPages"] as number;
}

Deno.test("pages that cannot be had end their own port", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  const kinds: readonly (readonly [string, () => BadFile | null])[] = [
    ["of a truncated memfd", truncated],
    ["of a truncated file of huge pages", hugeTruncated],
  ];
  for (const [name, make] of kinds) {
    await step(`a frame sent from a page ${name}`, "bad-page", async () => {
      const file = make() ?? truncated();
      await sends(siege, file);
      closeFd(file.fd);
    });
    await step(`a frame received into a page ${name}`, "bad-page", async () => {
      const file = make() ?? truncated();
      await receives(siege, file, true);
      closeFd(file.fd);
    });
  }
  for (const kind of ["tmpfs", "hugetlbfs"] as const) {
    using full = FullFileSystem.mount(kind);
    if (full === null) continue;
    const name = `of a full ${kind}`;
    await step(`a frame sent from a page ${name}`, "bad-page", async () => {
      await sends(siege, full.file(), true);
    });
    await step(`a frame received into a page ${name}`, "bad-page", async () => {
      await receives(siege, full.file());
    });
  }
  assert.match(
    siege.process.log,
    /guest memory at 0x20000001[0-9a-f]{3}: a page of \/memfd:guest-bad is gone.*reason=bad-page/,
  );
  await step("a storm of them", "bad-page", async () => {
    const before = await badPages(siege);
    using guest = await siege.guest();
    const file = truncated(GIB);
    const at = await addRegion(guest, file);
    file.spoil();
    const chain = Array.from({ length: 200 }, (_, i) => ({ address: at + i * MIB, bytes: 60 }));
    for (let i = 0; i < 4; i++) {
      guest.sendChain(
        chain.map(({ address }) => ({ address: address + i * 65536, bytes: 60 })),
        true,
      );
    }
    await gone(guest);
    closeFd(file.fd);
    const faults = await badPages(siege) - before;
    assert(faults > 0 && faults < STORM_FAULTS_MAX, `${faults} faults`);
  });
});

Deno.test("rings, logs and records in files that lose pages end their own port", async (t) => {
  await using siege = await Siege.lay();
  const step = steps(t, siege);
  for (const packed of [false, true]) {
    const word = packed ? "packed" : "split";
    await step(
      `${word} rings and all buffers truncated under traffic`,
      "bad-page",
      () => truncatedRings(siege, packed),
    );
  }
  await step("a dirty log truncated under traffic", "bad-page", () => truncatedLog(siege));
  await step("a dirty log that the control thread takes over", "bad-page", async () => {
    using guest = await siege.guest();
    const file = truncated(PAGE);
    const other = truncated(PAGE);
    const { frontEnd } = guest;
    frontEnd.message(id.VHOST_USER_SET_LOG_BASE, bytesOf(PAGE, 0), [file.fd]);
    await frontEnd.reply();
    file.spoil();
    // What the old one says goes into the new one, and that one is whole.
    frontEnd.message(id.VHOST_USER_SET_LOG_BASE, bytesOf(PAGE, 0), [other.fd]);
    await gone(guest);
    closeFd(file.fd);
    closeFd(other.fd);
  });
  await step("memory truncated while its front-end attaches", "bad-page", async () => {
    await closes(siege, async (f) => {
      const file = truncated(4 * MIB);
      const table = bytesOf(1, 0, 4 * MIB, 0, 0);
      f.message(id.VHOST_USER_SET_MEM_TABLE, table, [file.fd]);
      // Its answer comes behind all that was before.
      const offered = await f.ask(id.VHOST_USER_GET_FEATURES, undefined, [], PLAIN);
      file.spoil();
      f.message(id.VHOST_USER_SET_FEATURES, id.encodeU64(offered & (1n << 32n)));
      f.message(id.VHOST_USER_SET_VRING_NUM, id.encodeVringState(1, 256));
      f.message(id.VHOST_USER_SET_VRING_BASE, id.encodeVringState(1, 0));
      f.message(id.VHOST_USER_SET_VRING_ADDR, bytesOf(1, 0, 2 * PAGE, PAGE, 0));
      const kick = createEventFd();
      f.message(id.VHOST_USER_SET_VRING_KICK, bytesOf(1), [kick]);
      closeFd(kick);
      closeFd(file.fd);
    });
  });
});

Deno.test("a switch in a sandbox survives them as well", async () => {
  await using bed = await Bed.make(2, "--sandbox");
  using other = await bed.guest(2);
  using guest = await bed.guest(1);
  await introduce(guest, other);
  const file = truncated();
  const at = await addRegion(guest, file);
  file.spoil();
  assert(guest.sendChain([{ address: at, bytes: 400 }]));
  await gone(guest);
  closeFd(file.fd);
  assert.deepEqual((await bed.port(1)).errors, { "bad-page": 1 });
  using next = await NetGuest.start({ socket: bed.socket(1), mac: macOf(1) });
  await introduce(next, other);
});
