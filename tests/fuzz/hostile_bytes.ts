/**
 * A tenant at the socket of a real port: the bytes and descriptors of a good start, damaged in any
 * way and cut into any pieces. Whatever comes, the port must take it or close the connection, give
 * back every descriptor and mapping, and serve the next front-end.
 *
 * @module
 */
import { strict as assert } from "node:assert";
import { delay } from "@std/async/delay";
import fc from "fast-check";
import {
  closeFd,
  createEventFd,
  createMemoryFile,
  EAGAIN,
  receive,
  send,
  socketPair,
} from "../../ffi/mod.ts";
import { MappingPool } from "../../lib/control/front_end/guest_memory.ts";
import { SwitchPort } from "../../lib/control/vhost_port/port.ts";
import { Reactor } from "../../lib/control/reactor.ts";
import { BlockingPool } from "../../lib/control/front_end/tenant_fds.ts";
import { SocketWatch } from "../../lib/control/sockets/socket_watch.ts";
import {
  encodeIotlb,
  VHOST_IOTLB_INVALIDATE,
  VHOST_IOTLB_UPDATE,
} from "../../lib/vhost/wire/back_end_message.ts";
import * as id from "../../lib/vhost/wire/message.ts";
import { OFFER_WORDS } from "../../lib/vhost/features/bits.ts";
import type { OfferWord } from "../../lib/vhost/features/rows.ts";
import { makeOffer } from "../../lib/vhost/offer.ts";
import { BIT } from "../../lib/vhost/features/bits.ts";
import { startedClient } from "../unit/control/started_client.ts";
import { FakePlane } from "../unit/control/fake_plane.ts";
import { Client, held, keptLog, untilIdle } from "../unit/control/support.ts";
import { GUEST_WINDOWS_MAX } from "../../lib/virtio/memory/window.ts";
import { TestArena } from "../harness/arena.ts";
import { until } from "../harness/until.ts";
import { addr, state, table, words } from "../unit/vhost/fake_host.ts";
import { often } from "./often.ts";

const BYTES = 2 ** 20;
const USER = 0x7f00_0000_0000;

const SHUT_WR = 1;
const { symbols: libc } = Deno.dlopen("libc.so.6", {
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  pipe: { parameters: ["buffer"], result: "i32" },
});

/** What ports offer in turn; the front-end takes all of it. */
const OFFERS: readonly (readonly OfferWord[])[] = [
  [],
  ["iommu"],
  ["inband"],
  ["gpa"],
  OFFER_WORDS.filter((word) => word !== "inband"),
];

/** Descriptors a tenant has. */
const KINDS = ["eventfd", "memory", "small", "socket", "pipe", "pipe-end"] as const;
type Kind = (typeof KINDS)[number];

interface Sent {
  bytes: Uint8Array;
  fds: readonly Kind[];
  /** Bytes sent first, the rest apart; the descriptors come with the second piece. */
  split: { readonly at: number; readonly late: boolean } | null;
}

/** One damage to the script. Places are taken modulo what there is. */
export type Damage =
  | { readonly do: "drop"; readonly at: number }
  | { readonly do: "repeat"; readonly at: number; readonly times: number }
  | { readonly do: "swap"; readonly at: number; readonly with: number }
  | { readonly do: "byte"; readonly at: number; readonly offset: number; readonly value: number }
  | { readonly do: "cut"; readonly at: number; readonly bytes: number }
  | { readonly do: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly do: "fds"; readonly at: number; readonly fds: readonly Kind[] }
  | { readonly do: "split"; readonly at: number; readonly offset: number; readonly late: boolean }
  | { readonly do: "end"; readonly at: number };

