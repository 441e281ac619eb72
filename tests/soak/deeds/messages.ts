/**
 * What is said on the socket: messages that are none, that are cut, or that carry the wrong things.
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { closeFd, createEventFd, createMemoryFile } from "../../../ffi/mod.ts";
import { libc } from "../../../ffi/symbols.ts";
import { RX } from "../../../lib/guest/net_guest.ts";
import type { ReasonCode } from "../../../lib/vhost/reasons.ts";
import * as id from "../../../lib/vhost/wire/message.ts";
import { LingeringSocket } from "../../harness/linger.ts";
import { bytesOf, closes, closesGuest } from "../../harness/siege.ts";
import { type Deed, introduceOrLeave, PLAIN, randomBytes } from "./deed.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;
const LINGER_SECONDS = 1;
const GIB = 2 ** 30;

function sparse(bytes: number): number {
  return createMemoryFile("sparse", bytes);
}

/** What a message can bring about by what it says alone. */
const SAID: readonly ReasonCode[] = [
  ...["bad-version", "unknown-request", "too-long", "bad-size", "fd-count", "peer-closed"] as const,
  ...["not-negotiated", "unexpected-reply", "bad-value", "bad-index", "bad-config"] as const,
  ...["bad-features", "bad-protocol-features", "features-while-running", "bad-region"] as const,
  ...["bad-ring-size", "bad-ring-base", "bad-ring-address", "ring-running", "bad-mac"] as const,
  ...["bad-mtu", "bad-log", "bad-log-address", "bad-inflight", "bad-iotlb"] as const,
  ...["no-state", "not-suspended"] as const,
];

/** Bytes that are likely to be taken for a message. */
function likeMessage(random: () => number): Uint8Array<ArrayBuffer> {
  const bytes = randomBytes(12 + Math.floor(64 * random()), random);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, Math.floor(60 * random()), true);
  header.setUint32(4, Math.floor(16 * random()), true);
  header.setUint32(8, 8 * Math.floor(8 * random()), true);
  return bytes;
}

/** A message of a guest whose rings run, for which its connection is ended. */
function says(request: number, payload: Uint8Array<ArrayBuffer>, file?: () => number): Deed["run"] {
  return async (siege) => {
    const fds = file ? [file()] : [];
    try {
      await closesGuest(siege, (guest) => void guest.frontEnd.message(request, payload, fds));
    } finally {
      fds.forEach(closeFd);
    }
  };
}

/** Where the inflight area is, how long, and for which rings. */
function inflight(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const payload = new DataView(new ArrayBuffer(24));
  payload.setBigUint64(0, BigInt(sizeBytes), true);
  payload.setUint16(16, 2, true);
  payload.setUint16(18, 256, true);
  return new Uint8Array(payload.buffer);
}

/** All of them. */
export const MESSAGES: readonly Deed[] = [
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
    reason: { anyOf: SAID, least: 2 },
    run: async (siege, random) => {
      for (let i = 0; i < 4; i++) {
        using frontEnd = siege.frontEnd();
        const bytes = randomBytes(12 + Math.floor(500 * random()), random);
        frontEnd.raw(i % 2 === 0 ? bytes : likeMessage(random));
        await delay(1);
      }
    },
  },
  {
    name: "any payloads for each request",
    reason: { anyOf: SAID, least: 1 },
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
    reason: { anyOf: SAID, least: 0 },
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
  {
    name: "a dirty log beyond the end of its file",
    reason: "region-past-eof",
    run: says(id.VHOST_USER_SET_LOG_BASE, bytesOf(2 ** 20, 2 ** 20 - 1), () => sparse(2 ** 20)),
  },
  {
    name: "a dirty log of a tebibyte",
    reason: "bad-log",
    run: says(id.VHOST_USER_SET_LOG_BASE, bytesOf(2 ** 40, 0), () => sparse(2 ** 40)),
  },
  {
    name: "an inflight area of 16,382 GiB",
    reason: "bad-inflight",
    run: says(id.VHOST_USER_SET_INFLIGHT_FD, inflight(16382 * GIB), () => sparse(16382 * GIB)),
  },
  {
    name: "an internet socket to call by",
    reason: "not-eventfd",
    run: says(
      id.VHOST_USER_SET_VRING_CALL,
      bytesOf(RX),
      () => libc.socket(AF_INET, SOCK_STREAM, 0),
    ),
  },
  {
    name: "one's own end to call by",
    reason: "not-eventfd",
    run: (siege) =>
      closesGuest(siege, ({ frontEnd }) => {
        frontEnd.message(id.VHOST_USER_SET_VRING_CALL, bytesOf(RX), [frontEnd.fd]);
      }),
  },
  {
    name: "a socket that lingers, with a message that takes none",
    reason: "fd-count",
    run: async (siege) => {
      using lingering = new LingeringSocket(LINGER_SECONDS);
      await closes(siege, (f) => {
        f.message(id.VHOST_USER_GET_FEATURES, undefined, [lingering.fd]);
        closeFd(lingering.fd);
      });
    },
  },
];
