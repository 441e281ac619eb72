/**
 * What a hostile tenant does, one deed after another: each a way of its own to break, block, flood or
 * empty the switch, and each over when its port takes a good front-end again.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import {
  closeFd,
  createEventFd,
  createMemoryFile,
  EAGAIN,
  F_SETFL,
  SystemError,
} from "../../ffi/mod.ts";
import { libc } from "../../ffi/symbols.ts";
import { formatMac } from "../../lib/base/mac.ts";
import { ethernet } from "../../lib/guest/frames.ts";
import { type NetGuest, RX, TX } from "../../lib/guest/net_guest.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { addRegion, truncated } from "../harness/bad_pages.ts";
import { BAD_CHAINS, offerBad } from "../harness/attacks/chains.ts";
import { breakRing, PACKED_ATTACKS, SPLIT_ATTACKS } from "../harness/attacks/rings.ts";
import { fullEventFd } from "../harness/fds.ts";
import { ANY, bytesOf, closes, type Siege } from "../harness/siege.ts";
import { introduce, macOf, numberedFrame } from "../harness/traffic.ts";

/** One deed. */
export interface Deed {
  readonly name: string;
  /** Counted once for the port, or none. */
  readonly reason: string | null | typeof ANY;
  /** Returns when it is done and has closed what it opened. */
  readonly run: (siege: Siege, random: () => number) => Promise<void>;
}

const STORM_MS = 300;
const PLAIN = 1;
const EVERYBODY = "ff:ff:ff:ff:ff:ff";
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const BIG_BYTES = 256 << 20;

const { symbols: more } = Deno.dlopen("libc.so.6", {
  fallocate: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
});

/** Does something over and over, others having their turns in between. */
async function storm(deed: () => void): Promise<void> {
  const end = performance.now() + STORM_MS;
  while (performance.now() < end) {
    for (let i = 0; i < 100; i++) deed();
    await delay(0);
  }
}

function randomBytes(length: number, random: () => number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, () => Math.floor(256 * random()));
}

const RINGS: readonly Deed[] = [false, true].flatMap((packed) =>
  (packed ? PACKED_ATTACKS : SPLIT_ATTACKS).map((attack) => ({
    name: `${packed ? "packed" : "split"} ring: ${attack.name}`,
    reason: attack.reason,
    run: (siege) => breakRing(siege, attack, packed),
  }))
);

const CHAINS: readonly Deed[] = [false, true].flatMap((packed) =>
  BAD_CHAINS.map((bad) => ({
    name: `${packed ? "packed" : "split"} chain: ${bad.name}, to ${bad.ring === RX ? "RX" : "TX"}`,
    reason: null,
    run: (siege) => offerBad(siege, packed, bad),
  }))
);

const MESSAGES: readonly Deed[] = [
  {
    name: "a message of another version",
    reason: "bad-version",
    run: (siege) =>
      closes(siege, (f) => void f.message(id.VHOST_USER_GET_FEATURES, undefined, [], 2)),
  },
  {
    name: "a message that there is not",
    reason: "unknown-request",
    run: (siege) => closes(siege, (f) => void f.message(200)),
  },
  {
    name: "any bytes",
    reason: ANY,
    run: async (siege, random) => {
      for (let i = 0; i < 4; i++) {
        using frontEnd = siege.frontEnd();
        frontEnd.raw(randomBytes(12 + Math.floor(500 * random()), random));
        await delay(1);
      }
    },
  },
  {
    name: "any payloads for each request",
    reason: ANY,
    run: async (siege, random) => {
      using frontEnd = siege.frontEnd();
      for (let request = 1; request < 50; request++) {
        const fds = random() < 0.5 ? [createEventFd()] : [];
        const payload = randomBytes(8 * Math.floor(8 * random()), random);
        frontEnd.raw(id.encodeMessage(request, PLAIN, payload), fds);
        fds.forEach(closeFd);
        await delay(0);
      }
    },
  },
  {
    name: "the same, of a guest whose rings run",
    reason: ANY,
    run: async (siege, random) => {
      using guest = await siege.guest({ packed: random() < 0.5 });
      const request = 1 + Math.floor(48 * random());
      guest.frontEnd.raw(id.encodeMessage(request, PLAIN, randomBytes(8, random)));
      await introduceOrLeave(guest, siege);
    },
  },
  {
    name: "half a message, and goodbye",
    reason: "peer-closed",
    run: async (siege) => {
      using frontEnd = siege.frontEnd();
      frontEnd.raw(id.encodeMessage(id.VHOST_USER_SET_OWNER, PLAIN, new Uint8Array()).slice(0, 7));
      await delay(5);
    },
  },
  {
    name: "memory that must not be written to",
    reason: "map-failed",
    run: async (siege) => {
      const sealWrite = 8;
      const file = createMemoryFile("guest", 1 << 20, sealWrite);
      const table = bytesOf(1, 0, 1 << 20, 0, 0);
      await closes(siege, (f) => void f.message(id.VHOST_USER_SET_MEM_TABLE, table, [file]));
      closeFd(file);
    },
  },
];