/** What a good front-end sends, from connecting to its rings' last stop. */
function script(offered: readonly OfferWord[]): Sent[] {
  const list: Sent[] = [];
  const say = (
    request: number,
    payload: Uint8Array = new Uint8Array(0),
    fds: readonly Kind[] = [],
  ): void => {
    list.push({ bytes: id.encodeMessage(request, 0x9, payload), fds, split: null });
  };
  const offer = makeOffer({ offer: offered });
  const has = (word: OfferWord): boolean => offered.includes(word);
  const start = has("gpa") ? 0 : USER;
  const iommu = has("iommu") ? 1n << BigInt(BIT.VIRTIO_F_ACCESS_PLATFORM) : 0n;
  const features = (1n << 15n) | (1n << 30n) | (1n << 32n) | iommu;
  const log = features | (1n << BigInt(BIT.VHOST_F_LOG_ALL));
  const inflight = words(2 * 8256, 0, 2 | (256 << 16));
  say(id.VHOST_USER_GET_FEATURES);
  say(id.VHOST_USER_GET_PROTOCOL_FEATURES);
  say(id.VHOST_USER_SET_PROTOCOL_FEATURES, words(offer.protocolFeatures));
  say(id.VHOST_USER_GET_QUEUE_NUM);
  say(id.VHOST_USER_SET_OWNER);
  say(id.VHOST_USER_SET_BACKEND_REQ_FD, undefined, ["socket"]);
  say(id.VHOST_USER_GET_CONFIG, new Uint8Array(new Uint32Array([0, 12, 0, 0, 0, 0]).buffer));
  say(id.VHOST_USER_GET_INFLIGHT_FD, inflight);
  say(id.VHOST_USER_SET_INFLIGHT_FD, inflight, ["memory"]);
  say(id.VHOST_USER_SET_FEATURES, words(features));
  const second = { guestAddr: BYTES, mmapOffset: BYTES / 2 };
  const regions = [
    { sizeBytes: BYTES / 2, userAddr: start },
    { sizeBytes: BYTES / 2, userAddr: start + BYTES, ...second },
  ];
  say(id.VHOST_USER_SET_MEM_TABLE, table(regions), ["memory", "memory"]);
  const translation = {
    ...{ iova: BigInt(start), userAddr: BigInt(start), sizeBytes: BigInt(BYTES / 2) },
    ...{ permission: 3, type: VHOST_IOTLB_UPDATE },
  };
  if (has("iommu")) say(id.VHOST_USER_IOTLB_MSG, encodeIotlb(translation));
  const none = has("inband") ? 0x100 : 0;
  const one: readonly Kind[] = has("inband") ? [] : ["eventfd"];
  for (const ring of [0, 1]) {
    const at = start + ring * 0x8000;
    say(id.VHOST_USER_SET_VRING_NUM, state(ring, 256));
    say(id.VHOST_USER_SET_VRING_BASE, state(ring, 0));
    say(id.VHOST_USER_SET_VRING_ADDR, addr(ring, at, at + 0x3000, at + 0x2000));
    say(id.VHOST_USER_SET_VRING_ERR, words(ring), ["eventfd"]);
    say(id.VHOST_USER_SET_VRING_CALL, words(ring | none), one);
    say(id.VHOST_USER_SET_VRING_KICK, words(ring | none), one);
    say(id.VHOST_USER_SET_VRING_ENABLE, state(ring, 1));
  }
  if (has("inband")) say(id.VHOST_USER_VRING_KICK, state(1, 0));
  const region = words(0, 4 * BYTES, BYTES, start + 4 * BYTES, 0);
  say(id.VHOST_USER_ADD_MEM_REG, region, ["memory"]);
  say(id.VHOST_USER_SET_STATUS, words(15));
  say(id.VHOST_USER_NET_SET_MTU, words(1500));
  say(id.VHOST_USER_SET_LOG_BASE, words(4096, 0), ["memory"]);
  say(id.VHOST_USER_SET_LOG_FD, undefined, ["eventfd"]);
  say(id.VHOST_USER_SET_FEATURES, words(log));
  say(id.VHOST_USER_SEND_RARP, words(0x0161_6100_5452n));
  say(id.VHOST_USER_SET_FEATURES, words(features));
  say(id.VHOST_USER_REM_MEM_REG, region);
  if (has("iommu")) {
    say(id.VHOST_USER_IOTLB_MSG, encodeIotlb({ ...translation, type: VHOST_IOTLB_INVALIDATE }));
  }
  say(id.VHOST_USER_GET_VRING_BASE, state(0, 0));
  say(id.VHOST_USER_SET_VRING_KICK, words(none), one);
  for (const ring of [0, 1]) say(id.VHOST_USER_GET_VRING_BASE, state(ring, 0));
  say(id.VHOST_USER_SET_DEVICE_STATE_FD, state(0, 0), ["pipe-end"]);
  say(id.VHOST_USER_CHECK_DEVICE_STATE);
  say(id.VHOST_USER_SET_DEVICE_STATE_FD, state(1, 0), ["pipe"]);
  say(id.VHOST_USER_CHECK_DEVICE_STATE);
  say(id.VHOST_USER_RESET_DEVICE);
  return list;
}

