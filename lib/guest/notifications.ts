/**
 * Kicks, calls and errors of a guest's rings: by eventfd, or in messages
 * (vhost-user.rst «In-band notifications»).
 *
 * @module
 */
import {
  closeFd,
  createEventFd,
  drainEventFd,
  receive,
  send,
  signalEventFd,
  socketPair,
} from "../../ffi/mod.ts";
import * as id from "../vhost/wire/message.ts";
import type { FrontEnd } from "./front_end.ts";

/** Messages of the back-end channel. */
const VHOST_USER_BACKEND_IOTLB_MSG = 1;
const VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2;
const VHOST_USER_BACKEND_VRING_CALL = 4;
const VHOST_USER_BACKEND_VRING_ERR = 5;
const REPLY_FLAGS: number = id.VHOST_USER_VERSION | id.VHOST_USER_REPLY_MASK;

/** What the switch asks of a guest's IOMMU, or tells of it. */
export interface IommuMessage {
  /** I/O virtual address. */
  readonly iova: bigint;
  /** Of the range. */
  readonly sizeBytes: bigint;
  /** 1 read, 2 write, 3 both. */
  readonly permission: number;
  /** 1 a translation is missing, 4 its permission does not do. */
  readonly type: number;
  /** It was answered with 0. */
  readonly needReply: boolean;
}

function readIommu(payload: DataView, flags: number): IommuMessage {
  return {
    needReply: (flags & id.VHOST_USER_NEED_REPLY_MASK) !== 0,
    iova: payload.getBigUint64(0, true),
    sizeBytes: payload.getBigUint64(8, true),
    permission: payload.getUint8(24),
    type: payload.getUint8(25),
  };
}

/** The descriptors of a guest's rings, and its back-end channel. Owns them; close it. */
export class Notifications {
  readonly #frontEnd: FrontEnd;
  readonly #inBand: boolean;
  readonly #kick: readonly number[];
  readonly #call: readonly number[];
  readonly #err: readonly number[];
  readonly #channel = socketPair();
  #have: number[] = [];
  /** What came on the channel since the last look, by ring. */
  readonly #calls: number[];
  readonly #errors: number[];
  /** What the switch asked of the IOMMU, or told of it, oldest first. */
  readonly iotlb: IommuMessage[] = [];
  /** Times the configuration was said to have changed. */
  configChanges = 0;
  /** Calls and errors that came as messages. */
  messages = 0;

  /**
   * Makes the descriptors and sends nothing yet. @param inBand kicks go and calls come as messages,
   * no eventfds are sent
   */
  constructor(frontEnd: FrontEnd, rings: number, inBand: boolean) {
    this.#frontEnd = frontEnd;
    this.#inBand = inBand;
    const eventFds = (): number[] => Array.from({ length: rings }, () => createEventFd());
    this.#kick = eventFds();
    this.#call = eventFds();
    this.#err = eventFds();
    this.#calls = new Array<number>(rings).fill(0);
    this.#errors = new Array<number>(rings).fill(0);
  }

  /** Sends SET_BACKEND_REQ_FD; once the feature was negotiated. */
  openChannel(): void {
    this.#frontEnd.message(id.VHOST_USER_SET_BACKEND_REQ_FD, undefined, [this.#channel[1]]);
  }

  /** Says where errors and calls of a ring go. */
  setUp(ring: number): void {
    if (this.#inBand) return;
    const which = id.encodeU64(BigInt(ring));
    this.#frontEnd.message(id.VHOST_USER_SET_VRING_ERR, which, [this.#err[ring] as number]);
    this.#frontEnd.message(id.VHOST_USER_SET_VRING_CALL, which, [this.#call[ring] as number]);
  }

  /** Sends what starts a ring. */
  start(ring: number): void {
    if (this.#inBand) {
      this.kick(ring);
      return;
    }
    const which = id.encodeU64(BigInt(ring));
    this.#frontEnd.message(id.VHOST_USER_SET_VRING_KICK, which, [this.#kick[ring] as number]);
  }

  /** Kicks a ring. */
  kick(ring: number): void {
    if (!this.#inBand) signalEventFd(this.#kick[ring] as number);
    else this.#frontEnd.message(id.VHOST_USER_VRING_KICK, id.encodeVringState(ring, 0));
  }

  /** Calls that came for a ring since the last look. */
  takeCalls(ring: number): number {
    this.read();
    const calls = drainEventFd(this.#call[ring] as number) + (this.#calls[ring] as number);
    this.#calls[ring] = 0;
    return calls;
  }

  /** Whether an error of a ring was signalled since the last look. */
  takeError(ring: number): boolean {
    this.read();
    const errors = drainEventFd(this.#err[ring] as number) + (this.#errors[ring] as number);
    this.#errors[ring] = 0;
    return errors > 0;
  }

  /** Reads and answers what is there on the channel. */
  read(): void {
    const bytes = new Uint8Array(new ArrayBuffer(4096));
    for (;;) {
      const got = receive(this.#channel[0], bytes);
      if (got.bytes <= 0) break;
      this.#have.push(...bytes.subarray(0, got.bytes));
    }
    while (this.#have.length >= id.HEADER_BYTES) {
      const view = new DataView(new Uint8Array(this.#have).buffer);
      const { request, flags, sizeBytes } = id.decodeHeader(view);
      const end = id.HEADER_BYTES + sizeBytes;
      if (this.#have.length < end) return;
      this.#have = this.#have.slice(end);
      if (request === VHOST_USER_BACKEND_IOTLB_MSG) {
        const payload = new DataView(view.buffer, id.HEADER_BYTES, sizeBytes);
        this.iotlb.push(readIommu(payload, flags));
      } else this.#take(request, sizeBytes === 8 ? view.getUint32(id.HEADER_BYTES, true) : 0);
      if ((flags & id.VHOST_USER_NEED_REPLY_MASK) === 0) continue;
      send(this.#channel[0], id.encodeMessage(request, REPLY_FLAGS, id.encodeU64(0n)));
    }
  }

  #take(request: number, ring: number): void {
    if (request === VHOST_USER_BACKEND_CONFIG_CHANGE_MSG) {
      this.configChanges++;
      return;
    }
    let counts: number[] = [];
    if (request === VHOST_USER_BACKEND_VRING_CALL) counts = this.#calls;
    if (request === VHOST_USER_BACKEND_VRING_ERR) counts = this.#errors;
    if (counts[ring] === undefined) throw new Error(`Message ${request} about ring ${ring}`);
    counts[ring]++;
    this.messages++;
  }

  /** Closes the descriptors. */
  close(): void {
    for (const fd of [...this.#channel, ...this.#kick, ...this.#call, ...this.#err]) closeFd(fd);
  }
}
