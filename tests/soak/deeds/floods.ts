/**
 * Too much of what is allowed: kicks, tables, connections, frames, addresses.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import { EAGAIN, SystemError } from "../../../ffi/mod.ts";
import { formatMac } from "../../../lib/base/mac.ts";
import { ethernet } from "../../../lib/guest/frames.ts";
import { TX } from "../../../lib/guest/net_guest.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import { introduce, macOf, numberedFrame } from "../../harness/traffic.ts";
import { type Deed, storm } from "./deed.ts";

const EVERYBODY = "ff:ff:ff:ff:ff:ff";

/** All of them. */
export const FLOODS: readonly Deed[] = [
  {
    name: "kicks without end",
    reason: null,
    run: async (siege, random) => {
      using guest = await siege.guest({ packed: random() < 0.5 });
      await storm(() => guest.kick(TX));
      await introduce(guest, siege.witness);
    },
  },
  {
    name: "memory tables without end",
    reason: null,
    run: async (siege) => {
      using guest = await siege.guest();
      for (let i = 0; i < 100; i++) assert.equal(await guest.setMemory(), 0n);
      await introduce(guest, siege.witness);
    },
  },
  {
    name: "inflight areas without end",
    reason: null,
    run: async (siege) => {
      using guest = await siege.guest();
      const asked = new DataView(new ArrayBuffer(24));
      asked.setUint16(16, 2, true);
      asked.setUint16(18, 256, true);
      for (let i = 0; i < 100; i++) {
        guest.frontEnd.message(id.VHOST_USER_GET_INFLIGHT_FD, new Uint8Array(asked.buffer));
        await guest.frontEnd.reply();
      }
      await introduce(guest, siege.witness);
    },
  },
  {
    name: "rings switched on and off",
    reason: null,
    run: async (siege) => {
      using guest = await siege.guest();
      for (let i = 0; i < 100; i++) await guest.enable(i % 2, i % 4 < 2);
    },
  },
  {
    name: "connections that come and go",
    reason: { anyOf: ["busy", "peer-closed", "too-often"], least: 0 },
    run: async (siege) => {
      for (let i = 0; i < 50; i++) {
        try {
          using _frontEnd = siege.frontEnd();
        } catch (error) {
          // The socket's queue is full: its own affair.
          if (!(error instanceof SystemError) || error.code !== EAGAIN) throw error;
        }
        if (i % 10 === 0) await delay(1);
      }
    },
  },
  {
    name: "broadcasts without end",
    reason: null,
    run: async (siege, random) => {
      using guest = await siege.guest({ packed: random() < 0.5 });
      const frame = ethernet(EVERYBODY, guest.options.mac, 0x88b6, new Uint8Array(46));
      await storm(() => guest.send(frame));
    },
  },
  {
    name: "frames to addresses that nobody has",
    reason: null,
    run: async (siege, random) => {
      using guest = await siege.guest({ packed: random() < 0.5 });
      let last = 0;
      await storm(() => {
        const to = formatMac(2, 0x1000_0000 + last++);
        guest.send(ethernet(to, guest.options.mac, 0x88b6, new Uint8Array(1000)));
      });
    },
  },
  {
    name: "frames of ever new addresses",
    reason: null,
    run: async (siege) => {
      using guest = await siege.guest();
      let last = 0;
      await storm(() => {
        const from = formatMac(2, 0x2000_0000 + last++);
        guest.send(ethernet(macOf(4), from, 0x88b6, new Uint8Array(46)));
      });
    },
  },
  {
    name: "a guest that goes in the middle of traffic",
    reason: null,
    run: async (siege, random) => {
      using guest = await siege.guest({ packed: random() < 0.5 });
      for (let i = 0; i < 200; i++) {
        guest.send(numberedFrame(macOf(4), guest.options.mac, i, 1000));
      }
      await delay(0);
    },
  },
  {
    name: "frames from addresses of others",
    reason: null,
    run: async (siege, random) => {
      using guest = await siege.guest({ packed: random() < 0.5 });
      const victims = [0xb1, 0xb2, 0xc1, 0xc2, 4].map(macOf);
      let last = 0;
      await storm(() => {
        const from = victims[last++ % victims.length] as string;
        guest.send(ethernet(EVERYBODY, from, 0x88b6, new Uint8Array(46)));
      });
    },
  },
];