const at = fc.nat(60);
const byte = often([3, fc.constantFrom(0, 1, 0xff, 0x80, 8)], [1, fc.nat(255)]);
const damage = often<Damage>(
  [2, fc.record({ do: fc.constant("drop" as const), at })],
  [
    2,
    fc.record({ do: fc.constant("repeat" as const), at, times: fc.integer({ min: 1, max: 30 }) }),
  ],
  [2, fc.record({ do: fc.constant("swap" as const), at, with: at })],
  [
    6,
    fc.record({ do: fc.constant("byte" as const), at, offset: fc.nat(60), value: byte }),
  ],
  [1, fc.record({ do: fc.constant("cut" as const), at, bytes: fc.nat(50) })],
  [
    1,
    fc.record({
      ...{ do: fc.constant("insert" as const), at },
      bytes: fc.uint8Array({ minLength: 1, maxLength: 30 }),
    }),
  ],
  [
    4,
    fc.record({
      ...{ do: fc.constant("fds" as const), at },
      fds: often([6, fc.array(fc.constantFrom(...KINDS), { maxLength: 3 })], [
        1,
        fc.array(fc.constantFrom(...KINDS), { minLength: 8, maxLength: 12 }),
      ]),
    }),
  ],
  [
    3,
    fc.record({
      ...{ do: fc.constant("split" as const), at, offset: fc.nat(60), late: fc.boolean() },
    }),
  ],
  [1, fc.record({ do: fc.constant("end" as const), at })],
);

function damaged(words: readonly OfferWord[], damages: readonly Damage[]): Sent[] {
  const list = script(words);
  for (const one of damages) {
    if (list.length === 0) break;
    const place = one.at % list.length;
    const sent = list[place];
    assert(sent);
    if (one.do === "drop") list.splice(place, 1);
    else if (one.do === "repeat") {
      list.splice(place, 0, ...Array.from({ length: one.times }, () => ({ ...sent })));
    } else if (one.do === "swap") {
      const other = one.with % list.length;
      list[place] = list[other] as Sent;
      list[other] = sent;
    } else if (one.do === "byte") {
      sent.bytes = sent.bytes.slice();
      sent.bytes[one.offset % sent.bytes.length] = one.value;
    } else if (one.do === "cut") sent.bytes = sent.bytes.subarray(0, one.bytes % sent.bytes.length);
    else if (one.do === "insert") {
      list.splice(place, 0, { bytes: one.bytes, fds: [], split: null });
    } else if (one.do === "fds") sent.fds = one.fds;
    else if (one.do === "split") sent.split = { at: one.offset, late: one.late };
    else list.length = place;
  }
  return list.filter(({ bytes }) => bytes.length > 0);
}

/** What came of cases, to see that they get far. */
export interface BytesTally {
  messages: number;
  /** Front-ends whose rings ran. */
  up: number;
}

/** A port and what it holds when nobody is connected. */
export class PortBench {
  readonly tally: BytesTally = { messages: 0, up: 0 };
  readonly #folder = Deno.makeTempDirSync({ prefix: "vuswitch-fuzz-" });
  readonly #failures: unknown[] = [];
  readonly #plane = new FakePlane();
  readonly #reactor = new Reactor((error) => this.#failures.push(error));
  readonly #log = keptLog();
  readonly #ports: readonly SwitchPort[];
  readonly #blocking = new BlockingPool();
  readonly #before: { fds: number; maps: number };

  readonly #patienceMs: number;
  /** The case at hand: a run that is over in time leaves it to itself. */
  #last: Promise<void> = Promise.resolve();

