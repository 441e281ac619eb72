/**
 * A port without a front-end: behind it are descriptors of this host, its _lanes_, such as the queues
 * of a TAP device. A kind of lane is a class in lib/worker/lanes/; the port knows only that each takes
 * frames and brings some.
 *
 * @module
 */
import { VIRTIO_NET_HDR_MRG_RXBUF_BYTES } from "../../virtio/net_header.ts";
import { Port, type Sink, type Source } from "./port.ts";

/** Kinds of lanes, by the names that commands have for them. */
export const LANE_KINDS = ["tap", "stream", "seqpacket"] as const;

/** One of {@linkcode LANE_KINDS}. */
export type LaneKind = (typeof LANE_KINDS)[number];

/** Bytes of the virtio-net header that queues of TAP devices are set to. */
export const TAP_HEADER_BYTES: number = VIRTIO_NET_HDR_MRG_RXBUF_BYTES;

/** What a lane is made of. */
export interface LaneStart {
  /** Its number on the port. */
  readonly number: number;
  /** Does not block, and stays the control thread's. */
  readonly fd: number;
  /** What its frames may ask for, both ways, OFFLOAD_ bits. */
  readonly offloads: number;
  /** The thread also wakes when the descriptor has room to send, or no more. */
  readonly watchRoom: (on: boolean) => void;
}

/** One descriptor that frames come from and go to. Data-plane thread only. */
export interface Lane extends Source, Sink {
  /** Its number on the port. */
  readonly number: number;
  /** The descriptor, which the control thread owns. Whatever happens there wakes the thread. */
  readonly fd: number;
  /** It woke the thread: there may be frames, or it may have failed. */
  wake(): void;
  /** It is out of service, and gives back what it has. @returns descriptors that came by it */
  release?(): number[];
}

/** One port with lanes. Data-plane thread only. */
export class LanePort extends Port {
  /** Lanes in service, by number; each brings frames, and gets those of its flows. */
  readonly lanes: (Lane | null)[];

  /** Without lanes. @param lanesMax lanes are numbered below this */
  constructor(index: number, counterBase: number, lanesMax: number) {
    super(index, counterBase);
    this.lanes = new Array<Lane | null>(lanesMax).fill(null);
  }

  /** Lanes in service, lowest number first. */
  override refresh(): void {
    this.receivers.length = 0;
    if (!this.adminUp) return;
    for (const lane of this.lanes) if (lane !== null) this.receivers.push(lane);
  }

  /** The same: each is polled. */
  override appendSources(list: Source[]): void {
    this.first = null;
    for (const lane of this.lanes) {
      if (lane === null) continue;
      this.first ??= lane;
      list.push(lane);
    }
  }

  /** Nothing to do. */
  override tick(): void {}
}