/** It may be thrown out before it is heard. */
async function introduceOrLeave(guest: NetGuest, siege: Siege): Promise<void> {
  for (let i = 0; i < 20; i++) {
    guest.send(numberedFrame(siege.witness.options.mac, guest.options.mac, i, 100));
    await delay(1);
  }
}

const STORMS: readonly Deed[] = [
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
    name: "rings switched on and off",
    reason: null,
    run: async (siege) => {
      using guest = await siege.guest();
      for (let i = 0; i < 100; i++) await guest.enable(i % 2, i % 4 < 2);
    },
  },
  {
    name: "connections that come and go",
    reason: ANY,
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
];

/** Punches all of a guest's memory behind its rings out of its file. */
function punch(fd: number, from: number, bytes: number): void {
  const flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  assert.equal(more.fallocate(fd, flags, BigInt(from), BigInt(bytes)), 0);
}

const MEMORY: readonly Deed[] = [
  {
    name: "holes punched under frames that are sent",
    reason: null,
    run: async (siege) => {
      using guest = await siege.guest();
      const bytes = 65536;
      const address = guest.ram.take(bytes, 4096);
      await storm(() => {
        punch(guest.memoryFd, guest.ram.at(address), bytes);
        guest.sendChain([{ address: address + 4096, bytes: 100 }]);
        guest.reapTransmit();
      });
    },
  },
  {
    name: "a large memory punched again and again",
    reason: ANY,
    run: async (siege) => {
      using guest = await siege.guest({ memoryBytes: BIG_BYTES });
      for (let i = 0; i < 10; i++) {
        punch(guest.memoryFd, BIG_BYTES / 2, BIG_BYTES / 2);
        await introduceOrLeave(guest, siege);
      }
    },
  },
];

const LOST: readonly Deed[] = [
  {
    name: "frames sent from pages that are gone",
    reason: "bad-page",
    run: async (siege, random) => {
      using guest = await siege.guest({ packed: random() < 0.5 });
      await introduce(guest, siege.witness);
      const file = truncated(1 << 24);
      const at = await addRegion(guest, file);
      file.spoil();
      for (let i = 0; i < 16; i++) guest.sendChain([{ address: at + 65536 * i + 8, bytes: 400 }]);
      assert(await guest.frontEnd.closedBySwitch());
      closeFd(file.fd);
    },
  },
  {
    name: "frames received into pages that are gone",
    reason: "bad-page",
    run: async (siege, random) => {
      using guest = await siege.guest({ packed: random() < 0.5, buffers: 0 });
      const file = truncated(1 << 20);
      const at = await addRegion(guest, file);
      file.spoil();
      guest.rx.add([{ address: at + 4096, bytes: 2048 }], true);
      guest.kickReceive();
      siege.witness.send(numberedFrame(EVERYBODY, siege.witness.options.mac, 1, 1500));
      assert(await guest.frontEnd.closedBySwitch());
      closeFd(file.fd);
    },
  },
];

const SPOOFS: readonly Deed[] = [
  {
    name: "frames from addresses of others",
    reason: ANY,
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

const CALLS: readonly Deed[] = [
  {
    // A socket whose front-ends did that before is given fewer of them.
    name: "a full call descriptor, made blocking again",
    reason: ANY,
    run: async (siege) => {
      const fd = fullEventFd();
      try {
        using guest = await siege.guest({ eventIdx: false });
        guest.frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [fd]);
        const taken = await guest.enable(RX, true).then(() => true, () => false);
        if (!taken) return;
        await introduce(guest, siege.witness);
        while (libc.eventfd_write(fd, 1n) === 0);
        libc.fcntl(fd, F_SETFL, 0);
        siege.witness.send(numberedFrame(guest.options.mac, siege.witness.options.mac, 1, 60));
        assert(await guest.frontEnd.closedBySwitch());
      } finally {
        closeFd(fd);
      }
    },
  },
];

/** All of them. */
export const DEEDS: readonly Deed[] = [
  ...[...RINGS, ...CHAINS, ...MESSAGES, ...STORMS, ...MEMORY, ...LOST, ...SPOOFS, ...CALLS],
];
