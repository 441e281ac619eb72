/**
 * The control thread's end of a capture's ring (lib/switch/capture/ring.ts): records as packets.
 *
 * @module
 */
import { PORT_ROWS } from "../../switch/counter_rows.ts";
import {
  RECORD,
  RECORD_BYTES,
  RING_COUNTS_STRIDE,
  RING_COUNTS_WORD,
  RING_HEAD_BYTES,
  RING_HEAD_WORD,
  RING_TAIL_WORD,
} from "../../switch/capture/ring.ts";
import {
  netCsumOffset,
  netCsumStart,
  netFlags,
  netGsoSize,
  netGsoType,
  netHdrLen,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP_L4,
} from "../../virtio/net_header.ts";
import type { InterfaceCounts, Packet } from "./pcapng.ts";

const GSO_NAMES: Readonly<Record<number, string>> = {
  [VIRTIO_NET_HDR_GSO_TCPV4]: "TCPV4",
  [VIRTIO_NET_HDR_GSO_TCPV6]: "TCPV6",
  [VIRTIO_NET_HDR_GSO_UDP_L4]: "UDP_L4",
};

/** Why a frame was dropped, for people. @param counter of a port, by its place */
function dropComment(counter: number): string {
  const [name, , meaning] = PORT_ROWS[counter] ?? ["unknown", "frames", ""];
  return `dropped: ${name}: ${meaning}`;
}

/** What a virtio-net header asks for, as the specification names it. */
function headerComment(view: DataView, at: number): string {
  const parts: string[] = [];
  if ((netFlags(view, at) & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0) {
    parts.push(`NEEDS_CSUM csum_start=${netCsumStart(view, at)}`);
    parts.push(`csum_offset=${netCsumOffset(view, at)}`);
  }
  const type = netGsoType(view, at);
  const gso = type & ~VIRTIO_NET_HDR_GSO_ECN;
  if (gso !== VIRTIO_NET_HDR_GSO_NONE) {
    const ecn = type === gso ? "" : "|ECN";
    parts.push(`gso_type=${GSO_NAMES[gso] ?? gso}${ecn} gso_size=${netGsoSize(view, at)}`);
    parts.push(`hdr_len=${netHdrLen(view, at)}`);
  }
  return `virtio-net: ${parts.join(" ")}`;
}

/** Takes records out of one ring. */
export class RingReader {
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  /** Frames lost of each interface, as the last record of it said. */
  readonly #lost = new Map<number, number>();

  /** The ring's memory, all of it. */
  constructor(memory: ArrayBuffer) {
    this.#view = new DataView(memory);
    this.#words = new Int32Array(memory, 0, RING_HEAD_BYTES / 4);
    this.#bytes = new Uint8Array(memory);
  }

  /** The oldest packets there are, copied, at most so many; their room is free again. */
  take(most: number): Packet[] {
    const packets: Packet[] = [];
    const head = Atomics.load(this.#words, RING_HEAD_WORD);
    let tail = this.#words[RING_TAIL_WORD] ?? 0;
    const end = this.#view.byteLength - RING_HEAD_BYTES;
    while (tail !== head && packets.length < most) {
      const at = RING_HEAD_BYTES + tail;
      if (this.#view.getUint8(at + RECORD.skip) === 0) packets.push(this.#packet(at));
      tail += this.#view.getUint32(at + RECORD.bytes, true);
      if (tail >= end) tail = 0;
    }
    Atomics.store(this.#words, RING_TAIL_WORD, tail);
    return packets;
  }

  #packet(at: number): Packet {
    const view = this.#view;
    const number = view.getUint16(at + RECORD.interface, true);
    const reason = view.getInt32(at + RECORD.reason, true);
    const captured = view.getUint32(at + RECORD.captured, true);
    const lost = view.getUint32(at + RECORD.lost, true);
    const lostBefore = this.#lost.get(number) ?? 0;
    this.#lost.set(number, lost);
    const asks = view.getUint32(at + RECORD.asks, true) !== 0;
    return {
      interface: number,
      whenMs: view.getFloat64(at + RECORD.when, true),
      direction: view.getUint8(at + RECORD.direction),
      data: this.#bytes.slice(at + RECORD_BYTES, at + RECORD_BYTES + captured),
      original: view.getUint32(at + RECORD.original, true),
      lost: lost - lostBefore,
      comments: [
        ...reason < 0 ? [] : [dropComment(reason)],
        ...asks ? [headerComment(view, at + RECORD.header)] : [],
      ],
    };
  }

  /** What became of an interface's frames so far. */
  counts(interfaceNumber: number): InterfaceCounts {
    const word = RING_COUNTS_WORD + RING_COUNTS_STRIDE * interfaceNumber;
    const count = (what: number): number => (this.#words[word + what] ?? 0) >>> 0;
    return { seen: count(0), matched: count(1), lost: count(2) };
  }
}
