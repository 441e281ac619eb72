/**
 * Pages that are not there, or take long, and calls that do.
 *
 * @module
 */
import { closeFd, truncateFd } from "../../../ffi/mod.ts";
import {
  gone,
  receives,
  sends,
  truncatedLog,
  truncatedRings,
} from "../../harness/attacks/pages.ts";
import { blockingCall, crumbs, punchedMemory, watchedCall } from "../../harness/attacks/slow.ts";
import { addRegion, type BadFile, hugeTruncated, truncated } from "../../harness/bad_pages.ts";
import { introduce } from "../../harness/traffic.ts";
import type { Siege } from "../../harness/siege.ts";
import { type Deed, storm } from "./deed.ts";

const PUNCHED_BYTES = 2 ** 28;

/** With a file that is truncated. */
async function withTruncated(use: (file: BadFile) => Promise<void>): Promise<void> {
  const file = truncated();
  try {
    await use(file);
  } finally {
    closeFd(file.fd);
  }
}

/** Many frames at once from pages that are gone. */
async function manySent(siege: Siege, packed: boolean): Promise<void> {
  using guest = await siege.guest({ packed });
  await introduce(guest, siege.witness);
  const file = truncated(1 << 24);
  const at = await addRegion(guest, file);
  file.spoil();
  for (let i = 0; i < 16; i++) guest.sendChain([{ address: at + 65536 * i + 8, bytes: 400 }]);
  await gone(guest);
  closeFd(file.fd);
}

/** Pages that are gone. */
export const LOST: readonly Deed[] = [
  {
    name: "a frame sent from a page that is gone",
    reason: "bad-page",
    run: (siege, random) => withTruncated((file) => sends(siege, file, random() < 0.5)),
  },
  {
    name: "a frame received into a page that is gone",
    reason: "bad-page",
    run: (siege, random) => withTruncated((file) => receives(siege, file, random() < 0.5)),
  },
  {
    name: "many frames sent from pages that are gone",
    reason: "bad-page",
    run: (siege, random) => manySent(siege, random() < 0.5),
  },
  {
    name: "a frame sent from a huge page that is gone",
    reason: "bad-page",
    run: async (siege, random) => {
      const file = hugeTruncated() ?? truncated();
      try {
        await sends(siege, file, random() < 0.5);
      } finally {
        closeFd(file.fd);
      }
    },
  },
  {
    name: "a file that shrinks and grows",
    reason: { anyOf: ["bad-page"], least: 0 },
    run: (siege, random) =>
      withTruncated(async (file) => {
        using guest = await siege.guest({ packed: random() < 0.5 });
        const at = await addRegion(guest, file);
        await storm(() => {
          truncateFd(file.fd, 0);
          truncateFd(file.fd, file.sizeBytes);
          guest.reapTransmit();
          guest.sendChain([{ address: at + 4096, bytes: 400 }]);
        });
      }),
  },
  {
    name: "rings and buffers truncated under traffic",
    reason: "bad-page",
    run: (siege, random) => truncatedRings(siege, random() < 0.5),
  },
  {
    name: "a dirty log truncated under traffic",
    reason: "bad-page",
    run: (siege) => truncatedLog(siege),
  },
];

/** Pages and calls that take long. */
export const SLOW: readonly Deed[] = [
  {
    name: "chains of one byte of each punched page",
    reason: { anyOf: ["too-slow"], least: 0 },
    rests: true,
    run: (siege, random) => crumbs(siege, random() < 0.5, 1),
  },
  {
    name: "memory punched as a whole, again and again",
    reason: "too-slow",
    rests: true,
    run: (siege) => punchedMemory(siege, PUNCHED_BYTES),
  },
  {
    name: "a call descriptor with 64,000 watches",
    reason: "too-slow",
    rests: true,
    run: (siege) => watchedCall(siege),
  },
  {
    name: "a full call descriptor, made blocking again",
    reason: null,
    run: (siege) => blockingCall(siege),
  },
];