  /** @param patienceMs how long descriptors may take to be closed: they close off the thread */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
    const arena = new TestArena(GUEST_WINDOWS_MAX);
    const plane = { thread: this.#plane, pool: new MappingPool(this.#plane.commands, arena) };
    this.#plane.portsMax = OFFERS.length;
    this.#ports = OFFERS.map((offer, i) =>
      new SwitchPort({ name: `vm${i}`, path: this.#path(i), offer }, {
        planes: { forNewPort: () => plane },
        blocking: this.#blocking,
        reactor: this.#reactor,
        logger: this.#log.logger,
        access: { mode: 0o600, group: null },
        sockets: new SocketWatch(),
        uplinkUp: () => {},
        pagesLost: () => {},
        recordsPrefix: `${this.#folder}/record`,
      })
    );
    // The runtime makes a pair of sockets for its signals, at some time of its own otherwise.
    const nothing = (): void => {};
    Deno.addSignalListener("SIGUSR2", nothing);
    Deno.removeSignalListener("SIGUSR2", nothing);
    this.#before = held();
  }

  #path(port: number): string {
    return `${this.#folder}/vm${port}.sock`;
  }

  #make(kind: Kind): number[] {
    if (kind === "eventfd") return [createEventFd()];
    if (kind === "memory") return [createMemoryFile("test-guest", BYTES)];
    if (kind === "small") return [createMemoryFile("test-guest", 4096)];
    if (kind === "socket") return socketPair();
    const ends = new Int32Array(2);
    assert.equal(libc.pipe(new Uint8Array(ends.buffer)), 0);
    const [read = -1, write = -1] = ends;
    return kind === "pipe" ? [read, write] : [write, read];
  }

  async #send(fd: number, bytes: Uint8Array, kinds: readonly Kind[]): Promise<boolean> {
    const made = kinds.map((kind) => this.#make(kind));
    let left = bytes;
    let fds = made.map(([first = -1]) => first);
    try {
      while (left.length > 0) {
        const sent = send(fd, new Uint8Array(left), fds);
        if (sent === -EAGAIN) {
          await delay(1);
          this.#readReplies(fd);
          continue;
        }
        // The other side has closed.
        if (sent < 0) return false;
        left = left.subarray(sent);
        fds = [];
      }
    } finally {
      made.flat().forEach(closeFd);
    }
    return true;
  }

  /** Takes what came so far. @returns whether the other side has closed */
  #readReplies(fd: number): boolean {
    const buffer = new Uint8Array(4096);
    for (;;) {
      const got = receive(fd, buffer);
      // An inflight area.
      got.fds.forEach(closeFd);
      if (got.bytes <= 0) return got.bytes !== -EAGAIN;
    }
  }

  /** One front-end. @throws if anything is left of it */
  serve(which: number, damages: readonly Damage[]): Promise<void> {
    return this.#last = this.#serve(which, damages);
  }

  async #serve(which: number, damages: readonly Damage[]): Promise<void> {
    const port = this.#ports[which];
    assert(port);
    const { connects } = port.status();
    const client = Client.connect(this.#path(which));
    for (const { bytes, fds, split } of damaged(OFFERS[which] ?? [], damages)) {
      this.tally.messages++;
      const cut = split ? split.at % bytes.length : 0;
      const late = split?.late ?? false;
      const going =
        (cut === 0 || await this.#send(client.fd, bytes.subarray(0, cut), late ? [] : fds)) &&
        await this.#send(client.fd, bytes.subarray(cut), cut === 0 || late ? fds : []);
      if (!going) break;
    }
    // No more will come, but everything is still read, and answered.
    libc.shutdown(client.fd, SHUT_WR);
    await until("the port hangs up", () => this.#readReplies(client.fd));
    client.close();
    await until("the port has served it and waits again", () => {
      const status = port.status();
      return status.connects > connects && status.link === "wait";
    });
    assert.deepEqual(this.#failures, []);
    assert.equal(this.#plane.vrings.size, 0);
    assert.equal(this.#plane.mappings.size, 0);
    await this.#released();
    this.tally.up += this.#log.lines.some((line) => line.startsWith("link-up")) ? 1 : 0;
    this.#log.lines.length = 0;
  }

  async #released(): Promise<void> {
    const end = performance.now() + this.#patienceMs;
    for (;;) {
      const { fds, maps } = held();
      if (fds <= this.#before.fds && maps <= this.#before.maps) return;
      assert(performance.now() < end, `${fds} descriptors and ${maps} mappings are left`);
      await delay(1);
    }
  }

  /** The first still serves a good front-end; then everything is given back. */
  async close(): Promise<void> {
    await this.#last;
    const [port] = this.#ports;
    const good = await startedClient(this.#path(0));
    assert.equal(port?.status().link, "up");
    good.release();
    await until("the port waits again", () => port?.status().link === "wait");
    for (const one of this.#ports) one.close();
    await untilIdle(this.#blocking);
    await this.#reactor.close();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** Of any damage: {@linkcode PortBench.serve} does not throw. */
export function hostileBytes(bench: PortBench): fc.IAsyncPropertyWithHooks<[number, Damage[]]> {
  return fc.asyncProperty(
    fc.nat(OFFERS.length - 1),
    fc.array(damage, { maxLength: 6 }),
    (which, damages) => bench.serve(which, damages),
  );
}
